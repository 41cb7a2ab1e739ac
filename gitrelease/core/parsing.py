"""How is a source file read, and how little of its second version must be?

Building Python's tree is nearly all the work of a classification, so the second side of a pair is parsed only where its
lines differ: top-level statements of the first side are used again, at shifted lines.
"""

from __future__ import annotations

import ast
import codecs
import contextlib
import gc
import warnings
from bisect import bisect_left
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitrelease.core.changes import Lines
from gitrelease.core.syntax import lines_of


@dataclass(frozen=True, slots=True)
class Broken:
    """Content that is no Python: which line, if known, and what the parser says."""

    why: str
    line: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A top-level statement; add `shift` to the line numbers in `node` to get those of the file."""

    node: ast.stmt
    shift: int

    @property
    def lines(self) -> Lines:
        return lines_of(self.node).shifted(self.shift)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One side, parsed. `lines` are without their ends."""

    lines: Sequence[bytes]
    statements: tuple[Statement, ...]


def parse(content: bytes) -> Source | Broken:
    """Parse one file; what Python cannot parse is a value, too."""
    body = _parse(content)
    return body if isinstance(body, Broken) else Source(_split(content), tuple(Statement(node, 0) for node in body))


def parse_both(old: bytes, new: bytes) -> tuple[Source | Broken, Source | Broken]:
    """Parse two versions of a file. Top-level statements whose lines are the same are the same objects in both."""
    first = parse(old)
    if isinstance(first, Broken):
        return first, parse(new)
    lines = _split(new)
    if _declares_encoding(first.lines) or _declares_encoding(lines):
        return first, parse(new)
    return first, _reuse(first, lines) or parse(new)


def _split(content: bytes) -> list[bytes]:
    # Python reads all three line ends as one; so do two versions that differ in nothing else.
    content = content.removeprefix(codecs.BOM_UTF8)
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def _declares_encoding(lines: Sequence[bytes]) -> bool:
    return any(b"coding" in line for line in lines[:2])


def _parse(content: bytes) -> list[ast.stmt] | Broken:
    try:
        with uncollected(), warnings.catch_warnings():
            # "\d" in a plain string is deprecated, not wrong: it must neither reach stderr nor become an error.
            warnings.simplefilter("ignore")
            return ast.parse(content).body
    except SyntaxError as error:
        return Broken(error.msg, error.lineno)
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, nesting beyond the parser's stack
        return Broken(str(error) or type(error).__name__)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Pause the search for garbage while a tree is alive.

    A tree is up to a million young objects and no garbage; to look at them again and again more than doubles the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


# A statement this long is looked for further below; a shorter one, such as `import re`, only where it is due.
_FINDABLE = 4


def _reuse(first: Source, lines: Sequence[bytes]) -> Source | None:
    """Build the second side from statements of the first one and a parse of what lies between them.

    Right, because a text that parses by itself between whole statements parses to the same in its place: an
    indented line, an `else`, a dangling decorator, an open bracket or string at the seam do not parse alone, and
    then all of it is parsed instead (None).
    """
    units = list(_units(first))
    places = _places({first.lines[span.first - 1] for span, _ in units}, lines)
    built: list[Statement] = []
    done = 0
    for span, statements in units:
        block = first.lines[span.first - 1 : span.last]
        at = _find(block, lines, done, places)
        if at is None or block[-1].endswith(b"\\"):  # a continuation would reach into what follows
            continue
        between = _gap(lines, done, at)
        if between is None:
            return None
        built += between
        shift = at - (span.first - 1)
        built += (Statement(statement.node, shift) for statement in statements)
        done = at + len(block)
    rest = _gap(lines, done, len(lines))
    return None if rest is None else Source(lines, (*built, *rest))


def _units(source: Source) -> Iterator[tuple[Lines, list[Statement]]]:
    """Yield the top-level statements with their lines; those that share a line (`a = 1; b = 2`) are one unit."""
    unit: list[Statement] = []
    for statement in source.statements:
        if unit and unit[-1].lines.last < statement.lines.first:
            yield Lines(unit[0].lines.first, unit[-1].lines.last), unit
            unit = []
        unit.append(statement)
    if unit:
        yield Lines(unit[0].lines.first, unit[-1].lines.last), unit


def _places(wanted: Container[bytes], lines: Sequence[bytes]) -> dict[bytes, list[int]]:
    places: dict[bytes, list[int]] = {}
    for number, line in enumerate(lines):
        if line in wanted:
            places.setdefault(line, []).append(number)
    return places


def _find(
    block: Sequence[bytes], lines: Sequence[bytes], start: int, places: Mapping[bytes, Sequence[int]]
) -> int | None:
    """Return where `block` stands next in `lines` from `start` on."""
    known = places.get(block[0], ())
    at = bisect_left(known, start)
    if at == len(known) or lines[known[at] : known[at] + len(block)] != block:
        return None
    if len(block) < _FINDABLE and not all(_is_silent(line) for line in lines[start : known[at]]):
        return None
    return known[at]


def _gap(lines: Sequence[bytes], start: int, end: int) -> list[Statement] | None:
    """Parse the lines between two statements; None when they are no whole statements themselves."""
    gap = lines[start:end]
    if all(_is_silent(line) for line in gap):
        return []
    # At the end of the file nothing is added: a backslash there continues into nothing, and is an error.
    body = _parse(b"\n".join(gap) + (b"\n" if end < len(lines) else b""))
    if isinstance(body, Broken) or gap[-1].endswith(b"\\"):
        return None
    return [Statement(node, start) for node in body]


def _is_silent(line: bytes) -> bool:
    stripped = line.strip()
    return not stripped or stripped.startswith(b"#")
