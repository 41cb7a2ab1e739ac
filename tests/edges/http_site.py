"""A small HTTP/1.1 server for the front's tests: what it answers is in the path, what it was asked is kept."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import socket
import threading
from typing import Any
from urllib.parse import parse_qsl, urlsplit

BLOCK = bytes(range(256)) * 256


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def _answer(self) -> None:
        url = urlsplit(self.path)
        asked = dict(parse_qsl(url.query))
        site = self.server
        site.asked.append((self.command, self.path, self.headers.as_string(), self.client_address[1]))
        body = self._body() if "early" not in asked else b""
        status = 404 if url.path in site.lacks else int(asked.get("status", 200))
        self.send_response(status)
        match asked.get("as", "length"):
            case "length":
                content = site.name + b" " + body
                if self.headers.get("Range"):
                    content += self.headers["Range"].encode()
                if "bytes" in asked:
                    self._send_big(int(asked["bytes"]))
                    return
                if status not in (204, 304):
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD" and status not in (204, 304):
                    self.wfile.write(content)
            case "chunks":
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in (site.name, b" in", b" chunks"):
                    self.wfile.write(b"%x;ext=1\r\n%b\r\n" % (len(part), part))
                self.wfile.write(b"0\r\nX-Trailer: 1\r\n\r\n")
            case "close":
                self.end_headers()
                self.wfile.write(site.name + b" to the end")
                self.close_connection = True
            case "cut":
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"half")
                self.close_connection = True
        if "early" in asked:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

    def _send_big(self, size: int) -> None:
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for _ in range(size // len(BLOCK)):
            self.wfile.write(BLOCK)
        self.wfile.write(BLOCK[: size % len(BLOCK)])

    def _body(self) -> bytes:
        """Read what was sent, and return how much it was, and its digest."""
        digest, size = hashlib.sha256(), 0
        for part in self._parts():
            digest.update(part)
            size += len(part)
        return f"{size} {digest.hexdigest()}".encode() if size else b""

    def _parts(self) -> Any:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
        else:
            left = int(self.headers.get("Content-Length", 0))
            while left > 0 and (part := self.rfile.read1(min(left, 262_144))):
                left -= len(part)
                yield part

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of it is of interest."""


class Site(http.server.ThreadingHTTPServer):
    """`asked`: method, target, headers and the port it came from; `lacks`: paths that are answered with 404."""

    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    def __init__(self, name: bytes, port: int = 0) -> None:
        self.name = name
        self.asked: list[tuple[str, str, str, int]] = []
        self.lacks: set[str] = set()
        self.open = 0
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.open += 1
            self._connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self.open -= 1
                self._connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever goes away in the middle does so on purpose."""

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # its client has gone
                    connection.shutdown(socket.SHUT_RDWR)


def read_answer(connection: socket.socket, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Read one answer, and not a byte more, as the framing says: status, headers in small letters, content."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise EOFError(head)
        head += byte
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    status = int(first.split()[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if head_only or status in (204, 304) or status < 200:
        return status, headers, b""
    if headers.get("transfer-encoding") == "chunked":
        content = b""
        while size := int(_line(connection), 16):
            content += exactly(connection, size)
            assert exactly(connection, 2) == b"\r\n"
        assert _line(connection) == b""
        return status, headers, content
    if "content-length" in headers:
        return status, headers, exactly(connection, int(headers["content-length"]))
    content = b""
    while data := connection.recv(65_536):
        content += data
    return status, headers, content


def exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = connection.recv(size - len(received))
        if not data:
            raise EOFError(bytes(received))
        received += data
    return bytes(received)


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\r\n"):
        line += exactly(connection, 1)
    return line[:-2]
