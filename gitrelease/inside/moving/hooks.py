"""Joins the companion to Streamlit: a few methods of its classes are wrapped, each goes on to do what it did.

A wrapper that fails says so once and is out of the way: the app is served as if it were not there.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from .arrivals import Arrivals, greet
from .departures import Departures
from .garbage import Garbage
from .holding import Holding
from .launch import failure, tell
from .media import KeptMedia
from .memory import Memory
from .resending import Resending
from .uploads import Uploads

TOLD = 0.1  # seconds after the end of a run: its page has been sent that by then

_told: set[str] = set()


def _failed(where: str, error: Exception) -> None:
    if where not in _told:
        _told.add(where)
        tell(f"the companion failed in {where}, the app is served without it ({failure(error)})")


def wrap_reruns(holding: Holding, uploads: Uploads) -> None:
    """Let the runs of held sessions wait."""
    from streamlit.runtime.app_session import AppSession

    original = AppSession.request_rerun

    @functools.wraps(original)
    def request_rerun(self: Any, client_state: Any) -> Any:
        try:
            uploads.used(self.id)
            if holding.takes(self, client_state):
                return None
        except Exception as error:  # noqa: BLE001
            _failed("request_rerun", error)
        return original(self, client_state)

    AppSession.request_rerun = request_rerun  # type: ignore[method-assign]


def follow_uploads(uploads: Uploads, departures: Departures) -> None:
    """Send on what was uploaded for a page that has left meanwhile."""

    def ended(session: str) -> None:
        try:
            departures.uploaded(session)
        except Exception as error:  # noqa: BLE001
            _failed("an upload", error)

    uploads.ended = ended


def wrap_addresses(departures: Departures) -> None:
    """Answer pages that are about to upload something, or let the new process of one answer whose session was sent."""
    from streamlit.runtime.app_session import AppSession

    original = AppSession.handle_backmsg

    @functools.wraps(original)
    def handle_backmsg(self: Any, msg: Any) -> Any:
        try:
            if msg.WhichOneof("type") == "file_urls_request":
                departures.asks_for_address(self, msg)
                return None
        except Exception as error:  # noqa: BLE001
            _failed("handle_backmsg", error)
        return original(self, msg)

    AppSession.handle_backmsg = handle_backmsg  # type: ignore[method-assign]


def wrap_messages(resending: Resending) -> None:
    """Note what pages are sent, and send it over the connection that a page has now."""
    from streamlit.runtime.app_session import AppSession
    from streamlit.runtime.runtime import Runtime

    flush, send = AppSession.flush_browser_queue, Runtime._send_message

    @functools.wraps(flush)
    def flush_browser_queue(self: Any) -> Any:
        messages = flush(self)
        try:
            if messages:
                resending.taken(self, messages)
        except Exception as error:  # noqa: BLE001
            _failed("flush_browser_queue", error)
        return messages

    @functools.wraps(send)
    def send_message(self: Any, session_info: Any, msg: Any) -> Any:
        try:
            now = self._session_mgr.get_active_session_info(session_info.session.id)
            if now is not None and now.session is session_info.session:
                session_info = now
        except Exception as error:  # noqa: BLE001
            _failed("_send_message", error)
        try:
            return send(self, session_info, msg)
        finally:
            resending.sent(session_info.session)

    AppSession.flush_browser_queue = flush_browser_queue  # type: ignore[method-assign]
    Runtime._send_message = send_message  # type: ignore[method-assign]


def wrap_connections(
    arrivals: Arrivals, departures: Departures, holding: Holding, resending: Resending, memory: Memory
) -> None:
    """Give a page that brings a ticket its session, and say so to one that brings a session nobody knows.

    One that is back is run again where its run was cut off, and otherwise sent again what it may not have received.
    """
    from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

    original = WebsocketSessionManager.connect_session

    @functools.wraps(original)
    def connect(self: Any, *args: Any, **kwargs: Any) -> str:
        identity = original(self, *args, **kwargs)
        try:
            memory.add(self.get_active_session_info(identity).session)
        except Exception as error:  # noqa: BLE001
            _failed("connect_session", error)
        return identity

    @functools.wraps(original)
    def connect_session(self: Any, *args: Any, **kwargs: Any) -> str:
        asked = kwargs.get("existing_session_id")
        if not asked or args:
            return connect(self, *args, **kwargs)
        known = True
        try:
            identity = arrivals.redeem(self, connect, asked, kwargs)
            if identity is not None:
                return identity
            kwargs["existing_session_id"] = asked = arrivals.session_of(asked)
            known = self.get_session_info(asked) is not None
        except Exception as error:  # noqa: BLE001
            _failed("connect_session", error)
        identity = connect(self, **kwargs)
        try:
            if identity == asked:
                departures.returned(asked)
                session = self.get_active_session_info(identity).session
                if holding.was_cut_off(session):
                    resending.drop(session)
                    holding.make_again(session)
                else:
                    resending.again(session)
            elif not known:
                greet(self.get_active_session_info(identity).session)
        except Exception as error:  # noqa: BLE001
            _failed("connect_session", error)
        return identity

    WebsocketSessionManager.connect_session = connect_session  # type: ignore[method-assign]


def wrap_disconnections(departures: Departures, holding: Holding) -> None:
    """When a page leaves: note that its run is cut off, and send what happened last to a session that was sent."""
    from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

    original = WebsocketSessionManager.disconnect_session

    @functools.wraps(original)
    def disconnect_session(self: Any, session_id: str) -> Any:
        known = self.get_active_session_info(session_id)
        try:
            if known is not None:
                holding.leaves(known.session)
        except Exception as error:  # noqa: BLE001
            _failed("disconnect_session", error)
        answer = original(self, session_id)
        try:
            if known is not None:
                departures.left(known.session)
        except Exception as error:  # noqa: BLE001
            _failed("disconnect_session", error)
        return answer

    WebsocketSessionManager.disconnect_session = disconnect_session  # type: ignore[method-assign]


def wrap_ends(holding: Holding, garbage: Garbage) -> None:
    """Tell no page that a run which was cut off has ended well: it would drop all that the run had not come to.

    Once it has been told, garbage is collected, now and then.
    """
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from streamlit.runtime.app_session import AppSession

    original = AppSession._create_script_finished_message
    well = {"FINISHED_SUCCESSFULLY", "FINISHED_FRAGMENT_RUN_SUCCESSFULLY"}  # the second one since 1.33

    @functools.wraps(original)
    def create(self: Any, status: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if ForwardMsg.ScriptFinishedStatus.Name(status) in well and holding.was_cut_off(self):
                status = ForwardMsg.FINISHED_EARLY_FOR_RERUN
            asyncio.get_running_loop().call_later(TOLD, garbage.run_ended)
        except Exception as error:  # noqa: BLE001
            _failed("the end of a run", error)
        return original(self, status, *args, **kwargs)

    AppSession._create_script_finished_message = create  # type: ignore[method-assign]


def keep_media(kept: KeptMedia) -> None:
    """Let pages have for a while what they still show and Streamlit has dropped."""
    try:
        from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

        kept.wrap(MemoryMediaFileStorage, lambda error: _failed("media files", error))
    except Exception as error:  # noqa: BLE001
        _failed("media files", error)


def drop_media(kept: KeptMedia) -> None:
    """Drop what was kept for long enough: where nothing more is deleted, nothing else does."""
    from streamlit.runtime.runtime import Runtime

    try:
        runtime = Runtime._instance
        if runtime is not None:
            with runtime._media_file_mgr._lock:
                kept.drop_overdue()
    except Exception as error:  # noqa: BLE001
        _failed("media files", error)


def wrap_uploads(arrivals: Arrivals, departures: Departures) -> None:
    """Take what is uploaded for a session whose page is on its way, here or from here."""
    from streamlit.runtime.runtime import Runtime

    original = Runtime.is_active_session

    @functools.wraps(original)
    def is_active_session(self: Any, session_id: str) -> bool:
        return bool(original(self, session_id)) or arrivals.expects(session_id) or departures.keeps(session_id)

    Runtime.is_active_session = is_active_session  # type: ignore[method-assign]
