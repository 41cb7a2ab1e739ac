"""Which definitions does a path such as `Class.method` name, and which literal does a name stand for there?"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitrelease.core.parsing import Source
from gitrelease.core.syntax import Definition, definitions, dotted, spots


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A definition (or the module, without `node`) with those around it, outermost first."""

    node: Definition | None
    around: tuple[Definition, ...]
    body: Sequence[ast.stmt]
    shift: int

    @property
    def chain(self) -> list[Definition]:
        """The definitions around a name that is read here, outermost first."""
        return [*self.around, *([self.node] if self.node else [])]


class Scopes:
    """Finds things in one source; the top level is indexed once, since a file may have thousands of definitions."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._top: dict[str, list[tuple[Definition, int]]] = {}
        for statement in source.statements:
            for node in definitions([statement.node]):
                self._top.setdefault(node.name, []).append((node, statement.shift))
        self._bindings: dict[int, dict[str, list[ast.expr | None]]] = {}

    def find(self, symbol: str | None) -> list[Place]:
        """Return the places that `symbol` names: one, none, or several when it is defined more than once.

        Without a symbol that is the module: one place a top-level statement, for each has its own shift.
        """
        if not symbol:
            return [Place(None, (), (item.node,), item.shift) for item in self.source.statements]
        first, *rest = symbol.split(".")
        found = [Place(node, (), node.body, shift) for node, shift in self._top.get(first, ())]
        for name in rest:
            found = [
                Place(node, (*place.around, place.node), node.body, place.shift)
                for place in found
                if place.node is not None
                for node in definitions(place.body)
                if node.name == name
            ]
        return found

    def literal(self, place: Place, name: str) -> ast.expr | None:
        """Return what `name` is bound to inside `place`; None where that is not exactly one plain assignment.

        A plain name: the function, then those around it, then the module, as Python looks. `self.NAME`, `cls.NAME`
        and `Class.NAME`: what the class binds in its body, or its `__init__` through `self`.
        """
        chain = place.chain
        head, _, attribute = name.rpartition(".")
        if head:
            return self._attribute(chain, head, attribute)
        for scope in reversed(chain):
            if isinstance(scope, ast.ClassDef) and scope is not chain[-1]:
                continue  # the names of a class are not seen from its methods
            bound = self._bound(scope)
            if name in bound:
                return _only(bound[name])
        return _only(self._bound(None).get(name, []))

    def binds(self, place: Place, name: str) -> bool:
        """Does anything around `place` bind `name`? A star import may bind whatever there is."""
        scopes: list[Definition | None] = [*place.chain, None]
        return any(bound in self._bound(scope) for scope in scopes for bound in (name, "*"))

    def _attribute(self, chain: Sequence[Definition], head: str, attribute: str) -> ast.expr | None:
        owner: Definition | None
        if head in ("self", "cls"):
            owner = next((scope for scope in reversed(chain) if isinstance(scope, ast.ClassDef)), None)
        else:
            named = [node for node, _ in self._top.get(head, ())]
            owner = named[0] if len(named) == 1 else None
        if not isinstance(owner, ast.ClassDef):
            return None
        bound = list(self._bound(owner).get(attribute, []))
        for method in definitions(owner.body):
            bound += self._bound(method).get(f"self.{attribute}", [])
        return _only(bound)

    def _bound(self, scope: Definition | None) -> dict[str, list[ast.expr | None]]:
        """Return what a scope binds: for each name its values, None for a binding that is no plain assignment."""
        key = id(scope)
        if key not in self._bindings:
            body = scope.body if scope else [statement.node for statement in self.source.statements]
            names: dict[str, list[ast.expr | None]] = {}
            for name, value in _bindings(body):
                names.setdefault(name, []).append(value)
            if scope is not None and not isinstance(scope, ast.ClassDef):
                for argument in ast.walk(scope.args):
                    if isinstance(argument, ast.arg):
                        names.setdefault(argument.arg, []).append(None)
            self._bindings[key] = names
        return self._bindings[key]


@dataclass(frozen=True, slots=True)
class Seen:
    """The names as they are seen from one place."""

    scopes: Scopes
    place: Place

    def literal(self, name: str) -> ast.expr | None:
        return self.scopes.literal(self.place, name)

    def binds(self, name: str) -> bool:
        return self.scopes.binds(self.place, name)


def _only(values: Sequence[ast.expr | None]) -> ast.expr | None:
    return values[0] if len(values) == 1 else None


def _bindings(block: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr | None]]:
    for node, *_ in spots(block):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, None
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((alias.asname or alias.name.split(".")[0], None) for alias in names)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from ((name, None) for name in names)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _targets(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _targets(target, value)
            case _:
                for part in _own_expressions(node):
                    yield from _targets(part, None)


def _own_expressions(node: ast.stmt) -> Iterator[ast.AST]:
    """Yield the expressions of a statement that are not in its blocks: loop targets, `with … as`, `+=`, `del`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr | ast.withitem | ast.pattern):
            yield child


def _targets(node: ast.AST, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the names that are stored to in `node`; `value` counts only when `node` is one name as it stands."""
    name = dotted(node)
    if name is not None:
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            yield name, value
        return
    for part in ast.walk(node):
        stored = dotted(part) if isinstance(getattr(part, "ctx", None), ast.Store | ast.Del) else None
        if stored is not None:
            yield stored, None
