"""Sends sessions to another process: each is frozen here from then on, until its page leaves or the move is off."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from . import parcel
from .endpoint import Payload, Refusal, ask
from .holding import Held, Holding
from .launch import tell
from .loop import is_open, manager, on_loop
from .parcel import Dropped, Late, Parcel
from .resending import Resending
from .state import Snapshot, files_of, running, snapshot
from .uploads import Uploads

LOOK = 0.02  # seconds between two looks at a session that is still busy
FROZEN = 60.0  # seconds after which a page that has not left goes on here: whoever moved it is gone
RETURNED = 1.5  # likewise after it came back: one that was on its way here while it was moved is sent on at once
TAKING = 20.0  # seconds for the other process to take what it is sent


class Onward(NamedTuple):
    """Where a session was sent: to the companion behind this socket, under this ticket."""

    to: str
    ticket: str


class Frozen(NamedTuple):
    """A session that was sent. `files` are the ids of those that were sent with it, `told` what was sent after it."""

    held: Held
    onward: Onward
    files: list[str]
    told: list[Any]


class Departures:
    """The sessions that this process has sent."""

    def __init__(self, holding: Holding, resending: Resending, uploads: Uploads) -> None:
        self._holding = holding
        self._resending = resending
        self._uploads = uploads
        self._frozen: dict[str, Frozen] = {}
        self._telling: set[threading.Thread] = set()  # that send something after a session just now

    @property
    def leaving(self) -> int:
        """How many pages were sent and have not left, or are not told of completely; on the event loop."""
        return len(self._telling) + sum(is_open(frozen.held.session) for frozen in self._frozen.values())

    # -- requests, each on its own thread ---------------------------------------------------------------------------

    def send(self, request: dict[str, Any], _: Payload) -> dict[str, Any]:
        """Send a session once nothing of it is under way, as it is after `wait` seconds at most."""
        session, onward = which(request)
        began = time.monotonic()
        taken, frozen = self._freeze(session, onward, began + float(request.get("wait", 0)))
        try:
            written = parcel.write(taken)
            dropped = hand_over(session, onward, written)
            if on_loop(lambda: self._frozen.get(session) is not frozen):
                raise Refusal(
                    f"the page of session {session} came back meanwhile and goes on here", "Send it once more"
                )
        except BaseException:
            on_loop(lambda: self._give_up(session, frozen))
            raise
        return handed_over(written, dropped, began)

    def _freeze(self, session: str, onward: Onward, until: float) -> tuple[Snapshot, Frozen]:
        while True:
            late = time.monotonic() >= until
            taken = on_loop(lambda late=late: self._freeze_now(session, onward, whatever=late))  # type: ignore[misc]
            if taken is not None:
                return taken
            time.sleep(LOOK)

    # -- on the event loop -------------------------------------------------------------------------------------------

    def _freeze_now(self, identity: str, onward: Onward, *, whatever: bool) -> tuple[Snapshot, Frozen] | None:
        known = manager().get_session_info(identity)
        if known is None:
            raise Refusal(f"session {identity} is not known here", "Its page was closed, or is another process's")
        session = known.session
        again = self._of(session)
        if again is not None and again.held.is_new:
            self.go_on(identity)  # it was to be sent on as it came, and its page has come: it runs first
            return None
        if again is None and not whatever:
            if self._holding.of(session) is not None:
                self._holding.make_again(session)  # its page may be away, and never come back here
                return None  # it has just come, and its first run is under way
            if running(session) or self._uploads.of(identity) or self._resending.is_sending(session):
                return None
        taken = snapshot(session, self._holding.asked(session))
        # Whoever sent it before is gone, and did not say where its page went: it is frozen, and goes with what waits.
        held = self._holding.hold(session) if again is None else again.held
        return taken, self.freeze(held, onward, list(files_of(session)))

    def freeze(self, held: Held, onward: Onward, files: list[str]) -> Frozen:
        """Let a session wait that was sent, with its files."""
        session = held.session
        held.frozen = True
        frozen = self._frozen[session.id] = Frozen(held, onward, files, [])
        session._event_loop.call_later(FROZEN, self._expire, session.id, frozen)
        return frozen

    def _of(self, session: Any) -> Frozen | None:
        """Return what was sent of a session, nothing where that was an earlier one of its name."""
        frozen = self._frozen.get(session.id)
        return frozen if frozen is not None and frozen.held.session is session else None

    def _give_up(self, identity: str, frozen: Frozen) -> None:
        if self._frozen.get(identity) is frozen:
            self.go_on(identity)

    def go_on(self, identity: str) -> bool:
        """Let a session that was sent go on here; return whether it was."""
        known = manager().get_session_info(identity)
        frozen = None if known is None else self._of(known.session)
        if frozen is None:
            return False
        del self._frozen[identity]
        frozen.held.frozen = False
        self.answer_addresses(frozen.held)
        frozen.held.drain()
        return True

    def _expire(self, identity: str, frozen: Frozen) -> None:
        if self._frozen.get(identity) is not frozen:
            return
        active = manager().get_active_session_info(identity)
        if active is not None and active.session is frozen.held.session:
            tell(f"page {identity[:8]} was sent on and has not left for {FROZEN:.0f} s: it goes on here")
            self.go_on(identity)
        else:
            del self._frozen[identity]
            frozen.held.end()

    def asks_for_address(self, session: Any, message: Any) -> None:
        """Answer a page's question where to upload, a BackMsg; where its session was sent, its new process answers."""
        frozen = self._of(session)
        if frozen is None:
            self.answer_address(session, message)
        else:
            frozen.held.addresses.append(message.SerializeToString())

    def answer_addresses(self, held: Held) -> None:
        """Answer here what a page has asked meanwhile."""
        for message in held.addresses:
            self.answer_address(held.session, parcel.back_message(message))
        held.addresses.clear()

    def answer_address(self, session: Any, message: Any) -> None:
        """Answer such a question here: an upload is announced, for which the session is not frozen.

        Not by way of the queue: a run that begins just now takes everything out of there that is not its own, and the
        page would wait for the answer for ever.
        """
        self._uploads.announce(session.id)
        answers: list[Any] = []
        before = vars(session).get("_enqueue_forward_msg")
        session._enqueue_forward_msg = answers.append
        try:
            session._handle_file_urls_request(message.file_urls_request)
        finally:
            del session._enqueue_forward_msg
            if before is not None:
                session._enqueue_forward_msg = before
        for answer in answers:
            if _write_now(session, answer):
                self._resending.note(session, [answer])
            else:
                session._enqueue_forward_msg(answer)  # for when it is back

    def keeps(self, identity: str) -> bool:
        """Return whether a session was sent whose page has left: what is still uploaded here is sent after it."""
        return self.onward_of(identity) is not None

    def onward_of(self, identity: str) -> Onward | None:
        """Return where a session was sent whose page has left, None where that is not so."""
        frozen = self._frozen.get(identity)
        return frozen.onward if frozen is not None and not is_open(frozen.held.session) else None

    def uploaded(self, identity: str) -> None:
        """An upload has ended: where its page has left meanwhile, it is sent after it."""
        frozen = self._frozen.get(identity)
        if frozen is None or not self.keeps(identity):
            return
        files = {name: one for name, one in files_of(frozen.held.session).items() if name not in frozen.files}
        frozen.files.extend(files)
        if files:
            self.tell_after(frozen.onward, Late([], files, [], []))

    def returned(self, identity: str) -> None:
        """A page came back to this process: it goes on here, unless it is sent on at once."""
        frozen = self._frozen.get(identity)
        if frozen is not None:
            # In two steps: where a script has held the loop for long, the end of the connection is worked off first.
            loop = frozen.held.session._event_loop
            loop.call_later(RETURNED / 2, loop.call_later, RETURNED / 2, self._has_returned, identity, frozen)

    def _has_returned(self, identity: str, frozen: Frozen) -> None:
        if is_open(frozen.held.session):
            self._give_up(identity, frozen)

    def left(self, session: Any) -> None:
        """The page of a session has left: send what happened after the session was sent."""
        frozen = self._of(session)
        if frozen is None:
            return
        files = files_of(session)
        late = Late(
            reruns=[one for one in frozen.held.waiting if one is not None and not _is_among(one, frozen.told)],
            files={name: one for name, one in files.items() if name not in frozen.files},
            removed=[name for name in frozen.files if name not in files],
            addresses=[one for one in frozen.held.addresses if not _is_among(one, frozen.told)],
        )
        frozen.files.extend(late.files)
        frozen.told.extend((*late.reruns, *late.addresses))  # it may come back, and leave once more
        if any(late):
            self.tell_after(frozen.onward, late)

    def tell_after(self, onward: Onward, late: Late) -> None:
        """Send what happened to a session after it was sent, on a thread of its own."""
        thread = threading.Thread(target=self._tell, args=(onward, late), name="gitrelease-late", daemon=True)
        self._telling.add(thread)
        thread.start()

    def _tell(self, onward: Onward, late: Late) -> None:
        try:
            ask(onward.to, {"verb": "late", "ticket": onward.ticket}, parcel.write_late(late), limit=TAKING)
        except Refusal as refusal:
            tell(f"what a page asked for last did not reach its new process: {refusal.error}")
        finally:
            self._telling.discard(threading.current_thread())


