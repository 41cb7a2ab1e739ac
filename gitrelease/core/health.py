"""When is a release that runs not well any more? Rules over what was seen; no clock, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

# What Streamlit writes to its output when a user's session meets an exception, or the script does not compile.
SOAK_MARKERS = ("Uncaught app execution", "Script compilation error")

FAILURES_IN_A_ROW = 3
CRASHES_ALLOWED = 3
CRASH_WINDOW = 300.0  # seconds
LONGEST_PAUSE = 60.0  # seconds


def unhealthy(failures_in_a_row: int) -> bool:
    """One missed answer is a busy moment, three in a row are a backend that is gone."""
    return failures_in_a_row >= FAILURES_IN_A_ROW


AT_WORK = 0.05  # of one processor; threads that only wait wake now and then


def at_work(spent: float, elapsed: float, *, runnable: bool) -> bool:
    """Does a process that does not answer do something: `spent` seconds of a processor in the `elapsed` ones, or waits
    for one? Who parses a large document, or stands in a queue of a busy host, answers again.
    """
    return runnable or spent >= AT_WORK * elapsed


def crashed_too_often(crashes: Sequence[float], *, now: float) -> bool:
    """Has the live release crashed three times within five minutes? `crashes` are moments in seconds."""
    return recent(crashes, now=now) >= CRASHES_ALLOWED


def recent(crashes: Sequence[float], *, now: float) -> int:
    """Return how many of the `crashes` count, at `now`."""
    return sum(now - crash < CRASH_WINDOW for crash in crashes)


def pause_after(failures_in_a_row: int) -> float:
    """Return for how many seconds a start that has failed is not tried again: 1, 2, 4 and so on, a minute at most."""
    return min(2.0 ** min(failures_in_a_row - 1, 10), LONGEST_PAUSE)
