"""What is offered comes back from a shell as the very word that it was."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.completion import Offer, Typed, can_be_typed, for_bash, read_line, with_words


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        pytest.param("gitrelease ", Typed([], ""), id="nothing yet"),
        pytest.param("gitrelease ro", Typed([], "ro"), id="a verb"),
        pytest.param("gitrelease -C '/srv/my app' ", Typed(["-C", "/srv/my app"], ""), id="a quoted folder"),
        pytest.param("gitrelease show 'release/1", Typed(["show"], "release/1", quoted=True), id="an open quotation"),
        pytest.param(r"gitrelease --only two\ wo", Typed(["--only"], "two wo"), id="a blank that was escaped"),
        pytest.param("gitrelease --only two\\", Typed(["--only"], "two"), id="a backslash at the end"),
        pytest.param("gitrelease show $(id) #", Typed(["show", "$(id)"], "#"), id="nothing is expanded"),
    ],
)
def test_a_line_is_read_as_a_shell_reads_it(line, typed):
    assert read_line(line) == typed


@given(st.text())
def test_every_line_can_be_read(line):
    read_line(f"gitrelease {line}")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1).filter(can_be_typed))
def test_what_bash_is_given_is_one_word_and_the_very_one(value):
    (written,) = for_bash([Offer(value)], Typed(["show"], ""), "")

    assert shlex.split(written) == [value]


@pytest.mark.parametrize(
    ("typed", "replaced", "value", "written"),
    [
        pytest.param(Typed([], "--to=ca"), "ca", "--to=canary", "canary", id="behind an equals sign"),
        pytest.param(Typed([], "--to="), "", "--to=canary", "canary", id="just behind it"),
        pytest.param(Typed([], "me@ho"), "@ho", "me@home", "@home", id="from an at sign on"),
        pytest.param(Typed([], "a$(b"), r"a\$\(b", "a$(b)", r"a\$\(b\)", id="what bash was given before"),
    ],
)
def test_bash_is_given_the_part_that_it_replaces(typed, replaced, value, written):
    assert list(for_bash([Offer(value)], typed, replaced)) == [written]


def test_an_odd_name_is_not_offered_inside_of_a_quotation_in_bash():
    offers = [Offer("plain"), Offer("o d d")]

    assert list(for_bash(offers, Typed([], "", quoted=True), "")) == ["plain"]


@pytest.mark.parametrize("value", ["", "-x", ":folders", "two\nlines", "a\tb", "a\x1b[2Jb", "a\u202eb", "a\udcffb"])
def test_what_a_line_cannot_hold_is_not_offered(value):
    assert not can_be_typed(value)


def test_what_is_said_of_an_offer_stays_on_its_line():
    assert list(with_words([Offer("a", "two\nlines\tmore"), Offer("b")])) == ["a\ttwo lines more", "b"]
