"""Tells the owners of sockets what the kernel says about them, and reads and writes without waiting.

One epoll inside of asyncio's: asyncio keeps the timers, the control socket and the listeners. Its transports would
cost five objects and a new buffer for each connection and read; a front has two connections for each user.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import select
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import Protocol

AT_ONCE = 256  # events in one turn
BUFFER = 262_144  # bytes of one read at most; one buffer for all, as what was read is passed on at once
_IN, _OUT, _ERROR, _LOST = select.EPOLLIN, select.EPOLLOUT, select.EPOLLERR, select.EPOLLERR | select.EPOLLHUP
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time at all


log = logging.getLogger(__name__)


class Handler(Protocol):
    """What happens to an endpoint. None of these is called after its end."""

    def readable(self) -> None:
        """There is something to receive, or its end."""

    def flushed(self) -> None:
        """What was written and had to wait has been sent."""

    def lost(self) -> None:
        """The connection is gone, and nothing of it is being read."""


class Poller:
    """The epoll, and what belongs to its descriptors."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._endpoints: dict[int, Endpoint] = {}
        self._ended: list[socket.socket] = []
        self._in_turn = False
        self.buffer = memoryview(bytearray(BUFFER))
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._turn)

    def _turn(self) -> None:
        self._in_turn = True
        try:
            for number, events in self._epoll.poll(0, AT_ONCE):
                endpoint = self._endpoints.get(number)
                if endpoint is not None:
                    self._tell(endpoint, events)
        finally:
            # Not before: a new socket with the number of an old one would be told the old one's events.
            self._in_turn = False
            for ended in self._ended:
                ended.close()
            self._ended.clear()

    def _tell(self, endpoint: Endpoint, events: int) -> None:
        try:
            endpoint.ready(events)
        except Exception:  # what is wrong with one connection must not end the others', nor come again for ever
            log.exception("a connection is reset after an error of ours")
            endpoint.reset()

    def add(self, endpoint: Endpoint, mask: int) -> None:
        self._endpoints[endpoint.number] = endpoint
        self._epoll.register(endpoint.number, mask)

    def change(self, endpoint: Endpoint, mask: int) -> None:
        self._epoll.modify(endpoint.number, mask)

    def remove(self, endpoint: Endpoint) -> None:
        del self._endpoints[endpoint.number]
        self._epoll.unregister(endpoint.number)

    def close(self, ended: socket.socket) -> None:
        if self._in_turn:
            self._ended.append(ended)
        else:
            ended.close()


class Endpoint:
    """A connected socket that does not block, with what waits to be written to it.

    `reading`: whether `handler` is told of what comes. `broken`: nothing can be sent any more; what is written is
    dropped, and what the other side said before can still be received. `on_closed` is called when it is closed, which
    may be later than `close`.
    """

    __slots__ = (
        "_ends",
        "_finishes",
        "_mask",
        "_poller",
        "_waiting",
        "_watched",
        "broken",
        "handler",
        "number",
        "on_closed",
        "reading",
        "sock",
    )

    def __init__(self, sock: socket.socket, poller: Poller, handler: Handler | None = None) -> None:
        self.sock = sock
        self.number = sock.fileno()  # -1 when it is closed
        self.handler = handler if handler is not None else _NOBODY
        self.on_closed: Callable[[], None] | None = None
        self.reading = True
        self.broken = False
        self._poller = poller
        self._waiting = bytearray()
        self._finishes = self._ends = False
        self._mask = _IN
        self._watched = True
        poller.add(self, _IN)

    @property
    def clogged(self) -> bool:
        """Does something wait to be sent? Then nothing more should be written for now."""
        return bool(self._waiting)

    def await_connection(self) -> None:
        """Tell the handler by `flushed` when it is known whether the connection stands."""
        self.reading = False
        self._watch(_OUT)

    def ready(self, events: int) -> None:
        """Do what epoll's `events` allow."""
        if events & _OUT:
            self._flush()
            if self.number < 0:
                return
        if not events & (_IN | _LOST):
            return
        if self.reading:
            self.handler.readable()
        elif not events & _LOST:
            self._watch(self._mask & ~_IN)
        elif self._ends:
            self._close()
        elif events & _ERROR or not self._finishes:
            self.handler.lost()
        else:
            # Both directions have ended, with something left to be read later: epoll would say so again and again.
            self._poller.remove(self)
            self._watched = False

    def receive(self, limit: int = BUFFER) -> memoryview | None:
        """Return what came, empty at its end, None for nothing; `OSError` after a reset.

        The buffer is shared by all endpoints: it is good until the next call, of whichever endpoint.
        """
        try:
            return self._poller.buffer[: self.sock.recv_into(self._poller.buffer, limit)]
        except (BlockingIOError, InterruptedError):
            return None

    def received(self) -> int:
        """Return how many bytes have come and were not read."""
        return int.from_bytes(fcntl.ioctl(self.sock, termios.FIONREAD, bytes(4)), sys.byteorder)

    def read(self, wanted: bool) -> None:
        """Say whether the handler is to be told of what comes."""
        self.reading = wanted  # where it is not, epoll learns that with the next event
        if wanted and self.number >= 0 and not (self._watched and self._mask & _IN):
            self._watch(self._mask | _IN)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send now what goes, the rest as soon as it goes."""
        if self.broken or self.number < 0:
            return
        if self._waiting:
            self._waiting += data
            return
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._break()
            return
        if sent < len(data):
            self._waiting += memoryview(data)[sent:]
            self._watch(self._mask | _OUT)

    def finish(self) -> None:
        """End our direction when everything that was written has been sent."""
        self._finishes = True
        if not self._waiting and self.number >= 0:
            # It may have been reset a moment ago, of which epoll tells as well.
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close when everything that was written has been sent; the handler is told nothing any more."""
        if self.number < 0 or self._ends:
            return
        if self._waiting:
            self._ends = True
            self.reading = False
        else:
            self._close()

    def reset(self) -> None:
        """Close at once, as a reset: a plain close would look like the regular end of what was sent."""
        if self.number >= 0:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._close()

    def _flush(self) -> None:
        try:
            sent = self.sock.send(self._waiting) if self._waiting else 0
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._break()
            return
        if sent < len(self._waiting):
            del self._waiting[:sent]
            return
        self._waiting = bytearray()  # a new one: the old one keeps its memory
        if self._ends:
            self._close()
            return
        self._watch(self._mask & ~_OUT)
        if self._finishes:
            self.finish()
        self.handler.flushed()

    def _break(self) -> None:
        self.broken = True
        self._waiting = bytearray()
        if self._ends:
            self._close()
        else:
            self._watch(self._mask & ~_OUT)

    def _watch(self, mask: int) -> None:
        if not self._watched:
            self._watched = True
            self._poller.add(self, mask)
        elif mask != self._mask:
            self._poller.change(self, mask)
        self._mask = mask

    def _close(self) -> None:
        if self._watched:
            self._poller.remove(self)
        self.number = -1
        self._poller.close(self.sock)
        if self.on_closed is not None:
            self.on_closed()


class _Nobody:
    """The handler of an endpoint until it is given one."""

    def readable(self) -> None:
        """Nobody reads it."""

    def flushed(self) -> None:
        """Nobody writes to it."""

    def lost(self) -> None:
        """Nobody has it."""


_NOBODY = _Nobody()
