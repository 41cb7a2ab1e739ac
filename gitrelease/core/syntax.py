"""What is the structure of a source file, and is a piece of it the same on both sides of a change?

Structure means the syntax tree: layout, comments, quotes and line ends are not in it; docstrings and `pass` are
left out here. Building Python's tree is nearly all the work of a classification, so the second side of a pair is
parsed only where its lines differ: statements of the first side around that are used again, at shifted lines.
"""

from __future__ import annotations

import ast
import gc
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from gitrelease.core.changes import Lines

Definition: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

# Fields that say nothing about what runs: the tree repeats what the place of a name implies.
_SILENT = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


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
    lines = _split(content)
    body = _parse(b"\n".join(lines))
    return body if isinstance(body, Broken) else Source(lines, tuple(Statement(node, 0) for node in body))


def parse_both(old: bytes, new: bytes) -> tuple[Source | Broken, Source | Broken]:
    """Parse two versions of a file. Statements above and below all differing lines are the same objects in both."""
    first = parse(old)
    if isinstance(first, Broken):
        return first, parse(new)
    lines = _split(new)
    if _declares_encoding(first.lines) or _declares_encoding(lines):
        return first, parse(new)
    return first, _reuse(first, lines) or parse(new)


def _split(content: bytes) -> list[bytes]:
    # Python reads all three line ends as one; so do two versions that differ in nothing else.
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def _declares_encoding(lines: Sequence[bytes]) -> bool:
    return any(b"coding" in line for line in lines[:2])


def _parse(content: bytes) -> list[ast.stmt] | Broken:
    collecting = gc.isenabled()
    # A tree is a million young objects and no garbage: collecting in between doubles the time.
    gc.disable()
    try:
        with warnings.catch_warnings():
            # "\d" in a plain string is deprecated, not wrong: it must neither reach stderr nor become an error.
            warnings.simplefilter("ignore")
            return ast.parse(content).body
    except SyntaxError as error:
        return Broken(error.msg, error.lineno)
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, nesting beyond the parser's stack
        return Broken(str(error) or type(error).__name__)
    finally:
        if collecting:
            gc.enable()


def _reuse(first: Source, lines: Sequence[bytes]) -> Source | None:
    """Build the second side from the first one's statements and a parse of what lies between them.

    Right, because a text that parses by itself between whole statements parses to the same in its place: an
    indented line, an `else`, a dangling decorator, an open bracket or string at the seam do not parse alone, and
    then all of it is parsed instead (None).
    """
    same_above = _common(first.lines, lines)
    rest = min(len(first.lines), len(lines)) - same_above
    same_below = min(rest, _common(reversed(first.lines), reversed(lines)))
    spans = [statement.lines for statement in first.statements]
    above = sum(1 for span in spans if span.last <= same_above)
    below = next((n for n in range(above, len(spans)) if spans[n].first > len(first.lines) - same_below), len(spans))
    # Cut between lines only: `a = 1; b = [` ends one statement and begins another.
    while 0 < above < len(spans) and spans[above - 1].last >= spans[above].first:
        above -= 1
    while above < below < len(spans) and spans[below - 1].last >= spans[below].first:
        below += 1
    shift = len(lines) - len(first.lines)
    begin = spans[above - 1].last if above else 0
    end = spans[below].first - 1 + shift if below < len(spans) else len(lines)
    middle = _parse(b"\n".join(lines[begin:end]) + b"\n")
    if isinstance(middle, Broken):
        return None
    return Source(
        lines,
        (
            *first.statements[:above],
            *(Statement(node, begin) for node in middle),
            *(Statement(statement.node, shift) for statement in first.statements[below:]),
        ),
    )


def _common(one: Iterable[bytes], other: Iterable[bytes]) -> int:
    count = 0
    for mine, its in zip(one, other, strict=False):
        if mine != its:
            break
        count += 1
    return count


def lines_of(node: ast.stmt | ast.expr) -> Lines:
    """Return the lines of a node as its tree counts them, decorators included."""
    first = node.lineno
    if isinstance(node, DEFINITIONS) and node.decorator_list:
        first = min(first, node.decorator_list[0].lineno)
    return Lines(first, node.end_lineno or node.lineno)


