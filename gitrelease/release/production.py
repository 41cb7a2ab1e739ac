"""What serves the users now, what stands by, what is on its way out? Kept on disk for the next agent."""

from __future__ import annotations

import enum
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from gitrelease.core.diff import Diff
from gitrelease.core.errors import SettingsError
from gitrelease.core.memory import Memory
from gitrelease.core.settings import seconds
from gitrelease.edges import backends, limits, probes, process_table, processes
from gitrelease.edges import front as fronts
from gitrelease.edges.backends import MARK, Backend
from gitrelease.edges.faults import passing
from gitrelease.edges.front import FrontControl, FrontGone, Target
from gitrelease.edges.home import write_atomically
from gitrelease.release.running import Leaving, Running, Serving, Worker
from gitrelease.world import World

log = logging.getLogger("gitrelease.agent")

# Sessions on a release that went bad are moved on soon; requests that are under way may end.
BAD_LINGER = 20.0
BAD_WAIT = 2.0  # seconds that a run gets that is under way there
# Seconds in which a page that moves is through, once its run has ended, and shows nothing more of its old process.
MOVE_MARGIN = 20.0
FRONT_LIMIT = 5.0  # seconds in which a front that died is back


class Fate(enum.Enum):
    """What becomes of a backend that another one replaces."""

    STANDS_BY = "stands by"  # it stays warm for a rollback, its pages with it
    LEAVES = "leaves"  # its pages stay for `limits.linger`, then they move
    REPLACED = "replaced"  # another process runs the same release: its pages move at once
    BAD = "bad"  # likewise, and a run under way gets little time


@dataclass
class PageMoves:
    """What became of the pages of a backend that has to end. `lock` is held while some of them move."""

    moved: int = 0
    moved_at: float = 0.0  # the last of them; seconds since 1970
    shown_at: float = 0.0  # until then all that had moved were run in their new processes; likewise
    stayed: dict[str, str] = field(default_factory=dict)  # why, by session
    again: set[str] = field(default_factory=set)  # those that may move later: just reconnecting, say
    open: set[str] = field(default_factory=set)  # sessions whose pages were there at the last look
    told: set[str] = field(default_factory=set)  # sessions of which it was written down that they stayed
    coming: set[str] = field(default_factory=set)  # sessions that were open when they moved: their pages are on the way
    dropped: list[str] = field(default_factory=list)  # what could not be carried: "name: why"
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def stay_for_good(self) -> bool:
        """Are there open pages that can never move: without proof of their browser, or of a process that cannot?"""
        return bool(self.open & self.stayed.keys() - self.again)


@dataclass
class Watch:
    """What is known of one backend that soaks: how far its log was read, and what counts its processes."""

    log_offset: int
    meter: limits.Meter | None = None


@dataclass
class Soak:
    """The watch over the live release after its promotion. Times are monotonic seconds."""

    number: int
    until: float
    watches: dict[str, Watch] = field(default_factory=dict)  # by backend: a new one is measured anew

    def watch(self, worker: Worker) -> Watch:
        return self.watches.setdefault(worker.backend.id, Watch(worker.log_offset))


@dataclass
class Outage:
    """A backend of the live release that has ended and is not back: how many starts failed, when is the next one?"""

    failed: int = 0  # in a row
    again: float = 0.0  # monotonic
    told: bool = False  # a person was called for


