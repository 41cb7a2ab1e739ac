"""How is only a part of a release taken back? Its regions as an older release has them, in a commit of their own.

The commit goes on top of the deploy branch and is released like any other: the regions are the older release's, every
other byte is as it was.
"""

from __future__ import annotations

import difflib
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from gitrelease.candidate import Candidate, compose, placed
from gitrelease.checks.staging import Report
from gitrelease.core.changes import Lines
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.history import Release, nothing_live
from gitrelease.core.kinds import Kind
from gitrelease.core.outcome import Outcome
from gitrelease.core.regions import Region
from gitrelease.core.splice import Refused, regions_to_take, splice
from gitrelease.core.text import one_line, quoted, short
from gitrelease.edges import records
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.checkout import identity_env
from gitrelease.edges.faults import passing
from gitrelease.edges.git import GitError
from gitrelease.edges.records import Records
from gitrelease.release.going_back import target_of_rollback
from gitrelease.release.preparing import prepare
from gitrelease.release.production import Production
from gitrelease.release.promotion import promote
from gitrelease.world import World


def take_back(
    production: Production,
    known: Records,
    target: Release,
    only: str,
    *,
    reason: str,
    by: str,
    cancel: Cancel,
    report: Report,
) -> Outcome:
    """Release the live release with the regions that `only` means as `target` has them; the checks run as for any."""
    world, live = production.world, known.live
    part = part_of(world, known, target, only)
    if part is None:
        why = equal_there(world, known, target, only)
        return Outcome(outcome="unchanged", release=live.name if live else None, kind=Kind.NONE, reason=why)
    candidate = candidate_of(world, known, part, by=by, reason=reason)
    passing("part: committed")
    # The one who goes back has decided: what is lost is told, and refuses nothing.
    prepared = prepare(
        production, known, candidate, approved=True, explicit=True, by_hand=True, cancel=cancel, report=report
    )
    if isinstance(prepared, Outcome):
        return prepared
    outcome = promote(production, prepared, report=report)
    if outcome.outcome != "released":
        return outcome
    told = f"{outcome.reason}, as in {target.name}"
    return msgspec.structs.replace(outcome, outcome="rolled_back", reason=told, regions=part.taken)


@dataclass(frozen=True)
class Part:
    """What of the live release becomes as it was in `target`: new contents by path, and the names of the regions."""

    target: Release
    base: str  # the commit that it goes on top of
    old: dict[str, bytes]
    new: dict[str, bytes | None]
    taken: tuple[str, ...]

    def diff(self) -> str:
        """Return the change as a unified diff."""
        lines: list[str] = []
        for path, content in self.new.items():
            before, after = _lines(self.old[path]), _lines(content or b"")
            lines += difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", n=1)
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _lines(content: bytes) -> list[str]:
    return list(io.StringIO(content.decode(errors="replace"), newline="\n"))  # a form feed ends no line for git


def target_of_part(world: World, known: Records, name: str | None, only: str) -> Release | None:
    """Return the release that `--only` takes from: a named one, else where a plain rollback would go.

    What was taken back already stays so: where live's commit says from which release it has those regions, that
    release is meant again, and there is nothing to do.
    """
    wanted = {region.name for region in wanted_regions(world, only)}
    target = target_of_rollback(world, known, name)
    if name is not None or known.live is None:
        return target
    trailers = world.git.lines("show", "-s", "--format=%(trailers:only,unfold)", known.live.source)
    components = {line.removeprefix("Component: ") for line in trailers if line.startswith("Component: ")}
    taken_from = [line.removeprefix("Taken-From: ") for line in trailers if line.startswith("Taken-From: ")]
    return known.release(taken_from[-1]) or target if taken_from and wanted & components else target


def wanted_regions(world: World, only: str) -> tuple[Region, ...]:
    """Return the regions that `--only` means; `ReleaseError` when there are none of that name or kind."""
    wanted = regions_to_take(world.settings.regions, only)
    if not wanted:
        names = ", ".join(region.name for region in world.settings.regions)
        raise ReleaseError(
            f"there is no kind and no region {only!r}",
            hint=f"Kinds are dictionary, pattern, schema; regions are {one_line(names, 400) or 'not set'}",
            code=Exit.USAGE,
        )
    return wanted


def part_of(world: World, known: Records, target: Release, only: str) -> Part | None:
    """Return what `--only` would take back from `target`; None when all of it is the same there.

    `ReleaseError` when there is no such region, or when one cannot be taken over alone.
    """
    live = known.live
    if live is None:
        raise nothing_live()
    wanted = wanted_regions(world, only)
    head = world.git.ref(world.settings.branch_ref)
    base = head if head and _runs_the_same(world, head, live) else live.source
    old: dict[str, bytes] = {}
    new: dict[str, bytes | None] = {}
    taken: list[str] = []
    file_of = world.settings.file_of
    for path in dict.fromkeys(map(file_of, wanted)):
        here, there = world.git.blob(live.commit, path), world.git.blob(target.commit, path)
        if here == there:
            continue
        old[path] = here or b""
        there_regions = [region for region in wanted if file_of(region) == path]
        whole = [region.name for region in there_regions if region.form == "file"]
        if whole:
            new[path] = there
            taken += whole
            continue
        content, spliced = _spliced(world, live, target, path, there_regions, (here, there))
        if spliced:
            new[path] = content
            taken += spliced
    return Part(target, base, old, new, tuple(taken)) if taken else None


