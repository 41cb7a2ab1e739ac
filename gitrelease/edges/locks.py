"""Which of git's lock files did a killed git leave behind? Those that nobody holds: they bar everyone for good."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.edges import process_table, ref_tables

_LOOKS = 5.0  # seconds in which a git that only looks has ended


def clear_locks(root: Path, directory: Path) -> list[Path]:
    """Remove lock files of the repository `directory` (`.git` of the checkout `root`) that were left behind.

    Returns them. `ReleaseError` when a git is at work there: it may hold a lock without having the file open.
    """
    found = sorted(lock_files(directory))
    at_work = _at_work(root) if found else []
    if at_work:
        raise ReleaseError(
            f"git is at work in the checkout (pid {at_work[0]}), and {found[0].name} may be its own",
            hint="Let it end, or end it; then: gitrelease recover",
            code=Exit.REFUSED,
        )
    left = [lock for lock in found if lock.exists()]
    for lock in left:
        lock.unlink(missing_ok=True)
    return left


def _at_work(root: Path) -> list[int]:
    """Return the gits that may hold a lock; those that only look are given the time to end, and told where they do not.

    An agent that has just been ended leaves such a look behind on a busy host.
    """
    deadline = time.monotonic() + _LOOKS
    while True:
        found = process_table.working_in(root, "git")
        holding = [pid for pid in found if not _looks(pid)]
        if holding or not found or time.monotonic() > deadline:
            return holding or found
        time.sleep(0.05)


def _looks(pid: int) -> bool:
    """Was this git told to take no lock that it can do without, as ours are, and those of editors?"""
    try:
        return process_table.started_with(process_table.identify(pid), "GIT_OPTIONAL_LOCKS") == "0"
    except ProcessLookupError:
        return True  # it has ended


def clear_locks_of(root: Path, directory: Path, refs: Iterable[str], *, age: float = 0.0) -> list[Path]:
    """Remove the locks that a git which was killed held on `refs`, those that are `age` seconds old; return them.

    They stay where a git is at work in the checkout: it may hold them without having the files open.
    """
    paths = {ref_tables.lock_of(directory, ref) for ref in refs}
    found = {path: _made(path) for path in paths if _age(path) >= age}
    left = {path: made for path, made in found.items() if made is not None}
    deadline = time.monotonic() + _LOOKS
    # A git that only looks, ours or a person's, soon ends.
    while left and process_table.working_in(root, "git"):
        if time.monotonic() > deadline:
            return []
        time.sleep(0.05)
    # Nobody is at work: who made these very files has ended. Who comes now makes others.
    cleared = [path for path, made in left.items() if _made(path) == made]
    for path in cleared:
        path.unlink(missing_ok=True)
    return cleared


def _age(path: Path) -> float:
    """Return how many seconds ago a file was written; less than none where there is none."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return -1.0


def _made(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one that has its name later; None where there is none."""
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_ctime_ns
    return None


def lock_files(directory: Path) -> Iterator[Path]:
    """Yield the lock files of a repository; ours are locked by the kernel and stay."""
    for name in ("index", "HEAD", "config", "packed-refs", "shallow", "ORIG_HEAD", "FETCH_HEAD"):
        if (directory / f"{name}.lock").is_file():
            yield directory / f"{name}.lock"
    yield from (path for path in (directory / "refs").rglob("*.lock") if path.is_file())
    yield from (path for path in directory.glob("worktrees/*/*.lock") if path.is_file())
    yield from ref_tables.lock_files(directory)