class Production:
    """The running side of one production checkout; changed only by who holds the agent's lock.

    `state` guards the few fields that the supervisor reads and restarts write at the same time.
    """

    def __init__(self, world: World, front: FrontControl, running: Running, memory: Memory) -> None:
        self.world = world
        self.instances = world.instances  # as long as production is up, whatever a release sets
        self.front = front
        self.running = running
        self.memory = memory
        self.listeners: dict[str, socket.socket] = {}  # kept here too: their backlog outlives a front
        self.soak: Soak | None = None
        self.state = threading.RLock()
        self.crashes: list[float] = []
        self.outages: dict[str, Outage] = {}  # by backend
        self.brought: dict[object, Diff] = {}  # what was taken back had changed, by its commits and the regions
        self.written: tuple[str, ...] = ()  # beside the script, by what serves or stands by: no commit has it
        self.moves: dict[str, PageMoves] = {}  # by backend that its pages leave

    # -- who serves ------------------------------------------------------------------------------------------

    def switch(self, serving: Serving, *, then: Fate, now: float) -> float:
        """Give new connections to `serving`; return how many milliseconds the front took.

        `then` is what becomes of the backend that served before. It is written down first: an agent that starts in
        between would end what users get already as a stray.
        """
        with self.state:
            # Before anything says that it serves: what is found later to serve without has had no room for that.
            self.give_data(serving)
            before, standby = self.running.live, self.running.standby
            standby_moves_at = self.running.standby_moves_at
            leaving = list(self.running.leaving)
            if standby is not None and any(map(serving.runs, standby.backends)):
                standby = None
            elif standby is not None and standby.number == serving.number:  # it was not warm
                leaving += self._leaving(standby.number, standby.workers, Fate.REPLACED, now)
                standby = None
            replaced = _replaced(before, serving)
            if before is not None and replaced and then is Fate.STANDS_BY:
                if standby is not None:
                    leaving += self._leaving(
                        standby.number, standby.workers, Fate.LEAVES, now, moves_at=standby_moves_at
                    )
                standby, standby_moves_at = before, now + self._linger
            elif before is not None:
                leaving += self._leaving(before.number, replaced, then, now)
            running = msgspec.structs.replace(
                self.running, live=serving, standby=standby, leaving=tuple(leaving), standby_moves_at=standby_moves_at
            )
            unwritten: OSError | None = None
            try:
                self._write(running)
            except OSError as error:  # a full disk: users come first
                unwritten = error
            self.running = running
            passing("traffic: written down, not switched")
            spent = self.point(serving, doing="traffic")
        if unwritten is not None:
            raise unwritten
        return spent

    def give_data(self, serving: Serving, *, late: bool = False) -> None:
        """Let what serves have the app's data (`app.data`) itself; as candidates they had copies.

        `late`: it has served already, from those copies.
        """
        try:
            for name in {backend.slot for backend in serving.backends}:
                self.world.slots.files.serve(name, late=late)
        except OSError as error:  # a full disk: users come first
            log.warning("what serves has a copy of the app's data, until there is room: %s", error)

    def _leaving(
        self, number: int, workers: Mapping[str, Worker], then: Fate, now: float, *, moves_at: float | None = None
    ) -> list[Leaving]:
        """Return the backends of a release as they are on their way out from `now` on.

        The time of pages counts from when they were left: `moves_at` is when those of a standby were to move.
        """
        bad = then is Fate.BAD
        wait = BAD_WAIT if bad else seconds(self.world.settings.sessions.wait)
        rest = 0.0 if moves_at is not None else self._linger
        if moves_at is None:
            moves_at = now + self._linger if then is Fate.LEAVES else now
        # What cannot be moved has the rest of its time, but on a release that went bad.
        until = now + BAD_LINGER if bad else max(moves_at, now + rest) + wait + MOVE_MARGIN
        return [
            Leaving(worker.backend, until, number, name, moves_at=moves_at, wait=wait, must_end=bad)
            for name, worker in workers.items()
        ]

    def point(self, serving: Serving, *, doing: str = "up") -> float:
        """Point every instance that the front serves at its backend; return the longest switch in milliseconds.

        A front that has just died is waited for, the supervisor starts it again; one that hangs is replaced.
        """
        deadline = time.monotonic() + FRONT_LIMIT
        replaced = False
        while True:
            try:
                return max(self._point(serving, doing)) / 1000
            except FrontGone:
                if time.monotonic() > deadline:
                    if replaced:
                        raise
                    replaced = True
                    self.replace_front()
                time.sleep(0.02)

    def _point(self, serving: Serving, doing: str) -> Iterator[float]:
        """Point one instance after the other; one whose backend has ended holds its connections until it is back."""
        for place, name in enumerate(self.listeners):
            if place:
                passing(f"{doing}: one instance switched, the next not")
            backend = serving.workers[name].backend
            if backend.identity.alive:
                yield self.front.switch(name, "127.0.0.1", backend.port, backend.id, backend.protocol)
            else:
                self.front.clear(name)
                yield 0.0

    @property
    def _linger(self) -> float:
        return seconds(self.world.settings.limits.linger)

    def start_front(self, targets: Mapping[str, Target] | None = None) -> None:
        """Start a front on the listening sockets; it holds every connection until it is pointed at a backend.

        With `targets` instances are from its first moment.
        """
        home = self.world.home
        known = [backend.id for backend in self.running.backends()]
        if not known:  # after a reboot, say: the ports of what ran then may be a stranger's
            home.sessions.unlink(missing_ok=True)
        child = fronts.start(
            self.listeners,
            control=home.front_socket,
            sessions=home.sessions,
            log=home.front_log,
            hold=seconds(self.world.settings.limits.hold),
            targets=targets,
            env={**os.environ, MARK: str(home.root)},
        )
        passing("up: a new front answers, not written down")
        self.front.keep(known)
        self.running = msgspec.structs.replace(self.running, front=process_table.identify(child.pid))
        self.save()

    def replace_front(self) -> None:
        """Start a new front, after the end of the old one where it hangs; the backlog is kept in the sockets."""
        with self.state:
            if self.running.front is not None:
                processes.stop(self.running.front, grace=1.0)
            self.start_front()
            if self.running.live is not None:
                list(self._point(self.running.live, "up"))

    def warm(self, number: int) -> Serving | None:
        """Return the standby when it runs release `number` with the variables that count now, and answers."""
        standby, app = self.running.standby, self.world.settings.app
        if standby is None or standby.number != number or not self.has_current_variables(standby):
            return None
        if not all(
            one.identity.alive and probes.healthy(app, one.endpoint, timeout=1.0)[0] for one in standby.backends
        ):
            return None
        workers = standby.workers.items()
        return Serving(number, {name: Worker.from_now(one.backend, restarts=one.restarts) for name, one in workers})

    def has_current_variables(self, serving: Serving) -> bool:
        """Has it those that a new process would get? What nobody can read keeps nobody from a way back."""
        try:
            root = self.world.home.root
            return all(backends.others_than_now(backend, root) is None for backend in serving.backends)
        except SettingsError as error:
            log.warning("%s. %s", error.message, error.hint)
            return True

    def end(self, backend: Backend) -> None:
        backends.end(backend, self.world.home, grace=seconds(self.world.settings.limits.stop))

    def end_all(self, ended: Iterable[Backend]) -> None:
        for backend in ended:
            self.end(backend)

    def save(self) -> None:
        self._write(self.running)

    def _write(self, running: Running) -> None:
        write_atomically(self.world.home.processes, msgspec.json.encode(running))

    # -- soak ------------------------------------------------------------------------------------------------

    def begin_soak(self, number: int, length: float) -> None:
        """Watch the live release `number` for `length` seconds from now."""
        self.soak = Soak(number=number, until=time.monotonic() + length)

    def measure(self, soak: Soak, name: str, worker: Worker) -> str:
        """Say which limit the soaking backend of an instance passes just now; nothing where it passes none."""
        watch = soak.watch(worker)
        if watch.meter is None:  # not when it went live: whoever waits for that need not wait for this
            standby = self.running.standby
            before = standby.workers.get(name) if standby else None
            allowed = limits.beside(self.world.settings.limits, before.backend if before else None)
            watch.meter = limits.Meter(worker.backend, allowed, self.world.limit_told)
        return watch.meter.look()


def _replaced(before: Serving | None, serving: Serving) -> dict[str, Worker]:
    """Return the workers of `before` that no longer serve."""
    if before is None:
        return {}
    return {name: worker for name, worker in before.workers.items() if not serving.runs(worker.backend)}
