"""What did a candidate change that is not its own: other slots, the settings and hooks, the files of the checkout?

Looked at by stat before it starts and after it has ended; the contents are read only of a handful of small files. It
runs as the user that owns all this, so it cannot be held back: it is noticed, refused, and put right where git knows
what belongs there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from gitrelease.candidate import Candidate
from gitrelease.core import refs
from gitrelease.core.documents import is_document
from gitrelease.core.outcome import Check
from gitrelease.core.text import one_line, readable
from gitrelease.edges.slots import Slot
from gitrelease.world import World

MOST = 5_000  # files of a tree that are looked at: more would cost more than they tell

Stamp = tuple[int, int, int, int] | bytes | None


class Surroundings:
    """How everything around a candidate looked before it was started."""

    def __init__(self, world: World, candidate: Candidate, slot: Slot) -> None:
        self._world = world
        self._base = world.git.ref(refs.CHECKOUT)
        self._paths = _not_edited(world, candidate, self._base)
        self._files = _stamps(world.git.root, self._paths)
        self._records = _records(world)
        self._head = world.git.ref(world.settings.branch_ref)
        # What is being checked out just now changes by git's hand: only what runs counts.
        self._held = {name: world.slots.standing(name) for name in world.slots.held() if name != slot.name}
        self._slots = {name: self._slot(name, commit) for name, commit in self._held.items()}

    def _slot(self, name: str, commit: str | None) -> Mapping[str, Stamp]:
        return _stamps(self._world.slots.folder / name, _managed(self._world, commit)) if commit else {}

    def touched(self) -> tuple[str, ...]:
        """Name what is not as it was; changes nothing."""
        return (
            *(f"{name} of slot {slot}, which runs a release" for slot in self._slots for name in self._in_slot(slot)),
            *(f"{name} of the checkout" for name in self._in_checkout()),
            *_differ(self._records, _records(self._world)),
        )

    def put_right(self, touched: tuple[str, ...]) -> Check | None:
        """Put right what git knows; say what was `touched`, now or before. The candidate must have ended."""
        touched = tuple(dict.fromkeys((*touched, *self.touched())))
        if not touched:
            return None
        for name in self._slots:
            if paths := self._in_slot(name):
                self._world.slots.put_back(name, paths)
        kept = self._put_back_files(paths) if (paths := self._in_checkout()) else None
        said = f"it changed what is not its own: {one_line(readable(', '.join(touched)), 400)}"
        if _differ(self._records, _records(self._world)):
            said += "; look at what lies in .git now, it was left as it is"
        said += f"; what lay in the checkout is kept as {kept}" if kept else ""
        return Check(name="surroundings", kind="major", status="failed", detail=said, absolute=True)

    def _in_slot(self, name: str) -> list[str]:
        commit = self._held[name]
        unmoved = self._world.slots.standing(name) == commit
        return _differ(self._slots[name], self._slot(name, commit)) if unmoved else []

    def _in_checkout(self) -> list[str]:
        """Return the files of the checkout that became something that nobody's git has put there."""
        now = _stamps(self._world.git.root, self._paths)
        found = [path for path in _differ(self._files, now) if self._files[path] is not None]
        checkout, base = self._world.checkout, self._base
        if not found or base is None or checkout.git_is_at_work():
            return []
        if self._world.git.ref(self._world.settings.branch_ref) != self._head:
            return []  # a pull, a commit: what it brought is looked at next
        edited = set(checkout.edited_paths(base))
        return [path for path in found if path in edited]

    def _put_back_files(self, paths: list[str]) -> str | None:
        """Put files of the checkout back: or they were released as a person's edit. Returns where what lay there is."""
        git, base = self._world.git, self._base
        known = [path for path in paths if base is not None and git.entry(base, path)]
        if not known:
            return None
        kept = self._world.checkout.snapshot("staged", at=time.time())
        git.run("restore", f"--source={base}", "--worktree", "--", *(f":(top,literal){path}" for path in known))
        return kept


def _not_edited(world: World, candidate: Candidate, base: str | None) -> list[str]:
    """Return the files of the checkout that are nobody's edit: one that is just judged may be changed or taken back."""
    paths = _managed(world, candidate.commit)
    if candidate.trigger != "edit" or base is None:
        return paths
    edited = set(world.git.changed_paths(base, candidate.commit))
    return [path for path in paths if path not in edited]


def _managed(world: World, commit: str) -> list[str]:
    listed = world.git.list_tree(commit)
    return [] if len(listed) > MOST else [entry.path for entry in listed if not is_document(entry.path)]


def _stamps(root: Path, paths: Iterable[str]) -> dict[str, Stamp]:
    return {path: _stamp(root / path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def _records(world: World) -> dict[str, Stamp]:
    """Return the contents of what settles how releases are made."""
    home = world.home
    hooks = (path for path in (world.git.directory / "hooks").glob("*") if path.suffix != ".sample")
    return {
        str(path.relative_to(world.git.directory)): path.read_bytes()
        for path in (home.settings, home.installed, *hooks)
        if path.is_file()
    }


def _differ(before: Mapping[str, Stamp], now: Mapping[str, Stamp]) -> list[str]:
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]
