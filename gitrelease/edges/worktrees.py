"""Makes linked work trees. Others read the repository meanwhile: at no moment is the record of one half made.

`git worktree add` (2.39) writes it file by file, with a HEAD of zeros until the commit is there, and git refuses a push
of that moment: `findings/git-worktree-add-refuses-pushes.sh`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path

from gitrelease.edges import ref_tables
from gitrelease.edges.git import Git

_SETTINGS = "config.worktree"
_TRIES = 100
# The name is taken; or somebody has pruned just then, and the folder was empty.
_AGAIN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.ENOENT}


def add(git: Git, path: Path, commit: str) -> None:
    """Make a work tree at `path`, without files yet, whose HEAD is detached at `commit`. Nobody else makes one there.

    `OSError` on a full disk, say. Git itself makes it, or raises `GitError`, where refs are kept in tables.
    """
    if ref_tables.list_of(git.directory) is not None:
        git.run("worktree", "add", "--force", "--detach", "--no-checkout", str(path), commit)
        return
    path.mkdir(parents=True)
    path = path.resolve()
    made = _record(git, path, commit)
    worktrees = git.directory / "worktrees"
    for number in range(_TRIES):
        record = worktrees / f"{path.name}{number or ''}"
        # Before the record is there: one that nothing points to is pruned.
        (path / ".git").write_bytes(os.fsencode(f"gitdir: {record}\n"))
        if not worktrees.is_dir():
            worktrees.mkdir(exist_ok=True)
            shutil.copymode(git.directory, worktrees)
        try:
            made.rename(record)
        except OSError as error:
            if error.errno not in _AGAIN or number == _TRIES - 1:
                raise
        else:
            return


def _record(git: Git, path: Path, commit: str) -> Path:
    """Write git's record of a work tree beside it; see `worktrees` in gitrepository-layout(5)."""
    directory = git.directory
    made = path.with_name(f".{path.name}.record")
    shutil.rmtree(made, ignore_errors=True)  # of one that was killed
    made.mkdir()
    shutil.copymode(directory, made)
    for name, text in (("gitdir", f"{path}/.git"), ("commondir", "../.."), ("HEAD", commit)):
        with (made / name).open("wb") as file:
            file.write(os.fsencode(f"{text}\n"))
            file.flush()
            os.fsync(file.fileno())  # a HEAD that a power cut has emptied would bar every push
        shutil.copymode(directory / "HEAD", made / name)
    with contextlib.suppress(FileNotFoundError):
        _copy_settings(git, directory / _SETTINGS, made / _SETTINGS)
    return made


def _copy_settings(git: Git, source: Path, copy: Path) -> None:
    """Give a work tree the settings that the main one has for itself, but for what says where that one is.

    As `git worktree add` does: see `extensions.worktreeConfig` in git-config(1).
    """
    shutil.copy(source, copy)
    for name in ("core.bare", "core.worktree"):
        git.execute("config", "--file", str(copy), "--unset-all", name)  # 5 where it is not set
