"""Values: the processes that serve, stand by or drain, as they are written to disk for the next agent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from gitrelease.core.reading import ReadAs
from gitrelease.edges.backends import Backend
from gitrelease.edges.process_table import Identity


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
    """A backend that gets no new pages; it ends when it has none left.

    At `until` it ends all the same, but for pages that cannot move: those stay until they are closed, unless it
    `must_end`.

    Times are in seconds since 1970.
    """

    backend: Backend
    until: float
    number: int = 0  # the release it runs; 0: written down by an earlier version
    instance: str = ""
    moves_at: float = 0.0  # from then on its pages are handed to the live release
    wait: float = 30.0  # seconds that a run under way gets before its page moves
    must_end: bool = True  # its release is bad, or its room is needed; True: written down by an earlier version


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of production, as they are written to disk."""

    front: Identity | None = None
    live: Serving | None = None
    standby: Serving | None = None
    leaving: tuple[Leaving, ...] = ()
    standby_moves_at: float | None = None  # from then on the pages of the standby are handed to the live release

    def backends(self) -> Iterator[Backend]:
        for serving in (self.live, self.standby):
            if serving is not None:
                yield from serving.backends
        for leaving in self.leaving:
            yield leaving.backend


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
        standby_moves_at=written.standby_moves_at,
    )
