"""Which of git's lock files did a killed git leave behind? Those that nobody holds: they bar everyone for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.edges import processes


def clear_locks(root: Path, directory: Path) -> list[Path]:
    """Remove lock files of the repository `directory` (`.git` of the checkout `root`) that were left behind.

    Returns them. `ReleaseError` when a git is at work there: it may hold a lock without having the file open.
    """
    found = sorted(_locks(directory))
    at_work = processes.working_in(root, "git") if found else []
    if at_work:
        raise ReleaseError(
            f"git is at work in the checkout (pid {at_work[0]}), and {found[0].name} may be its own",
            hint="Let it end, or end it; then: gitrelease recover",
            code=Exit.REFUSED,
        )
    for lock in found:
        lock.unlink(missing_ok=True)
    return found


def _locks(directory: Path) -> Iterator[Path]:
    """Yield the lock files of a repository; ours are locked by the kernel and stay."""
    for name in ("index", "HEAD", "config", "packed-refs", "shallow", "ORIG_HEAD", "FETCH_HEAD"):
        if (directory / f"{name}.lock").is_file():
            yield directory / f"{name}.lock"
    yield from (path for path in (directory / "refs").rglob("*.lock") if path.is_file())
    yield from (path for path in directory.glob("worktrees/*/*.lock") if path.is_file())