def which(request: dict[str, Any]) -> tuple[str, Onward]:
    """Return the session that a request names, and where it goes."""
    return _word(request, "session"), Onward(_word(request, "to"), _word(request, "ticket"))


def hand_over(session: str, onward: Onward, written: Parcel) -> list[Dropped]:
    """Send a session to another companion; return what could not be carried. `Refusal` where it does not take it."""
    message = {"verb": "receive", "ticket": onward.ticket, "session": session}
    answer = ask(onward.to, message, (written.document, written.blobs), limit=TAKING)
    dropped = [*written.dropped, *(Dropped(**one) for one in answer.get("dropped", ()))]
    if dropped:
        tell(f"page {session[:8]} was sent on without {'; '.join(f'{one.name}: {one.why}' for one in dropped)}")
    return dropped


def handed_over(written: Parcel, dropped: list[Dropped], began: float) -> dict[str, Any]:
    """Return the answer to whoever has asked for a session to be sent; `began`: monotonic seconds."""
    lost = {one.name for one in dropped}
    return {
        "carried": [name for name in written.carried if name not in lost],
        "dropped": [one.told() for one in dropped],
        "files": written.files,
        "bytes": written.bytes,
        "seconds": round(time.monotonic() - began, 3),
    }


def _write_now(session: Any, message: Any) -> bool:
    """Send something to a page past its queue; return whether it is connected."""
    from streamlit.runtime import SessionClientDisconnectedError

    if not is_open(session):
        return False
    try:
        manager().get_active_session_info(session.id).client.write_forward_msg(message)
    except SessionClientDisconnectedError:
        return False
    return True


def _is_among(one: Any, others: list[Any]) -> bool:
    return any(one is other for other in others)


def _word(request: dict[str, Any], name: str) -> str:
    word = request.get(name)
    if not isinstance(word, str) or not word:
        raise Refusal(f"the request names no {name}")
    return word
