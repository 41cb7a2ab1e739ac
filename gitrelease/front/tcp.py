"""A client that is not read: spliced to the live backend as soon as there is one.

So is one who comes before the first target, of whom nobody knows what it speaks: what it says is kept until then.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from gitrelease.front.hold import Attempt, InstanceProxy
from gitrelease.front.http import HttpConnection
from gitrelease.front.poll import Endpoint
from gitrelease.front.splice import join
from gitrelease.front.upstream import Upstream

_EARLY_BYTES = 65_536  # what a client may say before it has a backend, and then has to wait


class TcpConnection:
    """A client before it has a backend; `left` is called when it and its backend's side are closed."""

    __slots__ = ("_attempt", "_early", "_ended", "_endpoint", "_left", "_proxy")

    def __init__(self, proxy: InstanceProxy, connection: socket.socket, left: Callable[[], None]) -> None:
        self._proxy = proxy
        self._left = left
        self._early = bytearray()
        self._ended = False
        self._endpoint = Endpoint(connection, proxy.shared.poller, self)
        self._endpoint.on_closed = left
        self._attempt = Attempt(proxy, self)
        self._attempt.begin()

    def readable(self) -> None:
        try:
            data = self._endpoint.receive(_EARLY_BYTES)
        except OSError:
            self.lost()
            return
        if data is None:
            return
        self._early += data
        self._ended = not data
        if self._ended and not self._early:
            # Who ends after having asked may have closed one direction only, and still reads.
            self.lost()
        elif self._ended or len(self._early) >= _EARLY_BYTES:
            self._endpoint.read(False)

    def flushed(self) -> None:
        """Nothing was written yet."""

    def lost(self) -> None:
        self._attempt.cancel()
        self._endpoint.close()

    def gave_up(self) -> None:
        if not self._ended:
            self._proxy.instance.gave_up()
        self._endpoint.close()

    def connected(self, upstream: Upstream) -> None:
        if upstream.target.protocol == "http":
            self._proxy.shared.upstreams.give(upstream)
            HttpConnection(self._proxy, self._endpoint, early=self._early)
            return
        instance, backend = self._proxy.instance, upstream.target.backend
        instance.opened(backend)
        open_sides = 2

        def closed() -> None:
            nonlocal open_sides
            open_sides -= 1
            if not open_sides:
                self._left()

        def backend_closed() -> None:
            instance.closed(backend)
            returned()
            closed()

        returned = upstream.endpoint.on_closed or (lambda: None)
        self._endpoint.on_closed = closed
        upstream.endpoint.on_closed = backend_closed
        client, _ = join(self._endpoint, upstream.endpoint, early=self._early, ended=self._ended)
        client.close_when_both_ended()
