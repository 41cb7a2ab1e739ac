"""A running front for the tests, and the other side of its connections."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from gitrelease.edges import front as fronts
from gitrelease.edges import process_table
from gitrelease.edges.front import FrontControl, Target


class Backend(Protocol):
    """What a front is pointed at."""

    name: bytes

    @property
    def port(self) -> int: ...


class Front:
    """A running front with one instance, `primary`, and its listening socket kept by the test.

    It holds for longer than a test waits: what is to end by itself may not end by the deadline.
    """

    def __init__(
        self, folder: Path, *, hold: float = 60.0, python: str = sys.executable, protocol: str = "tcp"
    ) -> None:
        self.folder, self._hold, self._python, self._protocol = folder, hold, python, protocol
        self.listener = fronts.listen("127.0.0.1", 0, owner_of=process_table.port_owner)
        self.port = self.listener.getsockname()[1]
        self.control = FrontControl(folder / "front.sock")
        self.start()

    def start(self, targets: Mapping[str, Target] | None = None) -> None:
        self.process = fronts.start(
            {"primary": self.listener},
            control=self.folder / "front.sock",
            log=self.folder / "log",
            hold=self._hold,
            sessions=self.folder / "sessions.jsonl",
            targets=targets,
            python=self._python,
        )

    def switch(self, backend: Backend) -> None:
        self.switch_to(backend.port, backend.name.decode())

    def switch_to(self, port: int, name: str) -> None:
        self.control.switch("primary", "127.0.0.1", port, name, self._protocol)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def greeting(self) -> bytes:
        with self.connect() as user:
            return user.recv(100)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.kill()
        self.listener.close()


@contextlib.contextmanager
def running(front: Front) -> Iterator[Front]:
    try:
        yield front
    finally:
        front.end()


@contextlib.contextmanager
def nobody_listens() -> Iterator[int]:
    """Reserve a port on which every connection is refused."""
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        silent.bind(("127.0.0.1", 0))
        yield silent.getsockname()[1]


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def everything(connection: socket.socket) -> bytes:
    """Read until the other side has ended."""
    received = b""
    while data := connection.recv(65_536):
        received += data
    return received
