"""Takes sessions in: each waits under its ticket until a page brings it, and is then run at once."""

from __future__ import annotations

import inspect
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import parcel
from .departures import Departures, Onward, hand_over, handed_over, which
from .endpoint import Payload, Refusal
from .holding import Holding, when_idle
from .launch import failure, tell
from .loop import manager, on_loop
from .notices import GONE, Toasts, not_carried
from .parcel import Arrival, Late
from .state import brought_up_to_date, files_in, fill, forget_widgets, user_of

if TYPE_CHECKING:
    from typing import TypeAlias

KEPT = 120.0  # seconds for a page to come with its ticket, as long as Streamlit keeps a session whose page has left
FIRST_RUN = 120.0  # seconds after which a page counts as one that has been run, though that has not ended
MOST = 1024  # sessions that wait
GREETING = 0.5  # seconds: a page that asks for a run when it has come does so within

Connect: TypeAlias = "Callable[..., str]"


@dataclass
class Waiting:
    """A session that was received and whose page has not come yet. `late`: what has come after it.

    `onward`: where it is sent on to, with these `files`; `sent_on`: it was, with all that was late.
    """

    session: str
    arrival: Arrival
    late: list[Late] = field(default_factory=list)
    onward: Onward | None = None
    files: list[str] = field(default_factory=list)
    sent_on: bool = False


