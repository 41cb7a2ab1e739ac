"""What do backends use? The kernel's table is read once for all of them; CPU is what was spent between two looks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from gitrelease.core import errorlines
from gitrelease.core.settings import App
from gitrelease.edges import probes
from gitrelease.edges.backends import NAME, Backend
from gitrelease.edges.logfiles import Growing, Lines
from gitrelease.edges.process_table import TICK, Member, Tree, table

ANSWER_LIMIT = 2.0  # seconds
MOST_OUTPUT = 8 << 20  # bytes of one log that are looked at between two looks, the newest; the rest is not counted


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend uses just now, its children included."""

    running: bool
    cpu_percent: float | None  # of one core since the look before; None at the first look
    memory_mb: float
    threads: int
    answer_ms: float | None
    error_lines: int


class Gauge:
    """Reads backends again and again; one that was not there before is measured from its start."""

    def __init__(self) -> None:
        self._meters: dict[str, _Meter] = {}
        self._looked: float | None = None  # seconds since the host's start

    def read(self, app: App, backends: Mapping[str, tuple[Backend, int]]) -> dict[str, Reading]:
        """Return a reading for each; with every backend comes where in its log its users' time begins."""
        members = list(table())
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        ids = {backend.id for backend, _ in backends.values()}
        self._meters = {name: meter for name, meter in self._meters.items() if name in ids}
        readings = {}
        for name, (backend, offset) in backends.items():
            meter = self._meters.get(backend.id)
            if meter is None:
                meter = self._meters[backend.id] = _Meter(backend, offset if self._looked is not None else None)
            readings[name] = meter.read(app, members, now, since=self._looked)
        self._looked = now
        return readings


class _Meter:
    """One backend: its processes as they were at the last look, and how far its log was read."""

    def __init__(self, backend: Backend, offset: int | None) -> None:
        self._backend = backend
        self._tree = Tree(backend.identity, NAME, backend.log)
        self._before: dict[tuple[int, int], Member] = {}
        self._at: float | None = None
        log = Path(backend.log)
        self._log = Growing(log, offset) if offset is not None else Growing.at_end(log)
        self._lines = Lines(self._log)

    def read(self, app: App, listed: Sequence[Member], now: float, *, since: float | None) -> Reading:
        members = self._tree.members(listed)
        running = any(one.pid == self._backend.identity.pid for one in members)
        return Reading(
            running=running,
            cpu_percent=self._cpu(members, now, since),
            memory_mb=round(_memory(members), 1),
            threads=sum(one.threads for one in members),
            answer_ms=self._answer(app) if running else None,
            error_lines=self._errors(),
        )

    def _cpu(self, members: Sequence[Member], now: float, since: float | None) -> float | None:
        before, now_there = self._before, {(one.pid, one.started): one for one in members}
        began = self._at
        if began is None and since is not None and members and members[0].age(now) - TICK <= now - since:
            began = now - members[0].age(now)  # it was started after the last look at the others
        self._before, self._at = now_there, now
        if began is None or not members or now <= began:
            return None
        return round(100 * spent_between(before, now_there) / max(now - began, 0.01), 1)

    def _answer(self, app: App) -> float | None:
        begun = time.monotonic()
        well, _ = probes.healthy(app, self._backend.endpoint, timeout=ANSWER_LIMIT)
        return round(1000 * (time.monotonic() - begun), 1) if well else None

    def _errors(self) -> int:
        self._log.skip(leave=MOST_OUTPUT)
        found, left = 0, self._log.behind()
        while left > 0:
            behind = self._log.behind()
            found += errorlines.count(self._lines.read())
            left -= max(behind - self._log.behind(), 1)
        return found


def spent_between(before: Mapping[tuple[int, int], Member], now: Mapping[tuple[int, int], Member]) -> float:
    """Return the seconds of processor time between two looks at the processes of a backend.

    A child that has ended meanwhile is in what its parent inherited, with what of it was counted before.
    """
    own = inherited = 0.0
    for key, one in now.items():
        earlier = before.get(key)
        own += one.spent - (earlier.spent if earlier else 0)
        inherited += one.inherited - (earlier.inherited if earlier else 0)
    counted = sum(one.spent + one.inherited for key, one in before.items() if key not in now)
    return own + max(inherited - counted, 0)


def _memory(members: Sequence[Member]) -> float:
    """Return megabytes: what the first has, and of each other what it shares with nobody."""
    if not members:
        return 0.0
    leader, *others = members
    return leader.resident_mb + sum(one.private_mb() for one in others)
