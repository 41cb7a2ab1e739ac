"""How does the agent start, adopt and steer the front? The agent's end of `front/control.py`."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.edges import processes
from gitrelease.edges.home import short_name

BACKLOG = 4096
START_LIMIT = 10.0  # seconds until a front must answer
_ANSWER_LIMIT = 5.0


class FrontGone(ReleaseError):
    """The front does not answer: it died, or is just being started again."""


@dataclass(frozen=True)
class FrontStatus:
    """Connections by backend, open now and ever; held just now; failed since the front started."""

    open: Mapping[str, int]
    total: Mapping[str, int]
    held: int
    failed: int


def listen(address: str, port: int, *, owner_of: Callable[[int], str | None]) -> socket.socket:
    """Listen on a public port; `ReleaseError` names who has it when it is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(address, port, error, owner_of) from error
    return listener


def _cannot_listen(address: str, port: int, error: OSError, owner_of: Callable[[int], str | None]) -> ReleaseError:
    if error.errno == errno.EADDRINUSE:
        owner = owner_of(port) or "a process that cannot be seen from here"
        return ReleaseError(
            f"port {port} is taken by {owner}",
            hint="End that process, or choose another port: gitrelease init --port PORT; then: gitrelease up",
        )
    return ReleaseError(
        f"{address}:{port} cannot be listened on: {error.strerror}",
        hint="Choose another address or port in .git/gitrelease/host.toml; then: gitrelease up",
    )


def start(listeners: Mapping[str, socket.socket], *, control: Path, log: Path, hold: float) -> subprocess.Popen[bytes]:
    """Start a front on `listeners` and return when it answers; it holds every connection until the first switch."""
    named = [f"{name}={listener.fileno()}" for name, listener in listeners.items()]
    child = processes.spawn(
        [sys.executable, "-I", "-m", "gitrelease.front", "--control", str(control), "--hold", f"{hold:g}", *named],
        cwd=Path("/"),
        log=log,
        pass_fds=[listener.fileno() for listener in listeners.values()],
    )
    deadline = time.monotonic() + START_LIMIT
    while not FrontControl(control).answers():
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            raise ReleaseError("the front does not start", hint=f"Its output is {log}", code=Exit.UNEXPECTED)
        time.sleep(0.005)
    return child


class FrontControl:
    """Steers the front behind a control socket. One connection a request: safe from several threads."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def answers(self) -> bool:
        try:
            self.status()
        except FrontGone:
            return False
        return True

    def switch(self, instance: str, host: str, port: int, backend: str) -> float:
        """Send the next connections of `instance` to a backend; return how many microseconds it took."""
        answer = self._ask({"verb": "switch", "instance": instance, "host": host, "port": port, "backend": backend})
        return float(answer["microseconds"])

    def clear(self, instance: str) -> None:
        """Hold the next connections of `instance`."""
        self._ask({"verb": "clear", "instance": instance})

    def status(self) -> FrontStatus:
        answer = self._ask({"verb": "status"})
        backends = answer["backends"]
        return FrontStatus(
            open={name: count["open"] for name, count in backends.items()},
            total={name: count["total"] for name, count in backends.items()},
            held=answer["held"],
            failed=answer["failed"],
        )

    def listeners(self) -> dict[str, socket.socket]:
        """Return the listening sockets by instance: the front keeps its own as well."""
        with self._connected() as connection:
            connection.sendall(b'{"verb": "listeners"}\n')
            line, descriptors, _, _ = socket.recv_fds(connection, 65_536, 64)
        names = json.loads(line)["names"]
        return {name: socket.socket(fileno=number) for name, number in zip(names, descriptors, strict=True)}

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.settimeout(_ANSWER_LIMIT)
        try:
            with short_name(self._control) as name:
                connection.connect(name)
        except OSError as error:
            connection.close()
            raise _no_answer(str(error)) from error
        return connection

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            with self._connected() as connection, connection.makefile("rb") as reader:
                connection.sendall(json.dumps(message).encode() + b"\n")
                line = reader.readline()
        except OSError as error:
            raise _no_answer(str(error)) from error
        if not line:
            raise _no_answer("it closed the connection")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ReleaseError(f"the front refused: {answer['error']}", hint=answer["hint"], code=Exit.UNEXPECTED)
        return answer


def _no_answer(why: str) -> FrontGone:
    return FrontGone(
        f"the front does not answer: {why}",
        hint="It is started again by itself; see: gitrelease status",
        code=Exit.UNEXPECTED,
    )
