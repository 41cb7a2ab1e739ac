"""Does moving an open page work with this version of Streamlit? Tried on a running process, from it to itself.

Usage: python move_trial.py HOST PORT SOCKET DEADLINE_SECONDS [BASE], in the app's interpreter; SOCKET is the
companion's, BASE the path before every path of the app, such as /fin.

Opens a session, lets it run, sends it under a ticket, closes it, comes back with the ticket and lets it run again.
Prints one JSON line: {"ok", "detail", "session": bool, "files": bool, "seconds"} and exit code 0 when it could judge,
{"unknown": why} and exit code 1 when it could not. `session` and `files`: whether the id and an upload came through.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import session as probe  # type: ignore[import-not-found]  # beside this file, which is run by its path

NAME, CONTENT = "trial.txt", b"sent by gitrelease to try moving a page"
BOUNDARY = "gitrelease-trial"


class App(NamedTuple):
    """Where the app is asked."""

    host: str
    port: int
    base: str


class Page:
    """One websocket to the app, as a browser has it."""

    def __init__(self, messages: tuple[Any, Any], app: App, deadline: float, session: str = "") -> None:
        self._back, self._forward = messages
        host, port, base = app
        self._host = f"{host}:{port}"
        self._socket = probe.connect(host, port, deadline)
        self._connection = probe.Connection(self._socket, deadline)
        # The session that a page had is the second word in 1.28, and the third in later versions, after a token.
        words = f"streamlit, {session}, {session}" if session else "streamlit"
        self._connection.upgrade(self._host, base, words)
        self.session = ""

    def ask_for_run(self) -> None:
        """Ask for a run, as a browser does when it has come."""
        request = self._back()
        request.rerun_script.SetInParent()
        self._connection.send(request.SerializeToString())

    def wait_for_run(self) -> None:
        """Wait until a run has ended; `Ended` where it does not."""
        while True:
            message = self._forward.FromString(self._connection.message())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session = message.new_session.initialize.session_id
            if kind == "script_finished" and self._forward.ScriptFinishedStatus.Name(message.script_finished) in (
                "FINISHED_SUCCESSFULLY", "FINISHED_WITH_COMPILE_ERROR",
            ):  # fmt: skip
                return

    def close(self) -> None:
        """Leave, as a browser does."""
        self._connection.send(b"\x03\xe8", probe.CLOSE)
        self._socket.close()


def ask(path: str, request: dict[str, Any], limit: float) -> dict[str, Any]:
    """Ask a companion; `Ended` with its words when it refuses."""
    folder, _, name = path.rpartition("/")
    handle = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY)  # the path of a unix socket ends at 107 bytes
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(limit)
        try:
            connection.connect(f"/proc/self/fd/{handle}/{name}")
        finally:
            os.close(handle)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as source:
            answer = json.loads(source.readline())
    if "error" in answer:
        raise probe.Ended(f"the companion refused to {request['verb']}: {answer['error']}")
    return dict(answer)


def rows(path: str, limit: float) -> dict[str, Any]:
    """Return the sessions of the process by their ids."""
    return {row["session"]: row for row in ask(path, {"verb": "status"}, limit)["sessions"]}


def wait_until(condition: Callable[[], bool], deadline: float, what: str) -> None:
    """Wait until `condition` holds; `Ended` where it does not."""
    while not condition():
        if time.monotonic() > deadline:
            raise probe.Ended(what)
        time.sleep(0.02)


def upload(app: App, session: str, limit: float) -> bool:
    """Upload a file for a session; return whether it was taken: with XSRF protection it is not."""
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{NAME}"; filename="{NAME}"\r\n'
        f"Content-Type: text/plain\r\n\r\n{CONTENT.decode()}\r\n--{BOUNDARY}--\r\n"
    ).encode()
    head = (
        f"PUT {app.base}/_stcore/upload_file/{session}/{secrets.token_hex(8)} HTTP/1.1\r\n"
        f"Host: {app.host}:{app.port}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    with socket.create_connection((app.host, app.port), timeout=limit) as connection:
        connection.sendall(head + body)
        return b" 204 " in connection.recv(4096).split(b"\r\n", 1)[0]


def judge(app: App, path: str, limit: float) -> dict[str, Any]:
    """Move a page of the process to itself and return what came of it; `limit` is in seconds from now."""
    began = time.monotonic()
    deadline = began + limit
    messages = probe.import_messages()
    found: dict[str, Any] = {"session": False, "files": False}
    try:
        page = Page(messages, app, deadline)
        page.ask_for_run()
        page.wait_for_run()
        session = page.session
        uploaded = upload(app, session, limit)
        ticket = secrets.token_urlsafe(24)
        send = {"verb": "send", "session": session, "ticket": ticket, "to": path, "wait": limit / 2}
        sent = ask(path, send, limit)
        if uploaded and not sent["files"]:
            raise probe.Ended("an uploaded file was not sent")
        page.close()
        wait_until(lambda: not rows(path, limit)[session]["active"], deadline, "a page that left is still there")
        again = Page(messages, app, deadline, ticket)
        again.wait_for_run()  # without asking for it
        found["session"] = again.session == session
        found["files"] = uploaded and rows(path, limit).get(session, {}).get("files") == sent["files"]
        again.close()
    except (probe.Ended, OSError, ValueError, KeyError) as error:
        return {"ok": False, "detail": str(error) or type(error).__name__, **found, "seconds": time.monotonic() - began}
    if not found["session"]:
        detail = "the page came back as another session"
    elif uploaded and not found["files"]:
        detail = "an uploaded file did not come with the page"
    else:
        detail = ""
    return {"ok": not detail, "detail": detail, **found, "seconds": time.monotonic() - began}


def main(arguments: list[str]) -> int:
    """Print the verdict on the process at HOST PORT with the companion at SOCKET."""
    try:
        host, port, path, limit, *base = arguments
        verdict = judge(App(host, int(port), "".join(base)), path, float(limit))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in here says nothing about the app
        verdict = {"unknown": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(verdict) + "\n")
    return 1 if "unknown" in verdict else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
