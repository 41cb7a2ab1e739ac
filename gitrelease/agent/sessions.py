"""Rows of `status --json` about open pages: how many each release still has, since when, and until when they stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gitrelease.core.history import release_name
from gitrelease.edges import process_table
from gitrelease.edges.backends import Backend
from gitrelease.edges.front import FrontControl, FrontGone, FrontStatus
from gitrelease.release.running import Running

_MOVED = 60.0  # seconds after which what could move has moved


def rows(front: FrontControl, running: Running, *, group: str, now: float) -> list[dict[str, Any]]:
    """Return a row for each release whose processes run: live first, then the standby, then the others.

    `open`: pages; `oldest_s`: since the first of them was opened; `ends_in_s`: until they move, None where they may
    stay, or are still there long after: those cannot move. Both None without any. `now` is in seconds since 1970.
    Without an answer of the front there are no rows.
    """
    try:
        state = front.status()
    except FrontGone:
        return []
    return [
        _row(state, number, role, backends, group=group, ends_in_s=_left(moves_at, now))
        for number, role, backends, moves_at in _processes(running)
    ]


def _left(moves_at: float | None, now: float) -> float | None:
    return None if moves_at is None or now > moves_at + _MOVED else max(moves_at - now, 0.0)


def _processes(running: Running) -> Iterator[tuple[int, str, Sequence[Backend], float | None]]:
    if running.live is not None:
        yield running.live.number, "live", running.live.backends, None
    if running.standby is not None:
        yield running.standby.number, "standby", running.standby.backends, running.standby_moves_at
    for slot in reversed(dict.fromkeys(one.backend.slot for one in running.leaving)):
        leaving = [one for one in running.leaving if one.backend.slot == slot]
        yield leaving[0].number, "draining", [one.backend for one in leaving], min(one.moves_at for one in leaving)


def _row(
    state: FrontStatus, number: int, role: str, backends: Sequence[Backend], *, group: str, ends_in_s: float | None
) -> dict[str, Any]:
    ages = [age for one in backends if (age := state.oldest_page_s.get(one.id)) is not None]
    usages = (process_table.usage(one.identity) for one in backends)
    opened = sum(state.pages.get(one.id, 0) for one in backends)
    return {
        "release": release_name(number) if number else None,
        "group": group,
        "role": role,
        "open": opened,
        "oldest_s": round(max(ages), 1) if ages else None,
        "ends_in_s": round(ends_in_s, 1) if opened and ends_in_s is not None else None,
        "memory_mb": round(sum(used.memory_mb for used in usages if used), 1),
    }
