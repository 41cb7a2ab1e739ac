"""Where do two versions of a source differ once the regions are masked, and what is it called there?

A definition is found again by its name, any other code by its place. Every difference is named and has lines; two
versions of the same structure have none.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gitrelease.core.changes import Lines, outer
from gitrelease.core.parsing import Source, Statement
from gitrelease.core.syntax import DEFINITIONS, Mask, blocks, body_of, same, without_docstring


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the code differs: a definition that came or went, or changed code inside of `name`.

    `name` is dotted; it is empty for the module level. Lines are None on a side where there is nothing.
    """

    what: Literal["added", "removed", "changed"]
    thing: Literal["class", "function", "code"]
    name: str
    old: Lines | None
    new: Lines | None


def differences(old: Source, new: Source, old_mask: Mask, new_mask: Mask) -> tuple[Difference, ...]:
    """Return where the code outside of the masks differs, in the order in which it is found."""
    comparison = _Comparison(old, new, old_mask, new_mask)
    try:
        comparison.block(_module(old), _module(new), "")
    except RecursionError:  # code nested a thousand deep: that it differs is certain, where is not
        whole = Lines(1, len(old.lines)), Lines(1, len(new.lines))
        return (Difference("changed", "code", "", *whole),)
    return tuple(comparison.found)


_Block: TypeAlias = Sequence[Statement]
_Key: TypeAlias = tuple[str, str, int]


def _module(source: Source) -> _Block:
    first = [statement.node for statement in source.statements[:1]]
    return source.statements if without_docstring(first) else source.statements[1:]


def _at(nodes: Sequence[ast.stmt], shift: int) -> _Block:
    return [Statement(node, shift) for node in nodes]


def _outer(block: _Block) -> Lines | None:
    return outer(statement.lines for statement in block)


