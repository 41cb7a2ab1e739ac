"""How is one region taken over from another version of a file, and every other byte left alone?

Regions are found in the syntax tree of both sides; what stands between their first and their last byte is exchanged.
The result is then held against both sides: the wanted regions say what the donor's say, and nothing else has changed.
Where that cannot be had it is refused, with both sides named.
"""

from __future__ import annotations

import ast
import codecs
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gitrelease.core.changes import Lines
from gitrelease.core.filechange import FileChange
from gitrelease.core.kinds import Kind
from gitrelease.core.parsing import Broken, Source, parse
from gitrelease.core.regions import Region
from gitrelease.core.resolve import Addition, Found, resolve
from gitrelease.core.scopes import Scopes
from gitrelease.core.sources import judge_source
from gitrelease.core.syntax import Definition, lines_of, spots, without_docstring

Placed = Mapping[str, Lines]


@dataclass(frozen=True)
class Spliced:
    """The new content, and the regions that it takes from the donor; those that were the same are not named."""

    content: bytes
    taken: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A region that cannot be taken over: why, and where it stands on both sides."""

    region: str
    why: str
    here: Lines | None = None
    there: Lines | None = None


class _Cannot(Exception):
    """A region cannot be cut out or put in."""


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: bytes


def splice(
    into: bytes,
    donor: bytes,
    wanted: Sequence[Region],
    regions: Sequence[Region],
    *,
    into_placed: Placed | None = None,
    donor_placed: Placed | None = None,
) -> Spliced | Refused:
    """Return `into` with the `wanted` ones of the file's `regions` as they are in `donor`.

    `into_placed` and `donor_placed` say where regions of the form `lines` stand. A region that is on neither side is
    passed over, unless there is no other.
    """
    here, there = _Side.of(into, wanted, into_placed or {}), _Side.of(donor, wanted, donor_placed or {})
    if isinstance(here, Broken) or isinstance(there, Broken):
        side, broken = ("here", here) if isinstance(here, Broken) else ("there", there)
        return Refused(wanted[0].name, f"the file does not parse {side}: {broken.why}")  # type: ignore[union-attr]
    if not here.found.keys() | there.found.keys():
        return Refused(wanted[0].name, "it is on neither side")
    edits: list[_Edit] = []
    taken: list[str] = []
    for name in (region.name for region in wanted):
        ours, theirs = here.found.get(name), there.found.get(name)
        if ours is None and theirs is None:
            continue
        if ours is None or theirs is None:
            return _refused(name, f"it is gone {'here' if ours is None else 'there'}", here, there)
        try:
            changes = _exchange(here, ours, there, theirs)
        except _Cannot as error:
            return _refused(name, str(error), here, there)
        if changes:
            edits += changes
            taken.append(name)
    content = here.apply(edits)
    problem = _beyond(into, content, taken, regions) or _unlike(donor, content, here.found, taken, regions)
    return _refused(*problem, here, there) if problem else Spliced(content, tuple(taken))


def _refused(name: str, why: str, here: _Side, there: _Side) -> Refused:
    ours, theirs = here.found.get(name), there.found.get(name)
    return Refused(name, why, ours.lines if ours else None, theirs.lines if theirs else None)


class _Side:
    """One version of a file: its bytes, where its lines begin, and its regions."""

    def __init__(self, content: bytes, source: Source, found: dict[str, Found]) -> None:
        self.bom = content.startswith(codecs.BOM_UTF8)
        self.text = content.removeprefix(codecs.BOM_UTF8)
        self.found = found
        self.source = source
        self.newline = b"\r\n" if b"\r\n" in self.text else b"\n"
        self._starts = [0, *(match.end() for match in re.finditer(rb"\r\n|\r|\n", self.text))]

    @classmethod
    def of(cls, content: bytes, wanted: Iterable[Region], placed: Placed) -> _Side | Broken:
        source = parse(content)
        if isinstance(source, Broken):
            return source
        try:
            content.decode()
        except UnicodeDecodeError:
            return Broken("it is not UTF-8")
        return cls(content, source, resolve(Scopes(source), wanted, placed))

    def start_of(self, line: int) -> int:
        return self._starts[line - 1] if line <= len(self._starts) else len(self.text)

    def node(self, node: ast.expr | ast.stmt, shift: int = 0) -> tuple[int, int]:
        """Return the first byte of a node and the one after its last."""
        first = node.lineno
        if node.end_lineno is None or node.end_col_offset is None:
            raise _Cannot("the parser does not say where it ends")
        return (
            self.start_of(first + shift) + node.col_offset,
            self.start_of(node.end_lineno + shift) + node.end_col_offset,
        )

    def whole_lines(self, lines: Lines) -> tuple[int, int]:
        return self.start_of(lines.first), self.start_of(lines.last + 1)

    def apply(self, edits: Sequence[_Edit]) -> bytes:
        text = self.text
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end), reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return (codecs.BOM_UTF8 if self.bom else b"") + text


def _exchange(here: _Side, ours: Found, there: _Side, theirs: Found) -> list[_Edit]:
    """Return the edits that bring one region over; none when its bytes are the same already."""
    for found, side in ((ours, "here"), (theirs, "there")):
        if found.ambiguous and found.region.form != "lines":
            raise _Cannot(f"{found.ambiguous} {side}")
    form = ours.region.form
    if form == "assigned":
        edits = [_replace(here, here.node(_value(ours)), there, there.node(_value(theirs)))]
        edits += _additions(here, ours, there, theirs)
    elif form == "body":
        edits = [_replace(here, _body(here, ours), there, _body(there, theirs))]
    else:
        edits = [_replace(here, here.whole_lines(ours.lines), there, there.whole_lines(theirs.lines))]
    return [edit for edit in edits if here.text[edit.start : edit.end] != edit.text]


def _replace(here: _Side, span: tuple[int, int], there: _Side, other: tuple[int, int]) -> _Edit:
    text = there.text[slice(*other)]
    if there.newline != here.newline:
        text = re.sub(rb"\r\n|\r|\n", here.newline, text)
    return _Edit(*span, text)


def _value(found: Found) -> ast.expr:
    (value,) = found.nodes
    if not isinstance(value, ast.expr):
        raise _Cannot("it is no value")
    return value


def _body(side: _Side, found: Found) -> tuple[int, int]:
    """Return the bytes of a body: from behind its heading and docstring to its last line."""
    node = found.place.node
    if not isinstance(node, Definition):
        raise _Cannot("it is no function or class")
    body = without_docstring(node.body)
    first = body[0] if body else node.body[0]
    if first.lineno == node.lineno:
        raise _Cannot("it stands on one line with its heading")
    before = node.body[0].end_lineno if body and body[0] is not node.body[0] else None
    begin = (before or _heading_end(node)) + 1
    return side.whole_lines(Lines(begin, node.end_lineno or begin))


def _heading_end(node: Definition) -> int:
    """Return the last line of a heading: the one before the first statement, comments between them left to the body."""
    places = [node.lineno]
    if isinstance(node, ast.ClassDef):
        places += [base.end_lineno or base.lineno for base in (*node.bases, *(word.value for word in node.keywords))]
    else:
        arguments = node.args
        named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        parts = [*named, *arguments.defaults, *arguments.kw_defaults, node.returns]
        places += [part.end_lineno or part.lineno for part in parts if part is not None]
    # A closing bracket on a line of its own, `) -> None:`, stands between what is named and the body.
    return max(places) if max(places) > node.lineno else node.lineno


def _additions(here: _Side, ours: Found, there: _Side, theirs: Found) -> list[_Edit]:
    """Return the edits that exchange the statements which add keys below the assignment."""
    mine = [_statement(here, added) for added in ours.additions]
    new = [_statement(there, added) for added in theirs.additions]
    texts = [there.text[slice(*span)] for span in new]
    if [here.text[slice(*span)] for span in mine] == texts:
        return []
    if there.newline != here.newline:
        texts = [re.sub(rb"\r\n|\r|\n", here.newline, text) for text in texts]
    assigned = _assignment(ours)
    if theirs.additions and assigned.col_offset != theirs.additions[0].node.col_offset:
        raise _Cannot("what is added below it is indented differently")
    end = here.start_of((assigned.end_lineno or assigned.lineno) + ours.place.shift + 1)
    removed = [_Edit(*span, b"") for span in mine]
    return [*removed, _Edit(end, end, b"".join(texts))] if texts else removed


def _statement(side: _Side, added: Addition) -> tuple[int, int]:
    """Return the whole lines of a statement that has them to itself."""
    lines = lines_of(added.node).shifted(added.shift)
    begin, end = side.whole_lines(lines)
    first, last = side.node(added.node, added.shift)
    rest = side.text[last:end].strip()
    if side.text[begin:first].strip() or (rest and not rest.startswith(b"#")):
        raise _Cannot("what is added below it shares a line with something else")
    return begin, end


def _assignment(found: Found) -> ast.stmt:
    value = _value(found)
    for spot in spots(found.place.body):
        if isinstance(spot.node, ast.Assign | ast.AnnAssign) and spot.node.value is value:
            return spot.node
    raise _Cannot("its assignment was not found")


# Ranges of lines are exchanged as lines; where the others stand afterwards nobody knows.
_FORMS_BY_TREE = ("assigned", "body")


def _beyond(into: bytes, content: bytes, taken: Sequence[str], regions: Sequence[Region]) -> tuple[str, str] | None:
    """Say what else than the `taken` regions would change, under the first of them."""
    if not taken:
        return None
    if isinstance(broken := parse(content), Broken):
        return taken[0], f"put in here it does not parse: {broken.why}"
    changed = judge_source(_pair(into, content), [one for one in regions if one.form in _FORMS_BY_TREE], {}, {})
    for item in changed.regions:
        if item.region not in taken:
            return taken[0], f"{item.region} would change with it"
    by_lines = any(region.form == "lines" for region in regions if region.name in taken)
    return (taken[0], changed.other[0].why) if changed.other and not by_lines else None


def _unlike(
    donor: bytes, content: bytes, wanted: Container[str], taken: Sequence[str], regions: Sequence[Region]
) -> tuple[str, str] | None:
    """Say which of the `wanted` regions would not say what the donor's does."""
    left = judge_source(_pair(donor, content), [one for one in regions if one.form in _FORMS_BY_TREE], {}, {})
    for item in left.regions:
        if item.region in wanted:
            read = "here it would say" if item.region in taken else "it reads the same and says"
            return item.region, f"{read} something else: names that it uses differ"
    return None


def _pair(old: bytes, new: bytes) -> FileChange:
    return FileChange(
        old_path="a.py", new_path="a.py", old_mode="100644", new_mode="100644", old=old, new=new, hunks=()
    )


def regions_to_take(regions: Iterable[Region], only: str) -> tuple[Region, ...]:
    """Return the regions that `--only` means: those of a kind, with what goes with it, or the one of that name."""
    known = tuple(regions)
    if only in {kind.value for kind in Kind}:
        return tuple(region for region in known if region.kind == Kind(only) or Kind(only) in region.also)
    return tuple(region for region in known if region.name == only)
