"""The history as a spreadsheet and as Markdown: what people wrote is shown, and does nothing."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gitrelease.core.sheets import COLUMNS, as_csv, as_markdown, pages_moved, why_left
from gitrelease.core.text import in_cell, in_markdown, one_line

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2",
    "@SUM(1)",
    "\uff1d1+1",
    "\t=1",
    'a "quoted", one; two\r\nthree',
    "[link](http://evil.example) ![image](http://evil.example/x.png)",
    "<script>alert(1)</script> &lt; <b>bold</b>",
    "a | b \\| c \\\\| d",
    "`code` *strong* _em_ ~~gone~~ # no heading",
    "https://evil.example www.evil.example mallory@evil.example",
    "\x1b[31mred\u202eright to left",
)


def release(number: int, **more: Any) -> dict[str, Any]:
    return {
        "release": f"release/{number}", "commit": "c" * 40, "kind": "dictionary", "risk": "low", "outcome": "good",
        "trigger": "push", "by": "ann", "at": 1_700_000_000.0, "summary": "terms +1", "seconds": 1.5, "pinned": False,
        "rolled_back": None, "groups": ["production"], "pages": [], **more,
    }  # fmt: skip


def attempt(**more: Any) -> dict[str, Any]:
    return {
        "commit": "d" * 40, "trigger": "push", "outcome": "refused", "over": False, "reason": "it is broken",
        "by": "ben", "at": 1_700_000_000.0, **more,
    }  # fmt: skip


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def inline(markdown: str) -> list[Any]:
    """Return the tokens of the text in Markdown, with what would be a link, an image or HTML as such."""
    parsed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    assert [token.type for token in parsed if token.type in ("html_block", "fence", "heading_open")] == []
    return [child for token in parsed for child in token.children or ()]


def test_what_became_of_open_pages_is_told_for_each_release_they_went_to() -> None:
    lost = "cart: an object of the app's own class"
    row = release(4, pages=[
        {"to": "release/3", "moved": 7, "stayed": 1, "why": ["no cookie"], "dropped": [lost]},
        {"to": "release/5", "moved": 1, "stayed": 0, "why": [], "dropped": []},
    ])  # fmt: skip
    said = f"7 open pages moved to release/3, 1 could not: no cookie; not carried: {lost}"
    told = {"group": "production", "releases": [row], "attempts": []}

    assert pages_moved(row) == [said, "1 open page moved to release/5"]
    assert pages_moved(release(4)) == []
    assert read(as_csv(told, None))[0]["pages"] == f"{said}; 1 open page moved to release/5"
    assert said in as_markdown(told, None)


# -- a spreadsheet -----------------------------------------------------------------------------------------------------


def test_a_sheet_has_a_header_a_row_a_release_and_a_row_an_attempt_that_became_none() -> None:
    told = {
        "group": "production",
        "releases": [release(2), release(1)],
        "attempts": [attempt(), attempt(outcome="released")],
    }

    text = as_csv(told, None)

    assert text.split("\r\n")[0] == ",".join(COLUMNS)
    assert text.endswith("\r\n")
    assert [(row["what"], row["release"], row["at"]) for row in read(text)] == [
        ("release", "release/2", "2023-11-14T22:13:20Z"),
        ("release", "release/1", "2023-11-14T22:13:20Z"),
        ("attempt", "", "2023-11-14T22:13:20Z"),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_every_cell_is_read_back(text: str) -> None:
    row = read(
        as_csv(
            {
                "group": "production",
                "releases": [release(1, summary=text, by=text)],
                "attempts": [attempt(reason=text)],
            },
            None,
        )
    )

    for cell in (row[0]["summary"], row[0]["by"], row[1]["summary"]):
        assert not cell.startswith(("=", "+", "-", "@", "\uff1d", "\t"))
        assert cell.removeprefix("'") == one_line(text)


@given(st.text())
def test_a_cell_is_the_text_or_the_text_behind_an_apostrophe(text: str) -> None:
    assert in_cell(text) in (one_line(text), f"'{one_line(text)}")


def test_secrets_are_in_no_table() -> None:
    told = {
        "group": "production",
        "releases": [release(1, summary="API_TOKEN=hunter2hunter2")],
        "attempts": [attempt(reason="PASSWORD=abc")],
    }

    assert "hunter2" not in as_csv(told, None) + as_markdown(told, None)
    assert "abc" not in as_csv(told, None) + as_markdown(told, None)


# -- Markdown ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_wrote_is_one_cell_of_plain_text(text: str) -> None:
    page = as_markdown(
        {"group": "production", "releases": [release(1, summary=text, by=text)], "attempts": [attempt(reason=text)]},
        None,
    )

    rows = [line for line in page.splitlines() if line.startswith("| release/1") or line.startswith("| ddd")]
    parsed = MarkdownIt("commonmark").enable("table").parse(page)
    assert len(rows) == 2
    assert sum(token.type == "td_open" for token in parsed) == 8 + 6
    assert {token.type for token in inline(page)} <= {"text", "text_special"}


@given(st.text())
def test_markdown_shows_the_very_text(text: str) -> None:
    shown = "".join(token.content for token in inline(f"- said: {in_markdown(text)} end"))

    assert shown.split() == f"said: {one_line(text)} end".split()


@pytest.mark.parametrize("text", ["http://evil.example", "HTTPS://evil.example", "www.evil.example", "a@evil.example"])
def test_nothing_is_left_that_becomes_a_link_without_brackets(text: str) -> None:
    said = in_markdown(text).lower()

    assert "http://" not in said
    assert "https://" not in said
    assert "www." not in said
    assert "@" not in said


# -- why it went back --------------------------------------------------------------------------------------------------


def test_a_release_says_why_it_was_rolled_back_and_by_whom() -> None:
    asked = {"reason": "it is slow", "by": "ann", "at": 1.0, "to": "release/1", "automatic": False}
    alone = {**asked, "reason": "it failed its soak", "by": "agent", "automatic": True}
    lost = {"reason": "release/2 was rolled back by ann", "by": None, "at": None, "to": None, "automatic": None}

    assert why_left(release(2, rolled_back=asked)) == "rolled back by ann to release/1: it is slow"
    assert why_left(release(2, rolled_back=alone)) == "rolled back by itself to release/1: it failed its soak"
    assert why_left(release(2, rolled_back=lost)) == "release/2 was rolled back by ann"
    assert why_left(release(2)) == ""
    assert json.dumps(release(2, rolled_back=lost))
