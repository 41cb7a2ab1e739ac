"""Which sign and which colour has a state? One table, for every command.

A sign says it without the colour, and the colours are told apart by those who do not see red and green: blue is well,
orange is not. Without a terminal a line is its text, and nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from gitrelease.core.fit import fitted


class Colour(enum.Enum):
    """A colour as terminals take it: where there are 256 of them, and where there are 16."""

    BLUE = ("38;5;33", "94")
    YELLOW = ("38;5;178", "93")
    ORANGE = ("1;38;5;208", "1;33")
    GREY = ("38;5;245", "37")


class Mark(NamedTuple):
    """How a state is marked; `simple` is the sign where only ASCII can be shown."""

    sign: str
    simple: str
    colour: Colour


WELL = Mark("✓", "v", Colour.BLUE)
SERVES = Mark("●", "*", Colour.BLUE)
GOES_ON = Mark("▸", ">", Colour.BLUE)
MIND = Mark("!", "!", Colour.YELLOW)
BAD = Mark("✗", "x", Colour.ORANGE)
OPEN = Mark("?", "?", Colour.YELLOW)
PASSED_OVER = Mark("-", "-", Colour.GREY)
ADDED = Mark("+", "+", Colour.BLUE)
REMOVED = Mark("-", "-", Colour.ORANGE)
CHANGED = Mark("~", "~", Colour.YELLOW)

MARKS: dict[str, Mark] = {
    "good": WELL, "healthy": WELL, "passed": WELL, "ok": WELL, "fit": WELL, "done": WELL, "released": WELL,
    "live": SERVES,
    "soaking": GOES_ON, "starting": GOES_ON, "under way": GOES_ON,
    "warning": MIND, "warned": MIND, "waiting": MIND, "pending": MIND, "frozen": MIND, "edited": MIND,
    "problem": BAD, "failed": BAD, "refused": BAD, "unhealthy": BAD, "down": BAD, "rolled_back": BAD, "bad": BAD,
    "stuck": BAD, "error": BAD,
    "unknown": OPEN,
    "skipped": PASSED_OVER, "superseded": PASSED_OVER, "unchanged": PASSED_OVER,
    "added": ADDED, "removed": REMOVED, "changed": CHANGED,
}  # fmt: skip

# What our own texts hold beyond ASCII, as it reads where only that can be shown.
SIMPLE = str.maketrans({
    "✓": "v", "✗": "x", "●": "*", "▸": ">", "→": "->", "…": "...", "×": "x", "–": "-", "—": "-",
})  # fmt: skip


class Told(str):
    """A line that tells of a state; which one is the key of a mark, and no text from outside."""

    __slots__ = ("state",)
    state: str

    def __new__(cls, text: str, state: str) -> Self:
        line = super().__new__(cls, text)
        line.state = state
        return line


class Look(NamedTuple):
    """What can be shown: `width` in columns, None where nothing is to be broken; `many`: 256 colours, not 16."""

    signs: bool = False
    colour: bool = False
    many: bool = True
    simple: bool = False
    width: int | None = None


def drawn(lines: Sequence[str], look: Look) -> Iterator[str]:
    """Yield `lines` as `look` shows them, signs in a column of their own; their text must be safe to show before."""
    if not look.signs:
        yield from lines
        return
    column = "  " if any(isinstance(line, Told) for line in lines) else ""
    for line in lines:
        mark = MARKS.get(line.state) if isinstance(line, Told) else None
        first, *more = _broken(line, mark, look, room=len(column))
        yield first if mark is None else _marked(first, mark, look)
        yield from more


def _broken(line: str, mark: Mark | None, look: Look, *, room: int) -> list[str]:
    """Return the lines that one becomes, below each other, with `room` before them for the sign."""
    text = str(line)
    if mark is not None and text.startswith(f"{mark.sign} "):
        text = text[2:]
    text = text.translate(SIMPLE) if look.simple else text
    lines = [text] if look.width is None else fitted(text, look.width - room)
    return [f"{' ' * room}{part}".rstrip() for part in lines]


def _marked(text: str, mark: Mark, look: Look) -> str:
    """Put the sign of a line into the column for it; colour the one that stands in the text already."""
    bare = text.lstrip()
    sign = mark.simple if look.simple else mark.sign
    shown = painted(sign, mark.colour, look)
    if bare.startswith(f"{sign} ") and bare != text[2:]:
        return text[: len(text) - len(bare)] + painted(bare, mark.colour, look)
    return f"{shown} {text[2:]}"


def painted(text: str, colour: Colour, look: Look) -> str:
    if not look.colour:
        return text
    return f"\x1b[{colour.value[0] if look.many else colour.value[1]}m{text}\x1b[0m"
