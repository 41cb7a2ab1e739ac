"""An open page: its websocket, spliced after 101, and the session behind it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gitrelease.front.poll import Endpoint
from gitrelease.front.proof import Proof
from gitrelease.front.splice import Side, join
from gitrelease.front.upstream import Upstream
from gitrelease.front.websocket import SessionFinder

if TYPE_CHECKING:
    from gitrelease.front.hold import InstanceProxy
    from gitrelease.front.route import Route

LAST_WORDS = 1.0  # seconds in which a browser has noticed that the connection of its page ends
HEARD = 10.0  # seconds more in which the backend has read what the page has said until then


class Page:
    """One websocket of a page. `session` is None until it is known; `began`: on the event loop's clock, in seconds.

    `moved_on`: its session was moved to another backend while it came to this one.
    """

    __slots__ = ("_client", "_finder", "_proof", "_proxy", "_server", "backend", "began", "moved_on", "session")

    def __init__(self, proxy: InstanceProxy, backend: str, extensions: bytes) -> None:
        self._proxy = proxy
        self.backend = backend
        self.began = asyncio.get_running_loop().time()
        self.session: str | None = None
        self._proof: Proof = ()
        self.moved_on = False  # while it came here
        self._finder = SessionFinder(extensions)
        self._client: Side | None = None
        self._server: Side | None = None
        proxy.pages.add(self)

    def known(self, route: Route, now: float) -> None:
        """Take up what its request said; `now`: seconds since 1970."""
        self._proof = route.proof
        sessions = self._proxy.shared.sessions
        if route.session is not None:
            self.session = route.session
            self.moved_on = not sessions.opened(route.session, self.backend, route.proof, now, ticket=route.ticket)
            session = sessions.get(route.session)
            if session is not None:
                self.began -= max(0.0, now - session.began)
            if route.ticket is not None:
                sessions.redeemed(route.session, route.ticket)
            if not self.moved_on:
                self._proxy.shared.arrived(route.session)

    def attach(self, client: Side, server: Side) -> None:
        self._client, self._server = client, server
        server.watcher = self.watch

    def watch(self, data: memoryview) -> None:
        """Look at what the server sends, until it has named the session."""
        found = self._finder.feed(data)
        if found is not None and found != self.session:
            sessions, now = self._proxy.shared.sessions, time.time()
            if self.session is not None:
                sessions.closed(self.session, now)  # the server did not know it any more
            self.session = found
            sessions.opened(found, self.backend, self._proof, now)
        if self._finder.done and self._server is not None:
            self._server.watcher = None

    def closed(self) -> None:
        """Its websocket is gone, or is being left."""
        if self not in self._proxy.pages:
            return
        self._proxy.pages.discard(self)
        if self.session is not None:
            self._proxy.shared.sessions.closed(self.session, time.time())

    def leave(self) -> None:
        """End the connection: the browser first. All that it says until it has noticed still reaches the backend.

        The backend ends its side when it has read that. Closed before, with something unread in it, the connection is
        reset, and a backend that is just sending is told so before it reads.
        """
        client, server = self._client, self._server
        if client is None or server is None or server.ended or server.ignored:
            return
        self.closed()
        server.ignore()
        loop = asyncio.get_running_loop()
        loop.call_later(LAST_WORDS, client.lost)
        loop.call_later(LAST_WORDS + HEARD, server.endpoint.close)


def tunnel(
    proxy: InstanceProxy,
    client: Endpoint,
    upstream: Upstream,
    *,
    early: bytearray,
    answered: bytearray,
    page: Page | None,
) -> None:
    """Splice a client to its backend after 101; `answered` is what the backend has said behind it."""
    instance, backend = proxy.instance, upstream.target.backend
    returned = upstream.endpoint.on_closed

    def backend_closed() -> None:
        instance.closed(backend)
        if returned is not None:
            returned()
        if page is not None:
            page.closed()

    upstream.endpoint.on_closed = backend_closed
    one, two = join(client, upstream.endpoint, early=early)
    if page is not None:
        page.attach(one, two)
    if answered:
        if page is not None:
            page.watch(memoryview(answered))
        client.write(answered)
        if client.clogged:
            upstream.endpoint.read(False)
    if page is not None and page.moved_on:
        page.leave()
