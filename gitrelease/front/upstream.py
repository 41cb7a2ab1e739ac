"""Connections to backends: opened without waiting, and kept for a moment for the next request."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable

from gitrelease.front.poll import Endpoint, Poller
from gitrelease.front.targets import Target

KEPT = 2.0  # seconds without a request; uvicorn closes its side after 5
_UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY)


class Upstream:
    """One connection to a backend; its endpoint's handler is whoever uses it, and this while nobody does.

    `used`: it has answered a request before, and may have been closed since.
    """

    __slots__ = ("_connected", "_failed", "_pool", "_timer", "endpoint", "since", "target", "used")

    def __init__(self, pool: Upstreams, sock: socket.socket, target: Target) -> None:
        self._pool = pool
        self.target = target
        self.used = False
        self.since = 0.0
        self.endpoint = Endpoint(sock, pool.poller, self)
        self._timer: asyncio.TimerHandle | None = None
        self._connected: Callable[[Upstream], None] | None = None
        self._failed: Callable[[int], None] | None = None

    def wait(self, connected: Callable[[Upstream], None], failed: Callable[[int], None], seconds: float) -> None:
        """Tell one of the two when it is known whether the backend takes the connection."""
        self._connected, self._failed = connected, failed
        self._timer = asyncio.get_running_loop().call_later(seconds, self._decide, errno.ETIMEDOUT)
        self.endpoint.await_connection()

    def give_up(self) -> None:
        """End the attempt; nobody is told."""
        self._forget_attempt()
        self.endpoint.close()

    def flushed(self) -> None:
        if self._connected is not None:
            self._decide(self.endpoint.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def lost(self) -> None:
        if self._connected is not None:
            self.flushed()
        else:
            self._pool.drop(self)

    def readable(self) -> None:
        # It was kept: the backend has closed it, or says something that nobody has asked for.
        self.lost()

    def _decide(self, error: int) -> None:
        connected, failed = self._connected, self._failed
        self._forget_attempt()
        if error:
            self.endpoint.close()
            if failed is not None:
                failed(error)
        elif connected is not None:
            connected(self)

    def _forget_attempt(self) -> None:
        self._connected = self._failed = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Upstreams:
    """All connections to backends; those that no request uses by target, as a backend may get another address.

    Where there are more than `capacity` of all, none is kept.
    """

    def __init__(self, poller: Poller, *, capacity: int) -> None:
        self.poller = poller
        self._capacity = capacity
        self._kept: dict[Target, list[Upstream]] = {}
        self._open = 0
        self._timer: asyncio.TimerHandle | None = None

    def connect(
        self, target: Target, connected: Callable[[Upstream], None], failed: Callable[[int], None], seconds: float
    ) -> Upstream | None:
        """Open a connection within `seconds`; one of the two is told, perhaps before this returns: then it is None."""
        if self._open >= self._capacity:
            self._drop_oldest()
        family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as exhausted:
            failed(exhausted.errno or errno.EMFILE)
            return None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        address = (target.host, target.port)
        error = sock.connect_ex(address)
        if error == errno.EINPROGRESS:
            error = sock.connect_ex(address)  # on the same host it is known by now
        if error not in (0, errno.EISCONN, *_UNDER_WAY):
            sock.close()
            failed(error)
            return None
        upstream = Upstream(self, sock, target)
        self._open += 1
        upstream.endpoint.on_closed = self._closed
        if error in _UNDER_WAY:
            upstream.wait(connected, failed, seconds)
            return upstream
        connected(upstream)
        return None

    def take(self, target: Target) -> Upstream | None:
        """Take a kept connection, the one that was used last."""
        kept = self._kept.get(target)
        if not kept:
            return None
        if time.monotonic() - kept[-1].since > KEPT:
            return None  # the timer is about to close them
        upstream = kept.pop()
        upstream.used = True
        return upstream

    def give(self, upstream: Upstream) -> None:
        """Keep a connection that is free again."""
        endpoint = upstream.endpoint
        if endpoint.broken or endpoint.clogged or self._open > self._capacity:
            endpoint.close()
            return
        upstream.since = time.monotonic()
        endpoint.handler = upstream
        endpoint.read(True)
        self._kept.setdefault(upstream.target, []).append(upstream)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT, self._expire)

    def drop(self, upstream: Upstream) -> None:
        """Close a kept connection."""
        kept = self._kept.get(upstream.target, [])
        if upstream in kept:
            kept.remove(upstream)
        upstream.endpoint.close()

    def _drop_oldest(self) -> None:
        oldest = min((kept[0] for kept in self._kept.values() if kept), key=lambda one: one.since, default=None)
        if oldest is not None:
            self.drop(oldest)

    def _expire(self) -> None:
        now = time.monotonic()
        for target, kept in tuple(self._kept.items()):
            while kept and now - kept[0].since >= KEPT:
                kept.pop(0).endpoint.close()
            if not kept:
                del self._kept[target]
        oldest = min((kept[0].since for kept in self._kept.values()), default=None)
        loop = asyncio.get_running_loop()
        self._timer = None if oldest is None else loop.call_later(oldest + KEPT - now, self._expire)

    def _closed(self) -> None:
        self._open -= 1


def refused(error: int) -> bool:
    """Does this errno say that nobody listens there?"""
    return error == errno.ECONNREFUSED
