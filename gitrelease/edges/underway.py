"""How is shown what is under way? On the last line of a terminal, with its seconds; gone as soon as there is news."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

from gitrelease.core.fit import cut
from gitrelease.core.signs import MARKS, Look, painted
from gitrelease.core.text import plain
from gitrelease.edges.terminal import Plain, is_dumb

_SOON = 0.5  # seconds that something takes before it is shown
_EVERY = 0.1
_WIDEST = 80  # columns


class UnderWay:
    """What is under way now; without a terminal nobody sees it."""

    def now(self, step: str, words: str) -> None:
        """Say what has begun."""


def news() -> None:
    """Count the seconds from now on: something was told."""
    if isinstance(Plain.way, StatusLine):
        Plain.way.begin()


class StatusLine(UnderWay):
    """The last line of a terminal. Who prints enters it, and finds the line empty and nobody drawing there."""

    def __init__(self, terminal: Plain, step: str, words: str) -> None:
        self._terminal, self._lock, self._over = terminal, threading.RLock(), threading.Event()
        self._step, self._words, self._begun = step, words, time.monotonic()
        self._shown = False
        self._thread = threading.Thread(target=self._tick, name="under way", daemon=True)

    def now(self, step: str, words: str) -> None:
        with self:
            self._step, self._words = step, words
            self.begin()

    def begin(self) -> None:
        self._begun = time.monotonic()

    def __enter__(self) -> None:
        self._lock.acquire()
        if self._shown:
            self._shown = False
            self._write("\r\x1b[K")

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Stop drawing and leave the line empty."""
        self._over.set()
        self._thread.join(timeout=1)  # it may wait for one who was interrupted while he printed
        with self:
            pass

    def _tick(self) -> None:
        while not self._over.wait(_EVERY):
            with self._lock:
                spent = time.monotonic() - self._begun
                # A line that was begun goes on first.
                if spent >= _SOON and not _in_a_line():
                    self._shown = True
                    self._write(f"\r{line(self._step, self._words, spent, self._terminal.look)}\x1b[K")

    def _write(self, text: str) -> None:
        # Past the stream, whose `write` would wait for us. Who no longer looks changes nothing.
        with contextlib.suppress(OSError):
            os.write(self._terminal.fileno(), text.encode(self._terminal.encoding, "replace"))


def line(step: str, words: str, spent: float, look: Look) -> str:
    """Return the line as `look` shows it, one column less wide than the terminal: the last one may break it."""
    mark, width = MARKS["under way"], min(look.width or _WIDEST, _WIDEST) - 1
    seconds = f"{spent:.0f} s"
    told = cut(plain(f"{step:<9} {words}").replace("\n", " "), width - 3 - len(seconds))
    return f"{painted(mark.simple if look.simple else mark.sign, mark.colour, look)} {told} {seconds}"


def _in_a_line() -> bool:
    return any(isinstance(stream, Plain) and stream.in_a_line for stream in (sys.stdout, sys.stderr))


@contextlib.contextmanager
def under_way(step: str, words: str) -> Iterator[UnderWay]:
    """Show what is under way while the context is open; one within another changes what the outer one shows."""
    terminal = sys.stderr
    if isinstance(Plain.way, StatusLine):
        Plain.way.now(step, words)
        yield Plain.way
    elif not isinstance(terminal, Plain) or terminal.look.width is None or is_dumb(os.environ):
        yield UnderWay()
    else:
        shown = StatusLine(terminal, step, words)
        Plain.way = shown
        shown.start()
        try:
            yield shown
        finally:
            shown.end()
            Plain.way = contextlib.nullcontext()
