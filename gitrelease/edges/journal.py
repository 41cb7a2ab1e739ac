"""Where are events kept, and how do they survive a power cut? One JSON line each, appended and synced.

A half-written last line is normal after a crash: it is dropped when the journal is read, and closed off
before the next one is written.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from gitrelease.core.events import AnyEvent
from gitrelease.core.memory import MOST_ATTEMPTS, Memory, replay
from gitrelease.edges.home import write_all, write_atomically

_decode = msgspec.json.Decoder(AnyEvent).decode  # made here, once: see core/reading.py
_encode = msgspec.json.Encoder().encode

_TAIL = 1 << 16  # bytes


class Place(msgspec.Struct, frozen=True):
    """How far a reader has come: behind the event whose line has this length and digest. The default is the start."""

    offset: int = 0  # bytes
    length: int = 0
    digest: str = ""


class Journal:
    """The journal file of a production checkout; several readers, one writer: whoever holds the lock of the agent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.appended: Callable[[], None] = lambda: None  # called after each event
        self._lock = threading.Lock()

    def append(self, event: AnyEvent) -> None:
        """Write `event` so that it is on disk when this returns."""
        with self._lock:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                try:
                    write_all(descriptor, (b"\n" if torn else b"") + _encode(event) + b"\n")
                    os.fdatasync(descriptor)
                except OSError:
                    with contextlib.suppress(OSError):
                        os.ftruncate(descriptor, size)  # half an event is none
                    raise
            finally:
                os.close(descriptor)
        self.appended()

    def prove(self) -> None:
        """Raise `OSError` where nothing could be appended just now: its rights, or a folder in its place."""
        os.close(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def events(self) -> Iterator[AnyEvent]:
        """Return the events, oldest first; lines that are none (torn, or of a later version) are passed over."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:  # line by line: of a long one nothing stays in the agent's memory
            for line in file:
                try:
                    event = _decode(line)
                except msgspec.DecodeError:
                    continue
                yield event

    def unreadable(self) -> int:
        """Return how many lines are no JSON."""
        try:
            return sum(not _is_json(line) for line in self.path.read_bytes().split(b"\n") if line)
        except FileNotFoundError:
            return 0

    def after(self, place: Place | None) -> tuple[list[AnyEvent], Place]:
        """Return the events behind `place`, and the place behind them; without one, or where it is gone, the end.

        A line that is being written, or was torn, is left for the next time.
        """
        if place is None:
            return [], self._end()
        try:
            with self.path.open("rb") as file:
                file.seek(max(place.offset - place.length, 0))
                content = file.read()
                start = _behind(content, place)
                if start is None:  # the journal was compacted meanwhile
                    file.seek(0)
                    content = file.read()
                    start = _found_again(content, place)
                base = file.tell() - len(content)
        except FileNotFoundError:
            return [], Place()
        events, end = _decoded(content, start or 0, base)
        if start is None:
            return [], end or Place()
        return events, end or msgspec.structs.replace(place, offset=base + start)

    def _end(self) -> Place:
        """Return the place behind the last event; of a long journal only as much is read as tells that."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            for most in (_TAIL, size):
                begun = file.seek(max(size - most, 0))
                content = file.read()
                whole = content.find(b"\n") + 1 if begun else 0  # the first line may be cut
                _, end = _decoded(content, whole, begun)
                if end is not None:
                    return end
        return Place()

    def drop_unreadable(self) -> int:
        """Drop the lines that are no JSON, and return how many; an event of a later version is some, and stays."""
        try:
            lines = [line for line in self.path.read_bytes().split(b"\n") if line]
        except FileNotFoundError:
            return 0
        sound = [line for line in lines if _is_json(line)]
        if len(sound) < len(lines):
            with self._lock:
                write_atomically(self.path, b"".join(line + b"\n" for line in sound))
        return len(lines) - len(sound)

    def compact(self, keep: Callable[[Iterable[AnyEvent]], Iterable[AnyEvent]]) -> None:
        """Let the journal hold what `keep` makes of it; a reader sees the old one or the new, a writer waits."""
        with self._lock:
            write_atomically(self.path, b"".join(_encode(event) + b"\n" for event in keep(self.events())))

    def memory(self, *, attempts: int = MOST_ATTEMPTS) -> Memory:
        """Return what the journal remembers; of the attempts, the newest `attempts` at least."""
        return replay(self.events(), attempts=attempts)


def _behind(content: bytes, place: Place) -> int | None:
    """Return where in `content`, which begins with the line of `place`, the next one begins."""
    return place.length if place.length == 0 or _digest(content[: place.length]) == place.digest else None


def _found_again(content: bytes, place: Place) -> int | None:
    start = 0
    for line in content.split(b"\n")[:-1]:
        start += len(line) + 1
        if len(line) + 1 == place.length and _digest(line + b"\n") == place.digest:
            return start
    return None


def _decoded(content: bytes, start: int, base: int) -> tuple[list[AnyEvent], Place | None]:
    """Return the events of `content` from `start` on, and the place behind the last; `base` is its offset."""
    events: list[AnyEvent] = []
    end: Place | None = None
    for line in content[start:].split(b"\n")[:-1]:
        start += len(line) + 1
        with contextlib.suppress(msgspec.DecodeError):
            events.append(_decode(line))
            end = Place(base + start, len(line) + 1, _digest(line + b"\n"))
    return events, end


def _digest(line: bytes) -> str:
    return hashlib.sha1(line, usedforsecurity=False).hexdigest()


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return False
    return True
