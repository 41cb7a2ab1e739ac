"""Which of git's lock files did a killed git leave behind? Those that nobody holds: they bar everyone for good.

A git may hold a lock without having the file open, and the file does not say whose it is. So a lock that is there may
be held by each git that is at work in the repository at that moment, and by none that comes later. One that is busy
with a push holds none while it waits for a hook of ours: `git receive-pack` takes the locks of a push after `update`,
and has given them back before `post-receive`; who has sent the push only waits for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.edges import process_table, ref_tables
from gitrelease.edges.process_table import Program

_LOOKS = 5.0  # seconds in which a git that only looks has ended
_BESIDE_A_PUSH = ("receive-pack", "push", "send-pack", "http-backend")
_OUR_HOOKS = (("gitrelease", "hook", "update"), ("gitrelease", "hook", "post-receive"))  # in their command lines
_WITH_VALUE = ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env")  # git's own options


def clear_locks(root: Path, directory: Path) -> list[Path]:
    """Remove lock files of the repository `directory` (`.git` of the checkout `root`) that were left behind.

    Returns them. `ReleaseError` when a git is at work there that may hold one.
    """
    found = sorted(lock_files(directory))
    cleared, at_work = _clear(root, directory, found)
    if at_work:
        raise ReleaseError(
            f"git is at work in the checkout (pid {at_work[0]}), and {found[0].name} may be its own",
            hint="Let it end, or end it; then: gitrelease recover",
            code=Exit.REFUSED,
        )
    return cleared


def clear_locks_of(root: Path, directory: Path, refs: Iterable[str], *, age: float = 0.0) -> list[Path]:
    """Remove the locks that a git which was killed held on `refs`, those that are `age` seconds old; return them."""
    paths = {ref_tables.lock_of(directory, ref) for ref in refs}
    return _clear(root, directory, [path for path in paths if _age(path) >= age])[0]


def _clear(root: Path, directory: Path, paths: Iterable[Path]) -> tuple[list[Path], list[int]]:
    """Remove locks, unless a git that may hold one does not end in time; return them, or the pids of such gits."""
    found = {path: made for path in paths if (made := _made(path)) is not None}
    holders = set(may_hold(root, directory)) if found else set()
    deadline = time.monotonic() + _LOOKS
    # Most only look, and soon end.
    while holders:
        if time.monotonic() > deadline:
            return [], sorted(holders)
        time.sleep(0.05)
        holders &= set(may_hold(root, directory))
    # Whoever has made these very files has ended. Who came meanwhile makes others.
    cleared = [path for path, made in found.items() if _made(path) == made]
    for path in cleared:
        path.unlink(missing_ok=True)
    return cleared, []


def may_hold(root: Path, directory: Path) -> list[int]:
    """Return the pids of the gits that may hold a lock in a repository just now."""
    trees = (root.resolve(), directory.resolve(), *_other_trees(directory))
    found = {one.pid: one for one in process_table.programs("git") if _works_there(one, trees)}
    return [pid for pid in found if pid not in set(_waiting(found))] if found else []


def _other_trees(directory: Path) -> Iterator[Path]:
    """Yield the work trees of a repository beside its own, wherever they are."""
    for link in directory.glob("worktrees/*/gitdir"):
        with contextlib.suppress(OSError):
            yield Path(link.read_text(errors="surrogateescape").rstrip("\n")).parent


def _works_there(git: Program, trees: Iterable[Path]) -> bool:
    """Is a git at work in one of these trees, or was it told so from elsewhere?"""
    told = [git.variables[name] for name in ("GIT_DIR", "GIT_COMMON_DIR") if name in git.variables]
    for at, word in enumerate(git.arguments[:-1]):
        told += [git.arguments[at + 1]] if word == "--git-dir" else []
        told += [word.partition("=")[2]] if word.startswith("--git-dir=") else []
    places = (git.folder, *((git.folder / path).resolve() for path in told))
    return any(place.is_relative_to(tree) for place in places for tree in trees)


def _waiting(gits: dict[int, Program]) -> Iterator[int]:
    """Yield the pids of those that wait for a hook of ours, or for a git that does."""
    receiving = [pid for pid, git in gits.items() if _verb(git) == "receive-pack"]
    for hook in process_table.children_of(receiving):
        if not _is_our_hook(hook):
            continue
        above: int | None = hook.parent
        while above:
            if above in gits and _verb(gits[above]) in _BESIDE_A_PUSH:
                yield above
            parent = process_table.program(above)
            above = parent.parent if parent is not None else None


def _is_our_hook(one: Program) -> bool:
    return any(one.arguments[at : at + 3] in _OUR_HOOKS for at in range(len(one.arguments)))


def _verb(git: Program) -> str:
    """Return what a git was told to do: `push`; nothing where that cannot be said."""
    program, *rest = git.arguments or ("",)
    if (name := Path(program).name) != "git":
        return name.removeprefix("git-")
    words = iter(rest)
    for word in words:
        if not word.startswith("-"):
            return word
        if word in _WITH_VALUE:
            next(words, None)
    return ""


def _age(path: Path) -> float:
    """Return how many seconds ago a file was written; less than none where there is none.

    One from a time to come is of before somebody set the clock back: as old as it is ahead.
    """
    with contextlib.suppress(FileNotFoundError):
        return abs(time.time() - path.stat().st_mtime)
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
