"""When has something changed on disk? watchdog tells; a quiet moment later the agent is poked, once.

Watched: the work tree without its `.git`, the branches of the repository, its tags, since a fetch may delete those, and
the file that hooks touch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from gitrelease.core.debounce import concerns, wait_until
from gitrelease.core.settings import seconds
from gitrelease.edges import ref_tables
from gitrelease.world import World

# Reading is no change; inotify reports it all the same.
_QUIET = frozenset({"opened", "closed_no_write"})
_COMES_OR_GOES = frozenset({"created", "deleted", "moved"})
_GOES = frozenset({"deleted", "moved"})
_LOCK = ".lock"


class Watcher:
    """Calls `poke` when a burst of changes has ended, and `branch_moved` as soon as the deploy branch has."""

    def __init__(self, world: World, poke: Callable[[], None], *, branch_moved: Callable[[], None]) -> None:
        self._root = world.git.root
        self._settle = seconds(world.settings.limits.settle)
        self._poke = poke
        self._branch_moved = branch_moved
        self._changed = threading.Condition()
        self._first = self._last = 0.0
        self._stopping = False
        self._observer = Observer()
        world.home.poke.touch(mode=0o600)
        self._git = world.git
        self._watched: dict[Path, ObservedWatch] = {}
        self._remade: set[Path] = set()
        self._index: tuple[int, int] | None = None
        self._observer.schedule(_Handler(self._seen), str(self._root), recursive=False)
        self._observer.schedule(_Handler(self._made, kinds=_COMES_OR_GOES), str(self._root), recursive=False)
        self.follow()
        self._branch = world.git.directory / world.settings.branch_ref
        tables = ref_tables.list_of(world.git.directory)
        if tables is not None:
            self._observer.schedule(_Handler(self._any_ref, only=tables), str(tables.parent), recursive=False)
        else:
            self._watch_files_of_refs(world.git.directory)
        self._observer.schedule(_Handler(self._hook, only=world.home.poke), str(world.home.root), recursive=False)
        self._observer.start()
        self._thread = threading.Thread(target=self._settle_bursts, name="watcher", daemon=True)
        self._thread.start()

    def _watch_files_of_refs(self, directory: Path) -> None:
        heads, tags = (directory / "refs" / name for name in ("heads", "tags"))
        for folder in (heads, tags):
            folder.mkdir(parents=True, exist_ok=True)
        self._observer.schedule(_Handler(self._head), str(heads), recursive=True)
        self._observer.schedule(_Handler(self._ref, kinds=_GOES), str(tags), recursive=True)
        packed = _Handler(self._now, only=directory / "packed-refs", kinds=_COMES_OR_GOES)
        self._observer.schedule(packed, str(directory), recursive=False)

    def follow(self) -> None:
        """Watch the directories that hold tracked files by now; cheap while the index is the same.

        A venv or `.git` beside them is not worth 50,000 watches. `OSError` when the host allows no more.
        """
        index = _stamp(self._git.directory / "index")
        if index is not None and index == self._index:
            return
        self._index = index  # before anything is looked at: what comes or goes meanwhile is looked at again
        remade, self._remade = self._remade, set()
        for folder in remade & self._watched.keys():
            self._observer.unschedule(self._watched.pop(folder))
        tracked = self._git.text("ls-files", "-z").split("\0")
        for folder in sorted({self._root / path.split("/")[0] for path in tracked if "/" in path}):
            if folder not in self._watched and folder.is_dir() and not folder.is_symlink():
                self._watched[folder] = self._observer.schedule(_Handler(self._seen), str(folder), recursive=True)

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._observer.stop()

    def _made(self, path: Path) -> None:
        """Something came or went at the top: the watch of a folder ends with it, one that is made again has none."""
        self._remade.add(path)
        self._index = None

    def _seen(self, path: Path) -> None:
        if concerns(path, self._root):
            self._now(path)

    def _head(self, path: Path) -> None:
        if path == self._branch:
            self._branch_moved()
        self._ref(path)

    def _any_ref(self, path: Path) -> None:
        """Some ref has changed, the branch perhaps: whoever is called looks."""
        self._branch_moved()
        self._now(path)

    def _ref(self, path: Path) -> None:
        """A ref has changed; its lock, which no ref can be, is one that somebody only tries to change, we too."""
        if path.suffix != _LOCK:
            self._now(path)

    def _hook(self, _: Path) -> None:
        self._now(self._root)

    def _now(self, _: Path) -> None:
        with self._changed:
            self._last = time.monotonic()
            self._first = self._first or self._last
            self._changed.notify()

    def _settle_bursts(self) -> None:
        with self._changed:
            while not self._stopping:
                if not self._first:
                    self._changed.wait()
                    continue
                left = wait_until(self._first, self._last, self._settle) - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                self._first = 0.0
                self._poke()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


class _Handler(FileSystemEventHandler):
    def __init__(
        self, seen: Callable[[Path], None], *, only: Path | None = None, kinds: frozenset[str] | None = None
    ) -> None:
        self._call = seen
        self._only = only
        self._kinds = kinds

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _QUIET or (self._kinds is not None and event.event_type not in self._kinds):
            return
        for name in (event.src_path, event.dest_path):
            path = Path(name if isinstance(name, str) else name.decode(errors="surrogateescape")) if name else None
            if path is not None and (self._only is None or path == self._only):
                self._call(path)
