"""What serves the users now, what stands by, what is on its way out? Kept on disk for the next agent."""

from __future__ import annotations

import enum
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gitrelease.core.events import Memory
from gitrelease.core.reading import ReadAs
from gitrelease.core.settings import seconds
from gitrelease.edges import backends, limits, probes, process_table, processes
from gitrelease.edges import front as fronts
from gitrelease.edges.backends import MARK, Backend
from gitrelease.edges.faults import passing
from gitrelease.edges.front import FrontControl, FrontGone, Target
from gitrelease.edges.home import write_atomically
from gitrelease.edges.process_table import Identity
from gitrelease.world import World

# Sessions on a release that went bad are moved on soon; requests that are under way may end.
BAD_LINGER = 10.0
FRONT_LIMIT = 5.0  # seconds in which a front that died is back


class Worker(msgspec.Struct, frozen=True):
    """The backend of one instance."""

    backend: Backend
    restarts: int = 0
    log_offset: int = 0  # bytes that it had logged when users came: what it says from there on counts in its soak

    @classmethod
    def from_now(cls, backend: Backend, *, restarts: int = 0) -> Worker:
        """Return it as it is about to get users: what it has logged so far were checks."""
        log = Path(backend.log)
        return cls(backend, restarts, log.stat().st_size if log.exists() else 0)


class Serving(msgspec.Struct, frozen=True):
    """Release `number`, as it runs for each instance, by its name."""

    number: int
    workers: dict[str, Worker]

    @classmethod
    def from_now(cls, number: int, started: Mapping[str, Backend]) -> Serving:
        return cls(number, {name: Worker.from_now(backend) for name, backend in started.items()})

    @property
    def backends(self) -> tuple[Backend, ...]:
        return tuple(worker.backend for worker in self.workers.values())

    @property
    def first(self) -> Backend:
        """The backend of the first instance, which is judged for all."""
        return self.backends[0]

    def runs(self, backend: Backend) -> bool:
        return any(one.id == backend.id for one in self.backends)

    def with_workers(self, workers: Mapping[str, Worker]) -> Serving:
        """Return it with some of its workers replaced."""
        return msgspec.structs.replace(self, workers={**self.workers, **workers})

    def only(self, names: Iterable[str]) -> Serving:
        """Return it as it runs for some of its instances."""
        return msgspec.structs.replace(self, workers={name: self.workers[name] for name in names})

    @property
    def alive(self) -> bool:
        """Does any of it still run?"""
        return any(backend.identity.alive for backend in self.backends)


