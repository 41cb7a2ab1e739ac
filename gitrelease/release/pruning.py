"""How are old releases dropped, with all that only they need? Refs first, in one transaction, then what is derived."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from gitrelease.checks.baseline import drop_baselines
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.events import Pruned, compacted
from gitrelease.core.history import Release
from gitrelease.core.pruning import droppable
from gitrelease.edges import records
from gitrelease.edges.faults import passing
from gitrelease.edges.git import RefUpdate
from gitrelease.edges.records import KEPT, Records
from gitrelease.world import World


class PruneResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was dropped, or would be; `kept_heads` are replaced heads that a branch or a tag holds by now."""

    dropped: tuple[str, ...]
    kept: int
    kept_heads: int
    dry_run: bool


def prune(world: World, *, keep: int, dry_run: bool) -> PruneResult:
    """Drop the releases beyond the newest `keep`, failed ones counted apart; their marks, baselines and events too.

    Commits are not removed: git does that when nothing holds them any more, two weeks later at the earliest.
    """
    known = world.records()
    if known.live is None and known.releases:
        raise ReleaseError(
            "no release is live by the refs, so nothing says which ones are needed",
            hint="Put that right first: gitrelease recover",
            code=Exit.REFUSED,
        )
    dropped = droppable(
        known.releases,
        live=known.live.number if known.live else None,
        good=known.good.number if known.good else None,
        pinned=known.pinned,
        bad=known.bad,
        keep=keep,
    )
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
        _forget(world, known, dropped)
    return PruneResult(
        dropped=tuple(release.name for release in dropped),
        kept=len(known.releases) - len(dropped),
        kept_heads=len(held),
        dry_run=dry_run,
    )


def _held_heads(world: World) -> list[str]:
    """Return the refs of replaced heads that a branch, or a tag that is no release of ours, reaches anyway."""
    git = world.git
    kept = git.text("for-each-ref", "--format=%(refname)", KEPT.rstrip("/")).split()
    branch = git.ref(world.settings.branch_ref)
    return [ref for ref in kept if branch is not None and git.is_ancestor(ref.removeprefix(KEPT), branch)]


def _forget(world: World, known: Records, dropped: Iterable[Release]) -> None:
    """Let the journal and the kept check results tell of the releases that are left."""
    left = {release.number for release in known.releases} - {release.number for release in dropped}
    world.journal.compact(lambda events: compacted(events, kept=left))
    drop_baselines(world)
