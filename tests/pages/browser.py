"""What a browser has beside its pages: cookies, and HTTP connections that it keeps."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
import uuid
from dataclasses import dataclass
from http.cookies import SimpleCookie

XSRF_COOKIES = ("_streamlit_xsrf", "_xsrf")  # the second one up to Streamlit 1.56
CONNECTIONS = 6  # to one server at a time, as in Chromium


@dataclass(frozen=True)
class Answer:
    """The answer to a request."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Browser:
    """Cookies and kept connections of one browser, shared by its pages. Requests may come from several threads."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.host, self.port = host, port
        self.cookies: dict[str, str] = {}
        self._idle: list[http.client.HTTPConnection] = []
        self._places = threading.Semaphore(CONNECTIONS)
        self._lock = threading.Lock()

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def cookie_header(self) -> str:
        with self._lock:
            return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    @property
    def xsrf(self) -> str | None:
        """The token that a page reads from the cookie: for uploads, and for its websocket."""
        return next((self.cookies[name] for name in XSRF_COOKIES if name in self.cookies), None)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, timeout: float = 30.0
    ) -> Answer:
        """Send a request on a kept connection, or on a new one.

        As Chromium does, one that was kept and breaks before the first byte of an answer is replaced by a new one, on
        which the request is sent again. `OSError` and `HTTPException` for everything else.
        """
        sent = {"Cookie": self.cookie_header, "Origin": self.origin, **(headers or {})}
        with self._places:
            self.tidy()
            connection = self._kept()
            if connection is not None:
                try:
                    return self._ask(connection, method, path, body, sent, timeout)
                except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                    connection.close()
            connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
            return self._ask(connection, method, path, body, sent, timeout)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        timeout: float,
    ) -> Answer:
        try:
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        self._remember(response.headers.get_all("Set-Cookie") or [])
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        return Answer(response.status, content)

    def _kept(self) -> http.client.HTTPConnection | None:
        """Return the connection that was used last and is still open."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.sock is not None and not _readable(connection.sock):
                return connection
            connection.close()  # the server has closed it in the meantime

    def tidy(self) -> None:
        """Close what is kept and was closed by the server, as Chromium does within ten seconds."""
        with self._lock:
            closed = [one for one in self._idle if one.sock is None or _readable(one.sock)]
            self._idle = [one for one in self._idle if one not in closed]
        for connection in closed:
            connection.close()

    def _remember(self, lines: list[str]) -> None:
        with self._lock:
            for line in lines:
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._lock:
            kept, self._idle = self._idle, []
        for connection in kept:
            with contextlib.suppress(OSError):
                connection.close()


def multipart(name: str, content: bytes) -> tuple[bytes, str]:
    """Return the body and the content type with which a browser sends a file."""
    boundary = uuid.uuid4().hex
    head = f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\nContent-Type: application/octet-stream'
    body = f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])
