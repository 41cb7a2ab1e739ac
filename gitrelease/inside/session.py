"""Does a first session with a running Streamlit finish its script without an exception? Asked as a browser would.

Usage: python session.py HOST PORT DEADLINE_SECONDS [BASE [tls]], at the same time as the server is started, or later.
BASE is the path before every path of the app, such as /fin; with `tls` the server speaks TLS, and whatever
certificate it shows is taken: it is asked on this host, and known by its process.

Prints one JSON line. {"ok", "detail", "seconds": {"port", "first_run"}} and exit code 0 when it could judge: `port` is
how long it took until the port accepted, `first_run` from then to the end of the script. {"unknown": why} and exit
code 1 when it could not tell. An exception that the page shows on purpose (st.exception) counts like any other:
`detail` names it, and whoever reads it knows whether the live release shows it too.

Standard library only, Python 3.8 and later: this is the app's interpreter, which also has the protocol's messages.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

STREAM = "/_stcore/stream"
# RFC 6455: the server proves with it that it speaks the protocol.
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
LONGEST_HEAD = 65536  # bytes of an answer to the upgrade
LONGEST_MESSAGE = 300  # characters of an exception
RETRY = 0.01  # seconds: nothing on the loopback interface says that a port has begun to listen
PATIENCE = 1.0  # seconds for the reason that follows a compile error

Message = Any  # protobuf makes its classes at run time


class Ended(Exception):
    """The session ended before the script did; the message says how."""


class Late(Ended):
    """The deadline came first."""


class Connection:
    """The client's side of a websocket, RFC 6455: no extensions, and never a read past `deadline` (monotonic)."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.deadline = deadline
        self._socket = sock
        self._received = bytearray()

    def upgrade(self, host: str, base: str = "", protocols: str = "streamlit") -> None:
        """Turn the connection into Streamlit's session stream; the third of `protocols` names an earlier session."""
        key = base64.b64encode(os.urandom(16))
        head = (
            f"GET {base}{STREAM} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n"
            f"Sec-WebSocket-Protocol: {protocols}\r\n\r\n"
        )
        self._write(head.encode())
        while b"\r\n\r\n" not in self._received:
            if len(self._received) > LONGEST_HEAD:
                raise Ended("the answer to the websocket upgrade never ends")
            self._receive()
        answer = self._read(self._received.index(b"\r\n\r\n") + 4).decode("latin-1")
        status = answer.split("\r\n", 1)[0]
        if not re.match(r"HTTP/1\.[01] 101\b", status):
            raise Ended(f"the websocket upgrade was answered with {status[:80]!r}")
        proof = base64.b64encode(hashlib.sha1(key + ACCEPT).digest()).decode()  # noqa: S324 - the protocol's choice
        if proof not in answer:
            raise Ended("whatever answers the websocket upgrade does not speak websocket")

    def send(self, payload: bytes, opcode: int = BINARY) -> None:
        """Send one frame, masked as a client has to."""
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
        mask = os.urandom(4)
        self._write(head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload)))

    def message(self) -> bytes:
        """Return the next whole message; pings on the way are answered."""
        parts = bytearray()
        while True:
            final, opcode, payload = self._frame()
            if opcode == PING:
                self.send(payload, PONG)
            elif opcode == CLOSE:
                raise Ended(f"the server closed the session{_reason(payload)}")
            elif opcode in {CONTINUATION, TEXT, BINARY}:
                parts += payload
                if final:
                    return bytes(parts)

    def _frame(self) -> tuple[bool, int, bytes]:
        first, second = self._read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._read(8))
        return bool(first & 0x80), first & 0x0F, self._read(length)

    def _read(self, count: int) -> bytes:
        while len(self._received) < count:
            self._receive()
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _receive(self) -> None:
        left = self.deadline - time.monotonic()
        # What TLS has decrypted already is not waited for: the socket is not readable for it any more.
        there = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        if left <= 0 or not (there or select.select([self._socket], [], [], left)[0]):
            raise Late("the server did not answer")
        try:
            self._socket.settimeout(left)  # under TLS, what has arrived need not be a whole record, or ours
            arrived = self._socket.recv(1 << 16)
        except TimeoutError as error:
            raise Late("the server did not answer") from error
        except OSError as error:
            raise Ended(f"the connection broke: {error}") from error
        if not arrived:
            raise Ended("the server closed the connection")
        self._received += arrived

    def _write(self, content: bytes) -> None:
        self._socket.settimeout(max(self.deadline - time.monotonic(), 0.001))
        try:
            self._socket.sendall(content)
        except OSError as error:
            raise Ended(f"the connection broke: {error}") from error


def _reason(payload: bytes) -> str:
    if len(payload) < 2:
        return ""
    return f": {struct.unpack('!H', payload[:2])[0]} {payload[2:].decode(errors='replace')}".rstrip()


def import_messages() -> tuple[Message, Message]:
    """Return the classes BackMsg and ForwardMsg without running Streamlit's own start-up, which takes half a second."""
    spec = importlib.util.find_spec("streamlit")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"Streamlit is not installed for {sys.executable}")
    package = ModuleType("streamlit")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["streamlit"] = package
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    return BackMsg, ForwardMsg


