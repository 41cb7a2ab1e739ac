"""Words on a page: a toast beside those of the app, in every version from 1.28 to 1.67.

A toast is an element of the page's container for events, and is taken from the page by the run after the next. Those of
the app are counted while a run is under way, because an element must follow the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .parcel import Dropped

UNTIL_CLOSED = 0  # seconds on the page, from 1.52 on; before that each toast stays for 4
NAMED = 5  # values that are named, the others are counted

# Short: versions before 1.57 show the first hundred characters, and the rest when they are asked to.
GONE = "The app was restarted: what you entered or uploaded here before is gone. Please enter it again."


class Toasts:
    """Counts the toasts of a session's runs, and adds one."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._next = 0
        self._enqueue = session._enqueue_forward_msg
        session._enqueue_forward_msg = self._count

    def _count(self, message: Any) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._next = 0
        elif kind == "delta":
            path = message.metadata.delta_path
            if len(path) == 2 and path[0] == _event_container():
                self._next = max(self._next, path[1] + 1)
        self._enqueue(message)

    def show(self, body: str) -> None:
        """Put a toast on the page, and stop counting."""
        self.end()
        # Versions up to 1.40 draw what arrives only while they believe that the script is running.
        for message in (
            _status(self._session, True),
            _toast(body, self._next, self._session),
            _status(self._session, False),
        ):
            self._enqueue(message)

    def end(self) -> None:
        """Stop counting."""
        vars(self._session).pop("_enqueue_forward_msg", None)


def _event_container() -> int:
    from streamlit.proto.RootContainer_pb2 import RootContainer

    return int(RootContainer.Value("EVENT"))


def _status(session: Any, is_running: bool) -> Any:
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    message = ForwardMsg()
    message.session_status_changed.run_on_save = session._run_on_save
    message.session_status_changed.script_is_running = is_running
    return message


def _toast(body: str, place: int, session: Any) -> Any:
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    message = ForwardMsg()
    message.metadata.delta_path[:] = [_event_container(), place]
    if "active_script_hash" in message.metadata.DESCRIPTOR.fields_by_name:
        message.metadata.active_script_hash = session._pages_manager.main_script_hash
    toast = message.delta.new_element.toast
    toast.body = body
    if "duration" in toast.DESCRIPTOR.fields_by_name:
        toast.duration = UNTIL_CLOSED
    return message


def not_carried(dropped: Iterable[Dropped]) -> str:
    """Return in words for the page what did not come with it."""
    told = list(dropped)
    named = ", ".join(f"{_plain(one.name)} ({_plain(one.why)})" for one in told[:NAMED])
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return f"The app was restarted. This page was kept, but without {named}{more}."


def _plain(words: str) -> str:
    """Return words as they are, where the page would read them as Markdown."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]()<>#+-.!|~$:" else one for one in words[:120])
