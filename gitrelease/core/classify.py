"""What does a change mean: of which kind is it, which regions does it touch, and what lies outside of them?

Regions are resolved on both sides and compared one by one; a placeholder stands in for each while the rest is compared
by structure. What is left over is `major`. So nothing depends on how a diff happens to align its hunks: its lines are
only what people are shown. A file is judged by the first row of `RULES` that applies; the last one is the cautious one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from gitrelease.core.changes import Lines
from gitrelease.core.diff import Diff, OtherChange, RegionChange
from gitrelease.core.documents import is_document
from gitrelease.core.filechange import FileChange, Findings
from gitrelease.core.kinds import Kind, highest, ordered
from gitrelease.core.parsing import uncollected
from gitrelease.core.regions import Region
from gitrelease.core.sources import judge_source
from gitrelease.core.wholefile import judge_whole_file

__all__ = ["RULES", "Diff", "FileChange", "OtherChange", "RegionChange", "classify", "is_document"]


class App(NamedTuple):
    """What the rules know of the app."""

    script: str
    regions: Sequence[Region]
    old_placed: Mapping[str, Lines]
    new_placed: Mapping[str, Lines]

    def regions_in(self, path: str) -> list[Region]:
        """Return the regions that are parts of a file."""
        return [one for one in self.regions if one.form != "file" and (one.file or self.script) == path]

    def whole_region(self, path: str) -> Region | None:
        """Return the region that a file is as a whole."""
        return next((one for one in self.regions if one.form == "file" and one.file == path), None)


def classify(
    changes: Iterable[FileChange],
    regions: Iterable[Region],
    *,
    script: str,
    schema: str | None = None,
    old_placed: Mapping[str, Lines] | None = None,
    new_placed: Mapping[str, Lines] | None = None,
) -> Diff:
    """Say what the changes of some files mean together.

    `schema` is the path of the schema export, which is a region as a whole whether `regions` says so or not.
    `old_placed` and `new_placed` say where regions given as `lines` and `at` stand on each side, by name, as
    `changes.follow_file` finds out; one that is in neither does not exist, so that what it would cover is `major`.
    """
    app = App(script, _with_export(regions, schema), old_placed or {}, new_placed or {})
    with uncollected():
        findings = [_judge(change, app) for change in changes]
    changed = tuple(region for found in findings for region in found.regions)
    other = tuple(item for found in findings for item in found.other)
    kinds = ordered([*(region.kind for region in changed), *([Kind.MAJOR] if other else [])]) or (Kind.NONE,)
    return Diff(kind=highest(kinds), kinds=kinds, regions=changed, other=other)


def _with_export(regions: Iterable[Region], schema: str | None) -> tuple[Region, ...]:
    known = tuple(regions)
    if schema is None or any(one.form == "file" and one.file == schema for one in known):
        return known
    return (*known, Region(name="schema_export", kind=Kind.SCHEMA, file=schema))


# -- what a file is, and who judges it ------------------------------------------------------------------------------

_ABSENT = "000000"
_REGULAR = ("100644", "100755", _ABSENT)
_SUBMODULE = "160000"


def _is_unchanged(file: FileChange, _: App) -> bool:
    known = file.old is not None and file.old == file.new
    return known and file.old_path == file.new_path and file.old_mode == file.new_mode


def _holds_documents(file: FileChange, _: App) -> bool:
    paths = [path for path in (file.old_path, file.new_path) if path is not None]
    return all(is_document(path) for path in paths)


def _is_special(file: FileChange, _: App) -> bool:
    return file.old_mode not in _REGULAR or file.new_mode not in _REGULAR


def _has_moved(file: FileChange, _: App) -> bool:
    return file.old_path is not None and file.new_path is not None and file.old_path != file.new_path


def _cannot_be_read(file: FileChange, _: App) -> bool:
    return (file.old_path is not None and file.old is None) or (file.new_path is not None and file.new is None)


def _is_whole_region(file: FileChange, app: App) -> bool:
    return app.whole_region(file.path) is not None


def _is_source(file: FileChange, app: App) -> bool:
    return file.path == app.script or file.path.endswith((".py", ".pyw"))


def _always(_: FileChange, __: App) -> bool:
    return True


def _nothing(_: FileChange, __: App) -> Findings:
    return Findings()


def _special(file: FileChange, _: App) -> Findings:
    what = "a submodule" if _SUBMODULE in (file.old_mode, file.new_mode) else "a link"
    return Findings(other=(file.other(f"{file.shown} is or was {what}"),))


def _moved(file: FileChange, app: App) -> Findings:
    """Judge a move as what it is to the app: one file went, another came."""
    went = msgspec.structs.replace(file, new_path=None, new=None, new_mode=_ABSENT)
    came = msgspec.structs.replace(file, old_path=None, old=None, old_mode=_ABSENT)
    parts = _judge(went, app), _judge(came, app)
    return Findings((*parts[0].regions, *parts[1].regions), (*parts[0].other, *parts[1].other))


def _unread(file: FileChange, _: App) -> Findings:
    return Findings(other=(file.other(f"{file.shown}: its content is not there to be read, or far too large"),))


def _whole(file: FileChange, app: App) -> Findings:
    region = app.whole_region(file.path)
    return judge_whole_file(file, region) if region else Findings()


def _source(file: FileChange, app: App) -> Findings:
    return judge_source(file, app.regions_in(file.path), app.old_placed, app.new_placed)


def _unknown(file: FileChange, _: App) -> Findings:
    what = "added" if file.old is None else "removed" if file.new is None else "changed"
    pieces = [(hunk.old, hunk.new) for hunk in file.hunks] if what == "changed" else []
    why = f"{file.shown} was {what}"
    return Findings(other=tuple(file.other(why, *piece) for piece in pieces or [(None, None)]))


class Rule(NamedTuple):
    """A row: a file to which it applies is judged by it, and by no row below."""

    name: str
    applies: Callable[[FileChange, App], bool]
    judge: Callable[[FileChange, App], Findings]


RULES: tuple[Rule, ...] = (
    Rule("nothing changed", _is_unchanged, _nothing),
    Rule("documents", _holds_documents, _nothing),
    Rule("links and submodules", _is_special, _special),
    Rule("a file that moved", _has_moved, _moved),
    Rule("no content", _cannot_be_read, _unread),
    Rule("a file that is a region", _is_whole_region, _whole),
    Rule("Python", _is_source, _source),
    Rule("anything else", _always, _unknown),
)


def _judge(file: FileChange, app: App) -> Findings:
    rule = next(rule for rule in RULES if rule.applies(file, app))
    findings = rule.judge(file, app)
    if rule.judge in (_nothing, _special, _moved) or file.old_mode == file.new_mode:
        return findings
    if _ABSENT in (file.old_mode, file.new_mode):
        return findings
    if file.old == file.new:  # nothing but the mode
        findings = Findings()
    mode = file.other(f"{file.shown}: mode changed from {file.old_mode} to {file.new_mode}")
    return Findings(findings.regions, (*findings.other, mode))
