"""Gives back the memory of those who left: Streamlit drops a closed page only when another page is closed."""

from __future__ import annotations

import weakref
from typing import Any

from .garbage import Garbage
from .loop import manager, on_loop
from .state import running


class Memory:
    """The sessions that take memory here, open or closed."""

    def __init__(self, garbage: Garbage) -> None:
        self._sessions: weakref.WeakSet[Any] = weakref.WeakSet()
        self._garbage = garbage

    def add(self, session: Any) -> None:
        """Count a session for as long as anything holds it."""
        self._sessions.add(session)

    def trim(self) -> int:
        """Drop the sessions that were closed longer ago than Streamlit keeps them; return how many these were."""
        dropped = on_loop(self._drop)
        _return_to_system()
        return dropped

    def _drop(self) -> int:
        before = len(self._sessions)
        expire = getattr(getattr(getattr(manager(), "_session_storage", None), "_cache", None), "expire", None)
        if expire is not None:
            expire()
        known = {id(one.session) for one in manager().list_sessions()}
        for session in [one for one in self._sessions if id(one) not in known and not running(one)]:
            self._sessions.discard(session)
            _empty(session)
        # Here, because what ends a session is called where the collector finds it, and must be on the loop.
        self._garbage.collect()
        return before - len(self._sessions)


def _empty(session: Any) -> None:
    """End a session that nobody can come back to, and let go of what it holds.

    Streamlit's loop holds on to the last session that it looked at, until there is another one.
    """
    session.shutdown()
    session.flush_browser_queue()
    session._session_state.clear()


def _return_to_system() -> None:
    import ctypes  # not before it is needed: the app may never load it

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # another C library than glibc
        return