class Arrivals:
    """The sessions that this process has received."""

    def __init__(self, holding: Holding, departures: Departures) -> None:
        self._holding = holding
        self._departures = departures
        self._waiting: dict[str, Waiting] = {}  # by ticket
        self._arrived: dict[str, str] = {}  # session by ticket, for what is sent late
        self._not_run: weakref.WeakSet[Any] = weakref.WeakSet()  # sessions whose pages have come

    @property
    def count(self) -> int:
        """How many sessions wait for their pages."""
        return len(self._waiting)

    @property
    def arriving(self) -> int:
        """How many pages have come and still show what their old process made: their first run here has not ended."""
        return sum(map(self._is_arriving, list(self._not_run)))

    def expects(self, session: str) -> bool:
        """Return whether a session waits for its page: what is uploaded for it meanwhile is taken."""
        return any(one.session == session for one in list(self._waiting.values()))

    def session_of(self, ticket: str) -> str:
        """Return the session that a ticket has brought, where its page has left since; else what it says, unchanged.

        A front that was killed as the page came may not have written down that it did: the page brings it once more.
        """
        session = self._arrived.get(ticket)
        return session if session is not None and not manager().is_active_session(session) else ticket

    # -- requests, each on its own thread ----------------------------------------------------------------------------

    def receive(self, request: dict[str, Any], payload: Payload) -> dict[str, Any]:
        """Take a session in; every value is made here, before the page comes."""
        ticket, session = request.get("ticket"), request.get("session")
        if not (isinstance(ticket, str) and ticket and isinstance(session, str) and session and payload[0]):
            raise Refusal("the request names no session and no ticket")
        arrival = parcel.read(*payload)
        sent = _count_dropped(payload[0])
        on_loop(lambda: self._keep(ticket, Waiting(session, arrival)))
        return {"dropped": [one.told() for one in arrival.dropped[sent:]]}

    def late(self, request: dict[str, Any], payload: Payload) -> dict[str, Any]:
        """Take what happened to a session after it was sent."""
        late = parcel.read_late(*payload)
        on_loop(lambda: self._add_late(str(request.get("ticket")), late))
        return {}

    def send(self, request: dict[str, Any], payload: Payload) -> dict[str, Any]:
        """Send a session to another process, also one whose page has not come yet."""
        session, onward = which(request)
        began = time.monotonic()
        waiting = on_loop(lambda: self._begin_to_send_on(session, onward))
        if waiting is None:
            return self._departures.send(request, payload)
        try:
            written = parcel.write_again(waiting.arrival)
            dropped = hand_over(session, onward, written)
            on_loop(lambda: self._sent_on(waiting, onward))
        except BaseException:
            on_loop(lambda: self._stay(waiting))
            raise
        return handed_over(written, dropped, began)

    def release(self, request: dict[str, Any], _: Payload) -> dict[str, Any]:
        """Let a session that was sent go on here, or wait here for its page."""
        session = str(request.get("session"))
        if not on_loop(lambda: self._release(session)):
            raise Refusal(f"session {session} was not sent")
        return {}

    # -- on the event loop -------------------------------------------------------------------------------------------

    def _waits(self, session: str) -> Waiting | None:
        return next((one for one in self._waiting.values() if one.session == session), None)

    def _begin_to_send_on(self, session: str, onward: Onward) -> Waiting | None:
        waiting = self._waits(session) if manager().get_session_info(session) is None else None
        if waiting is None:
            return None
        # Whoever sent it on before is gone, and did not say where its page went.
        files = waiting.arrival.files
        for late in waiting.late:
            _put_files(files, late)
        files.update(files_in(manager(), session))
        waiting.onward, waiting.files, waiting.sent_on = onward, list(files), False
        return waiting

    def _sent_on(self, waiting: Waiting, onward: Onward) -> None:
        waiting.sent_on = True
        if manager().get_session_info(waiting.session) is None:
            for one in waiting.late:
                self._departures.tell_after(onward, one)
        # Else its page has come meanwhile, and is frozen: what was late is sent after it when it leaves.

    def _release(self, session: str) -> bool:
        waiting = self._waits(session)
        if waiting is not None and waiting.onward is not None:
            self._stay(waiting)
            return True
        return self._departures.go_on(session)

    def _stay(self, waiting: Waiting) -> None:
        waiting.onward, waiting.sent_on = None, False
        self._departures.go_on(waiting.session)  # where its page has come meanwhile

    def _keep(self, ticket: str, waiting: Waiting) -> None:
        if len(self._waiting) >= MOST:
            raise Refusal(f"{MOST} sessions wait here already")
        known = manager()
        # What this process still has of an earlier stay of that page is older than what comes now.
        if known.get_session_info(waiting.session) and not known.is_active_session(waiting.session):
            known.close_session(waiting.session)
        for stale in [name for name, one in self._waiting.items() if one.session == waiting.session]:
            del self._waiting[stale]
        self._waiting[ticket] = waiting
        _loop().call_later(KEPT, self._expire, ticket, waiting)

    def _expire(self, ticket: str, waiting: Waiting) -> None:
        if self._waiting.get(ticket) is waiting:
            del self._waiting[ticket]
            if manager().get_session_info(waiting.session) is None:
                manager()._uploaded_file_mgr.remove_session_files(waiting.session)

    def _add_late(self, ticket: str, late: Late) -> None:
        waiting = self._waiting.get(ticket)
        if waiting is not None:
            waiting.late.append(late)
            if waiting.onward is not None and waiting.sent_on:
                self._departures.tell_after(waiting.onward, late)
            return
        session = self._arrived.get(ticket)
        known = session and manager().get_session_info(session)
        if not known:
            raise Refusal("nobody waits under this ticket")
        onward = self._departures.onward_of(known.session.id)
        if onward is not None:
            self._departures.tell_after(onward, late)
            return
        files = manager()._uploaded_file_mgr
        for record in late.files.values():
            files.add_file(session, record)
        for identity in late.removed:
            files.remove_file(session, identity)
        held = self._holding.of(known.session)
        busy = held is not None
        held = held or self._holding.hold(known.session)
        held.addresses += late.addresses
        if not held.frozen:
            self._departures.answer_addresses(held)
        later = self._holding.asked_here(known.session)
        for client in late.reruns if later is None else (brought_up_to_date(one, later) for one in late.reruns):
            if client is not None:
                held.add(client)
        if not busy:
            held.drain()

    def redeem(self, known: Any, connect: Connect, ticket: str, kwargs: dict[str, Any]) -> str | None:
        """Give the page that brings `ticket` its session; None where nobody waits under it, or somebody else came."""
        waiting = self._waiting.get(ticket)
        if waiting is None:
            return None
        del self._waiting[ticket]
        if user_of(kwargs.get("user_info")) != waiting.arrival.user:
            tell(f"page {waiting.session[:8]} came as somebody else: what was entered on it is dropped")
            return None
        meanwhile = files_in(known, waiting.session)
        if known.get_session_info(waiting.session) is not None:
            known.close_session(waiting.session)
            meanwhile = {}
        identity = _connect_as(known, connect, waiting.session, kwargs)
        session = known.get_active_session_info(identity).session
        if identity != waiting.session:
            greet(session)
            return identity
        self._arrived[ticket] = identity
        _loop().call_later(KEPT, self._arrived.pop, ticket, None)
        try:
            self._take_in(session, waiting, meanwhile)
        except Exception as error:  # noqa: BLE001  # it is connected, and works as a page that nobody knows
            tell(f"page {identity[:8]} came without what was entered on it ({failure(error)})")
            self._go_on_without(session, waiting)
        return identity

    def _take_in(self, session: Any, waiting: Waiting, meanwhile: dict[str, Any]) -> None:
        arrival, loop = waiting.arrival, session._event_loop
        self._not_run.add(session)
        held = self._holding.hold(session)
        for late in waiting.late:
            _put_files(arrival.files, late)
            for client in late.reruns:
                held.add(client)
            held.addresses += late.addresses
        for record in {**arrival.files, **meanwhile}.values():
            session._uploaded_file_mgr.add_file(session.id, record)
        fill(session, arrival.values, arrival.widgets)
        if waiting.onward is not None:
            frozen = self._departures.freeze(held, waiting.onward, waiting.files)
            if waiting.sent_on:
                frozen.told.extend((*held.waiting, *held.addresses))
        else:
            loop.call_soon(self._departures.answer_addresses, held)
        toasts = Toasts(session) if arrival.dropped else None

        def then() -> None:
            self._has_run(session)
            forget_widgets(session, arrival.widgets)
            if toasts is not None:
                _say(session, toasts, not_carried(arrival.dropped))

        loop.call_soon(held.start, arrival.client, then)

    def _go_on_without(self, session: Any, waiting: Waiting) -> None:
        """Let a page go on that what came with it could not be given to: with what its widgets bring themselves."""
        held, loop, toasts = self._holding.hold(session), session._event_loop, Toasts(session)
        if not held.frozen:
            loop.call_soon(self._departures.answer_addresses, held)

        def then() -> None:
            self._has_run(session)
            _say(session, toasts, GONE)

        loop.call_soon(held.start, waiting.arrival.client, then)

    def _is_arriving(self, session: Any) -> bool:
        known = manager().get_session_info(session.id)
        return known is not None and known.session is session and self._departures.onward_of(session.id) is None

    def _has_run(self, session: Any) -> None:
        """The first run of a session has ended, or takes so long that the next one does not wait for it."""
        when_idle(session, lambda: self._not_run.discard(session), limit=FIRST_RUN)