class _Comparison:
    """Walks two sources at once and collects what differs."""

    def __init__(self, old: Source, new: Source, old_mask: Mask, new_mask: Mask) -> None:
        self.old, self.new = old, new
        self.old_mask, self.new_mask = old_mask, new_mask
        self.found: list[Difference] = []
        self._known: dict[tuple[int, int], bool] = {}
        self._headers: dict[tuple[int, int], bool] = {}

    def block(self, old: _Block, new: _Block, path: str) -> None:
        """Compare two blocks: definitions by name, the statements between them by place."""
        left, right = self._strip(self._kept(old, self.old_mask), self._kept(new, self.new_mask))
        if not left and not right:
            return
        before = len(self.found)
        mine, its = _definitions(left), _definitions(right)
        for key, statement in mine.items():
            if key in its:
                self._definition(statement, its[key], path)
            else:
                self._note("removed", statement.node, path, statement.lines, None)
        for key, statement in its.items():
            if key not in mine:
                self._note("added", statement.node, path, None, statement.lines)
        self._plain(
            [one for one in left if not isinstance(one.node, DEFINITIONS)],
            [one for one in right if not isinstance(one.node, DEFINITIONS)],
            path,
        )
        if len(self.found) == before:  # the same parts in another order
            self.found.append(Difference("changed", "code", path, _outer(left), _outer(right)))

    def _kept(self, block: _Block, mask: Mask) -> list[Statement]:
        return [one for one in block if not isinstance(one.node, ast.Pass) and id(one.node) not in mask.dropped]

    def _strip(self, old: list[Statement], new: list[Statement]) -> tuple[list[Statement], list[Statement]]:
        """Leave out what is equal at the beginning and at the end."""
        shorter = min(len(old), len(new))
        above = 0
        while above < shorter and self._equal(old[above], new[above]):
            above += 1
        below = 0
        while below < shorter - above and self._equal(old[-1 - below], new[-1 - below]):
            below += 1
        return old[above : len(old) - below], new[above : len(new) - below]

    def _equal(self, old: Statement, new: Statement) -> bool:
        pair = id(old.node), id(new.node)
        if pair not in self._known:  # a definition is asked about on its own and as a part of what is around it
            self._known[pair] = old.node is new.node or self._same_text(old, new) or self._same_parts(old, new)
        return self._known[pair]

    def _same_parts(self, old: Statement, new: Statement) -> bool:
        """Compare a statement with blocks line by line where that is enough, for trees are slow to walk."""
        hidden = id(old.node) in self.old_mask.hidden or id(new.node) in self.new_mask.hidden
        if hidden or type(old.node) is not type(new.node) or not _has_blocks(old.node):
            return same(old.node, new.node, self.old_mask, self.new_mask)
        try:
            return self._same_header(old.node, new.node) and all(
                len(left) == len(right) and all(map(self._equal, left, right)) for left, right in self._blocks(old, new)
            )
        except RecursionError:  # a chain of hundreds of `elif`: `same` needs no depth
            return same(old.node, new.node, self.old_mask, self.new_mask)

    def _same_header(self, old: ast.stmt, new: ast.stmt) -> bool:
        """Is all the same but for the blocks? Asked whether a statement differs, and again for where."""
        pair = id(old), id(new)
        if pair not in self._headers:
            self._headers[pair] = self._compare_headers(old, new)
        return self._headers[pair]

    def _compare_headers(self, old: ast.stmt, new: ast.stmt) -> bool:
        if isinstance(old, DEFINITIONS):
            fields = [field for field in old._fields if field not in ("body", "type_comment")]
            return all(same(getattr(old, field, None), getattr(new, field, None)) for field in fields)
        return same(_header_parts(old), _header_parts(new), self.old_mask, self.new_mask)

    def _blocks(self, old: Statement, new: Statement) -> list[tuple[list[Statement], list[Statement]]]:
        if isinstance(old.node, DEFINITIONS) and isinstance(new.node, DEFINITIONS):
            pairs = [(body_of(old.node), body_of(new.node))]
        else:
            pairs = [(mine, its) for (mine, _), (its, _) in zip(blocks(old.node), blocks(new.node), strict=True)]
        return [
            (self._kept(_at(mine, old.shift), self.old_mask), self._kept(_at(its, new.shift), self.new_mask))
            for mine, its in pairs
        ]

    def _same_text(self, old: Statement, new: Statement) -> bool:
        """Do two statements read the same, byte for byte, indentation included?"""
        if old.node.col_offset != new.node.col_offset or old.node.end_col_offset != new.node.end_col_offset:
            return False
        mine, its = old.lines, new.lines
        return self.old.lines[mine.first - 1 : mine.last] == self.new.lines[its.first - 1 : its.last]

    def _definition(self, old: Statement, new: Statement, path: str) -> None:
        if self._equal(old, new) or not isinstance(old.node, DEFINITIONS) or not isinstance(new.node, DEFINITIONS):
            return
        name = _join(path, old.node.name)
        if not self._same_header(old.node, new.node):
            self.found.append(Difference("changed", "code", name, _header(old), _header(new)))
        hidden = self.old_mask.hidden.get(id(old.node)), self.new_mask.hidden.get(id(new.node))
        if hidden == (None, None):
            self.block(_at(body_of(old.node), old.shift), _at(body_of(new.node), new.shift), name)
        elif hidden[0] != hidden[1]:
            self.found.append(Difference("changed", "code", name, old.lines, new.lines))

    def _plain(self, old: list[Statement], new: list[Statement], path: str) -> None:
        left, right = self._strip(old, new)
        if len(left) == len(right):
            for mine, its in zip(left, right, strict=True):
                if not self._equal(mine, its):
                    self._statement(mine, its, path)
        else:
            self.found.append(Difference("changed", "code", path, _outer(left), _outer(right)))

    def _statement(self, old: Statement, new: Statement, path: str) -> None:
        """Look into a compound statement whose own line is the same; else it differs as a whole."""
        mine, its = list(blocks(old.node)), list(blocks(new.node))
        alike = type(old.node) is type(new.node) and len(mine) == len(its)
        if mine and alike and self._same_header(old.node, new.node):
            for (left, _), (right, _) in zip(mine, its, strict=True):
                self.block(_at(left, old.shift), _at(right, new.shift), path)
        else:
            self.found.append(Difference("changed", "code", path, old.lines, new.lines))

    def _note(
        self, what: Literal["added", "removed"], node: ast.stmt, path: str, old: Lines | None, new: Lines | None
    ) -> None:
        if isinstance(node, DEFINITIONS):
            thing: Literal["class", "function"] = "class" if isinstance(node, ast.ClassDef) else "function"
            self.found.append(Difference(what, thing, _join(path, node.name), old, new))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _definitions(block: _Block) -> dict[_Key, Statement]:
    """Return the definitions of a block by kind, name and how many of that name came before."""
    found: dict[_Key, Statement] = {}
    for statement in block:
        if isinstance(statement.node, DEFINITIONS):
            thing = "class" if isinstance(statement.node, ast.ClassDef) else "function"
            count = 0
            while (thing, statement.node.name, count) in found:
                count += 1
            found[thing, statement.node.name, count] = statement
    return found


def _header(statement: Statement) -> Lines:
    """Return the lines of a definition above its body."""
    node = statement.node
    first = statement.lines.first
    body: Sequence[ast.stmt] = node.body if isinstance(node, DEFINITIONS) else ()
    last = body[0].lineno - 1 + statement.shift if body else first
    return Lines(first, max(first, last))


def _has_blocks(node: ast.stmt) -> bool:
    return isinstance(node, DEFINITIONS) or next(blocks(node), None) is not None


def _header_parts(node: ast.stmt) -> list[object]:
    """Return what a compound statement consists of apart from its blocks."""
    match node:
        case ast.If(test=test) | ast.While(test=test):
            return [test]
        case ast.For(target=target, iter=iterable) | ast.AsyncFor(target=target, iter=iterable):
            return [target, iterable]
        case ast.With(items=items) | ast.AsyncWith(items=items):
            return list(items)
        case ast.Try(handlers=handlers) | ast.TryStar(handlers=handlers):
            return [part for handler in handlers for part in (handler.type, handler.name)]
        case ast.Match(subject=subject, cases=cases):
            return [subject, *(part for case in cases for part in (case.pattern, case.guard))]
        case _:
            return []
