"""Does a repository keep its refs in tables (`reftable`, from git 2.45 on), not in a file each? Where do they change?

`HEAD` and `refs/heads` are stubs there, so that an old git does not take it for a repository: they say nothing, and are
not ours to mend. Every change of a ref replaces `tables.list`, under one lock for all refs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

FOLDER = "reftable"
LIST = "tables.list"
STUB = "ref: refs/heads/.invalid\n"  # what HEAD holds


def list_of(directory: Path) -> Path | None:
    """Return the file that is replaced by every change of a ref; None where each ref is a file of its own."""
    found = directory / FOLDER / LIST
    return found if found.is_file() else None


def lock_files(directory: Path) -> Iterator[Path]:
    """Yield the lock files of the tables of a repository, and of its work trees."""
    for pattern in (f"{FOLDER}/*.lock", f"worktrees/*/{FOLDER}/*.lock"):
        yield from (path for path in directory.glob(pattern) if path.is_file())


def lock_of(directory: Path, ref: str) -> Path:
    """Return the file that bars everybody else from changing a ref."""
    found = list_of(directory)
    return directory / f"{ref}.lock" if found is None else found.with_name(f"{LIST}.lock")
