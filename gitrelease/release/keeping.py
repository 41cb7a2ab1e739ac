"""How is work on disk kept that is in no commit, and how does it come back? As a `backup/…` tag, by a person's wish."""

from __future__ import annotations

import time

import msgspec

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.text import one_line
from gitrelease.edges.faults import passing
from gitrelease.world import World


class KeepResult(msgspec.Struct, frozen=True, kw_only=True):
    """`backup` holds what lay on disk, None where all of it was safe; `restored` came back."""

    backup: str | None
    restored: str | None = None


def snapshot(world: World, *, note: str) -> KeepResult:
    """Keep what is on disk now: uncommitted, untracked, and the managed file that git ignores."""
    return KeepResult(backup=world.checkout.snapshot("snapshot", at=time.time(), note=note))


def restore(world: World, name: str) -> KeepResult:
    """Bring a backup back to disk; what lies there and is in no commit is kept first."""
    full = name if name.startswith("backup/") else f"backup/{name}"
    commit = world.git.resolve(f"refs/tags/{full}")
    if commit is None:
        there = one_line(", ".join(world.checkout.backups()[:5]), 300)
        raise ReleaseError(
            f"there is no backup {name!r}", hint=f"The newest are {there}" if there else "There are none yet"
        )
    begun = world.checkout.in_progress()
    if begun is not None:
        raise ReleaseError(
            f"a {begun} is under way in the checkout",
            hint=f"End it or give it up (git {begun} --abort), then restore again",
            code=Exit.REFUSED,
        )
    backup = world.checkout.snapshot("replaced", at=time.time())
    passing("restore: before the files")
    world.checkout.restore(commit)
    passing("restore: files written")
    return KeepResult(backup=backup, restored=full)
