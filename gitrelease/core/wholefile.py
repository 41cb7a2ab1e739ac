"""What does a change to a file mean that is a region as a whole, such as the schema export?"""

from __future__ import annotations

import json
from collections.abc import Callable

from gitrelease.core.diff import RegionChange
from gitrelease.core.exports import VERSIONS, NotJson, fields, is_raised, parse_json, value_at
from gitrelease.core.filechange import FileChange, Findings
from gitrelease.core.kinds import Kind
from gitrelease.core.meaning import NOT_UNDERSTOOD, Meaning, between, items_of
from gitrelease.core.regions import Region


def judge_whole_file(file: FileChange, region: Region) -> Findings:
    """Compare a file by what it says: JSON by its fields or items, text by its lines."""
    if file.path.lower().endswith(".json") or region.kind is Kind.SCHEMA:
        findings = _judge_json(file, region)
    else:
        findings = _judge_text(file, region)
    if file.new is None:
        gone = file.other(f"region {region.name} is gone: {file.shown} was removed")
        return Findings(findings.regions, (gone, *findings.other))
    return findings


def _judge_json(file: FileChange, region: Region) -> Findings:
    try:
        old = None if file.old is None else parse_json(file.old)
    except NotJson as error:
        return _broken(file, region, f"{file.shown} was not JSON before: {error}")
    try:
        new = None if file.new is None else parse_json(file.new)
    except NotJson as error:
        return _broken(file, region, f"{file.shown} is not JSON: {error}")
    if file.old is not None and file.new is not None and _canonical(old) == _canonical(new):
        return Findings()
    read: Callable[[object], dict[str, object]] = _declared if region.kind is Kind.SCHEMA else items_of
    before = {} if file.old is None else read(old)
    after = {} if file.new is None else read(new)
    if region.kind is Kind.SCHEMA:
        _tell_raised_versions(old, new, before, after)
    return Findings((_changed(file, region, between(before, after)),))


def _tell_raised_versions(old: object, new: object, before: dict[str, object], after: dict[str, object]) -> None:
    """Let a version that was raised within its major number be something new: it takes nothing from who reads."""
    for name in before.keys() & after.keys():
        versions = value_at(old, name), value_at(new, name)
        if name.rpartition(".")[2] in VERSIONS and is_raised(*versions):
            del before[name], after[name]
            after[f"{name} {versions[1]}"] = ""


def _declared(document: object) -> dict[str, object]:
    return dict(fields(document))


def _canonical(document: object) -> str:
    return json.dumps(document, sort_keys=True)


def _judge_text(file: FileChange, region: Region) -> Findings:
    old, new = _lines(file.old), _lines(file.new)
    if isinstance(old, UnicodeDecodeError) or isinstance(new, UnicodeDecodeError):
        return Findings((_changed(file, region, Meaning(note=f"{NOT_UNDERSTOOD}: is not UTF-8")),))
    if file.old is not None and file.new is not None and old == new:
        return Findings()
    return Findings((_changed(file, region, between(items_of(old), items_of(new))),))


def _lines(content: bytes | None) -> list[str] | UnicodeDecodeError:
    try:
        text = (content or b"").decode()
    except UnicodeDecodeError as error:
        return error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _broken(file: FileChange, region: Region, why: str) -> Findings:
    note = Meaning(note=NOT_UNDERSTOOD, why=why)
    return Findings((_changed(file, region, note),), (file.other(why),))


def _changed(file: FileChange, region: Region, meaning: Meaning) -> RegionChange:
    return RegionChange(
        region=region.name,
        kind=Kind.MAJOR if meaning.why else region.kind,
        file=file.shown,
        old_lines=file.old_lines,
        new_lines=file.new_lines,
        added=meaning.added,
        removed=meaning.removed,
        changed=meaning.changed,
        note=meaning.note,
    )
