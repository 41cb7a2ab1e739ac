"""What is asked of a candidate in the app's own interpreter, and what do the answers mean beside the live release's?

The contract, the checks of what a change adds, the repository's own checks and the replay of sample documents run in
one process, which imports the app once, while the app itself is started; patterns that are new are timed in a second
one. What needs no app (terms that are odd, fields that the export lacks) is judged here.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from gitrelease.candidate import Candidate, placed
from gitrelease.core.contents import literals, patterns_of
from gitrelease.core.diff import Diff
from gitrelease.core.exports import NotJson, parse_json
from gitrelease.core.kinds import Kind
from gitrelease.core.lint import lint_terms
from gitrelease.core.meaning import items_of
from gitrelease.core.outcome import Check
from gitrelease.core.replay import Answer, ReplayDiff, compare
from gitrelease.core.schemas import breaking, mismatches, named, retyped
from gitrelease.core.settings import DEFAULT_SCRIPT, seconds
from gitrelease.core.verdict import FORGIVEN
from gitrelease.edges import inside
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.inside import Inside
from gitrelease.edges.slots import Slot
from gitrelease.profiles import findoc
from gitrelease.world import World

PATTERN_SECONDS = 2.0  # of the processor, for each new pattern
OUTPUT_MB = 64

Facts = Mapping[str, Mapping[str, str]]


class Findings(msgspec.Struct, frozen=True):
    """What was found out about a candidate: checks, the fields it emits, what it makes of the sample documents.

    `documents` names those documents; `replay` says what is different on the live release, where there is one.
    """

    checks: tuple[Check, ...] = ()
    facts: dict[str, dict[str, str]] = {}
    answers: dict[str, Answer] = {}
    documents: str = ""
    replay: ReplayDiff | None = None
    retyped: tuple[str, ...] = ()  # fields that are emitted with another type than by the live release


class LiveSide(Protocol):
    """What the same questions gave for the release that is live."""

    @property
    def commit(self) -> str: ...

    def findings(self) -> Findings: ...


def has_contract(world: World, revision: str) -> bool:
    """Is there anything that the app must answer? A plain command is only imported where something is asked of it."""
    wanted = world.settings.contract
    if world.settings.app.kind == "streamlit" or wanted.classes or wanted.documents:
        return True
    return world.git.entry(revision, inside.OWN_CHECKS) is not None


def is_findoc(world: World) -> bool:
    """Does the built-in profile hold?"""
    return world.settings.app.script.rpartition("/")[2] == DEFAULT_SCRIPT


@dataclass
class Asked:
    """Processes that are at work on a candidate."""

    world: World
    documents: str
    contract: Inside
    backtracking: Inside | None
    lints: Future[tuple[Check, ...]]

    @property
    def alarms(self) -> tuple[int, ...]:
        """Return the handles that become readable when it may be settled already that the candidate is unfit."""
        return (self.backtracking.handle,) if self.backtracking is not None else ()

    def is_slow(self) -> bool:
        """Has a pattern been found that takes for ever? The app would hang over it, and so would every other check."""
        return any(check.status == "failed" for check in self._patterns(finished=True))

    def collect(self, cancel: Cancel) -> Findings:
        """Wait for the answers, for as long as checks may take; once a pattern is too slow, for nothing more."""
        deadline = self.contract.started + seconds(self.world.settings.limits.checks)
        if self.backtracking is not None:
            finished = self.backtracking.wait(deadline, cancel)
            patterns = self._patterns(finished=finished)
            if any(check.status == "failed" for check in patterns):
                return Findings((*patterns, *self.lints.result()), documents=self.documents)
        else:
            patterns = ()
        said = inside.contract_results(self.contract, finished=self.contract.wait(deadline, cancel))
        answers = inside.replay_results(self.contract)
        return Findings((*said.checks, *patterns, *self.lints.result()), said.facts, answers, self.documents)

    def _patterns(self, *, finished: bool) -> tuple[Check, ...]:
        if self.backtracking is None:
            return ()
        return inside.backtracking_results(self.backtracking, finished=finished)


@contextlib.contextmanager
def asked(
    world: World, slot: Slot, candidate: Candidate, diff: Diff | None, *, judged_by: str | None
) -> Iterator[Asked]:
    """Start the checks for the files in `slot`; `judged_by` is the live release, whose own check file counts."""
    with contextlib.ExitStack() as stack:
        documents = stack.enter_context(documents_of(world, judged_by or candidate.commit))
        patterns = _patterns(world, candidate.commit)
        added = _added(patterns, _patterns(world, judged_by)) if judged_by and _changes_patterns(diff) else []
        change = None if diff is None else _change(diff, added, documents)
        contract = stack.enter_context(
            inside.contract(
                world.python,
                home=world.home.root,
                slot=slot.path,
                spec=_spec(world, change, patterns, own=own_checks(world, judged_by or candidate.commit)),
                replay=replay_spec(world, documents),
            )
        )
        backtracking = None
        if added:
            backtracking = stack.enter_context(
                inside.backtracking(
                    world.python, home=world.home.root, cwd=slot.path, patterns=added, seconds=PATTERN_SECONDS
                )
            )
        beside = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        lints = beside.submit(_lints, world, candidate, diff, judged_by, documents)
        yield Asked(world, documents.key, contract, backtracking, lints)


def _spec(
    world: World, change: dict[str, Any] | None, patterns: Sequence[tuple[str, str]], *, own: str | None
) -> dict[str, Any]:
    contract, limits = world.settings.contract, world.settings.limits
    profile = is_findoc(world)
    return {
        "script": str(world.settings.app.script),
        "classes": contract.classes if contract.classes is not None else findoc.CLASSES if profile else (),
        "checks": [str(path) for path in findoc.CHECK_FILES] if profile else [],
        "patterns": _by_name(patterns),
        "change": change,
        "own": own,
        "limits": {
            "cpu": int(seconds(limits.checks)) + 1,
            "memory_mb": limits.checks_memory_mb,
            "output_mb": OUTPUT_MB,
        },
    }


def _change(diff: Diff, patterns: Sequence[tuple[str, str]], documents: Documents) -> dict[str, Any]:
    """Return what a change is, for the checks of what it adds."""
    return {
        "kinds": [kind.value for kind in diff.kinds],
        "patterns": patterns,
        "documents": [str(folder) for folder in documents.folders],
        "regions": [
            {
                "region": region.region,
                "kind": region.kind.value,
                "added": list(region.added),
                "removed": list(region.removed),
            }
            for region in diff.regions
        ],
    }


def own_checks(world: World, revision: str) -> str | None:
    """Return the repository's own check file as it is in `revision`."""
    content = world.git.blob(revision, inside.OWN_CHECKS)
    return None if content is None else content.decode(errors="replace")


