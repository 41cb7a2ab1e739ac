"""Sends sessions to another process: each is frozen here from then on, until its page leaves or the move is off."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from . import parcel
from .endpoint import Payload, Refusal, ask
from .holding import Held, Holding
from .launch import tell
from .loop import manager, on_loop
from .parcel import Dropped, Late
from .state import Snapshot, files_of, running, snapshot
from .uploads import Uploads

LOOK = 0.02  # seconds between two looks at a session that is still busy
FROZEN = 60.0  # seconds after which a page that has not left goes on here: whoever moved it is gone
TAKING = 20.0  # seconds for the other process to take what it is sent


class Frozen(NamedTuple):
    """A session that was sent. `files` are the ids of those that were sent with it."""

    held: Held
    ticket: str
    to: str
    files: list[str]


class Departures:
    """The sessions that this process has sent."""

    def __init__(self, holding: Holding, uploads: Uploads) -> None:
        self._holding = holding
        self._uploads = uploads
        self._frozen: dict[str, Frozen] = {}

    # -- requests, each on its own thread ---------------------------------------------------------------------------

    def send(self, request: dict[str, Any], _: Payload) -> dict[str, Any]:
        """Send a session once nothing of it is under way, as it is after `wait` seconds at most."""
        session, ticket, to = (_word(request, name) for name in ("session", "ticket", "to"))
        began = time.monotonic()
        taken = self._freeze(session, ticket, to, began + float(request.get("wait", 0)))
        try:
            written = parcel.write(taken)
            message = {"verb": "receive", "ticket": ticket, "session": session}
            answer = ask(to, message, (written.document, written.blobs), limit=TAKING)
        except BaseException:
            on_loop(lambda: self._release(session))
            raise
        dropped = [*written.dropped, *(Dropped(**one) for one in answer.get("dropped", ()))]
        if dropped:
            tell(f"page {session[:8]} was sent on without {'; '.join(f'{one.name}: {one.why}' for one in dropped)}")
        lost = {one.name for one in dropped}
        return {
            "carried": [name for name in written.carried if name not in lost],
            "dropped": [one._asdict() for one in dropped],
            "files": written.files,
            "bytes": written.bytes,
            "seconds": round(time.monotonic() - began, 3),
        }

    def release(self, request: dict[str, Any], _: Payload) -> dict[str, Any]:
        """Let a session that was sent go on here."""
        session = _word(request, "session")
        if not on_loop(lambda: self._release(session)):
            raise Refusal(f"session {session} was not sent")
        return {}

    def _freeze(self, session: str, ticket: str, to: str, until: float) -> Snapshot:
        while True:
            late = time.monotonic() >= until
            taken = on_loop(lambda late=late: self._freeze_now(session, ticket, to, whatever=late))  # type: ignore[misc]
            if taken is not None:
                return taken
            time.sleep(LOOK)

    # -- on the event loop -------------------------------------------------------------------------------------------

    def _freeze_now(self, identity: str, ticket: str, to: str, *, whatever: bool) -> Snapshot | None:
        known = manager().get_session_info(identity)
        if known is None:
            raise Refusal(f"session {identity} is not known here", "Its page was closed, or is another process's")
        session = known.session
        again = self._of(session)
        if again is None and not whatever:
            if self._holding.of(session) is not None:
                return None  # it has just come, and its first run is under way
            if running(session) or self._uploads.of(identity):
                return None
        taken = snapshot(session, self._holding.asked(session))
        # Whoever sent it before is gone, and did not say where its page went: it is frozen, and goes with what waits.
        held = self._holding.hold(session) if again is None else again.held
        held.frozen = True
        frozen = Frozen(held, ticket, to, list(files_of(session)))
        self._frozen[identity] = frozen
        session._event_loop.call_later(FROZEN, self._expire, identity, frozen)
        return taken

    def _of(self, session: Any) -> Frozen | None:
        """Return what was sent of a session, nothing where that was an earlier one of its name."""
        frozen = self._frozen.get(session.id)
        return frozen if frozen is not None and frozen.held.session is session else None

    def _release(self, identity: str) -> bool:
        known = manager().get_session_info(identity)
        frozen = None if known is None else self._of(known.session)
        if frozen is None:
            return False
        del self._frozen[identity]
        frozen.held.frozen = False
        for message in frozen.held.addresses:
            answer_address(frozen.held.session, message)
        frozen.held.addresses.clear()
        frozen.held.drain()
        return True

    def _expire(self, identity: str, frozen: Frozen) -> None:
        if self._frozen.get(identity) is not frozen:
            return
        active = manager().get_active_session_info(identity)
        if active is not None and active.session is frozen.held.session:
            tell(f"page {identity[:8]} was sent on and has not left for {FROZEN:.0f} s: it goes on here")
            self._release(identity)
        else:
            del self._frozen[identity]
            frozen.held.end()

    def asks_for_address(self, session: Any, message: Any) -> bool:
        """Take a page's question where to upload, where its session was sent; return whether it was taken.

        Its new process answers. Otherwise an upload is announced, for which the session is not frozen.
        """
        frozen = self._of(session)
        if frozen is None:
            self._uploads.announce(session.id)
            return False
        frozen.held.addresses.append(message.SerializeToString())
        return True

    def keeps(self, identity: str) -> bool:
        """Return whether a session was sent whose page has left: what is still uploaded here is sent after it."""
        frozen = self._frozen.get(identity)
        return frozen is not None and manager().get_active_session_info(identity) is None

    def uploaded(self, identity: str) -> None:
        """An upload has ended: where its page has left meanwhile, it is sent after it."""
        frozen = self._frozen.get(identity)
        if frozen is None or not self.keeps(identity):
            return
        files = {name: one for name, one in files_of(frozen.held.session).items() if name not in frozen.files}
        frozen.files.extend(files)
        if files:
            _send_beside(frozen, Late([], files, [], []))

    def returned(self, identity: str) -> None:
        """A page came back to this process: it goes on here."""
        self._release(identity)

    def left(self, session: Any) -> None:
        """The page of a session has left: send what happened after the session was sent."""
        frozen = self._of(session)
        if frozen is None:
            return
        files = files_of(session)
        late = Late(
            reruns=[one for one in frozen.held.waiting if one is not None],
            files={name: one for name, one in files.items() if name not in frozen.files},
            removed=[name for name in frozen.files if name not in files],
            addresses=frozen.held.addresses,
        )
        frozen.files.extend(late.files)
        if any(late):
            _send_beside(frozen, late)


def answer_address(session: Any, message: bytes) -> None:
    """Answer a page's question where to upload."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    session.handle_backmsg(BackMsg.FromString(message))


def _send_beside(frozen: Frozen, late: Late) -> None:
    threading.Thread(target=_send_late, args=(frozen, late), name="gitrelease-late", daemon=True).start()


def _send_late(frozen: Frozen, late: Late) -> None:
    try:
        ask(frozen.to, {"verb": "late", "ticket": frozen.ticket}, parcel.write_late(late), limit=TAKING)
    except Refusal as refusal:
        tell(f"what a page asked for last did not reach its new process: {refusal.error}")


def _word(request: dict[str, Any], name: str) -> str:
    word = request.get(name)
    if not isinstance(word, str) or not word:
        raise Refusal(f"the request names no {name}")
    return word
