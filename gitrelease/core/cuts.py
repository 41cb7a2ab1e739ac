"""Which nodes of the syntax tree does a plain range of lines take in?

A range comes from a person, who counts lines; the tree decides what is wholly inside it. An assignment counts with its
value only, so that renaming its target is never taken for a change of content.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gitrelease.core.changes import Lines
from gitrelease.core.syntax import is_text, lines_of


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Something wholly inside a range.

    Either one `hidden` node, whose place stays; or `dropped` members of a list (statements of a block, items of a
    display), of which there may be more or fewer on the other side. `content` is what to read and to compare: items
    of a display are a display of their own there.
    """

    content: tuple[ast.AST, ...]
    hidden: ast.AST | None = None
    dropped: tuple[ast.AST, ...] = ()


def cut_out(node: ast.stmt, lines: Lines) -> Iterator[Cut]:
    """Yield what of a statement lies wholly within `lines`: the largest pieces that do."""
    stack: list[ast.AST] = [node]
    while stack:
        part = stack.pop()
        if is_text(part):
            continue
        if isinstance(part, ast.stmt | ast.expr) and lines_of(part).within(lines):
            kept = _value(part) or part
            yield Cut((kept,), hidden=kept)
        elif isinstance(part, ast.Dict):
            yield from _pairs(part, lines)
            stack += [value for value in reversed(part.values) if not _inside(value, lines) and _near(value, lines)]
        else:
            inner: list[ast.AST] = []
            for _, field in ast.iter_fields(part):
                if isinstance(field, list):
                    yield from _members(part, field, lines)
                    inner += [child for child in field if isinstance(child, ast.AST) and not _goes(child, lines)]
                elif isinstance(field, ast.AST):
                    inner.append(field)
            stack += [child for child in reversed(inner) if _near(child, lines)]


def _pairs(part: ast.Dict, lines: Lines) -> Iterator[Cut]:
    keys, values = [], []
    for key, value in zip(part.keys, part.values, strict=True):
        if _inside(value, lines) and (key is None or _inside(key, lines)):
            keys.append(key)
            values.append(value)
    if values:
        dropped = (*(key for key in keys if key is not None), *values)
        yield Cut((ast.Dict(keys=keys, values=values),), dropped=dropped)


def _members(part: ast.AST, field: list[object], lines: Lines) -> Iterator[Cut]:
    dropped = tuple(child for child in field if isinstance(child, ast.stmt | ast.expr) and _goes(child, lines))
    items = [child for child in dropped if isinstance(child, ast.expr)]
    if items and isinstance(part, ast.List | ast.Tuple | ast.Set):
        yield Cut((ast.List(elts=items, ctx=ast.Load()),), dropped=dropped)
    elif dropped:
        yield Cut(dropped, dropped=dropped)


def _goes(child: ast.AST, lines: Lines) -> bool:
    """Is it wholly inside, and neither a docstring nor an assignment, of which only the value would be?"""
    return _inside(child, lines) and _value(child) is None and not is_text(child)


def _value(part: ast.AST) -> ast.expr | None:
    return part.value if isinstance(part, ast.Assign | ast.AnnAssign) else None


def _inside(child: ast.AST, lines: Lines) -> bool:
    return isinstance(child, ast.stmt | ast.expr) and lines_of(child).within(lines)


def _near(child: ast.AST, lines: Lines) -> bool:
    """May something of `child` lie in the range? Nodes without lines (arguments, handlers) are looked into."""
    return not isinstance(child, ast.stmt | ast.expr) or lines_of(child).overlaps(lines)