def blocks(node: ast.stmt) -> Iterator[tuple[list[ast.stmt], bool]]:
    """Yield the blocks of a compound statement that is no definition, each with whether it runs on a condition."""
    if isinstance(node, ast.If):
        yield node.body, True
        yield node.orelse, True
    elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
        yield node.body, False
        yield node.orelse, False
    elif isinstance(node, ast.With | ast.AsyncWith):
        yield node.body, False
    elif isinstance(node, ast.Try | ast.TryStar):
        yield node.body, False
        for handler in node.handlers:
            yield handler.body, True
        yield node.orelse, False
        yield node.finalbody, False
    elif isinstance(node, ast.Match):
        for case in node.cases:
            yield case.body, True


class Spot(NamedTuple):
    """A statement and where it stands; `conditional` when something decides whether it runs."""

    node: ast.stmt
    block: Sequence[ast.stmt]
    conditional: bool


def spots(block: Sequence[ast.stmt]) -> Iterator[Spot]:
    """Yield the statements of a block and of the blocks in it, in order; those inside of definitions are not."""
    # A chain of a thousand `elif` is a tree a thousand deep: a stack of our own, no recursion.
    stack: list[Iterator[Spot]] = [_level(block, False)]
    while stack:
        spot = next(stack[-1], None)
        if spot is None:
            stack.pop()
            continue
        yield spot
        stack += reversed([_level(inner, spot.conditional or decides) for inner, decides in blocks(spot.node)])


def _level(block: Sequence[ast.stmt], conditional: bool) -> Iterator[Spot]:
    return (Spot(node, block, conditional) for node in block)


def definitions(block: Sequence[ast.stmt]) -> Iterator[Definition]:
    """Yield the classes and functions of a block, those inside of `if`, `try` and the like included."""
    return (spot.node for spot in spots(block) if isinstance(spot.node, DEFINITIONS))


def dotted(node: ast.AST) -> str | None:
    """Return `name` or `self.name.name` for a chain of names; None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


@dataclass(frozen=True, slots=True)
class Mask:
    """What is not compared: `hidden` nodes (or the bodies of definitions) by `id`, each with the placeholder that
    stands there instead, and `dropped` ones, which may come and go.
    """

    hidden: Mapping[int, str]
    dropped: frozenset[int]


NO_MASK = Mask({}, frozenset())


def meaningful(block: Sequence[ast.AST], mask: Mask = NO_MASK) -> list[ast.AST]:
    """Return a block without `pass` and what is dropped; see `body_of` for docstrings."""
    return [node for node in block if not isinstance(node, ast.Pass) and id(node) not in mask.dropped]


def body_of(node: Definition) -> list[ast.stmt]:
    """Return the body of a definition without its docstring."""
    return without_docstring(node.body)


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    return body[1:] if body and is_text(body[0]) else body


def is_text(node: ast.AST) -> bool:
    """Is the statement a text and nothing else, as a docstring is?"""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def same(one: object, other: object, old: Mask = NO_MASK, new: Mask = NO_MASK) -> bool:
    """Are two nodes, or lists of nodes, the same but for what the masks hide? Depth is no limit."""
    stack: list[tuple[object, object]] = [(one, other)]
    while stack:
        a, b = stack.pop()
        if a is b:
            continue
        if isinstance(a, list) and isinstance(b, list):
            left, right = meaningful(a, old), meaningful(b, new)
            if len(left) != len(right):
                return False
            stack += zip(left, right, strict=True)
        elif isinstance(a, ast.AST) and isinstance(b, ast.AST):
            if not _same_node(a, b, old, new, stack):
                return False
        elif type(a) is not type(b) or a != b:
            return False
    return True


def _same_node(a: ast.AST, b: ast.AST, old: Mask, new: Mask, stack: list[tuple[object, object]]) -> bool:
    """Compare one pair of nodes; what is below is put on the stack."""
    hidden = old.hidden.get(id(a)), new.hidden.get(id(b))
    if hidden[0] != hidden[1]:
        return False
    if hidden[0] is not None and not isinstance(a, DEFINITIONS):
        return True  # whatever stands there
    if type(a) is not type(b):
        return False
    for field in a._fields:
        if field in _SILENT:
            continue
        if field == "body" and isinstance(a, DEFINITIONS) and isinstance(b, DEFINITIONS):
            if hidden[0] is None:
                stack.append((body_of(a), body_of(b)))
        else:
            stack.append((getattr(a, field, None), getattr(b, field, None)))
    return True
