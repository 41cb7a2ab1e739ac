"""Uploads that are under way, by session, on the event loop: from when a page asks for an address to the request's end.

Versions up to 1.52 are served by Tornado, which hands a request over when its body is whole; the later ones by
Starlette, where the handler itself reads the body.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

ANNOUNCED = 3.0  # seconds after which a page that has its address will not use it any more
FOLLOWED = 1.0  # seconds in which a page whose upload was answered asks for the run that uses it


class Expected:
    """Sessions of which something is expected, each for `seconds`: it holds no more than came within them."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._until: dict[str, float] = {}  # the first to be overdue stands first

    def __contains__(self, session: str) -> bool:
        self._forget_overdue()
        return session in self._until

    def __len__(self) -> int:
        self._forget_overdue()
        return len(self._until)

    def add(self, session: str) -> None:
        """Expect it from now on."""
        self._forget_overdue()
        self._until.pop(session, None)
        self._until[session] = self._clock() + self._seconds

    def discard(self, session: str) -> None:
        """It has happened."""
        self._until.pop(session, None)

    def _forget_overdue(self) -> None:
        now = self._clock()
        while self._until and now >= self._until[next(iter(self._until))]:
            del self._until[next(iter(self._until))]


class Uploads:
    """Counts uploads."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self.ended: Callable[[str], None] = lambda _: None  # is told of each that has ended
        self._announced = Expected(ANNOUNCED)  # a page has its address
        self._unused = Expected(FOLLOWED)  # it was answered

    def of(self, session: str) -> int:
        """Return how many uploads of a session are under way."""
        return self._counts.get(session, 0) + (session in self._announced) + (session in self._unused)

    def announce(self, session: str) -> None:
        """A page has asked where to upload."""
        self._announced.add(session)

    def used(self, session: str) -> None:
        """A page has asked for a run: what it has uploaded is in there."""
        self._unused.discard(session)

    @contextlib.contextmanager
    def one(self, session: str) -> Iterator[None]:
        """Count one while the context is open."""
        self._announced.discard(session)
        self._counts[session] = self._counts.get(session, 0) + 1
        try:
            yield
        finally:
            left = self._counts[session] - 1
            if left > 0:
                self._counts[session] = left
            else:
                self._counts.pop(session, None)
            self._unused.add(session)
            self.ended(session)

    def watch(self) -> None:
        """Count the uploads of this process from now on; before its server is made."""
        try:
            from streamlit.web.server.upload_file_request_handler import UploadFileRequestHandler
        except ImportError:
            self._watch_starlette()
        else:
            self._watch_tornado(UploadFileRequestHandler)

    def _watch_starlette(self) -> None:
        from streamlit.web.server.starlette import starlette_app as loaded

        starlette_app: Any = loaded
        original = starlette_app.create_upload_routes

        @functools.wraps(original)
        def create(*args: Any, **kwargs: Any) -> Any:
            routes = original(*args, **kwargs)
            for route in routes:
                if "PUT" in (route.methods or ()):
                    route.app = self._counted(route.app)
            return routes

        starlette_app.create_upload_routes = create

    def _counted(self, original: Any) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            with self.one(str(scope.get("path_params", {}).get("session_id"))):
                await original(scope, receive, send)

        return app

    def _watch_tornado(self, handler: Any) -> None:
        from tornado.web import _HandlerDelegate as Delegate

        received, closed, finished = Delegate.headers_received, Delegate.on_connection_close, handler.on_finish

        @functools.wraps(received)
        def headers_received(self_: Any, *args: Any, **kwargs: Any) -> Any:
            if self_.handler_class is handler and self_.request.method == "PUT":
                session = self_.path_kwargs.get("session_id", b"")
                session = session.decode(errors="replace") if isinstance(session, bytes) else str(session)
                under_way = contextlib.ExitStack()
                under_way.enter_context(self.one(session))
                self_.request._gitrelease_upload = under_way
            return received(self_, *args, **kwargs)

        @functools.wraps(closed)
        def on_connection_close(self_: Any) -> Any:
            _end(self_.request)
            return closed(self_)

        @functools.wraps(finished)
        def on_finish(self_: Any) -> Any:
            _end(self_.request)
            return finished(self_)

        Delegate.headers_received, Delegate.on_connection_close = headers_received, on_connection_close
        handler.on_finish = on_finish


def _end(request: Any) -> None:
    under_way = vars(request).pop("_gitrelease_upload", None)
    if under_way is not None:
        under_way.close()
