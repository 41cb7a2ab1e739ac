"""One request and its answer: the way to the backend, again where that may be, and the answer as it comes."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from gitrelease.front.bodies import BadMessage, Rest
from gitrelease.front.hold import CONNECT_LIMIT, Attempt
from gitrelease.front.messages import Answer, Request, find_head, read_answer, write_answer, write_request
from gitrelease.front.page import Page, tunnel
from gitrelease.front.proof import asks_first, has_ours, new_cookie
from gitrelease.front.route import LIVE, Route, choose, may_be_elsewhere, missing
from gitrelease.front.targets import Target
from gitrelease.front.upstream import Upstream, refused

if TYPE_CHECKING:
    from gitrelease.front.http import HttpConnection

PAGE_LIMIT = 5.0  # seconds in which the page of an upload may come back
NO_ANSWER = "The app does not answer at the moment. Try again in a minute."
CUT_OFF = "The app ended before it had answered. Try again."
NOT_UNDERSTOOD = "The app's answer is no HTTP that can be passed on."


class Exchange:
    """A request on its way; `upstream`: the connection it went over, None before and after."""

    __slots__ = (
        "_answer",
        "_asked",
        "_attempt",
        "_client",
        "_connecting",
        "_head",
        "_keeps",
        "_request",
        "_rest",
        "_retried",
        "_route",
        "_target",
        "_timer",
        "upstream",
    )

    def __init__(self, client: HttpConnection, request: Request) -> None:
        self._client = client
        self._request = request
        self._route: Route = LIVE
        self._target: Target | None = None  # None: the live one, whichever that is
        self._attempt: Attempt | None = None
        self._connecting: Upstream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retried = False
        self._asked: list[str] = []  # the backends that do not have it
        self.upstream: Upstream | None = None
        self._head = bytearray()
        self._answer: Answer | None = None
        self._rest: Rest | None = None  # of the answer's body
        self._keeps = False  # the client's connection, after this

    # -- to the backend ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Send the request to where it belongs."""
        self._route = choose(self._request, self._client.proxy.shared.sessions)
        if self._route.awaits is None:
            self._go(self._route.backend)
        else:
            self._client.proxy.shared.awaited.setdefault(self._route.awaits, set()).add(self._page_came)
            self._timer = asyncio.get_running_loop().call_later(PAGE_LIMIT, self._page_came)

    def _page_came(self) -> None:
        """The page of this upload is connected, or has not come for long."""
        self._await_no_page()
        self._route = choose(self._request, self._client.proxy.shared.sessions)
        self._go(self._route.backend)

    def _await_no_page(self) -> None:
        if self._timer is None or self._route.awaits is None:
            return
        self._timer.cancel()
        self._timer = None
        awaited = self._client.proxy.shared.awaited
        waiting = awaited.get(self._route.awaits, set())
        waiting.discard(self._page_came)
        if not waiting:
            awaited.pop(self._route.awaits, None)

    def _go(self, target: Target | None) -> None:
        proxy = self._client.proxy
        live = proxy.instance.target
        self._target = target = None if target == live else target
        wanted = target or live
        if wanted is not None and self._request.repeatable and not self._request.upgrade and not self._retried:
            kept = proxy.shared.upstreams.take(wanted)
            if kept is not None:
                self.connected(kept)
                return
        if target is None:
            self._attempt = Attempt(proxy, self)
            self._attempt.begin()
        else:
            self._connecting = proxy.shared.upstreams.connect(target, self.connected, self._failed, CONNECT_LIMIT)

    def _failed(self, error: int) -> None:
        """A backend that is not the live one does not answer."""
        self._connecting = None
        target = self._target
        if target is not None and refused(error):
            self._client.proxy.shared.sessions.gone(target.backend)
        if self._asked:
            self._ask_elsewhere()
        else:
            # With the id that the page brought: Streamlit makes a new session of it.
            self._route = Route(page=self._route.page, proof=self._route.proof)
            self._go(None)

    def gave_up(self) -> None:
        """The live backend did not answer for as long as clients are held."""
        self._client.proxy.instance.gave_up()
        self._client.refuse(503, NO_ANSWER, method=self._request.method)

    def connected(self, upstream: Upstream) -> None:
        self._attempt = self._connecting = None
        self.upstream = upstream
        endpoint = upstream.endpoint
        endpoint.handler = self
        self._client.proxy.instance.opened(upstream.target.backend)
        host = b"" if self._request.modern else self._client.local_address()
        endpoint.write(write_request(self._request, host=host, protocols=self._route.protocols))
        endpoint.read(True)
        self._client.send_body()

    def abort(self) -> None:
        """The client is gone, or sends what is no request."""
        self._await_no_page()
        if self._attempt is not None:
            self._attempt.cancel()
        if self._connecting is not None:
            self._connecting.give_up()
        self._drop_upstream()

    def resume(self) -> None:
        """The client takes more."""
        if self.upstream is not None:
            self.upstream.endpoint.read(True)

    def flushed(self) -> None:
        self._client.resume()

    # -- from the backend ----------------------------------------------------------------------------------------

    def readable(self) -> None:
        if self.upstream is None:
            return
        try:
            data = self.upstream.endpoint.receive()
        except OSError:
            self._ended(regularly=False)
            return
        if data is None:
            return
        if not data:
            self._ended(regularly=True)
        elif self._answer is None:
            self._read_head(data)
        else:
            self._pass_on(b"", data)

    def lost(self) -> None:
        self._ended(regularly=False)

    def _ended(self, *, regularly: bool) -> None:
        """The backend has ended its connection."""
        if self._answer is None:
            again = self._request.repeatable and not self._retried and not self._head
            self._drop_upstream()
            if again:
                self._retried = True
                self._go(self._target)
            else:
                self._client.refuse(502, CUT_OFF, method=self._request.method)
        elif regularly and self._rest is not None and self._rest.ends_with_connection:
            self._finish(self._answer)
        else:
            # Half an answer must not look like a whole one.
            self._drop_upstream()
            self._client.lost()

    def _read_head(self, data: memoryview) -> None:
        searched = len(self._head)
        self._head += data
        try:
            while size := find_head(self._head, searched):
                answer = read_answer(bytes(self._head[:size]), self._request.method)
                del self._head[:size]
                searched = 0
                if answer.status == 101:
                    self._upgrade(answer)
                    return
                if answer.status >= 200:
                    self._begin_answer(answer)
                    return
                if self._request.modern:
                    self._client.endpoint.write(write_answer(answer, self._request, keeps=True))
        except BadMessage:
            self._drop_upstream()
            self._client.refuse(502, NOT_UNDERSTOOD, method=self._request.method)

    def _begin_answer(self, answer: Answer) -> None:
        if may_be_elsewhere(self._request) and missing(self._request, answer) and self._ask_elsewhere():
            return
        request, client = self._request, self._client
        if asks_first(request.path) and not has_ours(request.values(b"cookie")):
            answer.headers.append((b"Set-Cookie", new_cookie(os.urandom(20).hex())))
        self._answer = answer
        self._rest = Rest(answer.length, chunked=answer.chunked)
        framed = answer.length is not None or (answer.chunked and request.modern)
        # Whose body is not read to its end by then has something to say that is no next request.
        self._keeps = request.keeps and framed and not client.sends_body and not client.proxy.ends
        rest = self._head
        self._head = bytearray()
        self._pass_on(write_answer(answer, request, keeps=self._keeps), memoryview(rest))

    def _ask_elsewhere(self) -> bool:
        """Ask the next backend that may have it; False when all were asked, and the answer is that of the last."""
        proxy = self._client.proxy
        if self.upstream is not None:
            if self.upstream.target.backend in self._asked:
                return False  # the live one, asked again as nobody else has it
            self._asked.append(self.upstream.target.backend)
        elif self._target is not None:
            self._asked.append(self._target.backend)
        following = next(proxy.shared.sessions.others(proxy.name, self._asked), None)
        if following is None and self.upstream is not None:
            return False
        self._drop_upstream()
        self._head.clear()
        self._retried = False
        self._go(following)
        return True

    def _pass_on(self, head: bytes, data: memoryview) -> None:
        """Pass on a part of the answer, behind its head when that goes out with it."""
        client, rest, answer = self._client.endpoint, self._rest, self._answer
        if rest is None or answer is None:
            return  # it was cut off a moment ago
        try:
            part, used = rest.take(data, framed=self._request.modern)
        except BadMessage:
            self._ended(regularly=False)
            return
        if used < len(data):
            answer.keeps = False  # nobody has asked for what the backend said then
        if len(part) <= _JOINED:
            client.write(head + part)
        else:
            client.write(head)
            client.write(part)
        if rest.over:
            self._finish(answer)
        elif client.clogged and self.upstream is not None:
            self.upstream.endpoint.read(False)

    def _finish(self, answer: Answer) -> None:
        """The answer is whole."""
        upstream, client = self.upstream, self._client
        if upstream is None:
            return
        self.upstream = None
        client.proxy.instance.closed(upstream.target.backend)
        if answer.keeps and not client.sends_body:
            client.proxy.shared.upstreams.give(upstream)
        else:
            upstream.endpoint.close()
        client.answered(keeps=self._keeps)

    def _drop_upstream(self) -> None:
        if self.upstream is not None:
            self._client.proxy.instance.closed(self.upstream.target.backend)
            self.upstream.endpoint.reset() if self._client.sends_body else self.upstream.endpoint.close()
            self.upstream = None

    # -- websockets ----------------------------------------------------------------------------------------------

    def _upgrade(self, answer: Answer) -> None:
        if not self._request.upgrade or self.upstream is None:
            raise BadMessage("an upgrade that nobody asked for", 502)
        upstream, client, route = self.upstream, self._client, self._route
        self.upstream = None
        client.exchange = None
        client.endpoint.write(write_answer(answer, self._request, keeps=True))
        page = None
        if route.page:
            page = Page(client.proxy, upstream.target.backend, answer.value(b"sec-websocket-extensions"))
            page.known(route, time.time())
        tunnel(client.proxy, client.endpoint, upstream, early=client.buffer, answered=self._head, page=page)


_JOINED = 65_536  # bytes up to which a head and what comes with it go out in one piece
