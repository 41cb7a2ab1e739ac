"""What is the structure of a piece of code, and is it the same on both sides of a change?

Structure means the syntax tree: layout, comments, quotes and line ends are not in it; docstrings and `pass` are
left out here.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from gitrelease.core.changes import Lines

Definition: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

# Fields that say nothing about what runs: the tree repeats what the place of a name implies.
_SILENT = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


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
    stack: list[tuple[Any, Any]] = [(one, other)]
    while stack:
        a, b = stack.pop()
        if a is b:
            continue
        hidden = old.hidden.get(id(a)), new.hidden.get(id(b))
        if hidden[0] != hidden[1]:
            return False
        if hidden[0] is not None and not isinstance(a, DEFINITIONS):
            continue  # whatever stands there
        if type(a) is not type(b):
            return False
        if isinstance(a, ast.AST):
            for field in _fields(type(a)):  # type: ignore[arg-type]  # a class is hashable
                mine, its = getattr(a, field, None), getattr(b, field, None)
                if field == "body" and isinstance(a, DEFINITIONS):
                    mine, its = ([], []) if hidden[0] is not None else (body_of(a), body_of(b))
                if mine is not its:
                    stack.append((mine, its))
        elif isinstance(a, list):
            left, right = _meaningful(a, old), _meaningful(b, new)
            if len(left) != len(right):
                return False
            stack += zip(left, right, strict=True)
        elif a != b:
            return False
    return True


@functools.cache
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """Return the fields of a kind of node that say something about what runs."""
    return tuple(field for field in kind._fields if field not in _SILENT)


def _meaningful(block: list[Any], mask: Mask) -> list[Any]:
    """Return a block without `pass`, and any list without what is dropped; see `body_of` for docstrings."""
    if mask.dropped:
        block = [node for node in block if id(node) not in mask.dropped]
    if block and isinstance(block[0], ast.stmt):
        return [node for node in block if not isinstance(node, ast.Pass)]
    return block
