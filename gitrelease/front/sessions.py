"""Which backend has which session? The table, bounded; time comes in, and changes go out as records. No I/O."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gitrelease.front.proof import Proof
from gitrelease.front.targets import Target

MOST = 20_000
REMEMBERED = 600.0  # seconds after its last websocket has closed
PROOFS = 9  # of a page that are kept: a browser has more only where it opened as many tabs at once, without cookies
LISTED = 120.0  # seconds in which a closed one is still told of: Streamlit itself keeps it for as long

Record = dict[str, Any]


@dataclass(slots=True)
class Session:
    """One page of a browser. Times are seconds since 1970; `open`: websockets now; `proof`: see proof.py.

    `ticket`: what the backend is given in place of the session's id when the page comes next, after a move.
    """

    backend: str
    proof: Proof
    began: float
    closed: float | None = None
    ticket: str | None = None
    open: int = 0


@dataclass(slots=True)
class Known:
    """A backend that was the target of `instances`; `sessions`: how many of the table it has."""

    target: Target
    instances: set[str]
    sessions: int = 0


class Sessions:
    """The table. `record` is given each change as a JSON object; `replay` takes them again, in order."""

    def __init__(self, record: Callable[[Record], None] = lambda _: None) -> None:
        self._sessions: dict[str, Session] = {}  # by begin
        self._closed: dict[str, None] = {}  # by end
        self.backends: dict[str, Known] = {}  # the newest target last
        self._targets: dict[str, str] = {}  # by instance
        self._record = record

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session: str) -> Session | None:
        return self._sessions.get(session)

    # -- backends ------------------------------------------------------------------------------------------------

    def targeted(self, instance: str, target: Target) -> None:
        """`target` is where new pages of `instance` go from now on."""
        old = self.backends.pop(target.backend, None)
        known = self.backends[target.backend] = Known(target, {instance}, 0)
        if old is not None:
            known.sessions = old.sessions
            known.instances |= old.instances
        self._targets[instance] = target.backend
        self._record(_backend(target, instance))

    def gone(self, backend: str) -> None:
        """Nobody listens there any more; the target of an instance may be about to."""
        self.keep(self.backends.keys() - {backend})

    def keep(self, backends: Collection[str]) -> None:
        """Forget every other backend, with its sessions: its port may soon belong to a stranger."""
        gone = self.backends.keys() - set(backends) - set(self._targets.values())
        if not gone:
            return
        for name in [name for name, session in self._sessions.items() if session.backend in gone]:
            self._drop(name)
        for backend in gone:
            del self.backends[backend]
        self._record({"forget": sorted(gone)})

    def others(self, instance: str, asked: Collection[str]) -> Iterator[Target]:
        """Yield the backends of `instance` that were not `asked`, newest first.

        Also those without a page: one that has just moved may still show what its old process made.
        """
        for name, known in reversed(self.backends.items()):
            if instance in known.instances and name not in asked:
                yield known.target

    # -- sessions ------------------------------------------------------------------------------------------------

    def opened(self, name: str, backend: str, proof: Proof, now: float, *, ticket: str | None = None) -> bool:
        """A websocket of session `name` is open to `backend`, to which it brought `ticket`.

        Nothing is kept of a backend that was forgotten. False: the page was moved on while it came, and has to come
        once more.
        """
        if backend not in self.backends:
            return True
        session = self._sessions.get(name)
        moved_on = session is not None and session.ticket is not None and session.ticket != ticket
        if session is None:
            self._make_room()
            session = self._sessions[name] = Session(backend, proof[:PROOFS], now)
            self._count(backend, 1)
        elif session.backend != backend and not moved_on:
            self._count(session.backend, -1)
            self._count(backend, 1)
            session.backend = backend
        session.open += 1
        session.closed = None
        self._closed.pop(name, None)
        self._record(_session(name, session))
        return not moved_on

    def closed(self, name: str, now: float) -> None:
        """One of its websockets has closed."""
        session = self._sessions.get(name)
        if session is None:
            return  # dropped meanwhile: the table was full, or its backend is gone
        session.open = max(0, session.open - 1)
        if not session.open:
            session.closed = now
            self._closed.pop(name, None)
            self._closed[name] = None
            self._record(_session(name, session))
        self.expire(now)

    def move(self, name: str, backend: str, ticket: str) -> None:
        """Let the page come to `backend` with `ticket` when it comes next; `ValueError` says why that cannot be."""
        session = self._sessions.get(name)
        if session is None:
            raise ValueError(f"there is no session {name}")
        if backend not in self.backends:
            raise ValueError(f"there is no backend {backend}")
        if not session.proof:
            raise ValueError(f"session {name} has no proof of its browser: it stays where it is")
        self._count(session.backend, -1)
        self._count(backend, 1)
        session.backend, session.ticket = backend, ticket
        self._record(_session(name, session))

    def redeemed(self, name: str, ticket: str) -> None:
        """The backend took the page that brought `ticket`; from now on it comes with its id again."""
        session = self._sessions.get(name)
        if session is not None and session.ticket == ticket:
            session.ticket = None
            self._record(_session(name, session))

    def of(self, backend: str, now: float) -> list[Record]:
        """List the sessions of `backend` that are open, or closed a short time ago."""
        return [
            {
                "session": name,
                "open": session.open > 0,
                "age_s": round(max(0.0, now - session.began), 3),
                "proved": bool(session.proof),
            }
            for name, session in self._sessions.items()
            if session.backend == backend and (session.closed is None or now - session.closed < LISTED)
        ]

    def expire(self, now: float) -> None:
        """Forget what closed too long ago."""
        for name in tuple(self._closed):
            closed = self._sessions[name].closed
            if closed is not None and now - closed < REMEMBERED:
                return
            self._drop(name)

    # -- what outlives the front ---------------------------------------------------------------------------------

    def records(self) -> Iterator[Record]:
        """Yield what makes this table again."""
        for known in self.backends.values():
            for instance in sorted(known.instances):
                yield _backend(known.target, instance)
        for name, session in self._sessions.items():
            yield _session(name, session)

    def replay(self, records: Iterable[Record], now: float) -> None:
        """Take up the records of a front that has ended: none of its websockets is open any more."""
        silent, self._record = self._record, lambda _: None
        try:
            for record in records:
                with contextlib.suppress(ValueError):  # an address that is none
                    self._take(record, now)
        finally:
            self._record = silent
            self._targets.clear()  # an instance that is still there is given its own
        self._closed = dict.fromkeys(sorted(self._sessions, key=lambda name: self._sessions[name].closed or now))
        self.expire(now)

    def _take(self, record: Record, now: float) -> None:
        match record:
            case {
                "session": str(name),
                "backend": str(backend),
                "began": int(began) | float(began),
                "proof": list() | str() | None as proof,
                "closed": int() | float() | None as closed,
                "ticket": str() | None as ticket,
            } if backend in self.backends:
                self._drop(name)
                self._make_room()
                ended = now if closed is None else closed
                self._sessions[name] = Session(backend, _proof(proof), began, ended, ticket)
                self._closed[name] = None
                self._count(backend, 1)
            case {"backend": str(backend), "host": str(host), "port": int(port), "instance": str(instance)}:
                self.targeted(instance, Target(host, port, backend, record.get("protocol", "tcp")))
            case {"forget": list(backends)}:
                self.keep(self.backends.keys() - set(backends))

    def _make_room(self) -> None:
        if len(self._sessions) >= MOST:
            self._drop(next(iter(self._closed or self._sessions)))

    def _drop(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        self._closed.pop(name, None)
        if session is not None:
            self._count(session.backend, -1)

    def _count(self, backend: str, change: int) -> None:
        if backend in self.backends:
            self.backends[backend].sessions += change


def _proof(told: list[Any] | str | None) -> Proof:
    """Return a proof as it was written down; a front of an earlier version had one digest, or none."""
    digests = told if isinstance(told, list) else [told]
    return tuple(digest for digest in digests if isinstance(digest, str))


def _session(name: str, session: Session) -> Record:
    return {
        "session": name,
        "backend": session.backend,
        "proof": session.proof,
        "began": round(session.began, 3),
        "closed": session.closed and round(session.closed, 3),
        "ticket": session.ticket,
    }


def _backend(target: Target, instance: str) -> Record:
    return {
        "backend": target.backend,
        "host": target.host,
        "port": target.port,
        "protocol": target.protocol,
        "instance": instance,
    }
