"""Streamlit's event loop, for the threads of the companion: sessions are touched nowhere else."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any, TypeVar

from .endpoint import Refusal

ANSWER = 5.0  # seconds for the loop to come to what it is asked; a script that holds the interpreter keeps it from that

T = TypeVar("T")


def manager() -> Any:
    """Return the session manager of the running app."""
    return _runtime()._session_mgr


def is_open(session: Any) -> bool:
    """Is the page of a session connected?"""
    known = manager().get_active_session_info(session.id)
    return known is not None and known.session is session


def _runtime() -> Any:
    from streamlit.runtime.runtime import Runtime

    if Runtime._instance is None or Runtime._instance._async_objs is None:
        raise Refusal("the app has not started yet")
    return Runtime._instance


def on_loop(work: Callable[[], T]) -> T:
    """Do `work` on the event loop and return what it returns; raises what it raises."""
    done: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        if done.set_running_or_notify_cancel():
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001  # travels to whoever asked
                done.set_exception(error)

    try:
        _runtime()._async_objs.eventloop.call_soon_threadsafe(run)
    except RuntimeError as error:
        raise Refusal("the app is ending") from error
    try:
        return done.result(ANSWER)
    except concurrent.futures.TimeoutError as error:
        if not done.cancel():
            return done.result(ANSWER)
        raise Refusal("the app's process is too busy to answer") from error
