"""How do clients and the agent talk? JSON lines over a unix socket in `.git/gitrelease/run/`.

A request is one line; answers are progress lines, `{"step", "text", "seconds"}`, and one last line that has
`"end"`. Standard library only: hooks and look-ups must start fast. Who connects must be the agent's own user.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gitrelease import __version__
from gitrelease.edges.home import short_name

PROTOCOL = 1
_LONGEST = 4 * 1024 * 1024
_RENEWAL_LIMIT = 10.0  # seconds in which an agent of the installed version must answer

Message = dict[str, Any]


class NoAgent(Exception):
    """Nobody listens on the agent's socket."""


class AgentGone(Exception):
    """The agent ended, or closed the connection, before it had answered."""


class Channel:
    """One end of a connection: JSON lines both ways."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._reader = connection.makefile("rb")

    def send(self, message: Message) -> None:
        self.connection.sendall(json.dumps(message, ensure_ascii=True).encode() + b"\n")

    def receive(self) -> Message | None:
        """Return the next message, None at the end; `ValueError` for what is none."""
        line = self._reader.readline(_LONGEST)
        if not line.endswith(b"\n"):
            return None
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("a message is a JSON object")
        return message

    def fileno(self) -> int:
        return self.connection.fileno()

    def close(self) -> None:
        self._reader.close()
        self.connection.close()


def listen(path: Path) -> socket.socket:
    """Listen on a unix socket that only its owner can use; an old one of that name is replaced."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    old = os.umask(0o177)
    try:
        with short_name(path) as name:
            server.bind(name)
    finally:
        os.umask(old)
    server.listen(64)
    return server


def peer(connection: socket.socket) -> tuple[int, int]:
    """Return pid and uid of who is at the other end."""
    pid, uid, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    return pid, uid


@contextlib.contextmanager
def connect(path: Path, *, timeout: float | None = None) -> Iterator[Channel]:
    """Connect to the agent; `NoAgent` where nobody listens, `TimeoutError` after `timeout` seconds without a word."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.settimeout(timeout)
    try:
        with short_name(path) as name:
            connection.connect(name)
    except OSError as error:
        connection.close()
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            raise NoAgent(str(path)) from error
        raise
    channel = Channel(connection)
    try:
        yield channel
    finally:
        channel.close()


def ask(
    path: Path, verb: str, arguments: Message, progress: Callable[[Message], None], *, timeout: float | None = None
) -> Message:
    """Send one request, hand every progress message on, return the last; `NoAgent`, `AgentGone`.

    `TimeoutError` when there is no word for `timeout` seconds; without one it waits as long as it takes.
    An idle agent of another version ends for the one that is installed now: that one is asked again.
    """
    end = _ask_once(path, verb, arguments, progress, timeout)
    deadline = time.monotonic() + _RENEWAL_LIMIT
    while end.get("again"):
        time.sleep(0.02)
        try:
            end = _ask_once(path, verb, arguments, progress, timeout)
        except (NoAgent, AgentGone):
            if time.monotonic() > deadline:
                raise
    return end


def _ask_once(
    path: Path, verb: str, arguments: Message, progress: Callable[[Message], None], timeout: float | None
) -> Message:
    with connect(path, timeout=timeout) as channel:
        try:
            channel.send({"protocol": PROTOCOL, "version": __version__, "verb": verb, "arguments": arguments})
            while (message := channel.receive()) is not None:
                if "end" in message:
                    end = message["end"]
                    return end if isinstance(end, dict) else {}
                progress(message)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise AgentGone(str(path)) from error
    raise AgentGone(str(path))
