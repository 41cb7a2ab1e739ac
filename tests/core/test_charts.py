"""What is drawn is a value: lines end where nothing was sampled, marks stand for releases, clocks are the host's."""

from __future__ import annotations

import time

import pytest

from gitrelease.dashboard.charts import chart
from gitrelease.edges.samples import Row

NOON = 1_767_614_400.0  # 2026-01-05 12:00:00 UTC


@pytest.fixture(autouse=True)
def clock_of_the_host(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def row(at, *, instance="primary", cpu=1.0):
    return Row(
        instance=instance, at=at, release=1, samples=1, cpu=cpu, cpu_peak=cpu, memory=1.0, memory_peak=1.0, threads=1,
        sessions=0, restarts=0, answer=None, answer_peak=None, errors=0, unanswered=1,
    )  # fmt: skip


def release(number, at):
    return {"release": f"release/{number}", "at": at, "kind": "dictionary", "outcome": "rolled_back", "summary": "<b>"}


def drawn(rows, releases=(), measure="cpu"):
    marks, lines = chart(rows, releases, measure, since=NOON - 3600, until=NOON, points=60)["layer"]
    return marks["data"]["values"], lines["data"]["values"], lines["encoding"]["x"]


def test_a_line_is_cut_where_nothing_was_sampled():
    _, points, _ = drawn([row(NOON - 3600), row(NOON - 3570), row(NOON - 600)])

    assert [point["value"] for point in points] == [1.0, 1.0, None, 1.0]


def test_the_next_instance_begins_a_line_of_its_own():
    _, points, _ = drawn([row(NOON - 60), row(NOON - 3600, instance="second")])

    assert [point["instance"] for point in points] == ["primary", "second"]


def test_what_did_not_answer_has_no_value():
    _, points, _ = drawn([row(NOON - 60)], measure="answer")

    assert points[0]["value"] is None


def test_times_are_those_of_the_host_wherever_the_browser_is():
    _, points, axis = drawn([row(NOON - 3600)])

    assert time.gmtime(points[0]["at"] / 1000)[:5] == (2026, 1, 5, 16, 30)
    assert axis["scale"]["type"] == "utc"
    assert axis["scale"]["domain"][1] == {
        "year": 2026, "month": 1, "date": 5, "hours": 17, "minutes": 30, "seconds": 0, "utc": True,
    }  # fmt: skip


def test_the_axis_begins_where_the_samples_do():
    _, _, axis = drawn([row(NOON - 300)])

    assert (axis["scale"]["domain"][0]["hours"], axis["scale"]["domain"][0]["minutes"]) == (17, 25)


def test_releases_of_one_stretch_are_one_mark_and_none_lies_outside():
    marks, _, _ = drawn(
        [row(NOON - 3600)], [release(4, NOON - 70), release(3, NOON - 80), release(2, NOON - 900), release(1, 0)]
    )

    assert [mark["release"] for mark in marks] == ["release/4 and 1 before", "release/2"]


def test_nothing_that_a_person_wrote_is_in_a_mark():
    marks, _, _ = drawn([row(NOON - 3600)], [release(4, NOON - 60)])

    assert marks == [
        {
            "at": marks[0]["at"], "release": "release/4", "kind": "dictionary", "outcome": "rolled back",
            "when": "2026-01-05 17:29:00",
        }
    ]  # fmt: skip
