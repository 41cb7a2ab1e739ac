"""Rules and words for open pages: which old backends must give up theirs, and how that reads. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from gitrelease.core.text import counted, one_line

Name = TypeVar("Name")


def beyond_kept(slots: Sequence[Name], keep: int) -> frozenset[Name]:
    """Return the slots that have to be given up: all but the newest `keep`.

    `slots` are those of the old backends, oldest first; backends of several instances share one.
    """
    distinct = list(dict.fromkeys(slots))
    return frozenset(distinct[: max(len(distinct) - keep, 0)])


def in_minutes(seconds: float) -> str:
    """Return a length of time as people say it: `45 s`, `30 min`, `2 h`; rounded up, so that it is not too little."""
    for length, unit in ((1, "s"), (60, "min"), (3600, "h")):
        count = -int(-seconds // length)
        if count < 100 or unit == "h":
            return f"{count} {unit}"
    raise AssertionError("the last unit takes any length")


def staying_pages(count: int, release: str, seconds: float) -> str:
    """Say how many pages stay on an old release and for how long at most; nothing where there are none."""
    if not count:
        return ""
    stay = "stays" if count == 1 else "stay"
    return f"{counted(count, 'open page')} {stay} on {release} for up to {in_minutes(seconds)}"


def moving_pages(count: int) -> str:
    """Say how many pages are on their way to a process that was just named; nothing where there are none."""
    return f"{counted(count, 'open page')} {'moves' if count == 1 else 'move'} there" if count else ""


def moved_pages(moved: int, stayed: int, release: str, why: Iterable[str] = ()) -> str:
    """Say how many pages moved to `release`, how many could not and why; nothing where there were none."""
    if not moved and not stayed:
        return ""
    if not moved:
        head = f"{counted(stayed, 'open page')} could not move to {release}"
    else:
        head = f"{counted(moved, 'open page')} moved to {release}"
        head += f", {stayed} could not" if stayed else ""
    reasons = "; ".join(dict.fromkeys(why))
    return f"{head}: {one_line(reasons, 200)}" if stayed and reasons else head