def _put_files(files: dict[str, Any], late: Late) -> None:
    files.update(late.files)
    for identity in late.removed:
        files.pop(identity, None)


def greet(session: Any) -> None:
    """Say on a page that came with a session that nobody knows what has become of it."""
    _say(session, Toasts(session), GONE)


def _say(session: Any, toasts: Toasts, body: str) -> None:
    # After the runs that the page asks for by itself: each takes the toasts before it away.
    session._event_loop.call_later(GREETING, when_idle, session, lambda: toasts.show(body))


def _connect_as(known: Any, connect: Connect, identity: str, kwargs: dict[str, Any]) -> str:
    kwargs = {name: value for name, value in kwargs.items() if name != "existing_session_id"}
    if "session_id_override" in inspect.signature(connect).parameters:
        return connect(known, **{**kwargs, "session_id_override": identity})
    # Version 1.28: nothing has used the new session's id yet, but for the table of the manager.
    given = connect(known, **kwargs)
    entry = known._active_session_info_by_id.pop(given)
    entry.session.id = identity
    known._active_session_info_by_id[identity] = entry
    return identity


def _loop() -> Any:
    import asyncio

    return asyncio.get_running_loop()


def _count_dropped(document: bytes) -> int:
    import json

    return len(json.loads(document)["dropped"])
