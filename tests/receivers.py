"""Receivers of notifications on this host: over HTTP and by mail, well, slow or broken."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


class Hook:
    """An HTTP receiver that keeps what it got; `status` is what it answers."""

    def __init__(self, status: int = 200) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = status
        hook = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(json.loads(body))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"json://user:pa55word@127.0.0.1:{self.server.server_address[1]}/t0ken"

    def titles(self) -> list[str]:
        return [one["title"] for one in self.got]

    def body(self, word: str) -> str:
        """Return the text of the first message with `word` in its title; empty when there is none."""
        return next((one["message"] for one in self.got if word in one["title"]), "")


@contextmanager
def hook(status: int = 200) -> Iterator[Hook]:
    found = Hook(status)
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """Yield the address of a receiver that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"json://127.0.0.1:{server.getsockname()[1]}/t0ken?rto=60&cto=60"


class Mailbox:
    """A mail server that keeps what it got."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str, str]] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # aiosmtpd's name
        mail = message_from_bytes(envelope.content)
        text = b"".join(part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart())
        self.mails.append((envelope.rcpt_tos, str(mail["Subject"]), text.decode()))
        return "250 OK"


@contextmanager
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    """Yield a mail server, and the address by which Apprise reaches it."""
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, f"mailto://127.0.0.1:{port}?from=release@example.com&to=ops@example.com&mode=insecure"
    finally:
        controller.stop()
