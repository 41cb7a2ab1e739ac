"""A client that speaks HTTP/1.x: request by request, each to the backend it belongs to.

    idle ──▶ head ──▶ exchange ──▶ idle …
              │           ├──────▶ page (page.py), after 101
              ▼           ▼
            refused ──▶ lingering ──▶ closed

One request at a time: what a client sends after it waits in the kernel. A body is passed on as it comes and never
collected; whoever sends faster than the other side reads is read no more for a while.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from gitrelease.front.bodies import HEAD_LIMIT, BadMessage, Rest
from gitrelease.front.exchange import Exchange
from gitrelease.front.messages import find_head, plain_answer, read_request
from gitrelease.front.poll import BUFFER, Endpoint

if TYPE_CHECKING:
    from gitrelease.front.hold import InstanceProxy

LINGER = 2.0  # seconds in which what a client still sends is read, so that a reset does not take its answer away


class HttpConnection:
    """One client's connection."""

    __slots__ = ("_lingers", "_rest", "_searched", "buffer", "endpoint", "exchange", "proxy")

    def __init__(self, proxy: InstanceProxy, endpoint: Endpoint, *, early: bytearray | None = None) -> None:
        self.proxy = proxy
        self.endpoint = endpoint
        self.buffer = early if early is not None else bytearray()  # received, and not used yet
        self.exchange: Exchange | None = None
        self._searched = 0  # bytes of the buffer in which no head ends
        self._rest: Rest | None = None  # of the request's body, while there is some
        self._lingers = False
        endpoint.handler = self
        proxy.rest(self)
        endpoint.read(True)
        if self.buffer:
            self._next()

    # -- what the client does ------------------------------------------------------------------------------------

    def readable(self) -> None:
        if self.exchange is not None and not self.sends_body:
            self.endpoint.read(False)  # its next request, or its end: there is time for either
            return
        try:
            data = self.endpoint.receive(BUFFER if self.sends_body else HEAD_LIMIT)
        except OSError:
            self.lost()
            return
        if data is None:
            return
        if not data:
            self._ended()
        elif self._lingers:
            return
        elif self.exchange is not None:
            self._body(data)
        else:
            self.buffer += data
            self._next()

    def flushed(self) -> None:
        if self.exchange is not None:
            self.exchange.resume()
        elif not self._lingers:
            self._wait()

    def lost(self) -> None:
        if self.exchange is not None:
            self.exchange.abort()
            self.exchange = None
        self.proxy.idle.pop(self, None)
        self.endpoint.reset()

    def _ended(self) -> None:
        if self.exchange is not None:  # in the middle of a body
            self.exchange.abort()
            self.exchange = None
        self.proxy.idle.pop(self, None)
        self.endpoint.close()

    # -- requests ------------------------------------------------------------------------------------------------

    @property
    def sends_body(self) -> bool:
        """Is there more of the request's body to come?"""
        return self._rest is not None

    def _next(self) -> None:
        """Begin the request whose head is in the buffer, if all of it is."""
        buffer = self.buffer
        while buffer.startswith(b"\r\n"):  # some clients send one after a body
            del buffer[:2]
        if not buffer:
            return
        try:
            if not 65 <= buffer[0] <= 90:
                raise BadMessage("a request begins with a method")
            size = find_head(buffer, self._searched)
            if not size:
                self._searched = len(buffer)
                return
            request = read_request(bytes(buffer[:size]))
        except BadMessage as error:
            self.refuse(error.status, f"This request is not understood: {error}.")
            return
        del buffer[:size]
        self._searched = 0
        self.proxy.idle.pop(self, None)
        self.exchange = Exchange(self, request)
        if request.length != 0:
            self._rest = Rest(request.length, chunked=request.length is None)
            self.endpoint.read(False)  # until there is a backend for it
        self.exchange.start()

    def send_body(self) -> None:
        """The backend has the request's head: pass on what comes."""
        if not self.sends_body:
            return
        self.endpoint.read(True)
        if self.buffer:
            data, self.buffer = self.buffer, bytearray()
            self._body(memoryview(data))

    def resume(self) -> None:
        """The backend takes more."""
        if self.sends_body and not self._lingers:
            self.endpoint.read(True)

    def _body(self, data: memoryview) -> None:
        exchange = self.exchange
        if exchange is None or exchange.upstream is None:
            return  # it has just been cut off
        backend, rest = exchange.upstream.endpoint, self._rest
        if rest is None:
            return
        try:
            part, used = rest.take(data, framed=True)
        except BadMessage as error:
            exchange.abort()
            self.refuse(error.status, f"This request is not understood: {error}.")
            return
        backend.write(part)
        if rest.over:
            self._rest = None
            self.buffer += data[used:]
        elif backend.clogged:
            self.endpoint.read(False)

    def local_address(self) -> bytes:
        """Return what a request without `Host` was sent to."""
        host, port = self.endpoint.sock.getsockname()[:2]
        return (f"[{host}]:{port}" if self.endpoint.sock.family == socket.AF_INET6 else f"{host}:{port}").encode()

    # -- answers -------------------------------------------------------------------------------------------------

    def answered(self, *, keeps: bool) -> None:
        """The exchange is over; `keeps`: the client may send another request."""
        self.exchange = None
        if self.sends_body or (not keeps and (self.buffer or not self.endpoint.reading)):
            self._linger()
        elif not keeps:
            self.endpoint.close()
        elif self.endpoint.clogged:
            self.endpoint.read(False)  # whoever reads no answers gets no more of them
        else:
            self._wait()

    def refuse(self, status: int, text: str, *, method: bytes = b"GET") -> None:
        """Answer ourselves, and close."""
        self.exchange = None
        self.proxy.idle.pop(self, None)
        self.endpoint.write(plain_answer(status, text, method=method))
        self._linger()

    def waited_too_long(self) -> None:
        """Nothing has come for long."""
        if self.buffer:
            self.refuse(408, "The rest of this request did not come.")
        else:
            self.endpoint.close()

    def _wait(self) -> None:
        if self.proxy.ends and not self.buffer:
            self.endpoint.close()
            return
        self.proxy.rest(self)
        self.endpoint.read(True)
        if self.buffer:
            self._next()

    def _linger(self) -> None:
        self._lingers = True
        self._rest = None
        self.buffer = bytearray()
        self.endpoint.finish()
        self.endpoint.read(True)
        asyncio.get_running_loop().call_later(LINGER, self.endpoint.close)
