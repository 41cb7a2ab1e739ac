"""A terminal of a given size, as a person sits at one: what a command prints there, and how it is answered."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE = 60.0  # seconds


class Terminal:
    """One command at a terminal."""

    def __init__(
        self, root: Path, *arguments: str, columns: int = 80, rows: int = 24, env: dict[str, str | None] | None = None
    ) -> None:
        self.shown = ""
        self._bytes = b""
        own = {"TERM": "xterm-256color", "GITRELEASE_PAGER": "cat", "LANG": "C.UTF-8"}
        unset = dict.fromkeys(("NO_COLOR", "COLUMNS", "LINES", "LC_ALL"))
        wanted = {**os.environ, **unset, **own, **(env or {})}
        surroundings = {name: value for name, value in wanted.items() if value is not None}
        command = [sys.executable, "-m", "gitrelease", "-C", str(root), *arguments]
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(sys.executable, command, surroundings)  # noqa: S606  # the command under test

    def until(self, seen: Callable[[str], bool]) -> str:
        """Read until what has been shown is as it should be; return it."""
        deadline = time.monotonic() + _PATIENCE
        while not seen(self.shown):
            assert self._read(deadline - time.monotonic()), f"not shown: {self.shown}"
        return self.shown

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self) -> int:
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + _PATIENCE
        while self._read(deadline - time.monotonic()):
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self, patience: float) -> bool:
        assert select.select([self._terminal], [], [], max(patience, 0))[0], f"nothing more came: {self.shown}"
        with contextlib.suppress(OSError):  # the terminal's other end is closed
            piece = os.read(self._terminal, 65_536)
            self._bytes += piece
            self.shown = self._bytes.decode(errors="replace")
            return bool(piece)
        return False


def shown(root: Path, *arguments: str, **how: object) -> str:
    """Return what a command shows on a terminal, line ends as in text."""
    terminal = Terminal(root, *arguments, **how)
    terminal.end()
    return terminal.shown.replace("\r\n", "\n")


def words(text: str) -> str:
    """Return the text without its colours."""
    return _CODES.sub("", text)


def left(text: str) -> list[str]:
    """Return the lines that are left on the screen: what was drawn over, and cleared, is gone."""
    return [words(line.split("\r")[-1]) for line in text.replace("\r\n", "\n").split("\n")]
