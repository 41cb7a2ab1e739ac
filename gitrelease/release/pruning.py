"""How are old releases dropped, with all that only they need? Refs first, in one transaction, then what is derived."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import msgspec

from gitrelease.checks.baseline import drop_baselines
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.events import Pruned
from gitrelease.core.history import Release
from gitrelease.core.memory import compacted
from gitrelease.core.pruning import droppable
from gitrelease.core.refs import KEPT
from gitrelease.edges import disk_cache, records
from gitrelease.edges.faults import passing
from gitrelease.edges.git import RefUpdate
from gitrelease.edges.records import Records
from gitrelease.release.going_back import target_of_rollback
from gitrelease.release.running import read_running
from gitrelease.world import World


class PruneResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was dropped, or would be; `kept_heads` are replaced heads that a branch or a tag holds by now."""

    dropped: tuple[str, ...]
    kept: int
    kept_heads: int
    dry_run: bool


def prune(world: World, beside: Sequence[World] = (), *, keep: int, dry_run: bool) -> PruneResult:
    """Drop the releases beyond the newest `keep`, failed ones counted apart; their marks, baselines and events too.

    What production never had is counted group by group; `beside` are the groups that have journals of their own.
    Commits are not removed: git does that when nothing holds them any more, two weeks later at the earliest.
    """
    known = world.records()
    if known.live is None and known.releases:
        raise ReleaseError(
            "no release is live by the refs, so nothing says which ones are needed",
            hint="Put that right first: gitrelease recover",
            code=Exit.REFUSED,
        )
    dropped = _droppable((world, *beside), known, keep)
    held = _held_heads(world)
    if not dry_run and (dropped or held):
        passing("prune: before the refs")
        updates = [
            *records.drop(known, dropped),
            *records.drop_states(world.git, dropped),
            *(RefUpdate(ref, None) for ref in held),
        ]
        world.git.update_refs(updates, reason="prune")
        passing("prune: refs dropped")
        world.journal.append(Pruned(at=time.time(), numbers=tuple(release.number for release in dropped)))
        passing("prune: recorded")
    if not dry_run:
        left = {release.number for release in known.every} - {release.number for release in dropped}
        for one in (world, *beside):
            _forget(one, left)
            _drop_caches(one)
    return PruneResult(
        dropped=tuple(release.name for release in dropped),
        kept=len(known.every) - len(dropped),
        kept_heads=len(held),
        dry_run=dry_run,
    )


def _droppable(worlds: Sequence[World], known: Records, keep: int) -> tuple[Release, ...]:
    """Return what production does not need, and of what it never had, what none of the groups does; oldest first.

    The first of `worlds` is production's, whose records are `known`; refs may tell of groups that have none any more.
    """
    main, *beside = worlds
    there = {one.group: one for one in beside}
    groups = records.groups(main.git)
    stays = known.pinned | _needed(main, known)
    for name in groups:
        stays |= _needed(there.get(name, main), records.read(main.git, name))
    counted = [list(known.releases)]
    counted += [[one for one in known.every if known.elsewhere.get(one.number, ())[:1] == (name,)] for name in groups]
    dropped = (one for releases in counted for one in droppable(releases, stays=stays, bad=known.bad, keep=keep))
    return tuple(sorted(dropped, key=lambda release: release.number))


def _needed(world: World, known: Records) -> set[int]:
    """Return the releases that a group serves, proved good last, or would go back to."""
    needed = (known.live, known.good, target_of_rollback(world, known, None))
    return {release.number for release in needed if release is not None}


def _held_heads(world: World) -> list[str]:
    """Return the refs of replaced heads that a branch, or a tag that is no release of ours, reaches anyway."""
    git = world.git
    kept = git.lines("for-each-ref", "--format=%(refname)", KEPT.rstrip("/"))
    branch = git.ref(world.settings.branch_ref)
    return [ref for ref in kept if branch is not None and git.is_ancestor(ref.removeprefix(KEPT), branch)]


def _drop_caches(world: World) -> None:
    """Drop what apps have cached on disk, but of what runs."""
    running = read_running(world.home.processes).backends()
    disk_cache.drop_but(world.home, {world.cache_of(backend.commit) for backend in running})


def _forget(world: World, left: Collection[int]) -> None:
    """Let the journal and the kept check results of a group tell of the releases that are left."""
    world.journal.compact(lambda events: compacted(events, kept=left))
    drop_baselines(world)
