"""What does an expression say, without running anything?

Literals and what folds from them: lists, tuples, sets, `frozenset(...)` and its like, dicts, strings, numbers, `+`
and `|` of those, and names for which the caller knows a literal. All else is one of two things: it names something
unknown (`Unknown`), or it has a shape that is not read here (`NotUnderstood`). Neither is guessed at.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

from gitrelease.core.syntax import dotted

Value: TypeAlias = Any  # None, bool, numbers, str, bytes, list, tuple, set, frozenset, dict of such


class Names(Protocol):
    """What the names in an expression stand for, where it stands."""

    def literal(self, name: str) -> ast.expr | None:
        """Return the expression that a (dotted) name is bound to, when that is certain."""

    def binds(self, name: str) -> bool:
        """Is the name bound to anything at all, so that it is no built-in?"""


# A chain of `A = B + B` doubles with each name: end it before it fills the memory.
MOST_ITEMS = 200_000


class NotUnderstood(Exception):
    """The expression has a shape that is not read here; the message says which."""


class Unknown(NotUnderstood):
    """The expression names things for which there is no literal in the file, or does more than say a value."""

    def __init__(self, names: tuple[str, ...], *, acts: bool = False) -> None:
        named = ", ".join(names)
        super().__init__(
            f"holds {named}, which does more than say a value"
            if acts
            else f"names {named}, which the file does not define as a literal"
        )
        self.names = names


_CONSTRUCTORS: dict[str, Callable[..., Value]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
}


def evaluate(node: ast.expr, names: Names) -> Value:
    """Return the value of `node`; `NotUnderstood` and `Unknown` say why there is none."""
    try:
        return _Reader(names).read(node)
    except NotUnderstood:
        if unknown := unknown_names(node, names):
            raise Unknown(unknown) from None
        if acts := actions(node):
            raise Unknown(acts, acts=True) from None
        raise
    except (TypeError, ValueError) as error:  # [1] + "a", {[]: 1}: wrong when run, too
        raise NotUnderstood(f"cannot be evaluated: {error}") from None
    except RecursionError:
        raise NotUnderstood("is nested too deeply") from None


def unknown_names(node: ast.AST, names: Names) -> tuple[str, ...]:
    """Return the names in `node`, in order, that neither it binds itself nor the file defines as a literal."""
    bound: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            bound.add(part.id)
        elif isinstance(part, ast.arg):
            bound.add(part.arg)
    unknown: dict[str, None] = {}
    for name in _names(node):
        built_in = name in _CONSTRUCTORS and not names.binds(name)
        if name.split(".")[0] not in bound and not built_in and not _known(name, names):
            unknown[name] = None
    return tuple(unknown)


def actions(node: ast.AST) -> tuple[str, ...]:
    """Return what in `node` reaches beyond its value: into the code around it, or behind an object's face."""
    found: dict[str, None] = {}
    for part in ast.walk(node):
        match part:
            case ast.Yield() | ast.YieldFrom():
                found["yield"] = None
            case ast.Await():
                found["await"] = None
            case ast.NamedExpr():
                found["an assignment"] = None
            case ast.Attribute(attr=name) if name.startswith("_"):
                found[name] = None
    return tuple(found)


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the chains of names that are read in `node`, in the order of the source."""
    stack: list[ast.AST] = [node]
    while stack:
        part = stack.pop()
        name = dotted(part)
        if name is None:
            stack += reversed(list(ast.iter_child_nodes(part)))
        elif isinstance(getattr(part, "ctx", None), ast.Load):
            yield name


def _known(name: str, names: Names) -> bool:
    """Is the name, or an object that it is an attribute of, a literal of the file that reads as one?"""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        node = names.literal(".".join(parts[:length]))
        if node is not None:
            try:
                _Reader(names).read(node)
            except (NotUnderstood, TypeError, ValueError, RecursionError):
                return False
            return True
    return False


class _Reader:
    """Reads one expression; remembers names already read, and refuses those that refer to themselves."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.known: dict[str, Value] = {}
        self.open: set[str] = set()

    def read(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.List(elts=elts):
                return self._items(elts)
            case ast.Tuple(elts=elts):
                return tuple(self._items(elts))
            case ast.Set(elts=elts):
                return set(self._items(elts))
            case ast.Dict(keys=keys, values=values):
                return self._pairs(keys, values)
            case ast.Name() | ast.Attribute():
                return self._named(node)
            case ast.BinOp():
                return self._folded(node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                return self._number(operand, negative=isinstance(sign, ast.USub))
            case ast.JoinedStr(values=values):
                return "".join(self._text(part) for part in values)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in _CONSTRUCTORS:
                return self._built(name, args, keywords)
            case _:
                raise NotUnderstood(f"holds a {type(node).__name__}")

    def _items(self, elts: list[ast.expr]) -> list[Value]:
        items: list[Value] = []
        for element in elts:
            if isinstance(element, ast.Starred):
                items += self._limited(list(self.read(element.value)), len(items))
            else:
                items.append(self.read(element))
        return items

    def _pairs(self, keys: list[ast.expr | None], values: list[ast.expr]) -> dict[Value, Value]:
        pairs: dict[Value, Value] = {}
        for key, value in zip(keys, values, strict=True):
            if key is None:
                pairs |= dict(self.read(value))
            else:
                pairs[self.read(key)] = self.read(value)
        return pairs

    def _named(self, node: ast.expr) -> Value:
        name = dotted(node)
        if name is None:
            raise NotUnderstood("holds an attribute of an expression")
        if name in self.known:
            return self.known[name]
        defined = self.names.literal(name)
        if defined is None or name in self.open:
            raise NotUnderstood(f"names {name}")
        self.open.add(name)
        self.known[name] = self.read(defined)
        self.open.discard(name)
        return self.known[name]

    def _folded(self, node: ast.BinOp) -> Value:
        # A sum of a thousand strings leans to the left a thousand deep: walk that side, do not recurse.
        operands: list[tuple[ast.operator, ast.expr]] = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp):
            operands.append((first.op, first.right))
            first = first.left
        value = self.read(first)
        for operator, operand in reversed(operands):
            other = self.read(operand)
            match operator:
                case ast.Add():
                    value = value + self._limited(other, _size(value))
                case ast.BitOr() if isinstance(value, dict | set | frozenset):
                    value = value | other
                case _:
                    raise NotUnderstood(f"holds the operator {type(operator).__name__}")
        return value

    def _number(self, operand: ast.expr, *, negative: bool) -> Value:
        value = self.read(operand)
        if not isinstance(value, int | float | complex):
            raise NotUnderstood("has a sign before something that is no number")
        return -value if negative else +value

    def _text(self, part: ast.expr) -> str:
        if isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None:
            part = part.value
        value = self.read(part)
        if not isinstance(value, str):
            raise NotUnderstood("formats a value")
        return value

    def _built(self, name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> Value:
        if self.names.binds(name) or (keywords and name != "dict"):
            raise NotUnderstood(f"calls {name}")
        named: dict[str, Value] = {}
        for keyword in keywords:
            named |= dict(self.read(keyword.value)) if keyword.arg is None else {keyword.arg: self.read(keyword.value)}
        return _CONSTRUCTORS[name](*self._items(args), **named)

    def _limited(self, value: Value, already: int) -> Value:
        if _size(value) + already > MOST_ITEMS:
            raise NotUnderstood(f"folds to more than {MOST_ITEMS:,} items")
        return value


def _size(value: Value) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple | set | frozenset | dict) else 0
