"""How does the agent start, adopt and steer the front? The agent's end of `front/control.py`."""

from __future__ import annotations

import array
import errno
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.reading import ReadAs
from gitrelease.edges import processes
from gitrelease.edges.home import short_name

BACKLOG = 4096
START_LIMIT = 10.0  # seconds until a front must answer
_ANSWER_LIMIT = 5.0
_LONGEST = 65_536
_MOST_LISTENERS = 64

T = TypeVar("T")


class FrontGone(ReleaseError):
    """The front does not answer: it died, or is just being started again."""


class Target(msgspec.Struct, frozen=True):
    """Where an instance's new connections go: an IP address and port; `backend` is the agent's name for it.

    `protocol`: "http" is read request by request, so that each goes to the backend it belongs to; "tcp" is passed on.
    """

    host: str
    port: int
    backend: str
    protocol: str = "tcp"


class Count(msgspec.Struct, frozen=True):
    """Requests and websockets of one backend: open now, ever, and given up at their deadline while it was the target.

    For `tcp` these are connections. `pages`: open websockets of pages; `oldest_page_s`: seconds since the first of
    them was opened, None without one.
    """

    open: int
    total: int
    failed: int
    pages: int = 0
    oldest_page_s: float | None = None


class InstanceStatus(msgspec.Struct, frozen=True):
    """One public port. `held`: wait for a backend now; `failed`: given up since the front started."""

    target: Target | None
    backends: dict[str, Count]
    held: int
    failed: int


class FrontStatus(msgspec.Struct, frozen=True):
    """The front's own account of itself; a backend that several instances share is summed up over them."""

    pid: int
    uptime_s: float
    instances: dict[str, InstanceStatus]

    @property
    def open(self) -> Mapping[str, int]:
        """Open connections by backend."""
        return self._sum(lambda count: count.open)

    @property
    def total(self) -> Mapping[str, int]:
        """Connections ever, by backend; a backend that is done with is forgotten."""
        return self._sum(lambda count: count.total)

    @property
    def pages(self) -> Mapping[str, int]:
        """Open pages by backend."""
        return self._sum(lambda count: count.pages)

    @property
    def oldest_page_s(self) -> Mapping[str, float]:
        """For how many seconds its first page has been open, by backend; only those that have one."""
        oldest: dict[str, float] = {}
        for instance in self.instances.values():
            for name, count in instance.backends.items():
                if count.oldest_page_s is not None:
                    oldest[name] = max(oldest.get(name, 0.0), count.oldest_page_s)
        return oldest

    @property
    def held(self) -> int:
        return sum(instance.held for instance in self.instances.values())

    @property
    def failed(self) -> int:
        return sum(instance.failed for instance in self.instances.values())

    def _sum(self, number: Callable[[Count], int]) -> dict[str, int]:
        sums: dict[str, int] = {}
        for instance in self.instances.values():
            for name, count in instance.backends.items():
                sums[name] = sums.get(name, 0) + number(count)
        return sums


class PageSession(msgspec.Struct, frozen=True):
    """A page that a backend has. `open`: its websocket is, else it closed a short time ago; `age_s`: since it came.

    `proved`: its browser can be told from others, so that the page can be moved.
    """

    session: str
    open: bool
    age_s: float
    proved: bool


class _Sessions(msgspec.Struct, frozen=True):
    sessions: list[PageSession]


class _Switched(msgspec.Struct, frozen=True):
    microseconds: float


class _Names(msgspec.Struct, frozen=True):
    names: list[str]


class _Refusal(msgspec.Struct, frozen=True):
    error: str
    hint: str


class _Done(msgspec.Struct, frozen=True):
    pass


_STATUS, _SWITCHED, _NAMES = ReadAs(FrontStatus), ReadAs(_Switched), ReadAs(_Names)
_SESSIONS = ReadAs(_Sessions)
_REFUSAL, _DONE = ReadAs(_Refusal), ReadAs(_Done)


def listen(address: str, port: int, *, owner_of: Callable[[int], str | None], alone: bool = True) -> socket.socket:
    """Listen on a public port; `ReleaseError` names who has it when it is taken. `alone`: of the only instance."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(address, port, error, owner_of, alone=alone) from error
    return listener


def _cannot_listen(
    address: str, port: int, error: OSError, owner_of: Callable[[int], str | None], *, alone: bool
) -> ReleaseError:
    if error.errno == errno.EADDRINUSE:
        owner = owner_of(port) or "a process that cannot be seen from here"
        # Of several instances `init` cannot know which one is meant.
        how = ": gitrelease init --port PORT" if alone else " in .git/gitrelease/host.toml"
        return ReleaseError(
            f"port {port} is taken by {owner}",
            hint=f"End that process, or choose another port{how}; then: gitrelease up",
        )
    return ReleaseError(
        f"{address}:{port} cannot be listened on: {error.strerror}",
        hint="Choose another address or port in .git/gitrelease/host.toml; then: gitrelease up",
    )


def start(
    listeners: Mapping[str, socket.socket],
    *,
    control: Path,
    log: Path,
    hold: float,
    sessions: Path | None = None,
    targets: Mapping[str, Target] | None = None,
    env: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> subprocess.Popen[bytes]:
    """Start a front on `listeners` and return when it answers.

    An instance without one of `targets` holds its connections, for `hold` seconds at most, until the first switch.
    `sessions` is where it keeps what it knows of pages, beside the control socket where nothing else is said.
    """
    reader, writer = os.pipe()
    try:
        try:
            child = processes.spawn(
                [python, "-I", "-m", "gitrelease.front", "--control", str(control), "--hold", f"{hold:g}"]
                + ["--sessions", str(sessions or control.with_name("sessions.jsonl"))]
                + [part for name, one in listeners.items() for part in ("--listen", f"{name}={one.fileno()}")]
                + [
                    part
                    for name, to in (targets or {}).items()
                    for part in (
                        *("--target", f"{name}={to.host}:{to.port}:{to.backend}"),
                        *("--protocol", f"{name}={to.protocol}"),
                    )
                ]
                + ["--ready", str(writer)],
                cwd=Path("/"),
                log=log,
                env=env,
                pass_fds=[*(listener.fileno() for listener in listeners.values()), writer],
            )
        except OSError as error:
            raise ReleaseError(f"the front does not start: {error}", hint=f"Is {python} a Python?") from error
        finally:
            os.close(writer)
        _await_ready(child, reader, log)
    finally:
        os.close(reader)
    return child


def _await_ready(child: subprocess.Popen[bytes], reader: int, log: Path) -> None:
    """Wait for the front's word on its pipe, which also ends when the front does."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    if poll.poll(START_LIMIT * 1000) and os.read(reader, 100):
        return
    child.kill()
    child.wait()
    raise ReleaseError("the front does not start", hint=f"Its output is {log}", code=Exit.UNEXPECTED)


