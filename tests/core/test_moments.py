"""Moments as people read them: how long ago, and what the clock showed, in the zone of the host or of TZ."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from gitrelease.core.moments import since, when, zoned


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


NOW = "2026-11-27T16:05:00+01:00"


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("moment", "told"),
    [
        pytest.param("2026-11-27T14:03:07+01:00", "2 h ago, 14:03", id="today: the time"),
        pytest.param("2026-11-27T13:03:07+00:00", "2 h ago, 14:03", id="given in another zone"),
        pytest.param("2026-11-26T23:59:00+01:00", "16 h ago, Thu 23:59", id="yesterday, though hours ago"),
        pytest.param("2026-11-21T14:03:00+01:00", "6 days ago, Sat 14:03", id="this week: its name"),
        pytest.param(
            "2026-11-20T14:03:00+01:00", "7 days ago, 20 Nov 14:03", id="a week ago the name would be today's"
        ),
        pytest.param("2025-11-27T14:03:00+01:00", "365 days ago, 27 Nov 2025", id="another year: the day alone"),
        pytest.param("2026-07-01T12:00:00+00:00", "149 days ago, 1 Jul 14:00", id="in summer time"),
        pytest.param("2026-11-27T18:30:00+01:00", "in 2 h, 18:30", id="to come"),
        pytest.param("2026-12-03T18:30:00+01:00", "in 6 days, Thu 18:30", id="to come this week"),
        pytest.param("2027-01-03T18:30:00+01:00", "in 37 days, 3 Jan 2027 18:30", id="to come next year: its time too"),
        pytest.param("2026-11-27T16:05:00+01:00", "0 s ago, 16:05", id="now"),
    ],
)
def test_a_moment_is_told_by_its_distance_and_by_the_clock_of_the_host(moment: str, told: str) -> None:
    assert when(at(moment), at(NOW)) == told


@pytest.mark.usefixtures("berlin")
def test_the_hour_that_comes_twice_is_told_apart_by_its_zone() -> None:
    first, second = at("2026-10-25T02:30:00+02:00"), at("2026-10-25T02:30:00+01:00")

    assert when(first, second) == "1 h ago, 02:30"
    assert (zoned(first), zoned(second)) == ("2026-10-25 02:30:00 +0200 CEST", "2026-10-25 02:30:00 +0100 CET")


@pytest.mark.usefixtures("berlin")
def test_what_goes_on_is_told_by_its_begin() -> None:
    assert since(at("2026-11-27T15:05:00+01:00"), at(NOW)) == "since 15:05, 1 h ago"
