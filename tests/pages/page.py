"""A page of a Streamlit app without a browser: a websocket client that does what Streamlit's frontend does.

What it does was read in the frontend of 1.67: two requests before every websocket, the XSRF cookie and the id of the
last session in `Sec-WebSocket-Protocol`, the delays between tries, states of widgets that are not shown any more
dropped at the end of a run, no run after a reconnect unless one was under way when the connection broke.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import random
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState, FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.pages.app import Shown
from tests.pages.browser import Browser, multipart
from tests.pages.elements import Elements
from tests.pages.record import Failure, Kind, Record

BROKEN = (OSError, http.client.HTTPException)
T = TypeVar("T")
CONNECT_TIMEOUT = 15.0  # seconds for a websocket, as the frontend has it
REMEMBERED = 3000  # lines of what a page has sent and received


class NotDone(Exception):
    """An action of a person could not be done; the message says why."""


class NothingSent(NotDone):
    """It was done in the instant in which the connection broke, before the page knew: nothing was asked for."""


class Page:
    """One tab. `open` it, act, `close` it; what the app shows is `shown`."""

    def __init__(self, browser: Browser, record: Record | None = None, name: str = "page") -> None:
        self.browser, self.name = browser, name
        self.record = record or Record()
        self.changed = threading.Condition()
        self.elements = Elements()
        self.session: str | None = None
        self.connected = False
        self.running = False
        self.runs = 0  # that have ended
        self.connections = 0
        self.toasts: list[str] = []
        self.releases: list[tuple[float, str]] = []  # since when (monotonic) the page shows which one
        self.quiet_since = time.monotonic()
        self.log: deque[str] = deque(maxlen=REMEMBERED)
        self._answers: dict[str, Any] = {}
        self._page_hash = ""
        self._websocket: ClientConnection | None = None
        self._over = threading.Event()
        self._pictures: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=work, name=f"{name} {work.__name__}", daemon=True)
            for work in (self._live, self._look)
        ]

    # -- what a person sees and does ---------------------------------------------------------------------------

    @property
    def shown(self) -> Shown | None:
        """What the app's line says, as the page shows it now."""
        return next(filter(None, (Shown.read(text) for text in self.elements.texts())), None)

    @property
    def document(self) -> str | None:
        """The name of the document that the uploader holds."""
        states = self.elements.states.values()
        names = [info.name for one in states for info in one.file_uploader_state_value.uploaded_file_info]
        return names[-1] if names else None

    def open(self, timeout: float = 30.0) -> Page:
        """Load the page and wait for the end of its first run."""
        self.browser.request("GET", "/", timeout=timeout)
        for thread in self._threads:
            thread.start()
        self.wait(lambda: self.runs > 0 and self.shown is not None, timeout, "the first run")
        return self

    def wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait for something to become true of the page; `NotDone` after `timeout` seconds."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise NotDone(f"{self.name}: {what} did not come within {timeout:g} s; {self.elements.exceptions()}")

    def wait_until_usable(self, timeout: float) -> None:
        """Wait until the widgets can be used: they are disabled while the page has no connection."""
        self.wait(lambda: self.connected and not self.running, timeout, "a connection")

    def type(self, label: str, text: str) -> None:
        """Type a text into a field and leave it."""
        with self.changed:
            self.elements.set(WidgetState(id=self.elements.widget("text_input", label).id, string_value=text))
        self.rerun()

    def press(self, label: str) -> None:
        """Press a button."""
        self.rerun(trigger=self.elements.widget("button", label).id)

    def download(self, label: str) -> bytes:
        """Press a download button and return the file; `NotDone` where it does not come, after a second try."""
        button = self.elements.widget("download_button", label)
        self.rerun(trigger=button.id)

        def again() -> bytes:  # whoever tries again presses the button as it is now
            return self._get("download", self.elements.widget("download_button", label).url)

        return self._twice("download", lambda: self._get("download", button.url), again)

    def upload(self, label: str, name: str, content: bytes) -> None:
        """Choose a document for an uploader, in the place of the one that is there; `NotDone` as for a download.

        `NothingSent` where it was not even asked where to upload it: it is not tried again.
        """

        def once() -> None:
            self._upload(self.elements.widget("file_uploader", label).id, name, content)

        self._twice("upload", once, once)

    def rerun(self, trigger: str | None = None) -> None:
        """Ask for a run with what was entered; what is sent over a connection that just breaks is lost, as there."""
        message = BackMsg()
        with self.changed:
            states = WidgetStates(widgets=self.elements.states.values())
            if trigger:
                states.widgets.append(WidgetState(id=trigger, trigger_value=True))
            message.rerun_script.widget_states.CopyFrom(states)
            message.rerun_script.page_script_hash = self._page_hash
        self._send(message)

    def cut_off(self) -> None:
        """Break the websocket without a closing frame; the page reconnects by itself."""
        if self._websocket is not None:
            with contextlib.suppress(OSError):
                self._websocket.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the tab."""
        self._over.set()
        self._pictures.put(None)
        with contextlib.suppress(WebSocketException, OSError):
            if self._websocket is not None:
                self._websocket.close(1001)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(10)

    # -- requests ----------------------------------------------------------------------------------------------

    def _twice(self, kind: Kind, first: Callable[[], T], second: Callable[[], T]) -> T:
        """Return what the first try gives, or the second one; a failure of the first is on record."""
        begun = time.monotonic()
        self.record.count(kind)
        try:
            return first()
        except NothingSent:
            raise
        except NotDone as error:
            ended, why = time.monotonic(), str(error)
        try:
            self.wait_until_usable(CONNECT_TIMEOUT)
            result = second()
        except NotDone:
            self.record.fail(Failure(self.name, kind, begun, ended, why, again=False))
            raise
        self.record.fail(Failure(self.name, kind, begun, ended, why, again=True))
        return result

    def _get(self, kind: str, path: str) -> bytes:
        try:
            answer = self.browser.request("GET", path)
        except BROKEN as error:
            raise NotDone(f"{kind}: {error!r}") from error
        if not answer.ok:
            raise NotDone(f"{kind}: {answer.status}")
        return answer.body

    def _upload(self, widget: str, name: str, content: bytes) -> None:
        urls = self._file_urls(name)
        headers = {"X-Xsrftoken": self.browser.xsrf} if self.browser.xsrf else {}
        with self.changed:
            before = self.elements.states.get(widget)
            state = FileUploaderState()
            state.CopyFrom(before.file_uploader_state_value if before else FileUploaderState())
        for info in state.uploaded_file_info:  # an uploader for one document takes the last one away first
            with contextlib.suppress(*BROKEN):
                self.browser.request("DELETE", info.file_urls.delete_url, headers=headers)
        del state.uploaded_file_info[:]
        body, headers["Content-Type"] = multipart(name, content)
        try:
            answer = self.browser.request("PUT", urls.upload_url, body, headers)
        except BROKEN as error:
            why = repr(error)
        else:
            why = "" if answer.ok else f"{answer.status} {answer.body[:80]!r}"
        if not why:
            info = state.uploaded_file_info.add(name=name, size=len(content), file_id=urls.file_id)
            info.file_urls.CopyFrom(urls)
        with self.changed:
            self.elements.set(WidgetState(id=widget, file_uploader_state_value=state))
        self.rerun()
        if why:
            raise NotDone(f"upload: {why}")

    def _file_urls(self, name: str) -> FileURLs:
        """Ask over the websocket where to upload; the frontend waits for ever, also over the next connection."""
        if self.session is None or not self.connected:
            raise NotDone("upload: there is no connection")
        message = BackMsg()
        request = uuid.uuid4().hex
        message.file_urls_request.request_id = request
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session
        if not self._send(message):
            raise NothingSent("upload: the connection has just broken")
        self.wait(lambda: request in self._answers, CONNECT_TIMEOUT, "an upload's address")
        urls: FileURLs = self._answers.pop(request).file_urls[0]
        return urls

    def _send(self, message: Any) -> bool:
        """Send a message; return False where the connection is known to have broken."""
        with contextlib.suppress(WebSocketException, OSError):
            if self._websocket is not None and self.connected:
                self._websocket.send(message.SerializeToString())
                self._remember(f"sent {message.WhichOneof('type')}")
                return True
        self._remember(f"not sent {message.WhichOneof('type')}")
        return False

    def _look(self) -> None:
        """Load every picture that comes into view, as it comes."""
        while (path := self._pictures.get()) is not None:
            begun = time.monotonic()
            self.record.count("media")
            try:
                self._get("media", path)
            except NotDone as error:
                ended, why = time.monotonic(), str(error)
                if path not in self.elements.pictures():
                    continue  # another one has taken its place
                try:
                    self._get("media", path)
                except NotDone:
                    self.record.fail(Failure(self.name, "media", begun, ended, why, again=False))
                else:
                    self.record.fail(Failure(self.name, "media", begun, ended, why, again=True))

    # -- the connection ----------------------------------------------------------------------------------------

    def _live(self) -> None:
        """Keep the page connected until it is closed."""
        tries = 0
        while not self._over.is_set():
            try:
                self._ping()
                if self._over.is_set():
                    return
                with self._connect() as websocket:
                    tries = 0
                    self._connected(websocket)
                    for frame in websocket:
                        self._receive(ForwardMsg.FromString(frame))
            except (WebSocketException, *BROKEN):
                pass
            self._disconnected()
            tries += 1
            longest = min(4.0, 0.5 * 2 ** (tries - 1))
            self._over.wait(random.uniform(longest / 2, longest))

    def _ping(self) -> None:
        """Ask for health and the host's settings until both answer."""
        tries = 0
        while not self._over.is_set():
            try:
                if all(self.browser.request("GET", f"/_stcore/{name}").ok for name in ("health", "host-config")):
                    return
            except BROKEN:
                pass
            tries += 1
            longest = min(4.0, 0.1 * 2 ** (tries - 1))
            self._over.wait(longest if tries == 1 else random.uniform(0.7 * longest, longest))

    def _connect(self) -> ClientConnection:
        tokens = ["streamlit", self.browser.xsrf or "PLACEHOLDER_AUTH_TOKEN"]
        if self.session is not None:
            tokens.append(self.session)
        return connect(
            f"ws://{self.browser.host}:{self.browser.port}/_stcore/stream",
            origin=self.browser.origin,  # type: ignore[arg-type]
            subprotocols=tokens,  # type: ignore[arg-type]
            additional_headers={"Cookie": self.browser.cookie_header},
            open_timeout=CONNECT_TIMEOUT,
            ping_interval=None,
            close_timeout=1,
            max_size=None,
            proxy=None,
        )

    def _connected(self, websocket: ClientConnection) -> None:
        with self.changed:
            self._websocket, self.connected = websocket, True
            self.connections += 1
            asks = self.session is None or self.running
            self._remember(f"connected, with session {self.session}, {'running' if self.running else 'idle'}")
            self._note()
        if asks:
            self.rerun()

    def _disconnected(self) -> None:
        with self.changed:
            self.connected, self._websocket = False, None
            self._remember("disconnected")
            self._note()

    def _remember(self, what: str) -> None:
        self.log.append(f"{time.monotonic():.3f} {what}")

    def _note(self) -> None:
        self.quiet_since = time.monotonic()
        self.changed.notify_all()

    def _receive(self, message: Any) -> None:
        with self.changed:
            self._remember(f"received {_told(message)}")
            match message.WhichOneof("type"):
                case "new_session":
                    self.session = message.new_session.initialize.session_id
                    self._page_hash = message.new_session.page_script_hash
                    self.running = message.new_session.initialize.session_status.script_is_running or self.running
                    self.elements.begin()
                case "navigation":
                    self._page_hash = message.navigation.page_script_hash
                case "session_status_changed":
                    self.running = message.session_status_changed.script_is_running
                case "delta":
                    for path in self.elements.take(message.delta, tuple(message.metadata.delta_path)):
                        self._pictures.put(path)
                    self._see()
                case "script_finished":
                    if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                        self.elements.end()
                    self.runs += 1
                case "file_urls_response":
                    self._answers[message.file_urls_response.response_id] = message.file_urls_response
            self._note()

    def _see(self) -> None:
        """Note the release that the page shows, and the words that it shows for a moment."""
        shown = self.shown
        if shown is not None and (not self.releases or self.releases[-1][1] != shown.release):
            self.releases.append((time.monotonic(), shown.release))
        self.toasts += self.elements.new_toasts()


def _told(message: Any) -> str:
    """Return a message as a line of the log."""
    kind = str(message.WhichOneof("type"))
    match kind:
        case "new_session":
            return f"{kind} {message.new_session.initialize.session_id}"
        case "delta":
            element = message.delta.new_element.WhichOneof("type")
            words = f" {message.delta.new_element.text.body}" if element == "text" else ""
            return f"{kind} {list(message.metadata.delta_path)} {element}{words}"
        case "session_status_changed":
            return f"{kind} {'running' if message.session_status_changed.script_is_running else 'idle'}"
        case "script_finished":
            return f"{kind} {ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)}"
    return kind
