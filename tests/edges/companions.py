"""Real processes of an app with the companion in them, and a port in front that can be pointed at another one."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

import gitrelease
from gitrelease.edges.companion import Companion
from gitrelease.inside.session import connect
from tests.edges.streamlit_server import OPTIONS
from tests.page import Stream

COMPANION = Path(gitrelease.__file__).parent / "inside" / "companion.py"
PATIENCE = 30.0
PROGRAM = Path(os.environ.get("COMPANION_TEST_PROGRAM", Path(sys.executable).with_name("streamlit")))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class App:
    """One running process."""

    slot: Path
    port: int
    companion: Companion
    process: subprocess.Popen[bytes]
    log: Path

    def rows(self) -> dict[str, Any]:
        return {row.session: row for row in self.companion.status().sessions}

    def leaving(self) -> int:
        return self.companion.status().leaving


def argv(slot: Path, script: str, port: int, *options: str) -> list[str]:
    """Return what starts an app as ever, without its companion."""
    chosen = [f"--{name}={value}" for name, value in OPTIONS.items()]
    return [str(PROGRAM), "run", str(slot / script), f"--server.port={port}", *chosen, *options]


def with_companion(
    command: Sequence[str], *, path: Path, slot: Path, canonical: Path, cache: Path | None = None
) -> list[str]:
    python = str(Path(command[0]).with_name("python"))
    options = {"--socket": path, "--root": slot, "--canonical": canonical}
    if cache is not None:
        options["--cache"] = cache
    return [python, str(COMPANION), *(str(part) for pair in options.items() for part in pair), "--", *command]


@contextlib.contextmanager
def running_app(
    slot: Path,
    *,
    run: Path,
    name: str,
    script: str = "app.py",
    options: Sequence[str] = (),
    cache: Path | None = None,
) -> Iterator[App]:
    """Run the app of `slot` with its companion's socket in `run`; it answers when the context opens."""
    port = free_port()
    path = run / f"{name}.socket"
    command = with_companion(
        argv(slot, script, port, *options), path=path, slot=slot, canonical=run / "checkout", cache=cache
    )
    log = run / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=slot, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_for(lambda: answers(port), log)
        yield App(slot, port, Companion(path), process, log)
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /_stcore/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b" 200 " in connection.recv(100)
    return False


def wait_for(condition: Any, log: Path | None = None, patience: float = PATIENCE) -> Any:
    """Return what `condition` gives once it gives something."""
    until = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < until, log.read_text() if log else "it did not happen"
        time.sleep(0.02)
    return found


def ticket() -> str:
    return secrets.token_urlsafe(24)


