"""How does a line fit a terminal: how wide is it, where is it broken, where is it cut? Widths are in columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

NARROWEST = 20  # columns; what is narrower is treated as if it were this wide
_DEEPEST = 26  # columns: what goes on stands below the last cell that begins before that
_CELL = re.compile(r" *\S.*? {2,}(?=\S)| +(?=\S)")
_GAP = re.compile(r"\S( {2,})(?=\S)(?!.*\S {2,}\S)")
_PIECE = re.compile(r" *[^ ]+| +")


def columns(text: str) -> int:
    """Return how many columns `text` takes: those of East Asia and pictures two a character, accents none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return `text`, with an ellipsis where it does not fit."""
    if columns(text) <= width:
        return text
    taken, _ = _split(text, width - 1)
    return taken.rstrip() + "…"


def fitted(text: str, width: int) -> list[str]:
    """Return the lines that `text`, one line, becomes: broken at blanks, the rest below where its last cell began."""
    width = max(width, NARROWEST)
    text = text.expandtabs() if "\t" in text else text
    text = _squeezed(text, columns(text) - width)
    if columns(text) <= width:
        return [text]
    indent = min(_hanging(text), width // 2)
    lines, line = [], ""
    for piece in _pieces(text, width - indent):
        if columns(line + piece) <= width:
            line += piece
        else:
            if line.strip():
                lines.append(line.rstrip())
            word = piece.lstrip()
            line = " " * max(min(indent, width - columns(word)), 0) + word
    return [*lines, line.rstrip()]


def _squeezed(text: str, by: int) -> str:
    """Return `text` with fewer blanks before its last cell, where that makes it `by` columns narrower."""
    gap = _GAP.search(text)
    if by <= 0 or gap is None or len(gap[1]) < by + 2:
        return text
    return text[: gap.start(1)] + text[gap.start(1) + by :]


def _hanging(text: str) -> int:
    """Return the column at which the last cell begins that does so early."""
    end = 0
    while (found := _CELL.match(text, end)) and found.end() <= _DEEPEST:
        end = found.end()
    return end


def _pieces(text: str, room: int) -> Iterator[str]:
    """Yield words with the blanks before them; one that fits nowhere in pieces of `room`.

    Paths and addresses stay whole: the terminal breaks them where it must, and they can still be copied.
    """
    for piece in _PIECE.findall(text):
        while "/" not in piece and columns(piece.lstrip()) > room:
            blanks = len(piece) - len(piece.lstrip())
            taken, rest = _split(piece[blanks:], room)
            yield piece[:blanks] + taken
            piece = rest  # noqa: PLW2901  # what is left of this word
        yield piece


def _split(text: str, width: int) -> tuple[str, str]:
    """Return what of `text` fits into `width`, and the rest."""
    taken = 0
    for place, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return text[:place], text[place:]
    return text, ""
