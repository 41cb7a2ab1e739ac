"""Signs, colours and widths: what a line looks like on a terminal that can, and on one that cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.fit import NARROWEST, columns, cut, fitted
from gitrelease.core.signs import MARKS, Look, Told, drawn

COLOURED = Look(signs=True, colour=True, width=80)
SIGNS = Look(signs=True, width=80)


def test_without_a_terminal_a_line_is_its_text() -> None:
    long = "x" * 300

    assert list(drawn([Told("live      release/1", "live"), long], Look())) == ["live      release/1", long]


def test_a_state_has_a_sign_of_its_own_beside_its_colour() -> None:
    assert list(drawn([Told("good", "good"), Told("bad", "refused")], COLOURED)) == [
        "\x1b[38;5;33m✓\x1b[0m good",
        "\x1b[1;38;5;208m✗\x1b[0m bad",
    ]
    assert list(drawn([Told("good", "good"), Told("bad", "refused")], SIGNS)) == ["✓ good", "✗ bad"]


def test_no_two_states_are_told_apart_by_their_colour_alone() -> None:
    by_sign = {}
    for mark in MARKS.values():
        by_sign.setdefault(mark.sign, set()).add(mark.colour)

    assert {sign for sign, colours in by_sign.items() if len(colours) > 1} == {"-"}  # removed, and passed over


def test_where_only_ascii_can_be_shown_signs_and_arrows_are_ascii() -> None:
    told = [Told(f"{key} → there…", key) for key in MARKS]

    assert all(line.isascii() for line in drawn(told, Look(signs=True, simple=True, width=80)))


def test_a_sign_that_stands_in_the_text_is_not_shown_twice() -> None:
    lines = [Told("✓ 6 checks passed", "passed"), Told("      + carbon", "added"), "      esg"]

    assert list(drawn(lines, SIGNS)) == ["✓ 6 checks passed", "        + carbon", "        esg"]


def test_a_state_that_is_not_in_the_table_has_no_sign() -> None:
    assert list(drawn([Told("x", "of a newer version"), Told("y", "ok")], SIGNS)) == ["  x", "✓ y"]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        pytest.param("release", 7, id="ASCII"),
        pytest.param("発行", 4, id="East Asia: two each"),
        pytest.param("🚀", 2, id="a picture: two"),
        pytest.param("e\u0301", 1, id="an accent: none"),
    ],
)
def test_wide_characters_count_two(text: str, width: int) -> None:
    assert columns(text) == width


def test_what_goes_on_stands_below_the_last_cell() -> None:
    assert fitted("live      release/1, dictionary, since yesterday", 30) == [
        "live      release/1,",
        "          dictionary, since",
        "          yesterday",
    ]


def test_blanks_before_the_last_cell_make_way_before_a_line_is_broken() -> None:
    assert fitted("stage     slot a, 6 checks passed            1.6 s", 40) == [
        "stage     slot a, 6 checks passed  1.6 s"
    ]


def test_an_address_stays_whole_and_can_be_copied() -> None:
    address = "http://127.0.0.1:8600/?token=" + "x" * 43

    assert fitted(f"the page is at {address}", 40) == ["the page is at", address]


def test_what_is_cut_ends_with_an_ellipsis_within_the_width() -> None:
    assert cut("発行発行発行", 8) == "発行発…"
    assert cut("short", 8) == "short"


@given(st.text(alphabet=st.sampled_from("ab 発é🚀-./")), st.integers(NARROWEST, 90))
def test_no_line_is_wider_than_it_may_be_and_nothing_but_blanks_is_lost(text: str, width: int) -> None:
    lines = fitted(text, width)

    assert all(columns(line) <= width or "/" in line for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