def connect(host: str, port: int, deadline: float) -> socket.socket:
    """Return a connection as soon as the port accepts one."""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late(f"port {port} did not accept a connection")
        try:
            sock = socket.create_connection((host, port), timeout=left)
        except OSError:
            pass
        else:
            # While nobody listens, the system may pick this very port for our end and connect us to ourselves.
            if sock.getsockname() != sock.getpeername():
                return sock
            sock.close()
        time.sleep(RETRY)


def under_tls(sock: socket.socket, left: float) -> socket.socket:
    """Return the connection under TLS; `left` is how many seconds it may take."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sock.settimeout(max(left, 0.001))
    try:
        return context.wrap_socket(sock)
    except OSError as error:
        raise Ended(f"the server does not speak TLS: {error}") from error


def run_script(connection: Connection, messages: tuple[Message, Message]) -> list[str]:
    """Ask for a run of the script and return the exceptions that the page then shows, once the script has ended."""
    back_message, forward_message = messages
    request = back_message()
    request.rerun_script.SetInParent()
    connection.send(request.SerializeToString())
    shown: list[str] = []
    compiled = True
    try:
        while True:
            message = forward_message.FromString(connection.message())
            shown += exceptions_in(message)
            if message.WhichOneof("type") == "script_finished":
                status = forward_message.ScriptFinishedStatus.Name(message.script_finished)
                if status == "FINISHED_SUCCESSFULLY":
                    return shown
                # The exception comes after the end of the script. st.rerun() ends a run as well: another one follows.
                if status == "FINISHED_WITH_COMPILE_ERROR":
                    compiled = False
                    connection.deadline = min(connection.deadline, time.monotonic() + PATIENCE)
            if not compiled and shown:
                return shown
    except Late as error:
        if not compiled:
            return ["the script does not compile"]
        raise Late(f"the script had not finished{''.join(f', it showed {one}' for one in shown[:1])}") from error
    except Ended as error:
        raise Ended(f"{error} before the script had finished") from error


def exceptions_in(message: Message) -> list[str]:
    """Return the exception that a message of the server brings to the page, if it does."""
    kind = message.WhichOneof("type")
    if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
        element = message.delta.new_element
        return [in_words(element.exception)] if element.WhichOneof("type") == "exception" else []
    if kind == "session_event" and message.session_event.WhichOneof("type") == "script_compilation_exception":
        return [in_words(message.session_event.script_compilation_exception)]
    return []


def in_words(exception: Message) -> str:
    """Return type, message and place of an exception on the page, in one line."""
    said = exception.message
    places = re.findall(r'File "([^"]+)", line (\d+)', "\n".join(exception.stack_trace))
    syntax = re.match(r'\s*File "([^"]+)", line (\d+)', said)
    if syntax:  # the place and the line of code come first, then the message; the stack is the compiler's
        places = [syntax.groups()]
        said = said.strip().splitlines()[-1].partition(": ")[2]
    said = " ".join(said.split())
    said = f"{said[:LONGEST_MESSAGE]}…" if len(said) > LONGEST_MESSAGE else said
    return ": ".join(filter(None, (exception.type, said))) + place_of(places)


def place_of(places: list[Any]) -> str:
    """Return " (file.py:line)": the innermost place in the app's folder, where we were started, else the innermost."""
    folder = str(Path.cwd())
    ours = [place for place in places if place[0].startswith(folder)]
    for file, line in (ours or places)[-1:]:
        return f" ({Path(file).name}:{line})"
    return ""


def judge(host: str, port: int, limit: float, base: str = "", tls: bool = False) -> dict[str, Any]:
    """Open a session and return what came of it; `limit` is in seconds from now."""
    began = time.monotonic()
    messages = import_messages()  # while the server is still starting
    seconds: dict[str, float] = {}
    try:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(connect(host, port, began + limit))
            accepted = time.monotonic()
            seconds["port"] = round(accepted - began, 3)
            if tls:
                sock = stack.enter_context(under_tls(sock, began + limit - accepted))
            connection = Connection(sock, began + limit)
            connection.upgrade(f"{host}:{port}", base)
            shown = run_script(connection, messages)
            seconds["first_run"] = round(time.monotonic() - accepted, 3)
            with contextlib.suppress(Ended):  # only a courtesy: the verdict stands
                connection.send(struct.pack("!H", 1000), CLOSE)
    except Late as error:
        return {"ok": False, "detail": f"{error} within {limit:g} s", "seconds": seconds}
    except Ended as error:
        return {"ok": False, "detail": str(error), "seconds": seconds}
    more = f", and {len(shown) - 1} more" if len(shown) > 1 else ""
    return {"ok": not shown, "detail": f"{shown[0]}{more}" if shown else "", "seconds": seconds}


def main(arguments: list[str]) -> int:
    """Print the verdict on the server at HOST PORT."""
    try:
        host, port, limit, *more = arguments
        base, tls = (*more, "", "")[:2]
        verdict = judge(host, int(port), float(limit), base, tls == "tls")
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in here says nothing about the app
        verdict = {"unknown": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(verdict) + "\n")
    return 1 if "unknown" in verdict else 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Taking the messages apart again takes longer than the verdict, and somebody waits for it.
    os._exit(code)
