"""How many clients are served at once? As many as there are descriptors for; the rest waits in the kernel's backlog."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable

from gitrelease.agent.background import log

RESERVED = 64  # descriptors for what is no client: lock, sockets, watches, git and the app while they are started
EACH = 6  # that an answer may need: connection, cancel, a pipe, a git command
FEWEST = 2


class Clients:
    """The clients that are being served, each in a thread of its own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0

    def take(
        self, connection: socket.socket, serve: Callable[[socket.socket], None], *, stopping: threading.Event
    ) -> None:
        """Serve a client as soon as there is room for it; whoever says nothing leaves within seconds."""
        with self._changed:
            while self._inside >= _most() and not stopping.is_set():
                self._changed.wait(0.2)
            self._inside += 1
        try:
            threading.Thread(target=self._serve, args=(connection, serve), name="client", daemon=True).start()
        except RuntimeError as error:  # the host gives us no more threads: this client types it again
            log.warning("a client was turned away: %s; allow this user more processes (ulimit -u)", error)
            connection.close()
            self._left()

    def _serve(self, connection: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        try:
            serve(connection)
        finally:
            self._left()

    def _left(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()


def _most() -> int:
    """Return how many fit now: the limit may be changed while we run."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1_000 if soft == resource.RLIM_INFINITY else max((soft - RESERVED) // EACH, FEWEST)