@dataclass
class Forwarder:
    """A port that stays, in front of processes that come and go.

    A websocket's upgrade is changed on its way as the front does: the session that was moved is replaced by its ticket.
    """

    target: int
    tickets: dict[str, str] = field(default_factory=dict)
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def switch(self, target: int) -> None:
        """Send new connections to `target`, and end those that are open."""
        self.target = target
        self.cut()

    def cut(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            head = client.recv(65536)
            for session, one in self.tickets.items():
                head = head.replace(session.encode(), one.encode()) if b"/_stcore/stream" in head else head
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                self._open += [client, server]
                server.sendall(head)
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while arrived := source.recv(65536):
            sink.sendall(arrived)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@dataclass
class Shown:
    """What one run has put on a page."""

    session: str
    texts: list[str]
    toasts: list[str]
    ids: dict[str, str]  # of widgets by their labels


@dataclass(frozen=True)
class Person:
    """Whom a browser says it is: its cookies, its XSRF token, and the address that its pages come from."""

    cookies: str
    xsrf: str
    origin: str

    @property
    def headers(self) -> str:
        return f"Cookie: {self.cookies}\r\nOrigin: {self.origin}\r\n"


class Visitor:
    """A page's websocket, without a browser; that of a `person`, or of nobody."""

    def __init__(
        self, port: int, session: str = "", *, person: Person | None = None, patience: float = PATIENCE
    ) -> None:
        self._socket = connect("127.0.0.1", port, time.monotonic() + patience)
        self._connection = Stream(self._socket, time.monotonic() + patience)
        token = person.xsrf if person is not None else session
        protocols = ", ".join(filter(None, ("streamlit", token, session)))
        more = person.headers if person is not None else ""
        head = self._connection.answer_to(f"127.0.0.1:{port}", "/_stcore/stream", protocols, more)
        assert head.startswith("HTTP/1.1 101 "), head
        self.ids: dict[str, str] = {}
        self.session = ""
        self.pages: list[Any] = []

    def ask(self, values: dict[str, tuple[str, Any]] | None = None, *, query: str = "", page: str = "") -> None:
        """Ask for a run with values of widgets: the field of their message and the value, by label."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_script_hash = page
        for label, (field_name, value) in (values or {}).items():
            state = message.rerun_script.widget_states.widgets.add()
            state.id = self.ids[label]
            if isinstance(value, Message):
                getattr(state, field_name).CopyFrom(value)
            else:
                setattr(state, field_name, value)
        self._connection.send(message.SerializeToString())

    def ask_for_address(self, name: str) -> None:
        """Ask where to upload a document."""
        message = BackMsg()
        message.file_urls_request.request_id = name
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session
        self._connection.send(message.SerializeToString())

    def address(self, name: str) -> Any:
        """Return where a document is to be uploaded that was asked for: a FileURLs."""
        while True:
            message = ForwardMsg.FromString(self._connection.message())
            if message.file_urls_response.response_id == name:
                return message.file_urls_response.file_urls[0]

    def run(self, values: dict[str, tuple[str, Any]] | None = None, **more: str) -> Shown:
        """Ask for a run, and return what it shows."""
        self.ask(values, **more)
        return self.shown()

    def shown(self) -> Shown:
        """Return what the next run that ends by itself shows."""
        shown = Shown("", [], [], {})
        while True:
            message = ForwardMsg.FromString(self._connection.message())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                shown = Shown(message.new_session.initialize.session_id, [], [], {})
                self.new_session = message.new_session
                self.pages = list(message.new_session.app_pages)
            elif kind == "navigation":
                self.pages = list(message.navigation.app_pages)
            elif kind == "delta":
                self._add(message.delta.new_element, shown)
            elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self.ids |= shown.ids
                self.session = shown.session or self.session  # the end of a run alone names none
                return shown

    def shown_with(self, text: str) -> Shown:
        """Return what the first run shows that shows `text`: of two that follow each other at once the first is not
        seen always, Streamlit drops what it has not sent yet.
        """
        shown = self.shown()
        while not any(text in one for one in shown.texts):
            shown = self.shown()
        return shown

    def read_until(self, text: str) -> None:
        """Read until a run shows `text`."""
        shown = Shown("", [], [], {})
        while text not in shown.texts:
            message = ForwardMsg.FromString(self._connection.message())
            if message.WhichOneof("type") == "delta":
                self._add(message.delta.new_element, shown)

    def toast(self) -> str:
        """Return the next toast, which stays until somebody closes it, where the version has that."""
        while True:
            message = ForwardMsg.FromString(self._connection.message())
            if message.WhichOneof("type") == "delta" and message.delta.new_element.WhichOneof("type") == "toast":
                toast = message.delta.new_element.toast
                # An older version, of which the app is where its program is another one, does not know of it.
                if "duration" in toast.DESCRIPTOR.fields_by_name and PROGRAM.parent == Path(sys.executable).parent:
                    assert toast.HasField("duration")
                    assert toast.duration == 0
                return str(toast.body)

    def _add(self, element: Any, shown: Shown) -> None:
        kind = element.WhichOneof("type")
        inside = getattr(element, kind)
        if kind in ("markdown", "exception"):
            shown.texts.append(inside.body if kind == "markdown" else inside.message)
        elif kind == "toast":
            shown.toasts.append(inside.body)
        elif hasattr(inside, "label"):
            shown.ids[inside.label] = inside.id

    def close(self) -> None:
        """Leave, once all that was asked for has been read at the other end."""
        with contextlib.suppress(OSError), self._socket:
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(PATIENCE)
            while self._socket.recv(65536):
                pass
