"""What becomes of a connection or request until a backend takes it: it is held, and nothing it said is lost.

    begun ──▶ trying ──▶ connected
               ▲  │ refused, no answer, no target
               │  ▼
             waiting ──▶ given up, at the deadline
                  └────▶ cancelled, when the client has left

Whoever waits is woken by a switch. A target that refuses may be about to listen; it is asked again every few
milliseconds, by one task however many wait, and by none when nobody does.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gitrelease.front.poll import Poller
from gitrelease.front.sessions import Sessions
from gitrelease.front.targets import Instance, Target
from gitrelease.front.upstream import Upstream, Upstreams

if TYPE_CHECKING:
    from gitrelease.front.http import HttpConnection
    from gitrelease.front.page import Page

RETRY = 0.02  # seconds between two questions to a target that refuses
CONNECT_LIMIT = 5.0  # seconds for one attempt
IDLE_LIMIT = 90.0  # seconds without a request; proxies before us give up their idle connections after 60
_SWEEP = 5.0  # seconds between two looks for those


@dataclass(frozen=True)
class Shared:
    """What all instances of a front have in common. `awaited`: whom to tell that a session's websocket is there."""

    poller: Poller
    upstreams: Upstreams
    sessions: Sessions
    awaited: dict[str, set[Callable[[], None]]] = field(default_factory=dict)

    def arrived(self, session: str) -> None:
        """The websocket of `session` is open."""
        for told in tuple(self.awaited.pop(session, ())):
            told()


class Waiter(Protocol):
    """Who wants the live backend."""

    def connected(self, upstream: Upstream) -> None:
        """Here it is."""

    def gave_up(self) -> None:
        """It did not answer until the deadline."""


class Attempt:
    """One who wants the live backend, until there is one."""

    __slots__ = ("_proxy", "_timer", "_upstream", "deadline", "over", "waiter")

    def __init__(self, proxy: InstanceProxy, waiter: Waiter) -> None:
        self._proxy = proxy
        self.waiter = waiter
        self.deadline: float | None = None
        self.over = False
        self._timer: asyncio.TimerHandle | None = None
        self._upstream: Upstream | None = None

    def begin(self) -> None:
        self._proxy.instance.held += 1
        self.try_now()

    def cancel(self) -> None:
        """The client has left."""
        self._end()

    def retry(self) -> None:
        """The target has changed, or answers again."""
        if self._upstream is not None:
            self._upstream.give_up()
            self._upstream = None
        self._proxy.trying.discard(self)
        self._proxy.waiting.discard(self)
        self.try_now()

    def try_now(self) -> None:
        proxy = self._proxy
        target = proxy.instance.target
        # Who comes while a target is silent waits with the others for it to answer again.
        if target is None or proxy.is_asking:
            self._wait()
            return
        proxy.trying.add(self)
        remaining = CONNECT_LIMIT
        if self.deadline is not None:
            remaining = min(remaining, max(0.0, self.deadline - asyncio.get_running_loop().time()))
        self._upstream = proxy.shared.upstreams.connect(
            target, self._connected, lambda _: self._failed(target), remaining
        )

    def _connected(self, upstream: Upstream) -> None:
        self._upstream = None
        self._end()
        self.waiter.connected(upstream)

    def _failed(self, target: Target) -> None:
        self._upstream = None
        self._proxy.trying.discard(self)
        if self._proxy.instance.target == target:
            self._proxy.ask_again(target)
        self._wait()

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        if self.deadline is None:
            self.deadline = loop.time() + self._proxy.hold
            self._timer = loop.call_at(self.deadline, self._expire)
        self._proxy.waiting.add(self)

    def _expire(self) -> None:
        if self._upstream is not None:
            self._upstream.give_up()
        self._end()
        self.waiter.gave_up()

    def _end(self) -> None:
        if self.over:
            return
        self.over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._upstream is not None:
            self._upstream.give_up()
            self._upstream = None
        self._proxy.trying.discard(self)
        self._proxy.waiting.discard(self)
        self._proxy.instance.held -= 1


class InstanceProxy:
    """Takes the clients of one instance to its backends; `hold`: for how many seconds it may keep them waiting."""

    def __init__(self, name: str, shared: Shared, *, hold: float) -> None:
        self.name = name
        self.shared = shared
        self.hold = hold
        self.instance = Instance()
        self.protocol: str | None = None  # of the last target
        self.trying: set[Attempt] = set()
        self.waiting: set[Attempt] = set()
        self.idle: dict[HttpConnection, float] = {}  # longest first
        self.pages: set[Page] = set()
        self.ends = False  # nobody is to come with another request
        self._asking: asyncio.Task[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def is_asking(self) -> bool:
        return self._asking is not None

    def switch(self, target: Target | None) -> None:
        """Send every connection that has no backend yet to `target`; None holds them."""
        # Attempts on a target that stays the target go on.
        stale = tuple(self.trying) if target != self.instance.target else ()
        self.instance.switch(target)
        if target is not None:
            self.protocol = target.protocol
            self.shared.sessions.targeted(self.name, target)
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        for attempt in (*self.waiting, *stale):
            if not attempt.over:
                attempt.retry()

    def end_idle(self) -> None:
        """Close what is kept open for further requests, now and from now on."""
        self.ends = True
        for connection in tuple(self.idle):
            connection.endpoint.close()
        self.idle.clear()

    def drop_idle(self) -> bool:
        """Close the connection that has waited longest for its next request; False where there is none."""
        for connection in self.idle:
            del self.idle[connection]
            connection.endpoint.close()
            return True
        return False

    def rest(self, connection: HttpConnection) -> None:
        """`connection` has nothing under way."""
        self.idle[connection] = time.monotonic()
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def status(self) -> dict[str, Any]:
        told = self.instance.status()
        now = asyncio.get_running_loop().time()
        pages = Counter(page.backend for page in self.pages)
        oldest: dict[str, float] = {}
        for page in self.pages:
            oldest[page.backend] = min(oldest.get(page.backend, now), page.began)
        for backend in pages.keys() - told["backends"].keys():
            told["backends"][backend] = {"open": 0, "total": 0, "failed": 0}
        for backend, count in told["backends"].items():
            count["pages"] = pages[backend]
            count["oldest_page_s"] = round(now - oldest[backend], 3) if backend in oldest else None
        return told

    def ask_again(self, target: Target) -> None:
        """See to it that everyone who waits is woken when `target` answers."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(target))

    async def _ask(self, target: Target) -> None:
        await asyncio.sleep(RETRY)
        while self.waiting and not await self._answers(target):
            await asyncio.sleep(RETRY)
        self._asking = None
        for attempt in tuple(self.waiting):
            if not attempt.over:
                attempt.retry()

    async def _answers(self, target: Target) -> bool:
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def connected(upstream: Upstream) -> None:
            upstream.endpoint.close()
            answered.set_result(True)

        upstream = self.shared.upstreams.connect(target, connected, lambda _: answered.set_result(False), CONNECT_LIMIT)
        try:
            return await answered
        finally:
            if upstream is not None and not answered.done():
                upstream.give_up()

    def _sweep(self) -> None:
        self._sweeper = None
        for connection, since in tuple(self.idle.items()):
            if time.monotonic() - since < IDLE_LIMIT:
                break
            del self.idle[connection]
            connection.waited_too_long()
        if self.idle:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)
