"""Copies of the tags of releases and backups, where no fetch touches them: what git deletes is put back from there.

`git fetch --prune --prune-tags`, or `fetch.pruneTags` in somebody's configuration, deletes every tag that the other
repository does not have, and `--force` replaces those that another production has made there.
`refs/gitrelease/tags/release/N` and `…/backup/NAME` are the same tag objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from gitrelease.core.refs import BACKUPS, RELEASES, TAGS
from gitrelease.core.text import quoted
from gitrelease.edges import ref_tables
from gitrelease.edges.git import ZERO, Git, RefUpdate
from gitrelease.edges.tags import Tag, read_tags, release_of

Stamp: TypeAlias = "tuple[int, ...]"
_ALL = "refs/tags/"


def with_copies(updates: Iterable[RefUpdate]) -> tuple[RefUpdate, ...]:
    """Return the updates of tags, each with that of its copy."""
    return tuple(one for update in updates for one in (update, RefUpdate(_copy(update.ref), update.new)))


def put_back(git: Git, *, reason: str = "put back") -> list[str]:
    """Put back the tags that are gone, or are others by now, and have a copy; return their names."""
    tags, copies = _listed(git)
    lost = {name: tag for name, tag in copies.items() if tags.get(name) != tag}
    readable = read_tags(git, lost.values())
    found = {name: tag for name, tag in lost.items() if tag in readable}
    if found:
        updates = [RefUpdate(f"{_ALL}{name}", tag, tags.get(name, ZERO)) for name, tag in found.items()]
        git.update_refs(updates, reason=reason)
    return list(found)


def take_up(git: Git) -> None:
    """Make copies where there are none: an earlier version made none."""
    tags, copies = _listed(git)
    wanted = {name: tag for name, tag in tags.items() if name not in copies}
    readable = read_tags(git, wanted.values())
    made = [name for name, tag in wanted.items() if tag in readable and _is_ours(name, readable[tag])]
    if made:
        git.update_refs([RefUpdate(_copy(f"{_ALL}{name}"), wanted[name]) for name in made], reason="copies of tags")


def way_back(name: str) -> str:
    """Return what a backup says of itself, for who reads its tag."""
    return f"Back: gitrelease restore {quoted(name)}"


def _is_ours(name: str, tag: Tag) -> bool:
    """Is it a backup of ours, or a release that has this name? Anybody can make a tag of a name of ours."""
    if f"{_ALL}{name}".startswith(BACKUPS):
        return way_back(name) in tag.message
    release = release_of(tag)
    return release is not None and release.name == name


def backups(git: Git) -> list[str]:
    """Return the names of the backups that are there, or have a copy."""
    tags, copies = _listed(git)
    return sorted(name for name in tags.keys() | copies.keys() if f"{_ALL}{name}".startswith(BACKUPS))


def drop(git: Git, names: Iterable[str]) -> None:
    """Drop tags with their copies: without those they would come back."""
    git.update_refs(with_copies(RefUpdate(f"{_ALL}{name}", None) for name in names), reason="dropped by hand")


def stamp(git: Git) -> Stamp:
    """Return what changes when a tag of a release or a backup comes, goes or is replaced; without asking git."""
    places = ("packed-refs", "refs/tags", "refs/tags/release", "refs/tags/backup")
    files = [git.directory / place for place in places]
    return tuple(_changed(path) for path in (*files, ref_tables.list_of(git.directory)) if path is not None)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _copy(ref: str) -> str:
    return TAGS + ref.removeprefix(_ALL)


def _listed(git: Git) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tag objects of releases and backups by name, and those of their copies."""
    below = (RELEASES.rstrip("/"), BACKUPS.rstrip("/"), TAGS.rstrip("/"))
    tags: dict[str, str] = {}
    copies: dict[str, str] = {}
    for line in git.lines("for-each-ref", "--format=%(objectname) %(refname)", *below):
        tag, ref = line.split(" ", 1)
        if ref.startswith(TAGS):
            copies[ref.removeprefix(TAGS)] = tag
        else:
            tags[ref.removeprefix(_ALL)] = tag
    return tags, copies
