"""How do the files of the checkout follow a release, over whatever lies there? What is in no commit is kept first.

Git looks at each file again just before it writes any, and refuses where somebody saved meanwhile. What is saved while
it writes, a few milliseconds with a few files, is saved over: no lock keeps an editor out.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gitrelease.core.documents import is_document
from gitrelease.core.links import SUBMODULE
from gitrelease.core.refs import CHECKOUT
from gitrelease.edges.checkout import REPLACED, Checkout
from gitrelease.edges.faults import passing

_TRIES = 5  # to replace what lies there, while somebody goes on writing
_MERGING = {"merge": "MERGE_HEAD", "cherry-pick": "CHERRY_PICK_HEAD", "revert": "REVERT_HEAD"}


def follow(
    checkout: Checkout, commit: str, source: str, *, at: float, clean: bool = False, from_disk: bool = False
) -> tuple[str, ...]:
    """Bring index and files to `source`, and the carried file to what `commit` has.

    HEAD names `source` already. Work that is in no commit and stands in the way is kept first, as `backup/…` tags whose
    names are returned; with `clean` all of it makes way, as a rollback wants it. `from_disk`: what the commit `source`
    changes was taken from the disk; another version that lies there was saved since, is the next edit, and stays.
    """
    if not checkout.on_branch():
        return ()
    git = checkout.git
    before = git.ref(CHECKOUT)
    if before == commit and not clean and checkout.in_progress():
        return ()  # it was all there, and somebody has begun a merge on top of it meanwhile
    backups: list[str] = []
    disk = checkout.disk_tree()
    touched = checkout.git.changed_paths(before, disk) if before else ()
    if before is not None and (touched or from_disk):
        _index_what_is_there(checkout, disk, before, source, from_disk=from_disk)
    git.execute("update-index", "-q", "--refresh")
    # Two-tree: files that did not change between the two releases may stay as a person left them.
    trees = (before, source) if before else (source,)
    ignored = _ignored_in_the_way(checkout, source)
    edited = before is None or not all(is_document(path) for path in touched)
    in_the_way = ignored or checkout.in_progress() or (clean and edited)
    if in_the_way or git.execute("read-tree", "-m", "-u", *trees)[0] != 0:
        backups += _replace_all(checkout, source, ignored, at=at)
        _give_up_merge(checkout)
    if not from_disk and git.blob(source, checkout.carried) is None:
        backups += _write_carried(checkout, before, commit, backups, at=at, clean=clean)
    passing("files: written, not noted")
    checkout.note(commit)
    return tuple(dict.fromkeys(backups))


def _index_what_is_there(checkout: Checkout, disk: str, before: str, source: str, *, from_disk: bool) -> None:
    """Let the index hold the new version of files that are on disk in it already: edits, pulled files.

    `from_disk`: those that the commit `source` changes were; git is to write none of them, whatever they hold by now.
    """
    git = checkout.git
    moved = checkout.git.changed_paths(before, source)
    if not moved:
        return
    there = {entry.path: entry for entry in git.list_tree(disk)}
    wanted = {entry.path: entry for entry in git.list_tree(source)}
    parent = git.resolve(f"{source}^") if from_disk else None
    taken = set(git.changed_paths(parent, source)) if parent else set()
    same = [path for path in moved if path in wanted and (path in taken or there.get(path) == wanted[path])]
    lines = b"".join(os.fsencode(f"{wanted[path].mode} {wanted[path].id}\t{path}") + b"\0" for path in same)
    if lines:
        git.run("update-index", "--add", "-z", "--index-info", stdin=lines)


def _ignored_in_the_way(checkout: Checkout, source: str) -> list[str]:
    """Return what git does not track and `source` has a file for: where git ignores it, git writes over it."""
    git = checkout.git
    tracked = _tracked(checkout)
    new = [Path(entry.path) for entry in git.list_tree(source) if entry.path not in tracked]
    if not new:
        return []
    # A file may lie where the release has a folder, too.
    above = {folder for path in new for folder in path.parents if folder != Path()}
    files = [folder for folder in above if _is_no_folder(git.root / folder) and str(folder) not in tracked]
    kept_folders = {str(folder) for path in tracked for folder in Path(path).parents}
    there = [path for path in new if os.path.lexists(git.root / path) and str(path) not in kept_folders]
    return sorted(map(str, (*there, *files)))


def _is_no_folder(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())


def _tracked(checkout: Checkout) -> set[str]:
    return {os.fsdecode(path) for path in checkout.git.run("ls-files", "-z", "--", ":/").split(b"\0") if path}


def _replace_all(checkout: Checkout, source: str, ignored: list[str], *, at: float) -> list[str]:
    """Bring index and files to `source` over whatever lies there, which is kept; return the names of the backups.

    Git looks at each file again before it writes any: what somebody saves after the backup is kept in one more.
    """
    git = checkout.git
    _set_repositories_aside(checkout, source)
    ignored = [path for path in ignored if os.path.lexists(git.root / path)]
    backups: list[str] = []
    last = ""
    for _ in range(_TRIES):
        disk = checkout.disk_tree(untracked=True, also=ignored)
        if disk == last:
            break  # nobody wrote meanwhile: what git refuses it will refuse again
        last = disk
        kept = checkout.snapshot(REPLACED, at=at, disk=disk)
        backups += [kept] if kept else []
        there = _of_interest(checkout, disk, source)
        git.run("read-tree", "--reset", there)
        passing("files: the index is at what lies there")
        git.execute("update-index", "-q", "--refresh")
        if git.execute("read-tree", "-m", "-u", there, source)[0] == 0:
            return backups
    # What git replaces only when told to: a folder in the place of a file, say.
    git.run("read-tree", "--reset", "-u", source)
    return backups


def _of_interest(checkout: Checkout, disk: str, source: str) -> str:
    """Return the tree `disk` without what git does not track, unless `source` has a file of that name."""
    git = checkout.git
    wanted = _tracked(checkout) | {entry.path for entry in git.list_tree(source)}
    apart = [entry.path for entry in git.list_tree(disk) if entry.path not in wanted]
    return git.tree_with(disk, dict.fromkeys(apart)) if apart else disk


def _set_repositories_aside(checkout: Checkout, source: str) -> None:
    """Rename repositories within ours that stand where `source` has files: their commits are in no backup of ours."""
    files = [Path(entry.path) for entry in checkout.git.list_tree(source) if entry.mode != SUBMODULE]
    places = {place for path in files for place in (path, *path.parents) if place != Path()}
    for place in sorted(places):  # the outermost first: what is in it has gone with it
        here = checkout.git.root / place
        if (here / ".git").exists():
            here.rename(here.with_name(f"{here.name}.replaced-{time.time_ns() // 1_000_000:x}"))


def _give_up_merge(checkout: Checkout) -> None:
    """Let git forget a merge whose files are gone: committed now, it would say that both sides are in it."""
    directory = checkout.directory
    for verb, head in _MERGING.items():
        if (directory / head).exists():
            checkout.git.run(verb, "--quit")
    if (directory / "rebase-apply" / "applying").exists():
        checkout.git.run("am", "--quit")


def _write_carried(
    checkout: Checkout, before: str | None, commit: str, backups: list[str], *, at: float, clean: bool
) -> list[str]:
    """Write the carried file as `commit` has it, or remove it; return the names of backups that this needed."""
    git, name = checkout.git, checkout.carried
    path = git.root / name
    wanted = git.blob(commit, name)
    # What is in a commit or in a backup may go.
    safe = [git.blob(revision, name) for revision in (*((before,) if before else ()), *backups)]
    written = safe[0] if before else None
    made: list[str] = []
    with contextlib.ExitStack() as stack:
        new = stack.enter_context(_beside(path, wanted)) if wanted is not None else None
        for _ in range(_TRIES):
            there = path.read_bytes() if path.is_file() else None
            if there == wanted or (wanted == written and there is not None and not clean):
                return made  # it is right, or a person's edit that this release does not touch
            if there is None or there in safe:
                break
            kept = checkout.snapshot(REPLACED, at=at)
            made += [kept] if kept else []
            safe.append(there)
        if new is None:
            path.unlink(missing_ok=True)
        else:
            new.replace(path)
    return made


@contextlib.contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    """Give a file with `content` that can take the place of `path` at once: readers see the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        written = Path(new.name)
        try:
            new.write(content)
            new.flush()
            os.fsync(new.fileno())
            written.chmod(0o644)
            yield written
        finally:
            written.unlink(missing_ok=True)
