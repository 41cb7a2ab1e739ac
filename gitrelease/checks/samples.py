"""Which documents is a candidate tried on? The profile's, and those that the repository has in a folder of its own."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitrelease.core.settings import DEFAULT_SCRIPT, seconds
from gitrelease.profiles import findoc
from gitrelease.world import World

SHARE = 0.2  # of the time for all checks: what one document, or a batch of small ones, may take
RESERVE = 0.3  # seconds before that time is over: what was found out until then is still written


def is_findoc(world: World) -> bool:
    """Does the built-in profile hold?"""
    return world.settings.app.script.rpartition("/")[2] == DEFAULT_SCRIPT


@dataclass(frozen=True)
class Documents:
    """Folders of sample documents; `key` changes when anything in them, or how they are replayed, does."""

    folders: tuple[Path, ...]
    key: str

    def texts(self) -> Iterator[str]:
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in (".txt", ".csv", ".md"):
                    yield path.read_text(errors="replace")


@contextlib.contextmanager
def documents_of(world: World, revision: str) -> Iterator[Documents]:
    """Lay out the sample documents: the profile's, and those that the repository has in `revision`."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        folders = [findoc.DOCUMENTS] if is_findoc(world) else []
        wanted = tuple(f"{folder.strip('/')}/" for folder in world.settings.contract.documents)
        if wanted:
            own = Path(scratch)
            folders.append(own)
            entries = [entry for entry in world.git.list_tree(revision) if entry.path.startswith(wanted)]
            contents = world.git.blobs([entry.id for entry in entries if entry.kind == "blob"])
            for entry in entries:
                if entry.id in contents:
                    path = own / entry.path
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(contents[entry.id])
        yield Documents(tuple(folders), _key([*folders, findoc.REPLAY]))


def _key(places: Iterable[Path]) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file():
                digest.update(path.name.encode(errors="surrogateescape") + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def replay_spec(world: World, documents: Documents) -> dict[str, Any] | None:
    return replay_of(world, documents.folders) if is_findoc(world) and documents.folders else None


def replay_of(world: World, folders: Iterable[Path]) -> dict[str, Any]:
    """Return how the documents in `folders` go through the app, from now on, for `inside/contract.py`."""
    limit = seconds(world.settings.limits.checks)
    return {
        "module": str(findoc.REPLAY),
        "documents": [str(folder) for folder in folders],
        "each": limit * SHARE,
        "until": time.monotonic() + limit - RESERVE,
    }
