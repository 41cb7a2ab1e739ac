"""What do the answers of a candidate mean beside the live release's, and what needs no app to be judged?

Values that came and went, fields that changed, fields that the export lacks; terms that are odd.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gitrelease.candidate import Candidate, allowed_losses, placed
from gitrelease.checks.findings import Facts, Findings, LiveSide
from gitrelease.checks.samples import Documents
from gitrelease.core.contents import literals
from gitrelease.core.diff import Diff
from gitrelease.core.exports import NotJson, parse_json
from gitrelease.core.history import Release
from gitrelease.core.kinds import Kind
from gitrelease.core.lint import lint_terms
from gitrelease.core.meaning import items_of
from gitrelease.core.outcome import Check
from gitrelease.core.replay import Difference, ReplayDiff, compare
from gitrelease.core.schemas import breaking, mismatches, named, retyped
from gitrelease.core.text import one_line
from gitrelease.core.verdict import FORGIVEN
from gitrelease.world import World


def beside_live(world: World, candidate: Candidate, diff: Diff, ours: Findings, live: LiveSide) -> Findings:
    """Add what only shows beside the live release: fields that changed, values that came and went."""
    if not (ours.answers or ours.facts):
        return ours
    began = time.monotonic()
    theirs = live.findings()
    comparable = theirs.answers and ours.answers and theirs.questions == ours.questions
    replay = compare(theirs.answers, ours.answers) if comparable else None
    checks = [check for check in ours.checks if replay is None or check.name != "replay" or check.status != "passed"]
    schema = {Kind.SCHEMA, Kind.MAJOR} & set(diff.kinds)
    types = retyped(theirs.facts, ours.facts) if schema else ()
    if schema and ours.facts:
        checks += _schema_checks(world, candidate, live.commit, ours.facts, theirs.facts, types)
    taken = breaking(diff)
    if taken:
        checks.append(
            Check(name="breaking", kind=Kind.SCHEMA.value, status="warned", detail=named(taken), absolute=True)
        )
    if replay is not None:
        checks.append(_replay_check(replay, time.monotonic() - began))
    return msgspec.structs.replace(ours, checks=tuple(checks), replay=replay, retyped=types)


def _schema_checks(
    world: World, candidate: Candidate, live: str, ours: Facts, theirs: Facts, types: Sequence[str]
) -> Iterator[Check]:
    """Yield what the fields that the code emits say about the export, and about who reads them."""
    differ = _mismatches(world, candidate.commit, ours)
    known = _mismatches(world, live, theirs)
    added = [item for item in differ if item not in known]
    strict = world.settings.policy[Kind.SCHEMA].strict
    status: Any = ("failed" if strict else "warned") if added else "warned" if differ else "passed"
    detail = named(added) if added else f"{FORGIVEN}{named(differ)}" if differ else ""
    yield Check(name="export and code", kind=Kind.SCHEMA.value, status=status, detail=detail, absolute=bool(added))
    yield Check(
        name="types of fields",
        kind=Kind.SCHEMA.value,
        status="warned" if types else "passed",
        detail=named(types),
        absolute=True,
    )


def _mismatches(world: World, commit: str, emitted: Facts) -> list[str]:
    content = world.git.blob(commit, world.settings.app.schema)
    if content is None:
        return []
    try:
        return [item.told for item in mismatches(parse_json(content), emitted)]
    except NotJson as error:
        return [f"{world.settings.app.schema} cannot be read: {error}"]


def _replay_check(replay: ReplayDiff, spent: float) -> Check:
    """Say what the sample documents showed; that values were lost is for whoever approves to weigh."""
    detail = "; ".join(filter(None, (replay.unread_told, replay.told)))
    if replay.broken:
        first = replay.broken[0]
        detail = f"{first.document} fails: {first.failed}; it does not on the live release"
    elif replay.late:
        count = f"{len(replay.late)} of {replay.documents + len(replay.late)}"
        detail = (
            f"there was no time for {count} documents that the live release has read ({one_line(replay.late[0], 60)})"
        )
        detail += "; try the same again when the host is less busy, or give it more: limits.checks"
    odd = replay.lost or replay.changed or replay.unread
    status: Any = "failed" if replay.broken else "unknown" if replay.late else "warned" if odd else "passed"
    return Check(
        name="replay", kind=Kind.PATTERN.value, status=status, detail=detail, seconds=round(spent, 3), absolute=True
    )


def unexplained_losses(
    world: World, live: Release | None, candidate: Candidate, findings: Findings
) -> tuple[Difference, ...]:
    """Return the values of the sample documents that are lost, and that no commit says may go."""
    if live is None or findings.replay is None or not findings.replay.lost:
        return ()
    return findings.replay.losses(allowed_losses(world.git, live.source, candidate.source))


# -- terms -----------------------------------------------------------------------------------------------------


def lints_of(
    world: World, candidate: Candidate, diff: Diff | None, live: str | None, documents: Documents
) -> tuple[Check, ...]:
    """Return a check for each dictionary region that got terms."""
    regions = diff.regions if diff else ()
    changed = [region.region for region in regions if region.kind is Kind.DICTIONARY and region.added]
    if not changed or live is None:
        return ()
    old, new = (_terms(world, commit, changed) for commit in (live, candidate.commit))
    lines = [line for text in documents.texts() for line in text.splitlines()]
    return tuple(_lint(name, lint_terms(old.get(name, ()), new.get(name, ()), lines)) for name in changed)


def _lint(name: str, warnings: Sequence[str]) -> Check:
    return Check(
        name=f"lint {name}",
        kind=Kind.DICTIONARY.value,
        status="warned" if warnings else "passed",
        detail="; ".join(warnings),
        absolute=True,
    )


def _terms(world: World, commit: str, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for path in world.settings.region_files:
        there = [region for region in world.settings.regions_of(path) if region.name in names]
        source = (world.git.blob(commit, path) or b"") if there else b""
        for name, value in literals(source, there, lines=placed(world, commit)).items():
            found[name] = tuple(items_of(value))
    return found
