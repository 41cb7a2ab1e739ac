"""What is asked of a candidate in the app's own interpreter?

The contract, the checks of what a change adds, the repository's own checks and the replay of sample documents run in
one process, which imports the app once, while the app itself is started; patterns that are new are timed in a second
one. Odd terms are looked for meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from gitrelease.candidate import Candidate, placed
from gitrelease.checks.findings import Findings
from gitrelease.checks.judging import lints_of
from gitrelease.checks.samples import Documents, documents_of, is_findoc, replay_spec
from gitrelease.core.contents import patterns_of
from gitrelease.core.diff import Diff
from gitrelease.core.kinds import Kind
from gitrelease.core.outcome import Check
from gitrelease.core.settings import seconds
from gitrelease.edges import inside
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.inside import Inside
from gitrelease.edges.slots import Slot
from gitrelease.profiles import findoc
from gitrelease.world import World

PATTERN_SECONDS = 2.0  # of the processor, for each new pattern,
PATTERNS_SECONDS = 8.0  # and for all of them
OUTPUT_MB = 64


def has_contract(world: World, revision: str) -> bool:
    """Is there anything that the app must answer? A plain command is only imported where something is asked of it."""
    wanted = world.settings.contract
    if world.settings.app.kind == "streamlit" or wanted.classes or wanted.documents:
        return True
    return world.git.entry(revision, inside.OWN_CHECKS) is not None


@dataclass
class Asked:
    """Processes that are at work on a candidate."""

    world: World
    questions: str
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
                return Findings((*patterns, *self.lints.result()), questions=self.questions)
        else:
            patterns = ()
        finished = self.contract.wait(deadline, cancel)
        said = inside.contract_results(self.contract, finished=finished)
        answers = inside.replay_results(self.contract)
        checks = self._with_limits(said, finished=finished)
        return Findings((*checks, *patterns, *self.lints.result()), said.facts, answers, self.questions)

    def _with_limits(self, said: inside.Said, *, finished: bool) -> tuple[Check, ...]:
        """Name the limit with the check that did not return within it, the last one, and where memory was too short."""
        limits = dict.fromkeys(said.short, "checks_memory_mb")
        if not finished:
            limits[len(said.checks) - 1] = "checks"
        return tuple(
            msgspec.structs.replace(check, detail=f"{check.detail} ({self.world.limit_told(limits[place])})")
            if place in limits
            else check
            for place, check in enumerate(said.checks)
        )

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
        own = own_checks(world, judged_by or candidate.commit)
        patterns = _patterns(world, candidate.commit)
        added = _added(patterns, _patterns(world, judged_by)) if judged_by and _changes_patterns(diff) else []
        change = None if diff is None else _change(diff, added, documents)
        contract = stack.enter_context(
            inside.contract(
                world.python,
                home=world.home.root,
                slot=slot.path,
                spec=_spec(world, change, patterns, own=own),
                replay=replay_spec(world, documents),
            )
        )
        backtracking = None
        if added:
            each = min(PATTERN_SECONDS, PATTERNS_SECONDS / len(added))
            backtracking = stack.enter_context(
                inside.backtracking(world.python, home=world.home.root, cwd=slot.path, patterns=added, seconds=each)
            )
        beside = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        lints = beside.submit(lints_of, world, candidate, diff, judged_by, documents)
        yield Asked(world, _key(world, documents, own), contract, backtracking, lints)


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


def questions(world: World, revision: str) -> str:
    """Return a key of all that is asked of a candidate while `revision` is live; empty when it is not even imported."""
    if not has_contract(world, revision):
        return ""
    with documents_of(world, revision) as documents:
        return _key(world, documents, own_checks(world, revision))


def _key(world: World, documents: Documents, own: str | None) -> str:
    settings = world.settings
    asked_for = (documents.key, own, settings.contract, settings.regions, settings.app.script, settings.app.schema)
    return hashlib.sha1(msgspec.json.encode(asked_for), usedforsecurity=False).hexdigest()


# -- patterns ------------------------------------------------------------------------------------------------


def _patterns(world: World, revision: str) -> tuple[tuple[str, str], ...]:
    source = world.git.blob(revision, world.settings.app.script) or b""
    return patterns_of(source, world.settings.regions_of(world.settings.app.script), lines=placed(world, revision))


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
