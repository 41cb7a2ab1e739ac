"""What does a change to a Python file mean: which of its regions changed, and what else did?"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from gitrelease.core.changes import Lines
from gitrelease.core.compare import Difference, differences
from gitrelease.core.contents import read
from gitrelease.core.diff import OUTSIDE, OtherChange, RegionChange
from gitrelease.core.filechange import FileChange, Findings
from gitrelease.core.kinds import Kind
from gitrelease.core.meaning import Meaning, meaning
from gitrelease.core.parsing import Broken, Source, parse_both
from gitrelease.core.regions import Region
from gitrelease.core.resolve import Found, mask, resolve
from gitrelease.core.scopes import Scopes
from gitrelease.core.shown import Shown
from gitrelease.core.syntax import same

Placed = Mapping[str, Lines]  # where regions of the form `lines` stand, by name


def judge_source(file: FileChange, regions: Sequence[Region], old_placed: Placed, new_placed: Placed) -> Findings:
    """Compare both sides of a Python file by structure. A side that is not there counts as empty."""
    whole = _one_sided(file)
    old, new = parse_both(file.old or b"", file.new or b"")
    broken = [
        file.other(f"{which}: {_say(side)}", _line(side) if side is old else None, _line(side) if side is new else None)
        for side, which in ((old, "did not parse before"), (new, "does not parse"))
        if isinstance(side, Broken)
    ]
    if isinstance(old, Broken) or isinstance(new, Broken):
        return Findings((), (*whole, *broken))
    judged = _Judged(file, regions, (old, new), (old_placed, new_placed))
    changed = judged.regions()
    if file.old is None:
        return Findings(changed, whole)
    # Whoever reads only the first reason reads the worst. Of a file that is gone the classes are worth naming; that
    # each function went with them is not.
    rest = () if file.new is None else (*judged.reasons(), *judged.outside())
    return Findings(changed, (*whole, *judged.lost_classes(), *rest))


def _one_sided(file: FileChange) -> tuple[OtherChange, ...]:
    if file.old is not None and file.new is not None:
        return ()
    return (file.other(f"{file.shown} was {'added' if file.old is None else 'removed'}"),)


def _say(broken: Broken) -> str:
    return broken.why if broken.line is None else f"line {broken.line}: {broken.why}"


def _line(broken: object) -> Lines | None:
    return Lines(broken.line, broken.line) if isinstance(broken, Broken) and broken.line else None


class _Judged:
    """Both sides of one file with their regions resolved."""

    def __init__(
        self, file: FileChange, regions: Sequence[Region], sides: tuple[Source, Source], placed: tuple[Placed, Placed]
    ) -> None:
        self.file, self.wanted, self.sides = file, regions, sides
        self.scopes = Scopes(sides[0]), Scopes(sides[1])
        self.old = resolve(self.scopes[0], regions, placed[0])
        self.new = resolve(self.scopes[1], regions, placed[1])
        self.meanings: dict[str, Meaning] = {}
        for region in regions:
            old, new = self.old.get(region.name), self.new.get(region.name)
            if (old is not None or new is not None) and self._differ(old, new):
                self.meanings[region.name] = meaning(
                    read(old, self.scopes[0]) if old else None, read(new, self.scopes[1]) if new else None
                )
        self.differences = differences(*sides, mask(self.old), mask(self.new))

    def _differ(self, old: Found | None, new: Found | None) -> bool:
        if old is None or new is None:
            return True
        if not same(_content(old), _content(new)) or old.ambiguous != new.ambiguous:
            return True
        # The same expression says something else when a literal that it names has changed.
        return _names_something(new) and read(old, self.scopes[0]) != read(new, self.scopes[1])

    def regions(self) -> tuple[RegionChange, ...]:
        """Return the regions that changed, in the order in which they were given."""
        changes = []
        for region in self.wanted:
            said = self.meanings.get(region.name)
            if said is not None:
                changes.append(
                    RegionChange(
                        region=region.name,
                        kind=Kind.MAJOR if said.why else region.kind,
                        file=self.file.shown,
                        old_lines=self._lines(self.old, region),
                        new_lines=self._lines(self.new, region),
                        added=said.added,
                        removed=said.removed,
                        changed=said.changed,
                        note=said.note,
                    )
                )
        return tuple(changes)

    @staticmethod
    def _lines(side: Mapping[str, Found], region: Region) -> Lines | None:
        return side[region.name].lines if region.name in side else None

    def reasons(self) -> tuple[OtherChange, ...]:
        """Return why regions as such make the change major: one is gone, or says what cannot be known."""
        reasons = []
        for region in self.wanted:
            lines = self._lines(self.old, region), self._lines(self.new, region)
            if lines[0] and not lines[1] and self._lost_class(region) is None:
                reasons.append(self.file.other(f"region {region.name} is gone{_from(region)}", *lines))
            said = self.meanings.get(region.name)
            if said is not None and said.why:
                reasons.append(self.file.other(f"region {region.name} {said.why}", *lines))
        return tuple(reasons)

    def _lost_class(self, region: Region) -> str | None:
        """Return the class that a region of the old side was in, when the new side has it no more."""
        name = (region.symbol or "").split(".")[0]
        return name if self.scopes[0].find(name) and not self.scopes[1].find(name) else None

    def lost_classes(self) -> tuple[OtherChange, ...]:
        """Return the classes that are gone, each with the regions that went with it."""
        gone: dict[str, list[str]] = {}
        for region in self.wanted:
            name = self._lost_class(region) if region.name in self.old and region.name not in self.new else None
            if name is not None:
                gone.setdefault(name, []).append(region.name)
        lost = [item for item in self.differences if _is_lost_class(item)]
        return tuple(self.file.other(_lost(item.name, gone.get(item.name, ())), item.old) for item in lost)

    def outside(self) -> tuple[OtherChange, ...]:
        """Return what else changed in the code around the regions."""
        found = [item for item in self.differences if not _is_lost_class(item)]
        shown = Shown(
            self.file.hunks,
            [span for item in self.old.values() for span in item.spans],
            [span for item in self.new.values() for span in item.spans],
        )
        grouped: dict[str, list[Difference]] = {}
        for difference in found:
            grouped.setdefault(_why(difference), []).append(difference)
        return tuple(self.file.other(why, *lines) for why, group in grouped.items() for lines in shown.places(group))


def _content(found: Found) -> list[object]:
    return [list(found.nodes), *([item.key, item.value] for item in found.additions)]


def _names_something(found: Found) -> bool:
    """Can the content depend on code outside of it? Field values are code by nature; there only names count."""
    if found.region.form == "body" or found.region.kind is Kind.SCHEMA:
        return False
    nodes = [*found.nodes, *(item.value for item in found.additions)]
    return any(isinstance(part, ast.Name) for node in nodes for part in ast.walk(node))


def _from(region: Region) -> str:
    where = region.symbol if region.assign else None
    return f" from {where}" if where else ""


def _is_lost_class(difference: Difference) -> bool:
    return difference.what == "removed" and difference.thing == "class"


def _lost(name: str, regions: Sequence[str]) -> str:
    word = "region" if len(regions) == 1 else "regions"
    return f"class {name} was removed" + (f", and with it the {word} {', '.join(regions)}" if regions else "")


def _why(difference: Difference) -> str:
    if difference.what == "changed":
        return f"{OUTSIDE}{difference.name or 'at the top level of the file'}"
    name = f"class {difference.name}" if difference.thing == "class" else difference.name
    return f"{name} was {difference.what}"
