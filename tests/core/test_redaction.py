"""Secrets in what is quoted are hidden, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.redaction import HIDDEN, redacted

SECRET = "s3cr3tS3cr3tS3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f"https://ann:{SECRET}@git.example.com/app.git",
        f"https://{SECRET}@git.example.com/app.git",
        f"postgresql://app:{SECRET}@db/app",
        f"GET /v1?token={SECRET}&page=2",
        f"GET /v1?page=2&key={SECRET}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"export DB_PASSWORD='{SECRET} with blanks'",
        f"API_TOKEN = {SECRET}",
        f"the environment was {{'client_secret': '{SECRET}', 'port': 1}}",
        f'{{"apiKey": "{SECRET}"}}',
        f"password={SECRET}",
        f"psql --password {SECRET} app",
        f"serve --token={SECRET} --port 1",
        f"serve --api-key {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"'Authorization': 'Basic {SECRET}'",
        f"authorization={SECRET}",
        f"sent Bearer {SECRET}",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY----- {SECRET} cut off",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + SECRET,
        "MYSQL_PWD=" + SECRET,
    ],
)
def test_a_secret_is_hidden(text: str) -> None:
    shown = redacted(f"before {text} after")

    assert SECRET not in shown
    assert "IOSFODNN7" not in shown
    assert HIDDEN in shown
    assert shown.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "terms +2 (carbon footprint, esg score)",
        "server.py:12: KeyError: 'key'",
        "sorted(rows, key=len)",
        "unexpected token: 'x' in line 3",
        "pid 4711: python -m http.server --port 8000",
        "https://git.example.com/app.git?page=2",
        "ssh://git@git.example.com/app.git",
        "password is not set",
        "revenue=12, secret sauce = 3 m",
        "commit 1234567890abcdef1234567890abcdef12345678",
        "session: 3 of 4 keys: 'revenue', 'profit'",
    ],
)
def test_an_ordinary_text_is_left_alone(text: str) -> None:
    assert redacted(text) == text


PIECES = st.sampled_from(
    [
        "://", "@", ":", "=", "?", "&", "key", "KEY", "TOKEN", "--token", "--password", " ", "'", '"', "\n", "a",
        "https",
        "Authorization", "Bearer", "***", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "sk-", "x" * 20,
        ",", ";", ".", "-", "_", "secret", "basic", "(", ")",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join))


@given(TEXTS)
def test_hiding_twice_hides_no_more(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


@given(TEXTS)
def test_a_text_grows_by_no_more_than_the_mark_of_each_secret(text: str) -> None:
    assert len(redacted(text)) <= 3 * len(text)


@given(st.text(alphabet="abcdefghij ,.\n", max_size=300))
def test_words_alone_are_never_touched(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("piece", ["a", "://", "a=", '="', "--token ", "https://a", "-----BEGIN PRIVATE KEY", "KEY='"])
def test_the_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    """A tenth of a megabyte of the worst kind takes well under a second; a quadratic rule would take minutes."""
    assert len(redacted(piece * (100_000 // len(piece)))) > 0
