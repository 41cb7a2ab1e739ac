"""How did production stand over time? Every instance is sampled again and again, in a thread that nobody waits for."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from gitrelease.agent.background import guarded, log
from gitrelease.core.samples import Sample
from gitrelease.core.settings import Monitor, seconds
from gitrelease.edges.gauge import Gauge
from gitrelease.edges.samples import HELD, Damaged, History, code
from gitrelease.release.production import Production
from gitrelease.release.sampling import sample

TRIM = 600.0  # seconds between two looks at age and size of what is kept
KEPT_BACK = 20  # rounds that wait for a disk with room, or for who holds the file; then it is put aside
JUMP = 60.0  # seconds that the clock of the host may go wrong between two looks

Clock = Callable[[], float]


class Sampler(threading.Thread):
    """Samples what is live until `stop`."""

    def __init__(self, production: Production, others: Callable[[], Sequence[Production]]) -> None:
        """`others` are the groups beside production, as they come and go: one history has all instances."""
        super().__init__(name="sampler", daemon=True)
        self._production, self._others = production, others
        self._gauges: dict[str, Gauge] = {}  # by group
        self._keeper = Keeper(History(production.world.home.samples))
        self._over = threading.Event()

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        guarded("the sampler", lambda _: self._sample(keep=False))
        while not self._over.wait(seconds(self._production.world.settings.monitor.every)):
            guarded("the sampler", lambda _: self._sample())
        self._keeper.close()

    def _sample(self, *, keep: bool = True) -> None:
        taken: list[Sample] = []
        for one in (self._production, *self._others()):
            gauge = self._gauges.setdefault(one.world.group, Gauge())
            taken += sample(gauge, one.world.settings.app, one.running, one.front)
        if keep and taken:
            self._keeper.keep(taken, self._production.world.settings.monitor)


class Keeper:
    """Writes what was sampled; what cannot be written just now waits, and a file that cannot be used is put aside."""

    def __init__(self, history: History, *, wall: Clock = time.time, monotonic: Clock = time.monotonic) -> None:
        self._history, self._wall, self._monotonic = history, wall, monotonic
        self._waiting: deque[list[Sample]] = deque(maxlen=KEPT_BACK)
        self._told = ""  # what is in the log already
        self._trim_at = monotonic()
        self._apart: float | None = None  # how far apart both clocks were at the last look

    def keep(self, taken: list[Sample], settings: Monitor) -> None:
        """Write a round of samples, and those that wait."""
        self._waiting.append(taken)
        try:
            self._history.add([one for taken in self._waiting for one in taken])
            self._waiting.clear()
            self._told = ""
            self._trim(settings)
        except Damaged as error:
            self._put_aside(error.message)
        except (sqlite3.Error, OSError) as error:
            if len(self._waiting) == KEPT_BACK and isinstance(error, sqlite3.Error) and code(error) in HELD:
                self._put_aside(f"somebody has held it for {KEPT_BACK} samples")
            else:
                self._tell(f"samples cannot be written: {error}; they are tried again")

    def close(self) -> None:
        self._history.close()

    def _trim(self, settings: Monitor) -> None:
        """Look at size and age every now and then.

        A clock that has jumped since the last look makes nothing old: it may jump back before the next one.
        """
        if self._monotonic() < self._trim_at:
            return
        self._trim_at = self._monotonic() + TRIM
        apart = self._wall() - self._monotonic()
        steady = self._apart is not None and abs(apart - self._apart) < JUMP
        self._apart = apart
        since = self._wall() - seconds(settings.keep) if steady else float("-inf")
        self._history.trim(since=since, most=settings.history_mb << 20)

    def _put_aside(self, why: str) -> None:
        try:
            aside = self._history.put_aside()
        except OSError as error:
            self._tell(f"{why}, and it cannot be put aside: {error}")
        else:
            log.warning("%s: put aside as %s, a new one is begun", why, aside)

    def _tell(self, what: str) -> None:
        """Log what goes wrong, once as long as it stays the same."""
        if what != self._told:
            self._told = what
            log.warning("%s", what)
