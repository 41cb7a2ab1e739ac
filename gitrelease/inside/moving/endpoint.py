"""The companion's unix socket: a JSON line each way, a payload after some, only for processes of the same user."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from .carry import LIMIT, Malformed
from .launch import failure
from .parcel import FILES_LIMIT

if TYPE_CHECKING:
    from typing import TypeAlias

LONGEST_LINE = 1 << 20  # bytes of a request without its payload
MOST = FILES_LIMIT + 4 * LIMIT  # bytes of a payload: a document of JSON is longer than what it holds
PATIENCE = 30.0  # seconds for whoever has connected to go on
AT_ONCE = 16  # connections that are served, the next ones wait

Payload: TypeAlias = "tuple[bytes, list[bytes]]"
Handler: TypeAlias = "Callable[[dict[str, Any], Payload], dict[str, Any]]"


class Refusal(Exception):
    """A request cannot be met: what happened, and what to do."""

    def __init__(self, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.hint = hint


@contextlib.contextmanager
def short_name(path: str) -> Iterator[str]:
    """Give a short name for a unix socket while the context is open: their paths end at 107 bytes."""
    folder = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    finally:
        os.close(folder)


class Endpoint:
    """Serves `handlers`, by verb, until the process ends."""

    def __init__(self, path: str, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._listener = _listen(path)
        # A child of the app would keep the socket open, and nobody would answer there.
        os.register_at_fork(after_in_child=self._listener.close)

    def start(self) -> None:
        """Serve on a thread of its own, which ends with the process."""
        threading.Thread(target=self._serve, name="gitrelease-companion", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                continue
            self._slots.acquire()
            threading.Thread(target=self._answer, args=(connection,), name="gitrelease-request", daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(PATIENCE)
                if _user_of(connection) != os.getuid():
                    return
                answer = self._answer_to(connection)
                connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:  # whoever asked is gone, or was too slow
            return
        finally:
            self._slots.release()

    def _answer_to(self, connection: socket.socket) -> dict[str, Any]:
        try:
            with connection.makefile("rb") as source:
                request = read_line(source)
                payload = _payload(request, source)
            handler = self._handlers.get(str(request.get("verb")))
            if handler is None:
                raise Refusal(
                    "the companion does not know this request", "Companion and agent are of different versions"
                )
            return handler(request, payload)
        except Refusal as refusal:
            return {"error": refusal.error, "hint": refusal.hint}
        except Malformed as error:
            return {"error": f"the request is not understood: {error}", "hint": ""}
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  # told to whoever asked; the app is not concerned
            return {"error": f"the companion failed: {failure(error)}", "hint": ""}


def ask(path: str, request: dict[str, Any], payload: Payload = (b"", []), *, limit: float) -> dict[str, Any]:
    """Ask another companion; `Refusal` with its words, or where it does not answer. `limit`: seconds between bytes."""
    document, blobs = payload
    parts: list[bytes] = []
    if document:
        request = {**request, "document": len(document), "blobs": len(blobs)}
        parts = [struct.pack(f"!{len(blobs)}Q", *map(len, blobs)), document, *blobs]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(limit)
            with short_name(path) as name:
                connection.connect(name)
            for part in (json.dumps(request).encode() + b"\n", *parts):
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as source:
                answer = read_line(source)
    except (OSError, Malformed) as error:
        raise Refusal(f"the other process does not take the session: {error}") from error
    if "error" in answer:
        raise Refusal(f"the other process refused the session: {answer['error']}", str(answer.get("hint", "")))
    return answer


def read_line(source: BinaryIO) -> dict[str, Any]:
    """Return the JSON object of a line."""
    line = source.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise Malformed("it has no end")
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is no JSON") from error
    if type(told) is not dict:
        raise Malformed("it is no object")
    return told


def _payload(request: dict[str, Any], source: BinaryIO) -> Payload:
    if "document" not in request:
        return b"", []
    length, count = request["document"], request.get("blobs")
    if type(length) is not int or type(count) is not int or not (0 <= length <= MOST and 0 <= count <= MOST // 8):
        raise Malformed("its sizes make no sense")
    sizes = struct.unpack(f"!{count}Q", _exactly(source, 8 * count))
    if length + sum(sizes) > MOST:
        raise Malformed("it is too large")
    document, *blobs = [_exactly(source, size) for size in (length, *sizes)]
    if source.read(1):
        raise Malformed("bytes follow it")
    return document, blobs


def _exactly(source: BinaryIO, size: int) -> bytes:
    content = source.read(size)
    if len(content) != size:
        raise Malformed("it ends too early")
    return content


def _listen(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_name(path) as name:
            listener.bind(name)
        os.chmod(path, 0o600)
        listener.listen(AT_ONCE)
    except BaseException:
        listener.close()
        raise
    return listener


def _user_of(connection: socket.socket) -> int:
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(user)