class Leaving(msgspec.Struct, frozen=True):
    """A backend that gets no new connections; it ends when it has none left, at `until` at the latest."""

    backend: Backend
    until: float  # seconds since 1970


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of production, as they are written to disk."""

    front: Identity | None = None
    live: Serving | None = None
    standby: Serving | None = None
    leaving: tuple[Leaving, ...] = ()

    def backends(self) -> Iterator[Backend]:
        for serving in (self.live, self.standby):
            if serving is not None:
                yield from serving.backends
        for leaving in self.leaving:
            yield leaving.backend


class Fate(enum.Enum):
    """What becomes of a backend that another one replaces."""

    STANDS_BY = "stands by"  # it stays warm for a rollback
    LEAVES = "leaves"  # it ends when its connections have
    BAD = "bad"  # likewise, but soon


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

    # -- who serves ------------------------------------------------------------------------------------------

    def switch(self, serving: Serving, *, then: Fate, now: float) -> float:
        """Give new connections to `serving`; return how many milliseconds the front took.

        `then` is what becomes of the backend that served before. It is written down first: an agent that starts in
        between would end what users get already as a stray.
        """
        with self.state:
            before, standby = self.running.live, self.running.standby
            if standby is not None and any(map(serving.runs, standby.backends)):
                standby = None
            leaving = list(self.running.leaving)
            replaced = [one for one in before.backends if not serving.runs(one)] if before is not None else []
            if replaced and then is Fate.STANDS_BY:
                leaving += [Leaving(one, now + self._linger) for one in (standby.backends if standby else ())]
                standby = before
            else:
                until = now + (BAD_LINGER if then is Fate.BAD else self._linger)
                leaving += [Leaving(one, until) for one in replaced]
            running = msgspec.structs.replace(self.running, live=serving, standby=standby, leaving=tuple(leaving))
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
                yield self.front.switch(name, "127.0.0.1", backend.port, backend.id)
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
        child = fronts.start(
            self.listeners,
            control=home.front_socket,
            log=home.front_log,
            hold=seconds(self.world.settings.limits.hold),
            targets=targets,
            env={**os.environ, MARK: str(home.root)},
        )
        passing("up: a new front answers, not written down")
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
        """Return the standby when it runs release `number` and answers."""
        standby, app = self.running.standby, self.world.settings.app
        if standby is None or standby.number != number:
            return None
        if not all(
            one.identity.alive and probes.healthy(app, one.endpoint, timeout=1.0)[0] for one in standby.backends
        ):
            return None
        workers = standby.workers.items()
        return Serving(number, {name: Worker.from_now(one.backend, restarts=one.restarts) for name, one in workers})

    def retire(self, *, now: float) -> None:
        """End the backends on their way out that have no connection left, or have had their time."""
        with self.state:
            if not self.running.leaving:
                return
            open_connections = self.front.status().open
            # One release may linger beside the standby, as long as memory allows; the oldest goes first.
            excess = len(self.running.leaving) - (len(self.instances) if self._fits_one_more() else 0)
            staying: list[Leaving] = []
            going: list[Backend] = []
            for position, leaving in enumerate(self.running.leaving):
                done = open_connections.get(leaving.backend.id, 0) == 0 or now >= leaving.until or position < excess
                if done or not leaving.backend.identity.alive:
                    going.append(leaving.backend)
                else:
                    staying.append(leaving)
            self.running = msgspec.structs.replace(self.running, leaving=tuple(staying))
            self.save()
        for backend in going:
            passing("retire: forgotten, not ended")
            self.end(backend)

    def make_room(self) -> list[str]:
        """End backends that only wait while memory is short of one more release: the oldest first, the standby last.

        Returns what was given up, as people know it.
        """
        given_up: list[str] = []
        while not self._fits_one_more():
            with self.state:
                leaving, standby = self.running.leaving, self.running.standby
                if leaving:
                    ended: tuple[Backend, ...] = (leaving[0].backend,)
                    self.running = msgspec.structs.replace(self.running, leaving=leaving[1:])
                    given_up.append(f"an old backend of {ended[0].commit[:10]}")
                elif standby is not None:
                    ended = standby.backends
                    self.running = msgspec.structs.replace(self.running, standby=None)
                    given_up.append(f"the standby of release/{standby.number}")
                else:
                    return given_up
                self.save()
            self.end_all(ended)
        return given_up

    def _fits_one_more(self) -> bool:
        return process_table.available_mb() >= self.needed_mb()

    def needed_mb(self) -> float:
        """Return how many megabytes of memory the backends of one more release are reckoned to need."""
        needed = float(self.world.settings.limits.memory_mb) * len(self.instances)
        return needed or (_used_mb(self.running.live.backends) if self.running.live is not None else 0.0)

    def waiting_mb(self) -> float:
        """Return how many megabytes the backends have that only wait: the standby and those on their way out."""
        live = self.running.live
        return _used_mb(backend for backend in self.running.backends() if live is None or not live.runs(backend))

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
            watch.meter = limits.Meter(worker.backend, allowed)
        return watch.meter.look()


def _used_mb(measured: Iterable[Backend]) -> float:
    usages = (process_table.usage(backend.identity) for backend in measured)
    return sum(used.memory_mb for used in usages if used)


_RUNNING = ReadAs(Running)


def read_running(path: Path) -> Running:
    """Return the processes that were written down last, as far as they still run."""
    try:
        written = _RUNNING.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return Running()

    def living(serving: Serving | None) -> Serving | None:
        return serving if serving is not None and serving.alive else None

    return Running(
        front=written.front if written.front is not None and written.front.alive else None,
        live=living(written.live),
        standby=living(written.standby),
        leaving=tuple(leaving for leaving in written.leaving if leaving.backend.identity.alive),
    )