def _runs_the_same(world: World, head: str, live: Release) -> bool:
    """Is the head of the branch what is live, but for documents?"""
    if head == live.source:
        return True
    keys = {records.content_key(world.git, commit) for commit in (head, live.source)}
    return len(keys) == 1 and world.git.is_ancestor(live.source, head)


def _spliced(
    world: World,
    live: Release,
    target: Release,
    path: str,
    wanted: Sequence[Region],
    sides: tuple[bytes | None, bytes | None],
) -> tuple[bytes, tuple[str, ...]]:
    here, there = sides
    as_a_whole = f"gitrelease rollback {target.name}{world.within}"
    if here is None or there is None:
        gone = live.name if here is None else target.name
        raise ReleaseError(f"{path} is not in {gone}", hint=f"Go back as a whole: {as_a_whole}", code=Exit.REFUSED)
    result = splice(
        here,
        there,
        wanted,
        world.settings.regions_of(path),
        into_placed=placed(world, live.commit),
        donor_placed=placed(world, target.commit),
    )
    if isinstance(result, Refused):
        shown = f"{live.name}: {_excerpt(here, result.here)}; {target.name}: {_excerpt(there, result.there)}"
        raise ReleaseError(
            f"{result.region} cannot be taken back alone: {result.why} ({shown})",
            hint=f"See both: git diff {live.name} {target.name} -- {quoted(path)}; mend it, or: {as_a_whole}",
            code=Exit.REFUSED,
        )
    return result.content, result.taken


def _excerpt(content: bytes, span: Lines | None) -> str:
    """Return where a region stands and how it begins, on one line."""
    if span is None:
        return "it is not there"
    lines = _lines(content)[span.first - 1 : span.last]
    return f"lines {span.first}-{span.last}, {one_line(' '.join(''.join(lines).split()), 120)}"


def newest_that_differs(world: World, known: Records, only: str, *, before: Release) -> Release | None:
    """Return the newest release older than `before` in which what `only` means is different from what is live."""
    for release in known.releases.newest(below=before.number, without=known.bad):
        try:
            part = part_of(world, known, release, only)
        except GitError:
            raise
        except ReleaseError:
            continue  # it cannot be spliced from there
        if part is not None:
            return release
    return None


def candidate_of(world: World, known: Records, part: Part, *, by: str, reason: str) -> Candidate:
    """Commit the part on top of the branch, and return it as a candidate; no ref is moved yet."""
    git, live = world.git, known.live
    schema = world.settings.app.schema
    entries: dict[str, tuple[str, str] | None] = {}
    carried_from = live.commit if live else None
    for path, content in part.new.items():
        tracked = git.entry(part.base, path)
        if path == schema and tracked is None:
            carried_from = part.target.commit  # git ignores it: it comes back as it came, carried
        elif content is None:
            entries[path] = None
        else:
            mode = tracked.mode if tracked else "100644"
            entries[path] = (mode, git.text("hash-object", "-w", "--stdin", stdin=content))
    tree = git.tree_with(part.base, entries) if entries else git.tree_of(part.base)
    name, address = world.checkout.identity()
    now = time.time()
    source = git.commit_tree(
        tree,
        parents=[part.base],
        message="\n".join(_message(live, part, reason)) + "\n",
        env=identity_env(name, address, now),
    )
    commit = compose(world, source, carried_from=carried_from)
    return Candidate(
        commit=commit,
        source=source,
        key=records.content_key(git, commit),
        trigger="shell",
        by=by,
        reason=reason,
        at=now,
        made_here=True,
    )


def _message(live: Release | None, part: Part, reason: str) -> Iterator[str]:
    yield f"Take {', '.join(part.taken)} back to {part.target.name}"
    yield ""
    if reason:
        yield one_line(reason, 500)
        yield ""
    yield f"Rollback-Of: {live.name if live else ''}"
    yield f"Taken-From: {part.target.name}"
    for name in part.taken:
        yield f"Component: {name}"


def equal_there(world: World, known: Records, target: Release, only: str) -> str:
    """Say that there is nothing to take back, and which release is different."""
    other = newest_that_differs(world, known, only, before=target)
    what = f"{only} is the same in {target.name}" + (f" ({short(target.commit)})" if other is None else "")
    if other is None:
        return f"{what}, and in every release that it could be taken from"
    there = f"gitrelease rollback {other.name} --only {quoted(only)}{world.within}"
    return f"{what}; the newest one that differs is {other.name}: {there}"
