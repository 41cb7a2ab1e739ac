"""Runs of a session's script that wait: while it is frozen, and until what it came with has been run once.

And runs that are made again: where the connection of a page breaks, Streamlit stops its script, and says that it has
ended well. A page that has not heard yet that it was running, and comes back, asks for nothing and believes it:
whatever the run had not come to is taken from the page, with what was entered there.

All on the event loop.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .loop import is_open
from .state import has_click, running, without_clicks

if TYPE_CHECKING:
    from typing import TypeAlias

EVERY = 0.02  # seconds between two looks at a run: the versions of Streamlit agree on no event that says it has ended
LONGEST_RUN = 10.0  # seconds for which the next run waits; then it cuts the run off, as it always does
MOST = 100  # runs that wait
RETURNS = 130.0  # seconds after which Streamlit has dropped a session whose page has left

Request: TypeAlias = "Callable[[Any, Any], None]"  # a session, and the ClientState to run it with or None


def when_idle(session: Any, then: Callable[[], None], *, limit: float = LONGEST_RUN) -> None:
    """Call `then` when no run of the session is under way, or after `limit` seconds."""
    loop = session._event_loop
    until = loop.time() + limit

    def look() -> None:
        if running(session) and loop.time() < until:
            loop.call_later(EVERY, look)
        else:
            then()

    look()


class Held:
    """The runs of one session that were asked for and wait, the oldest first."""

    def __init__(
        self, session: Any, request: Request, over: Callable[[Held], None], was_cut_off: Callable[[Any], bool]
    ) -> None:
        self.session = session
        self.waiting: list[Any] = []  # ClientState, None for the last one again
        self.addresses: list[bytes] = []  # a BackMsg each, by which the page asked where to upload
        self._request = request
        self._over = over
        self._was_cut_off = was_cut_off
        self.frozen = False  # while the session is on its way to another process
        self._first: tuple[Any, Callable[[], None]] | None = None  # what it came with, where it was frozen when it came
        self._ended = False

    @property
    def is_new(self) -> bool:
        """Whether what the session came with was not run yet, because it was frozen when it came."""
        return self._first is not None

    def add(self, client: Any) -> None:
        """Let a run wait. One that brings all of the page makes the one before it needless, but for a click."""
        if client is not None and getattr(client, "is_auto_rerun", False):
            return  # a clock of the page: the next tick comes by itself
        whole = client is None or not getattr(client, "fragment_id", "")
        if whole and self.waiting and not has_click(self.waiting[-1]):
            self.waiting.pop()
        self.waiting.append(_copy(client))
        del self.waiting[:-MOST]

    def start(self, client: Any, then: Callable[[], None]) -> None:
        """Run with `client`, call `then` when that has ended, and go on with what waits.

        What a page asks for waits until its new process has come to all of its widgets: only then are those known that
        have changed, with the functions that the app wants called for them.
        """
        if self.frozen:
            self._first = (client, then)
            return
        self._request(self.session, client)

        def ended() -> None:
            if self._was_cut_off(self.session):
                self._first = (without_clicks(client), then)
                if is_open(self.session):
                    self.drain()
                return
            then()
            self.drain()

        when_idle(self.session, ended)

    def drain(self) -> None:
        """Run what waits, one after the other; what is asked for afterwards runs as ever."""
        if self._ended or self.frozen:
            return
        if self._first is not None:
            first, self._first = self._first, None
            self.start(*first)
            return
        if not self.waiting:
            self.end()
            return
        self.start(self.waiting.pop(0), _nothing)

    def end(self) -> None:
        """Forget what waits; what is asked for afterwards runs as ever."""
        self._ended = True
        self.waiting = []
        self._over(self)


class Holding:
    """All sessions whose runs wait, and what each session was last asked to run with."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._held: dict[str, Held] = {}
        self._asked: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._by_page: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._cut_off: weakref.WeakSet[Any] = weakref.WeakSet()

    def hold(self, session: Any) -> Held:
        """Let the runs of a session wait from now on; those that wait already stay."""
        held = self.of(session)
        if held is None:
            held = self._held[session.id] = Held(session, self._run, self._over, self.was_cut_off)
        return held

    def of(self, session: Any) -> Held | None:
        """Return the runs of a session that wait, None where they do not."""
        held = self._held.get(session.id)
        return held if held is not None and held.session is session else None

    def takes(self, session: Any, client: Any) -> bool:
        """Take a run that is asked for, where it has to wait; return whether it has."""
        if client is not None:
            self._by_page[session] = client
        held = self.of(session)
        if held is None:
            self._asked[session] = client
            self._cut_off.discard(session)
            return False
        held.add(client)
        return True

    def leaves(self, session: Any) -> None:
        """The connection of a page is about to end, and with it the run that is under way."""
        if running(session):
            self._cut_off.add(session)
            session._event_loop.call_later(RETURNS, self._stays_away, session)

    def was_cut_off(self, session: Any) -> bool:
        """Was the last run of a session stopped because its page was cut off?"""
        return session in self._cut_off

    def make_again(self, session: Any) -> None:
        """Make the run again that was cut off, if one was, but for the click that had asked for it."""
        if session not in self._cut_off:
            return
        held = self.of(session)
        if held is None:
            self._run(session, without_clicks(self._asked.get(session)))
        elif not running(session):
            held.drain()

    def _stays_away(self, session: Any) -> None:
        held = self.of(session)
        if held is not None and session in self._cut_off and not is_open(session):
            held.end()

    def asked(self, session: Any) -> Any:
        """Return what a session was last asked to run with: a ClientState, or None."""
        return self._asked.get(session)

    def asked_here(self, session: Any) -> Any:
        """Return what the page itself has asked for last in this process: a ClientState, or None."""
        return self._by_page.get(session)

    def _run(self, session: Any, client: Any) -> None:
        self._asked[session] = client
        self._cut_off.discard(session)
        self._request(session, client)

    def _over(self, held: Held) -> None:
        if self._held.get(held.session.id) is held:
            del self._held[held.session.id]


def _nothing() -> None:
    """What follows a run that was asked for."""


def _copy(client: Any) -> Any:
    if client is None:
        return None
    copy = type(client)()
    copy.CopyFrom(client)
    return copy
