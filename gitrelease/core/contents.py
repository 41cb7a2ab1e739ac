"""What does a region say: which terms, patterns or fields are in it?"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitrelease.core.changes import Lines
from gitrelease.core.kinds import Kind
from gitrelease.core.literals import Names, NotUnderstood, Unknown, Value, actions, evaluate, unknown_names
from gitrelease.core.parsing import Broken, parse
from gitrelease.core.regions import Region
from gitrelease.core.resolve import Found, resolve
from gitrelease.core.scopes import Scopes, Seen


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a region on one side.

    `value` counts when nothing else is set. Of `code` only whether it changed is known; a `problem` says why a value
    could not be read, and `unknown` which names it takes that are no literals of the file.
    """

    value: Value = None
    code: bool = False
    problem: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def is_readable(self) -> bool:
        return not (self.code or self.problem or self.unknown)


def read(found: Found, scopes: Scopes) -> Content:
    """Return what a region says, by evaluating literals and never by running anything."""

    names = Seen(scopes, found.place)
    expressions = [node for node in found.nodes if isinstance(node, ast.expr)]
    if found.region.form == "body" or not expressions:
        return Content(code=True, problem=found.ambiguous)
    try:
        if found.ambiguous:
            return _ambiguous(found, expressions, names)
        return Content(_value(found, expressions[0], names))
    except Unknown as error:
        return Content(unknown=error.names, problem=str(error))
    except NotUnderstood as error:
        return Content(problem=str(error))


def _ambiguous(found: Found, expressions: list[ast.expr], names: Names) -> Content:
    unknown: dict[str, None] = {}
    if not _is_schema(found):
        for node in expressions:
            unknown |= dict.fromkeys((*unknown_names(node, names), *actions(node)))
    return Content(problem=found.ambiguous, unknown=tuple(unknown))


def _value(found: Found, node: ast.expr, names: Names) -> Value:
    """Read the assigned value and what is added below it."""
    if _is_schema(found) and isinstance(node, ast.Dict):
        fields = dict(_fields(node, names))
        for addition in found.additions:
            fields[str(evaluate(addition.key, names))] = _source(addition.value)
        return fields
    value = evaluate(node, names)
    if found.additions:
        if not isinstance(value, dict):
            raise NotUnderstood("is no dict, but keys are added to it")
        value |= {evaluate(item.key, names): evaluate(item.value, names) for item in found.additions}
    return value


def _is_schema(found: Found) -> bool:
    return found.region.kind is Kind.SCHEMA


_OBJECT = "{…}"


def _fields(node: ast.Dict, names: Names, path: str = "") -> Iterable[tuple[str, str]]:
    """Yield the fields of a dict that the app fills, by dotted path, each with the source of its value.

    The values are code by nature (`row['text']`), so only the names must be literals.
    """
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            unpacked = evaluate(value, names)
            if not isinstance(unpacked, dict):
                raise NotUnderstood("unpacks something that is no dict")
            yield from ((f"{path}{name}", repr(item)) for name, item in unpacked.items())
            continue
        name = f"{path}{evaluate(key, names)}"
        if isinstance(value, ast.Dict):
            yield name, _OBJECT
            yield from _fields(value, names, f"{name}.")
        else:
            yield name, _source(value)


def _source(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except RecursionError:
        raise NotUnderstood("is nested too deeply") from None


def literals(source: bytes, regions: Iterable[Region], *, lines: Mapping[str, Lines] | None = None) -> dict[str, Value]:
    """Return the values of the regions of one file, by name, those left out that cannot be read.

    `lines` says where regions given as a range stand. For a dict of the kind `schema` the value is each field
    with the source of its value.
    """
    parsed = parse(source)
    if isinstance(parsed, Broken):
        return {}
    scopes = Scopes(parsed)
    found = resolve(scopes, [region for region in regions if region.form != "file"], lines or {})
    contents = {name: read(item, scopes) for name, item in found.items()}
    return {name: content.value for name, content in contents.items() if content.is_readable}


def patterns_of(
    source: bytes, regions: Iterable[Region], *, lines: Mapping[str, Lines] | None = None
) -> tuple[tuple[str, str], ...]:
    """Return all regular expressions of the script's `pattern` regions, each under its metric or else its region."""
    wanted = [region for region in regions if region.kind is Kind.PATTERN and region.regex]
    found = literals(source, wanted, lines=lines)
    return tuple(pair for name, value in found.items() for pair in _patterns(name, value))


def _patterns(name: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(name, value)]
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _patterns(str(key), inner)]
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    return [pair for inner in value for pair in _patterns(name, inner)] if isinstance(value, list | tuple) else []
