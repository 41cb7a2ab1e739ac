"""Whose websocket is it? Reads a server's first frames until one of them names Streamlit's session. No I/O.

The frames are passed on as they are: this only looks on, and gives up where something is not as expected.
`ForwardMsg.new_session.initialize.session_id` has been fields 4, 1 and 6 in every Streamlit since 1.28 at least.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_MOST_BYTES = 4_000_000  # of frames, until it gives up: a session is named when the script begins
_PATH = (4, 1, 6)
_CONTINUATION, _TEXT, _BINARY, _CONTROL = 0, 1, 2, 8
_LENGTHS = {126: 2, 127: 8}
_TAIL = b"\x00\x00\xff\xff"  # what permessage-deflate leaves off
_LONGEST_ID = 200


class SessionFinder:
    """Looks for the session's id in what a server sends after its 101. `done`: found, or given up."""

    __slots__ = ("_compressed", "_inflate", "_message", "_received", "_seen", "done")

    def __init__(self, extensions: bytes = b"") -> None:
        """`extensions`: the answer's `Sec-WebSocket-Extensions`."""
        self.done = False
        self._received = bytearray()
        self._message = bytearray()
        self._compressed = False
        self._seen = 0
        self._inflate = _Inflate(extensions) if b"permessage-deflate" in extensions else None

    def feed(self, data: bytes | memoryview) -> str | None:
        """Return the session's id when `data` completes the message that names it."""
        if self.done:
            return None
        self._received += data
        self._seen += len(data)
        try:
            for message in self._messages():
                found = session_of(message)
                if found is not None:
                    self._end()
                    return found
        except (ValueError, zlib.error):
            self._end()
        if self._seen > _MOST_BYTES:
            self._end()
        return None

    def _end(self) -> None:
        self.done = True
        self._received, self._message, self._inflate = bytearray(), bytearray(), None

    def _messages(self) -> Iterator[bytes]:
        """Take whole messages from what was received."""
        while (frame := _frame(self._received)) is not None:
            first, content, size = frame
            payload = bytes(self._received[size - content : size])
            del self._received[:size]
            code = first & 0x0F
            if code >= _CONTROL:
                continue
            if code != _CONTINUATION:
                self._message.clear()
                self._compressed = bool(first & 0x40)
            self._message += payload
            if first & 0x80:
                whole = bytes(self._message)
                self._message.clear()
                if self._compressed:
                    if self._inflate is None:
                        raise ValueError("compressed, which was not agreed on")
                    whole = self._inflate.message(whole)
                yield whole


class _Inflate:
    def __init__(self, extensions: bytes) -> None:
        self._keeps = b"server_no_context_takeover" not in extensions
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def message(self, data: bytes) -> bytes:
        whole = self._inflate.decompress(data + _TAIL, _MOST_BYTES)
        if self._inflate.unconsumed_tail:
            raise ValueError("longer than we look at")
        if not self._keeps:
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        return whole


def _frame(received: bytearray) -> tuple[int, int, int] | None:
    """Return the first byte of the first frame, the length of its content and of the whole; None until it is whole."""
    if len(received) < 2:
        return None
    first, length = received[0], received[1]
    if length & 0x80:
        raise ValueError("a server masks nothing")
    size = 2
    if length in _LENGTHS:
        size += _LENGTHS[length]
        if len(received) < size:
            return None
        length = int.from_bytes(received[2:size], "big")
    if length > _MOST_BYTES:
        raise ValueError("longer than we look at")
    return (first, length, size + length) if len(received) >= size + length else None


def session_of(message: bytes) -> str | None:
    """Return the session that a `ForwardMsg` names; `ValueError` where `message` is no protobuf."""
    for number in _PATH:
        found = _field(message, number)
        if found is None:
            return None
        message = found
    text = message.decode("ascii")
    if not 0 < len(text) <= _LONGEST_ID or not text.isprintable() or " " in text:
        raise ValueError("no session's id")
    return text


def _field(message: bytes, wanted: int) -> bytes | None:
    """Return the last content of a field that has a length, as protobuf takes it."""
    found = None
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                _, at = _varint(message, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case 2:
                length, at = _varint(message, at)
                if at + length > len(message):
                    raise ValueError("a field is cut off")
                if key >> 3 == wanted:
                    found = message[at : at + length]
                at += length
            case other:
                raise ValueError(f"wire type {other}")
    if at > len(message):
        raise ValueError("a field is cut off")
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("a number is cut off")
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number has no end")
