"""What does a process of ours write to its log? Read piece by piece, also across a rotation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gitrelease.edges.housekeeping import OLDER

PIECE = 65_536  # bytes that are read at once: another thread may go on in between
CUT = 65_536  # bytes of a line that are kept
_REMEMBERED = 4096  # bytes by which a place is found again in an older generation


class Growing:
    """A log that grows: what it got since `offset`. One that was emptied is read from its start.

    Of what was written before it was emptied, the rest is looked for in the older generation.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        self._last = b""
        self._rest = b""  # of an older generation, not handed out yet

    @classmethod
    def at_end(cls, path: Path) -> Growing:
        return cls(path, path.stat().st_size if path.exists() else 0)

    def behind(self) -> int:
        """Return how many bytes there are to read."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return len(self._rest)
        return len(self._rest) + (size - self.offset if size >= self.offset else size)

    def skip(self, *, leave: int) -> int:
        """Pass over all but the newest `leave` bytes; return how many were passed over."""
        passed = max(self.behind() - leave, 0)
        if passed:
            self._last = self._rest = b""
            self.offset = max(self.path.stat().st_size - leave, 0)
        return passed

    def read(self, most: int = PIECE) -> bytes:
        """Return the next bytes, at most `most`; none where nothing was written."""
        if not self._rest:
            self._notice_rotation()
        if self._rest:
            piece, self._rest = self._rest[:most], self._rest[most:]
            return piece
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                piece = file.read(most)
        except FileNotFoundError:
            return b""
        self.offset += len(piece)
        self._last = (self._last + piece)[-_REMEMBERED:]
        return piece

    def _notice_rotation(self) -> None:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size < self.offset:
            self._rest = self._missed()
            self.offset, self._last = 0, b""

    def _missed(self) -> bytes:
        """Return what the older generation has behind the place that was read last; nothing where it is not found."""
        if not self._last:
            return b""
        try:
            older = self.path.with_name(self.path.name + OLDER).read_bytes()
        except FileNotFoundError:
            return b""
        place = older.rfind(self._last)
        return older[place + len(self._last) :] if place >= 0 else b""


class Lines:
    """Whole lines of what a log gets; what is longer than `longest` comes in pieces."""

    def __init__(self, growing: Growing, *, longest: int = PIECE) -> None:
        self._growing, self._longest = growing, longest
        self._begun = b""

    def read(self) -> bytes:
        """Return the next whole lines, joined, as far as one piece goes; what has no end yet waits."""
        piece = self._begun + self._growing.read()
        end = piece.rfind(b"\n") + 1
        if not end and len(piece) >= self._longest:
            end = len(piece)
        self._begun = piece[end:]
        return piece[:end]


class Line(NamedTuple):
    """A line without its end, cut at `CUT` bytes; `size` is its whole length."""

    text: bytes
    size: int


class Cutter:
    """Makes lines of pieces."""

    def __init__(self) -> None:
        self._begun, self._size = b"", 0

    def feed(self, piece: bytes) -> Iterator[Line]:
        """Yield the lines that end in this piece."""
        *whole, rest = piece.split(b"\n")
        for part in whole:
            yield Line((self._begun + part)[:CUT], self._size + len(part))
            self._begun, self._size = b"", 0
        self._begun, self._size = (self._begun + rest)[:CUT], self._size + len(rest)

    def rest(self) -> Iterator[Line]:
        """Yield what has no end yet, if there is anything."""
        if self._size:
            yield Line(self._begun, self._size)
            self._begun, self._size = b"", 0


def generations(log: Path) -> list[Path]:
    """Return the files that a log is in, the older first."""
    return [path for path in (log.with_name(log.name + OLDER), log) if path.exists()]


def pieces(log: Path, *, newest: int | None = None) -> Iterator[bytes]:
    """Yield what is in a log, its older generation first; with `newest`, only that many bytes at its end."""
    files = generations(log)
    skip = max(sum(map(_size, files)) - newest, 0) if newest is not None else 0
    for path in files:
        size = _size(path)
        if skip >= size:
            skip -= size
            continue
        try:
            with path.open("rb") as file:
                file.seek(skip)
                while piece := file.read(PIECE):
                    yield piece
        except FileNotFoundError:
            pass
        skip = 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
