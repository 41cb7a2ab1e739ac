"""How is work on disk kept that is in no commit, and how does it come back? As a `backup/…` tag, by a person's wish."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.text import one_line
from gitrelease.edges.checkout import Checkout
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
    """Bring what a backup had changed back to disk; what lies there and is in no commit is kept first.

    Only that: what others have released since is not taken back with it.
    """
    full = name if name.startswith("backup/") else f"backup/{name}"
    commit = world.git.resolve(f"refs/tags/{full}")
    if commit is None:
        there = one_line(", ".join(world.checkout.backups()[:5]), 300)
        raise ReleaseError(
            f"there is no backup {name!r}", hint=f"The newest are {there}" if there else "There are none yet"
        )
    checkout = world.checkout
    begun = checkout.in_progress()
    if begun is not None:
        raise ReleaseError(
            f"a {begun} is under way in the checkout",
            hint=f"End it or give it up (git {begun} --abort), then restore again",
            code=Exit.REFUSED,
        )
    if checkout.git_is_at_work():
        raise ReleaseError(
            "git is at work in the checkout, or was cut off there",
            hint="Let it end; when none runs any more: gitrelease recover",
            code=Exit.REFUSED,
        )
    paths = checkout.backed_up(commit)
    _require_the_same(checkout, full, commit, paths)
    _require_kept(checkout, paths)
    backup = checkout.snapshot("replaced", at=time.time())
    passing("restore: before the files")
    checkout.restore(commit, paths)
    passing("restore: files written")
    return KeepResult(backup=backup, restored=full)


def _require_the_same(checkout: Checkout, name: str, commit: str, paths: Sequence[str]) -> None:
    moved = checkout.moved_since(commit, paths)
    if moved:
        shown = one_line(", ".join(moved[:3]), 200)
        raise ReleaseError(
            f"{shown} has changed since {name} was made, and restoring it would take that back",
            hint=f"Take over what you need: git diff {name}^ {name} -- FILE | git apply -3; then commit it",
            code=Exit.REFUSED,
        )


def _require_kept(checkout: Checkout, paths: Sequence[str]) -> None:
    lost = checkout.in_no_snapshot(paths)
    if lost:
        raise ReleaseError(
            f"{one_line(', '.join(lost[:3]), 200)} is in the way, and git ignores what lies there",
            hint="Move it away, then restore again",
            code=Exit.REFUSED,
        )
