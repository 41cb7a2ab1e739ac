"""Accepts connections as long as there are descriptors for both of their sides.

asyncio's own server is of no use here: when descriptors run out it logs and plans a new attempt thousands of times
in one turn, and leaves none for the control socket. What is not accepted waits in the kernel's backlog.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Mapping

from gitrelease.front.hold import InstanceProxy
from gitrelease.front.http import HttpConnection
from gitrelease.front.poll import Endpoint
from gitrelease.front.tcp import TcpConnection

AT_ONCE = 64  # connections in one turn of the event loop: those that are spliced must not wait
RESERVED = 64  # descriptors for what is no user: control, listeners, log, the event loop itself
PAUSE = 1.0  # seconds until another attempt, when the host is out of something
_REPORT_EVERY = 60.0  # seconds between two lines about it
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# Seconds: a user whose network is gone, and who is never written to, is noticed within two minutes.
# Small websocket frames do not wait for each other.
_OPTIONS = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4, socket.TCP_NODELAY: 1}

log = logging.getLogger(__name__)


def capacity(descriptors: int) -> int:
    """Return for how many connections, with a backend each, so many open files are enough."""
    return max(1, (descriptors - RESERVED) // 2)


class Acceptor:
    """The listening sockets of all instances, and the number of users inside."""

    def __init__(
        self, listeners: Mapping[str, socket.socket], proxies: Mapping[str, InstanceProxy], *, capacity: int
    ) -> None:
        self.listeners = listeners
        self.proxies = proxies
        self.inside = 0
        self._capacity = capacity
        self._open = self._ended = False
        self._empty = asyncio.Event()
        self._reported = float("-inf")

    def open(self) -> None:
        """Accept from now on."""
        if self._open or self._ended:
            return
        self._open = True
        for name, listener in self.listeners.items():
            listener.setblocking(False)
            # What is accepted inherits this.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _OPTIONS.items():
                listener.setsockopt(socket.IPPROTO_TCP, option, value)
            asyncio.get_running_loop().add_reader(listener, self._accept, listener, self.proxies[name])

    async def end(self, seconds: float) -> int:
        """Accept no more; return how many users are still inside when all have left or `seconds` have passed."""
        self._close()
        self._ended = True
        for proxy in self.proxies.values():
            proxy.end_idle()
        if self.inside:
            self._empty.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._empty.wait()
            except TimeoutError:
                return self.inside
        return 0

    def _close(self) -> None:
        self._open = False
        for listener in self.listeners.values():
            asyncio.get_running_loop().remove_reader(listener)

    def _accept(self, listener: socket.socket, proxy: InstanceProxy) -> None:
        for _ in range(AT_ONCE):
            if not self._open:
                return
            if self.inside >= self._capacity and not any(one.drop_idle() for one in self.proxies.values()):
                self._full(f"{self.inside} users are all that the limit of open files allows")
                return
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue  # gone before its turn
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise  # the event loop logs it and goes on
                self._full(f"no connection can be accepted: {error.strerror}")
                asyncio.get_running_loop().call_later(PAUSE, self.open)
                return
            self.inside += 1
            connection.setblocking(False)
            if proxy.protocol == "http":
                endpoint = Endpoint(connection, proxy.shared.poller)
                endpoint.on_closed = self._left
                HttpConnection(proxy, endpoint)
            else:
                TcpConnection(proxy, connection, self._left)

    def _full(self, why: str) -> None:
        self._close()
        now = asyncio.get_running_loop().time()
        if now - self._reported >= _REPORT_EVERY:
            self._reported = now
            log.warning("%s; further ones wait in the backlog", why)

    def _left(self) -> None:
        self.inside -= 1
        if self.inside == 0:
            self._empty.set()
        if not self._open:
            self.open()