# -- patterns ------------------------------------------------------------------------------------------------


def _patterns(world: World, revision: str) -> tuple[tuple[str, str], ...]:
    source = world.git.blob(revision, world.settings.app.script) or b""
    return patterns_of(source, world.settings.regions, lines=placed(world, revision))


def _by_name(patterns: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return one row a name, with all of its patterns: what is broken is named once."""
    rows: dict[str, list[str]] = {}
    for name, pattern in patterns:
        rows.setdefault(name, [name]).append(pattern)
    return list(rows.values())


def _changes_patterns(diff: Diff | None) -> bool:
    return diff is not None and bool({Kind.PATTERN, Kind.MAJOR} & set(diff.kinds))


def _added(new: Sequence[tuple[str, str]], old: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    known = {pattern for _, pattern in old}
    return [(name, pattern) for name, pattern in new if pattern not in known]


# -- sample documents ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Documents:
    """Folders of sample documents; `key` changes when anything in them, or how they are replayed, does."""

    folders: tuple[Path, ...]
    key: str

    def texts(self) -> Iterator[str]:
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in (".txt", ".csv", ".md"):
                    yield path.read_text(errors="replace")


@contextlib.contextmanager
def documents_of(world: World, revision: str) -> Iterator[Documents]:
    """Lay out the sample documents: the profile's, and those that the repository has in `revision`."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        folders = [findoc.DOCUMENTS] if is_findoc(world) else []
        wanted = tuple(f"{folder.strip('/')}/" for folder in world.settings.contract.documents)
        if wanted:
            own = Path(scratch)
            folders.append(own)
            entries = [entry for entry in world.git.list_tree(revision) if entry.path.startswith(wanted)]
            contents = world.git.blobs([entry.id for entry in entries if entry.kind == "blob"])
            for entry in entries:
                if entry.id in contents:
                    path = own / entry.path
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(contents[entry.id])
        yield Documents(tuple(folders), _key([*folders, findoc.REPLAY]))


def _key(places: Iterable[Path]) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file():
                digest.update(path.name.encode(errors="surrogateescape") + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def replay_spec(world: World, documents: Documents) -> dict[str, Any] | None:
    if not (is_findoc(world) and documents.folders):
        return None
    return {"module": str(findoc.REPLAY), "documents": [str(folder) for folder in documents.folders]}


# -- beside the live release -----------------------------------------------------------------------------------


def beside_live(world: World, candidate: Candidate, diff: Diff, ours: Findings, live: LiveSide) -> Findings:
    """Add what only shows beside the live release: fields that changed, values that came and went."""
    if not (ours.answers or ours.facts):
        return ours
    began = time.monotonic()
    theirs = live.findings()
    comparable = theirs.answers and ours.answers and theirs.documents == ours.documents
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


def _lints(
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
    regions = [region for region in world.settings.regions if region.name in names]
    found: dict[str, tuple[str, ...]] = {}
    for path in {region.file or world.settings.app.script for region in regions}:
        source = world.git.blob(commit, path) or b""
        there = [region for region in regions if (region.file or world.settings.app.script) == path]
        for name, value in literals(source, there, lines=placed(world, commit)).items():
            found[name] = tuple(items_of(value))
    return found


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
    detail = replay.told
    if replay.broken:
        first = replay.broken[0]
        detail = f"{first.document} fails: {first.failed}; it does not on the live release"
    status: Any = "failed" if replay.broken else "warned" if replay.lost or replay.changed else "passed"
    return Check(
        name="replay", kind=Kind.PATTERN.value, status=status, detail=detail, seconds=round(spent, 3), absolute=True
    )
