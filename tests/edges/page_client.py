"""A browser as Streamlit's server sees it: cookies, tabs with a websocket each, uploads, files. No rendering."""

from __future__ import annotations

import base64
import os
import socket
import struct
import uuid
from collections.abc import Iterator
from typing import Any

import requests

from tests.edges.http_site import exactly
from tests.edges.running_front import reset

BINARY, CLOSE, PING = 0x82, 0x88, 0x89


def new_session(identity: str) -> bytes:
    """Return the first frame of Streamlit's to a page, which names its session."""
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    message = ForwardMsg()
    message.new_session.initialize.session_id = identity
    content: bytes = message.SerializeToString()
    return bytes((BINARY, len(content))) + content


class Browser:
    """Cookies of one browser at one port; every request has a connection of its own."""

    def __init__(self, port: int, *, base: str = "") -> None:
        self.port, self.base = port, base
        self._cookies = requests.cookies.RequestsCookieJar()
        self.request("GET", "/_stcore/host-config")  # sets the XSRF cookie
        self.request("GET", "/_stcore/health")  # in older versions

    @property
    def cookie(self) -> str:
        return "; ".join(f"{one.name}={one.value}" for one in self._cookies)

    @property
    def xsrf(self) -> str:
        return next((one.value or "" for one in self._cookies if one.name.endswith("_xsrf")), "")

    def request(self, method: str, path: str, *, port: int | None = None, **options: Any) -> requests.Response:
        answer = requests.request(
            method,
            f"http://127.0.0.1:{port or self.port}{self.base}{path}",
            timeout=20,
            cookies=self._cookies,
            **options,
        )
        self._cookies.update(answer.cookies)
        return answer

    def upload(self, session: str, content: bytes, *, port: int | None = None) -> int:
        """Upload a document to a session as the file uploader does; return the status."""
        return self.request(
            "PUT",
            f"/_stcore/upload_file/{session}/{uuid.uuid4()}",
            port=port,
            files={"file": ("doc.txt", content)},
            headers={"X-Xsrftoken": self.xsrf},
        ).status_code


class Tab:
    """An open page: its websocket, and the session that the server gave it."""

    def __init__(self, browser: Browser, *, session: str = "") -> None:
        self.browser = browser
        self.session = session
        self._connection = socket.create_connection(("127.0.0.1", browser.port), timeout=20)
        self._upgrade(session)

    def _upgrade(self, session: str) -> None:
        # Up to Streamlit 1.28, whose cookie has another name, no token stands before the session.
        token = () if "_streamlit_xsrf" not in self.browser.cookie else (self.browser.xsrf,)
        protocols = ", ".join(("streamlit", *token, *((session,) if session else ())))
        head = [
            f"GET {self.browser.base}/_stcore/stream HTTP/1.1",
            f"Host: 127.0.0.1:{self.browser.port}",
            f"Origin: http://127.0.0.1:{self.browser.port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Sec-WebSocket-Protocol: {protocols}",
            *((f"Cookie: {self.browser.cookie}",) if self.browser.cookie else ()),
        ]
        self._connection.sendall("".join(line + "\r\n" for line in (*head, "")).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += exactly(self._connection, 1)
        assert answer.startswith(b"HTTP/1.1 101 "), answer

    def run(self) -> list[Any]:
        """Run the script, and return what it showed."""
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        message.rerun_script.query_string = ""
        self._send(message.SerializeToString())
        shown = []
        for answer in self._messages():
            match answer.WhichOneof("type"):
                case "new_session":
                    self.session = answer.new_session.initialize.session_id
                case "delta":
                    shown.append(answer.delta.new_element)
                case "script_finished":
                    return shown
        raise EOFError("the websocket ended before the script")

    def texts(self) -> list[str]:
        return [one.text.body for one in self.run() if one.WhichOneof("type") == "text"]

    def file(self) -> str:
        """Run the script, and return the path of the file that it offers."""
        return next(one.download_button.url for one in self.run() if one.WhichOneof("type") == "download_button")

    def ends(self) -> bool:
        """Wait for the end of the websocket."""
        try:
            for _ in self._messages():
                pass
        except (EOFError, ConnectionResetError):
            return True
        return False

    def drop(self) -> None:
        """Lose the network."""
        reset(self._connection)

    def _send(self, payload: bytes) -> None:
        mask = os.urandom(4)
        length = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self._connection.sendall(bytes((BINARY,)) + length + mask + masked)

    def _messages(self) -> Iterator[Any]:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        while True:
            first, length = exactly(self._connection, 2)
            if length >= 126:
                length = int.from_bytes(exactly(self._connection, 2 if length == 126 else 8), "big")
            payload = exactly(self._connection, length)
            if first == CLOSE:
                return
            if first == BINARY:
                message = ForwardMsg()
                message.ParseFromString(payload)
                yield message