class FrontControl:
    """Steers the front behind a control socket. One connection a request: safe from several threads.

    Every method raises `FrontGone` when the front does not answer, and `ReleaseError` when it refuses.
    """

    def __init__(self, control: Path) -> None:
        self._control = control

    def answers(self) -> bool:
        """Is the front there, and not hanging?"""
        try:
            self.status()
        except FrontGone:
            return False
        return True

    def switch(self, instance: str, host: str, port: int, backend: str, protocol: str = "tcp") -> float:
        """Send the next connections of `instance` to a backend; return how many microseconds it took."""
        message = {"verb": "switch", "instance": instance, "host": host, "port": port, "backend": backend}
        message["protocol"] = protocol
        return self._ask(message, _SWITCHED).microseconds

    def clear(self, instance: str) -> None:
        """Hold the next connections of `instance`."""
        self._ask({"verb": "clear", "instance": instance}, _DONE)

    def status(self) -> FrontStatus:
        return self._ask({"verb": "status"}, _STATUS)

    def sessions(self, backend: str) -> list[PageSession]:
        """Return the pages that `backend` has, with those that closed in the last two minutes."""
        return self._ask({"verb": "sessions", "backend": backend}, _SESSIONS).sessions

    def move(self, session: str, backend: str, ticket: str) -> None:
        """Let a page go on at `backend`, which it is brought to with `ticket` in place of its session's id.

        Its websocket is ended; its uploads go there from now on. `ReleaseError` for a session or backend that the
        front does not know, and for a session without proof of its browser.
        """
        self._ask({"verb": "move", "session": session, "backend": backend, "ticket": ticket}, _DONE)

    def keep(self, backends: Collection[str]) -> None:
        """Let the front forget every other backend, with the pages it had: its port may soon be a stranger's."""
        self._ask({"verb": "keep", "backends": sorted(backends)}, _DONE)

    def stop(self, *, seconds: float) -> None:
        """Let the front accept no more, and end when its connections have, after `seconds` at the latest."""
        self._ask({"verb": "stop", "seconds": seconds}, _DONE)

    def listeners(self) -> dict[str, socket.socket]:
        """Return the listening sockets by instance: the front keeps its own as well."""
        answer, descriptors = self._exchange({"verb": "listeners"})
        sockets = [socket.socket(fileno=number) for number in descriptors]
        try:
            return dict(zip(_understood(answer, _NAMES).names, sockets, strict=True))
        except BaseException:
            for one in sockets:
                one.close()
            raise

    def _ask(self, message: dict[str, Any], kind: ReadAs[T]) -> T:
        return _understood(self._exchange(message)[0], kind)

    def _exchange(self, message: dict[str, Any]) -> tuple[bytes, list[int]]:
        """Send a request; return the answer's line and the descriptors that came with it."""
        try:
            with self._connected() as connection:
                connection.sendall(msgspec.json.encode(message) + b"\n")
                line, descriptors = _receive(connection)
                while not line.endswith(b"\n"):
                    more = connection.recv(_LONGEST)
                    if not more:
                        raise _no_answer("it closed the connection")
                    line += more
        except OSError as error:
            raise _no_answer(str(error)) from error
        return line, descriptors

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_ANSWER_LIMIT)
        try:
            with short_name(self._control) as name:
                connection.connect(name)
        except OSError:
            connection.close()
            raise
        return connection


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Receive the begin of an answer, and its descriptors: no process that we start may inherit them."""
    numbers = array.array("i")
    room = socket.CMSG_SPACE(_MOST_LISTENERS * numbers.itemsize)
    line, ancillary, _, _ = connection.recvmsg(_LONGEST, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    return line, list(numbers)


def _understood(line: bytes, kind: ReadAs[T]) -> T:
    try:
        answer = msgspec.json.decode(line)
        if isinstance(answer, dict) and "error" in answer:
            refusal = _REFUSAL.convert(answer)
            raise ReleaseError(f"the front refused: {refusal.error}", hint=refusal.hint, code=Exit.UNEXPECTED)
        return kind.convert(answer)
    except msgspec.MsgspecError as error:
        raise ReleaseError(
            f"the front's answer is not understood: {error}",
            hint="It may be of another version; end both with: gitrelease down; then: gitrelease up",
            code=Exit.UNEXPECTED,
        ) from error


def _no_answer(why: str) -> FrontGone:
    return FrontGone(
        f"the front does not answer: {why}",
        hint="It is started again by itself; see: gitrelease status",
        code=Exit.UNEXPECTED,
    )
