"""A sketch is a value as well: a path for each instance, cut where nothing was sampled; strokes for releases."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from gitrelease.dashboard.sketches import sketch
from tests.core.test_charts import NOON, clock_of_the_host, release, row  # noqa: F401  # a fixture

LINE = re.compile(r'class="line" d="([^"]*)"')


def drawn(rows, releases=(), measure="cpu"):
    picture = sketch(rows, releases, measure, since=NOON - 3600, until=NOON, points=60)
    return ElementTree.fromstring(picture), LINE.findall(picture)  # noqa: S314  # ours


def test_a_line_is_cut_where_nothing_was_sampled():
    _, (line,) = drawn([row(NOON - 3600), row(NOON - 3570), row(NOON - 600), row(NOON - 570)])

    assert re.sub(r"[\d. ]+", "", line) == "MLML"


def test_each_instance_has_a_line_of_its_own():
    _, lines = drawn([row(NOON - 60), row(NOON - 30), row(NOON - 3600, instance="second")])

    assert [re.sub(r"[\d. ]+", "", line) for line in lines] == ["ML", "M"]


def test_what_did_not_answer_is_not_drawn():
    _, (line,) = drawn([row(NOON - 60)], measure="answer")

    assert line == ""


def test_higher_is_more_and_the_axis_ends_above_the_most():
    picture, (line,) = drawn([row(NOON - 60, cpu=0.0), row(NOON - 30, cpu=17.0)])

    low, high = (float(point.split()[1]) for point in re.split("[ML]", line)[1:])
    assert low > high
    assert "20" in [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]


def test_clocks_are_the_hosts():
    picture, _ = drawn([row(NOON - 3600)])

    assert "17:30" in [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("rows", [[], [row(NOON - 60, cpu=0.0)], [row(NOON, cpu=1e-9)], [row(NOON - 1, cpu=123456.0)]])
def test_whatever_was_sampled_is_a_picture(rows):
    picture, _ = drawn(rows)

    assert picture.tag.endswith("svg")


def test_releases_are_strokes_those_at_one_place_are_one_and_none_has_words_of_a_person():
    picture = sketch(
        [row(NOON - 3600)], [release(3, NOON - 70), release(2, NOON - 70.1), release(1, 0)], "cpu",
        since=NOON - 3600, until=NOON, points=60,
    )  # fmt: skip

    (strokes,) = re.findall(r'class="releases" d="([^"]*)"', picture)
    assert strokes.count("M") == 1
    assert "<b>" not in picture
