"""On which lines of this revision do the regions stand, and which nodes of its syntax tree are they?"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from gitrelease.core.changes import Lines, outer
from gitrelease.core.cuts import Cut, cut_out
from gitrelease.core.literals import NotUnderstood, evaluate
from gitrelease.core.parsing import Source
from gitrelease.core.regions import Region
from gitrelease.core.scopes import Place, Scopes, Seen
from gitrelease.core.syntax import Definition, Mask, Spot, body_of, definitions, dotted, lines_of, spots


@dataclass(frozen=True, slots=True, eq=False)
class Addition:
    """A statement `TARGET["key"] = value` below the assignment: it belongs to the region."""

    node: ast.stmt
    shift: int
    key: ast.expr
    value: ast.expr


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A region as it stands in one source.

    `lines` is what people are shown, `spans` what belongs to the region. `nodes` is its content: the one assigned
    value, several when it is `ambiguous`, or statements of code.
    """

    region: Region
    lines: Lines
    spans: tuple[Lines, ...]
    nodes: tuple[ast.AST, ...]
    place: Place
    hidden: frozenset[int]
    additions: tuple[Addition, ...] = ()
    dropped: frozenset[int] = frozenset()
    ambiguous: str = ""  # why the content cannot be read, though it can be compared


def resolve(scopes: Scopes, regions: Iterable[Region], lines: Mapping[str, Lines] | None = None) -> dict[str, Found]:
    """Return the `regions` that stand in a source, by name; one that is not there is left out.

    `lines` says where regions of the form `lines` are on this side, by name: see `changes.follow_file`.
    """
    found: dict[str, Found] = {}
    for region in regions:
        item = _find(scopes, region, (lines or {}).get(region.name))
        if item is not None:
            found[region.name] = item
    return found


def mask(found: Mapping[str, Found]) -> Mask:
    """Return what to leave out when the code around the regions is compared."""
    hidden: dict[int, str] = {}
    for name, item in found.items():
        for node in item.hidden:
            hidden.setdefault(node, name)
    return Mask(hidden, frozenset(node for item in found.values() for node in item.dropped))


def _find(scopes: Scopes, region: Region, lines: Lines | None) -> Found | None:
    form = region.form
    if form == "assigned":
        return _assigned(scopes, region)
    elif form == "body":
        return _body(scopes, region)
    elif form == "lines":
        return None if lines is None else _range(scopes.source, region, lines)
    elif form == "file":
        return None  # no part of a source: compared as a file
    else:
        assert_never(form)


def _assigned(scopes: Scopes, region: Region) -> Found | None:
    target = region.assign or ""
    hits = [
        (place, spot, value)
        for place in scopes.find(region.symbol)
        for spot in spots(place.body)
        if (value := _value_for(spot.node, target)) is not None
    ]
    if not hits:
        return None
    place, spot, _ = hits[0]
    additions = _additions(scopes, place, spot, target) if len(hits) == 1 else []
    if len(hits) > 1:
        ambiguous = f"{target} is assigned in {len(hits)} places"
    else:
        ambiguous = f"{target} is assigned on a condition" if spot.conditional else ""
    spans = [lines_of(value).shifted(where.shift) for where, _, value in hits]
    spans += [lines_of(added.node).shifted(added.shift) for added in additions]
    return Found(
        region=region,
        lines=outer(spans) or spans[0],
        spans=tuple(spans),
        nodes=tuple(value for _, _, value in hits),
        place=place,
        hidden=frozenset(id(value) for _, _, value in hits),
        additions=tuple(additions),
        dropped=frozenset(id(added.node) for added in additions),
        ambiguous=ambiguous,
    )


def _value_for(node: ast.stmt, target: str) -> ast.expr | None:
    """Return what a statement assigns to `target`, plainly or with an annotation."""
    match node:
        case ast.Assign(targets=targets, value=value) if any(dotted(one) == target for one in targets):
            return value
        case ast.AnnAssign(target=one, value=ast.expr() as value) if dotted(one) == target:
            return value
        case _:
            return None


def _additions(scopes: Scopes, place: Place, spot: Spot, target: str) -> list[Addition]:
    """Return the statements `TARGET["key"] = literal` that follow the assignment in its own block.

    They end at the first statement that has anything else to do with the target: what is added after the
    dictionary was used is code, not content. A value that is no literal is code, too.
    """
    if place.node is None and spot.node in place.body:
        block = [(item.node, item.shift) for item in scopes.source.statements]
    else:
        block = [(node, place.shift) for node in spot.block]
    start = next(index for index, (node, _) in enumerate(block) if node is spot.node) + 1
    additions: list[Addition] = []
    for node, shift in block[start:]:
        addition = _addition(node, shift, target)
        if addition is not None and _is_literal(scopes, place, addition):
            additions.append(addition)
        elif _mentions(node, target):
            break
    return additions


def _addition(node: ast.stmt, shift: int, target: str) -> Addition | None:
    match node:
        case ast.Assign(targets=[ast.Subscript(value=holder, slice=key)], value=value) if dotted(holder) == target:
            return Addition(node, shift, key, value)
        case _:
            return None


def _is_literal(scopes: Scopes, place: Place, addition: Addition) -> bool:
    try:
        evaluate(addition.key, Seen(scopes, place))
        evaluate(addition.value, Seen(scopes, place))
    except NotUnderstood:
        return False
    return True


def _mentions(node: ast.stmt, target: str) -> bool:
    return any(dotted(part) == target for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute))


def _body(scopes: Scopes, region: Region) -> Found | None:
    places = [place for place in scopes.find(region.symbol) if place.node is not None]
    if not places:
        return None
    nodes = [place.node for place in places if place.node is not None]
    bodies = [statement for node in nodes for statement in body_of(node)]
    shown = [Lines(node.lineno, node.end_lineno or node.lineno).shifted(places[0].shift) for node in nodes]
    return Found(
        region=region,
        # People count a function from its `def`; a change of that line is no change of the body all the same.
        lines=outer(shown) or shown[0],
        spans=tuple(lines_of(statement).shifted(places[0].shift) for statement in bodies),
        nodes=tuple(bodies),
        place=places[0],
        hidden=frozenset(id(node) for node in nodes),
        ambiguous=f"{region.symbol} is defined {len(places)} times" if len(places) > 1 else "",
    )


def _range(source: Source, region: Region, lines: Lines) -> Found | None:
    cuts: list[Cut] = []
    for statement in source.statements:
        if statement.lines.overlaps(lines):
            cuts += cut_out(statement.node, lines.shifted(-statement.shift))
    if not cuts:
        return None
    return Found(
        region=region,
        lines=lines,
        spans=(lines,),
        nodes=tuple(node for cut in cuts for node in cut.content),
        place=_place_of(source, lines),
        hidden=frozenset(id(cut.hidden) for cut in cuts if cut.hidden is not None),
        dropped=frozenset(id(node) for cut in cuts for node in cut.dropped),
        ambiguous="" if len(cuts) == 1 else "the range holds more than one value",
    )


def _place_of(source: Source, lines: Lines) -> Place:
    """Return the innermost definition around a range."""
    place = Place(None, (), [item.node for item in source.statements], 0)
    for statement in source.statements:
        block: Sequence[ast.stmt] = [statement.node]
        here = lines.shifted(-statement.shift)
        while inner := _around(block, here):
            around = (*place.around, *([place.node] if place.node else []))
            place, block = Place(inner, around, inner.body, statement.shift), inner.body
    return place


def _around(block: Sequence[ast.stmt], lines: Lines) -> Definition | None:
    return next((node for node in definitions(block) if lines.within(lines_of(node))), None)
