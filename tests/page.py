"""A page of a browser as a test has one: cookies, a websocket with its session, uploads. On any base path, with TLS."""

from __future__ import annotations

import base64
import functools
import http.client
import os
import re
import socket
import ssl
import sys
import time
import uuid
from typing import Any

from gitrelease.inside.session import Connection, import_messages

PATIENCE = 20.0  # seconds
XSRF = re.compile(r"(_streamlit_xsrf|_xsrf)=([^;]*)")


def connect(port: int, *, tls: bool) -> socket.socket:
    """Return a connection to a server on this host, whatever certificate it shows."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    if not tls:
        return sock
    return trusting().wrap_socket(sock, server_hostname="localhost")


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Answer:
    """An answer over HTTP: status, headers, body."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.getheaders()
        self.body = answer.read()


class Page:
    """One tab: `open` makes a session and runs the script, `upload` sends it a file; it ends with its context."""

    def __init__(self, port: int, *, base: str = "", tls: bool = False, cookies: dict[str, str] | None = None) -> None:
        self.port, self.base, self.tls = port, base, tls
        self.cookies = dict(cookies or {})
        self.session = ""
        self.extensions = ""
        self.texts: list[str] = []
        self._socket: socket.socket | None = None

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """Ask over HTTP with the cookies of this page, and keep those that it gets."""
        kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        more: dict[str, Any] = {"context": trusting()} if self.tls else {}
        connection = kind("127.0.0.1", self.port, timeout=PATIENCE, **more)
        sent = {**self._cookie_header(), **(headers or {})}
        try:
            connection.request(method, f"{self.base}{path}", body=body, headers=sent)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0].strip('"')
        return answer

    def open(self, *, origin: str | None = None, offer: str = "") -> Page:
        """Open the websocket, run the script, and wait until it has finished."""
        status, head, stream = self._upgrade(origin=origin, offer=offer)
        assert status == 101, head
        found = re.search(r"(?im)^sec-websocket-extensions: *(.*?)\r?$", head)
        self.extensions = found[1] if found else ""
        if self.extensions:
            return self  # what follows may be compressed, and is not read here
        back, forward = messages()
        request = back()
        request.rerun_script.SetInParent()
        stream.send(request.SerializeToString())
        while True:
            message = forward.FromString(stream.message())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session = message.new_session.initialize.session_id
            if kind == "delta" and message.delta.new_element.WhichOneof("type") == "markdown":
                self.texts.append(message.delta.new_element.markdown.body)
            if kind == "script_finished":
                return self

    def upgrade_status(self, *, origin: str) -> int:
        """Return the status with which a websocket that comes from `origin` is answered."""
        with self:
            return self._upgrade(origin=origin, offer="")[0]

    def _upgrade(self, *, origin: str | None, offer: str) -> tuple[int, str, Connection]:
        self.ask("GET", "/_stcore/health")
        self.ask("GET", "/_stcore/host-config")
        protocols = ", ".join(["streamlit", *([self.xsrf] if self.xsrf else [])])
        more = "".join(f"{name}: {value}\r\n" for name, value in self._cookie_header().items())
        more += f"Origin: {origin}\r\n" if origin else ""
        more += f"Sec-WebSocket-Extensions: {offer}\r\n" if offer else ""
        self._socket = connect(self.port, tls=self.tls)
        stream = Stream(self._socket, time.monotonic() + PATIENCE)
        head = stream.answer_to(f"127.0.0.1:{self.port}", f"{self.base}/_stcore/stream", protocols, more)
        return int(head.split()[1]), head, stream

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    @property
    def xsrf(self) -> str:
        return self.cookies.get("_streamlit_xsrf") or self.cookies.get("_xsrf") or ""

    def upload(self, content: bytes, *, xsrf: str | None = None, session: str | None = None) -> int:
        """Send a file to the session as the browser does; return the status. `xsrf`: another token, empty for none."""
        token = self.xsrf if xsrf is None else xsrf
        boundary = uuid.uuid4().hex
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
            "Content-Type: text/plain\r\n\r\n"
        ).encode()
        body += content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        headers |= {"X-Xsrftoken": token} if token else {}
        path = f"/_stcore/upload_file/{session or self.session}/{uuid.uuid4()}"
        return self.ask("PUT", path, body, headers).status

    def _cookie_header(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}


class Stream(Connection):
    """The websocket of the probe, with headers of a browser's."""

    def answer_to(self, host: str, path: str, protocols: str, more: str) -> str:
        """Ask for the upgrade and return the head of the answer."""
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Protocol: {protocols}\r\n{more}\r\n"
        )
        self._write(head.encode())
        while b"\r\n\r\n" not in self._received:
            self._receive()
        return self._read(self._received.index(b"\r\n\r\n") + 4).decode("latin-1")


@functools.cache
def messages() -> tuple[Any, Any]:
    """Return BackMsg and ForwardMsg; the stand-in for Streamlit's package does not stay behind for other tests."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "streamlit"}
    found = import_messages()
    for name in [name for name in sys.modules if name.partition(".")[0] == "streamlit"]:
        del sys.modules[name]
    sys.modules.update(before)
    return found
