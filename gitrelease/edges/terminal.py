"""What may reach a terminal, and what can it show? Text and its lines; whatever else was in a name is spelled out.

Colours and signs are ours alone: they come from `say`, after the text was made safe. Without a terminal there are
none, and no line is broken.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Mapping
from typing import ClassVar, TextIO

from gitrelease.core.signs import SIMPLE, Look, Told, drawn
from gitrelease.core.text import plain

_USUAL = 80  # columns, where a terminal does not tell


class Plain(io.TextIOWrapper):
    """A text stream that cannot move the cursor, colour, retitle or reverse what is read there."""

    # Whoever draws on the last line meanwhile makes way for those who print within it.
    way: ClassVar[contextlib.AbstractContextManager[None]] = contextlib.nullcontext()
    look = Look()
    in_a_line = False  # is the line that is written to already begun?

    def write(self, text: str) -> int:
        # A carriage return that ends a line moves nothing: a sheet has one on each.
        safe = "\r\n".join(map(plain, text.split("\r\n")))
        with Plain.way:
            return super().write(safe if self.look.width is None else self._broken(safe))

    def draw(self, text: str) -> None:
        """Write what is safe already, with colours of ours in it."""
        with Plain.way:
            super().write(text)
            self.flush()

    def _broken(self, text: str) -> str:
        """Break the lines that do not fit, but for one that was begun before."""
        begun, self.in_a_line = self.in_a_line, not text.endswith("\n") and (bool(text) or self.in_a_line)
        first, *lines = text.split("\n")
        shown = [first.translate(SIMPLE) if self.look.simple else first] if begun else drawn([first], self.look)
        return "\n".join([*shown, *drawn(lines, self.look)])


def guard_streams(*, people: bool = True) -> None:
    """Let everything that this process prints from now on go through `Plain`; with `people`, as they like it.

    A stream that is closed (`>&-`) is opened on nothing: else the next file that is opened would get what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))
    sys.stdout = _plain(sys.stdout, people=people)
    sys.stderr = _plain(sys.stderr, people=people)


def _plain(stream: object, *, people: bool) -> Plain | object:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    buffered, encoding = stream.line_buffering, stream.encoding
    shown = look_of(stream, os.environ) if people else Look()
    # Click goes around a stream that can only write ASCII.
    encoding = "utf-8" if encoding.lower() in _ASCII else encoding
    guarded = Plain(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=buffered)
    guarded.look = shown
    return guarded


_ASCII = ("ascii", "ansi_x3.4-1968", "us-ascii")


def look_of(stream: TextIO, environment: Mapping[str, str]) -> Look:
    """Return what a stream can show: of a terminal what it, the locale and the usual variables say."""
    terminal = stream.isatty()
    forced = any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    able = terminal and not is_dumb(environment) and environment.get("CLICOLOR") != "0"
    simple = not stream.encoding.lower().startswith("utf") or environment.get("LC_ALL") in ("C", "POSIX")
    return Look(
        signs=terminal or forced,
        colour=not environment.get("NO_COLOR") and (forced or able),
        many="256color" in environment.get("TERM", "") or bool(environment.get("COLORTERM")),
        simple=simple and (terminal or forced),
        width=size_of(stream, environment)[0] if terminal else None,
    )


def is_dumb(environment: Mapping[str, str]) -> bool:
    """Can nothing be drawn there, as git judges it?"""
    return environment.get("TERM", "") in ("", "dumb")


def size_of(stream: TextIO, environment: Mapping[str, str]) -> tuple[int, int]:
    """Return columns and rows of a terminal; `COLUMNS` and `LINES` win."""
    try:
        known = os.get_terminal_size(stream.fileno())
    except OSError:
        known = os.terminal_size((0, 0))
    told = [environment.get(name, "") for name in ("COLUMNS", "LINES")]
    columns, rows = (int(text) if text.isdecimal() else 0 for text in told)
    return columns or known.columns or _USUAL, rows or known.lines or 24


def say(lines: Iterable[str], *, error: bool = False) -> None:
    """Print lines, on standard error with `error`: those that are `Told` with the sign of their state.

    What is longer than the screen is read in a pager.
    """
    stream = sys.stderr if error else sys.stdout
    shown = as_shown(list(lines), stream)
    if not error and _is_long(shown) and _in_pager(f"{shown}\n"):
        return
    if isinstance(stream, Plain) and stream.look.signs:
        stream.draw(f"{shown}\n")
    else:
        print(shown, file=stream)
    stream.flush()


def hand_over(text: str) -> None:
    """Print what is to be copied or run: safe, and no line of it is broken."""
    if isinstance(sys.stdout, Plain):
        sys.stdout.draw(plain(text))
    else:
        sys.stdout.write(text)


def _is_long(text: str) -> bool:
    """Does `text` leave no room for the next prompt, on a terminal where a pager can draw?"""
    return breaks() and not is_dumb(os.environ) and text.count("\n") + 1 >= size_of(sys.stdout, os.environ)[1]


def _in_pager(text: str) -> bool:
    from gitrelease.edges.pager import read_in_pager

    sys.stdout.flush()
    return read_in_pager(text)


def breaks() -> bool:
    """Does standard output break long lines by itself?"""
    return isinstance(sys.stdout, Plain) and sys.stdout.look.width is not None


def as_shown(lines: list[str], stream: TextIO) -> str:
    """Return the text that `lines` are on a stream, safe, without the end of the last line."""
    look = stream.look if isinstance(stream, Plain) else Look()
    return "\n".join(drawn([safe for line in lines for safe in _safe(line)], look))


def _safe(line: str) -> Iterable[str]:
    """Return the lines of one that may hold several; the first one tells its state."""
    first, *more = plain(str(line)).split("\n")
    return [Told(first, line.state) if isinstance(line, Told) else first, *more]


def drawing() -> TextIO:
    """Return standard output for what draws by itself: whoever prints there makes the text safe before."""
    sys.stdout.flush()
    return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="backslashreplace")
