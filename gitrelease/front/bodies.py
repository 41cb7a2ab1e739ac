"""Bodies of HTTP/1.x messages: where they end, and how they are framed anew. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable

HEAD_LIMIT = 65_536  # bytes of a head at most, and of trailers


class BadMessage(ValueError):
    """A message that is not passed on; `status` is what its sender is answered."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


class ChunkReader:
    """Reads the framing of a chunked body: `feed` says which bytes are content, and how many belong to the body.

    llhttp would do that too, but httptools does not say where the message ended, and what follows is the next one.
    Extensions and trailers are dropped.
    """

    __slots__ = ("_feed", "_left", "_line", "_trailers", "done")

    def __init__(self) -> None:
        self.done = False
        self._left = 0  # bytes of content to come in this chunk
        self._line = bytearray()
        self._trailers = 0
        self._feed: Callable[[bytes], None] = self._size

    def feed(self, data: memoryview) -> tuple[list[memoryview], int]:
        """Return the pieces of content in `data`, and how many bytes of it belong to this body."""
        pieces = []
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
            else:
                at += self._read_line(data[at : at + _LINE_LIMIT])
        return pieces, at

    def _read_line(self, data: memoryview) -> int:
        window = bytes(data)
        end = window.find(b"\n") + 1
        self._line += window[: end or len(window)]
        if len(self._line) > _LINE_LIMIT:
            raise BadMessage("a line of the chunked body is too long")
        if end:
            if not self._line.endswith(b"\r\n"):
                raise BadMessage("a line of the chunked body ends without a carriage return")
            line = bytes(self._line[:-2])
            self._line.clear()
            self._feed(line)
        return end or len(window)

    def _size(self, line: bytes) -> None:
        found = _CHUNK.fullmatch(line)
        if not found:
            raise BadMessage("the size of a chunk is no number")
        self._left = int(found[1], 16)
        self._feed = self._after_content if self._left else self._trailer

    def _after_content(self, line: bytes) -> None:
        if line:
            raise BadMessage("a chunk is longer than its size")
        self._feed = self._size

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > HEAD_LIMIT:
            raise BadMessage("the trailers are too long", 431)
        if not line:
            self.done = True
        elif not _TRAILER.fullmatch(line):
            raise BadMessage("a trailer is no header")


class Rest:
    """The part of a body that is still to come; `length`: bytes, None until the sender closes (of answers only)."""

    __slots__ = ("chunks", "length")

    def __init__(self, length: int | None, *, chunked: bool) -> None:
        self.length = length
        self.chunks = ChunkReader() if chunked else None

    @property
    def over(self) -> bool:
        return self.chunks.done if self.chunks is not None else self.length == 0

    @property
    def ends_with_connection(self) -> bool:
        return self.chunks is None and self.length is None

    def take(self, data: memoryview, *, framed: bool) -> tuple[bytes | memoryview, int]:
        """Return what of `data` is to be sent, and how many bytes of it belong to this body.

        `framed`: what came in chunks goes out in chunks.
        """
        if self.chunks is not None:
            pieces, used = self.chunks.feed(data)
            if not framed:
                return b"".join(pieces), used
            return (chunk(pieces) if pieces else b"") + (LAST_CHUNK if self.chunks.done else b""), used
        if self.length is None:
            return data, len(data)
        part = data[: self.length]
        self.length -= len(part)
        return part, len(part)


_LINE_LIMIT = 4_096
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
LAST_CHUNK = b"0\r\n\r\n"


def chunk(pieces: list[memoryview]) -> bytes:
    """Write content as one chunk."""
    return b"".join((b"%x\r\n" % sum(map(len, pieces)), *pieces, b"\r\n"))
