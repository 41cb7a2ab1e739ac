"""What has an app written beside its script that no commit has? Kept for a while when its slot is used again."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from gitrelease.core.leftovers import is_scratch
from gitrelease.edges.git import Git

SHARE_OF_DISK = 0.05  # that they may take at most


def written(git: Git, slot: Path) -> list[str]:
    """Return the paths in a slot that are in no commit: neither links nor what interpreters and editors leave.

    A folder that is a repository of its own is one path.
    """
    listed = git.run("ls-files", "-z", "--others", cwd=slot).split(b"\0")
    names = (os.fsdecode(name).rstrip("/") for name in listed if name)
    return [name for name in names if not is_scratch(name) and not (slot / name).is_symlink()]


def named(git: Git, slot: Path) -> list[str]:
    """Return the same as people name it: a folder of which nothing is in a commit once, with a stroke behind it."""
    files = written(git, slot)
    if not files:
        return []
    listed = git.run("ls-files", "-z", "--others", "--directory", "--no-empty-directory", cwd=slot).split(b"\0")
    folders = [name for name in map(os.fsdecode, listed) if name.endswith("/")]
    return list(dict.fromkeys(next((one for one in folders if file.startswith(one)), file) for file in files))


def keep(slot: Path, names: list[str], folder: Path) -> None:
    """Move paths of a slot into `folder`; `OSError` where that cannot be written."""
    for name in names:
        to = folder / name
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (slot / name).rename(to)


def new_folder(place: Path, commit: str) -> Path:
    """Return a name in `place` for what a slot of `commit` leaves now; names are in the order of time."""
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{commit[:10]}"
    tries = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(place / one for one in tries if not (place / one).exists())


def count(place: Path) -> int:
    """Return of how many slots something is kept."""
    return sum(1 for _ in _folders(place))


def size(place: Path) -> int:
    """Return how many bytes are kept."""
    return sum(_size(folder) for folder in _folders(place))


def bound(place: Path, most: int) -> list[str]:
    """Drop the oldest until all are `most` bytes at most, and no more than a part of the disk; return what went."""
    folders = list(_folders(place))
    if not folders:
        return []
    most = min(most, int(shutil.disk_usage(place).total * SHARE_OF_DISK))
    sizes = [_size(folder) for folder in folders]
    total = sum(sizes)
    dropped = []
    for folder, own in zip(folders, sizes, strict=True):
        if total <= most:
            break
        total -= own
        shutil.rmtree(folder, ignore_errors=True)
        dropped.append(folder.name)
    return dropped


def drop(place: Path) -> int:
    """Drop all that is kept; return how many bytes that were."""
    found = size(place)
    shutil.rmtree(place, ignore_errors=True)
    return found


def _folders(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(path for path in place.iterdir() if path.is_dir())


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
