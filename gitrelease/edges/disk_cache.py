"""Where does a release keep what its app caches on disk? In a folder that belongs to its code and its packages.

A release that comes again, after a restart or a rollback, finds what it has kept; nobody else writes there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from gitrelease.edges import records
from gitrelease.edges.git import Git
from gitrelease.edges.home import Home


def folder_for(home: Home, git: Git, commit: str) -> Path:
    """Return the folder for the app as `commit` has it; in there is one for each set of packages that it ran with."""
    return home.caches / records.content_key(git, commit)[:20]


def drop(folder: Path) -> None:
    """Remove the cache of a candidate that was refused."""
    shutil.rmtree(folder, ignore_errors=True)


def bound(home: Home, *, keep: Collection[Path], most: int) -> list[Path]:
    """Remove what was used longest ago until all are `most` bytes at most, but what is to `keep`; return what went."""
    with_sizes = [(one, _size(one)) for one in sorted(_folders(home), key=_used)]
    total = sum(size for _, size in with_sizes)
    dropped = []
    for folder, size in with_sizes:
        if total <= most:
            break
        if folder not in keep:
            drop(folder)
            dropped.append(folder)
            total -= size
    return dropped


def drop_but(home: Home, keep: Collection[Path]) -> list[Path]:
    """Remove all but what is to `keep`; return what went."""
    dropped = [folder for folder in _folders(home) if folder not in keep]
    for folder in dropped:
        drop(folder)
    return dropped


def _folders(home: Home) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        yield from (folder for folder in home.caches.iterdir() if folder.is_dir())


def _files(folder: Path) -> Iterator[os.stat_result]:
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            yield path.stat()


def _size(folder: Path) -> int:
    return sum(one.st_size for one in _files(folder))


def _used(folder: Path) -> float:
    """Return when something was written there last; seconds since 1970."""
    return max((one.st_mtime for one in _files(folder)), default=folder.stat().st_mtime)
