"""What lies in a slot beside the files of its commit? The app's data (`app.data`), and what the app has written there.

A slot that has served is not used again before its data is taken over, and the rest moved to where it is kept.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from gitrelease.core.reading import ReadAs
from gitrelease.edges import leftovers, process_table
from gitrelease.edges.data_folders import DataFolders
from gitrelease.edges.git import Git, GitError
from gitrelease.edges.home import write_atomically

log = logging.getLogger("gitrelease.agent")

_SERVING = threading.Lock()  # one goes live while another thread tidies up
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down of a slot: the folders of data that it has links to, and whether it serves, or has."""

    data: tuple[str, ...] = ()
    serves: bool = False


_RECORD = ReadAs(_Record)


class SlotFiles:
    """The same of all slots in `folder`.

    `standing` gives the commit of a slot, `held` the slots in which something runs.
    """

    def __init__(
        self,
        git: Git,
        folder: Path,
        *,
        standing: Callable[[str], str | None],
        held: Callable[[], Collection[str]],
    ) -> None:
        self._git, self._folder = git, folder
        self._standing, self._held = standing, held
        self.data = DataFolders(folder.parent / "data", self._before)
        self.leftovers = folder.parent / "leftovers"

    def unlink(self, name: str) -> None:
        """Take the links to data out of a slot that comes to another commit: git may not be able to clean it."""
        for path in self._record(name).data:
            if (self._folder / name / path).is_symlink():
                (self._folder / name / path).unlink()

    def give(self, name: str, data: tuple[str, ...], *, tried: bool) -> None:
        """Let a slot have the app's data: copies while it is only tried."""
        # What serves is served by one at a time: it may have gone live a moment ago, and be started again already.
        with contextlib.nullcontext() if tried else _SERVING:
            self._give(name, data, tried=tried)

    def _give(self, name: str, data: tuple[str, ...], *, tried: bool) -> None:
        path, copies = self._folder / name, self._copies(name)
        shutil.rmtree(copies, ignore_errors=True)
        given = self.data.copy(path, copies, data) if tried else self.data.link(path, data)
        record = _Record(data=tuple(given), serves=not tried)
        if record != self._record(name):
            try:
                self._note(name, record)
            except OSError as error:
                if (tried and given) or error.errno not in _FULL:
                    raise  # else: on a full disk what was released before comes up all the same

    def serve(self, name: str, *, late: bool = False) -> None:
        """Let a slot have the app's data itself, not a copy: what runs there serves from now on.

        `late`: it has served before: what was written to its copies is the app's data as well.
        """
        with _SERVING:
            record = self._record(name)
            if record.serves:
                return
            slot, copies = self._folder / name, self._copies(name)
            if late and record.data:
                replaced = self._leftovers_of(name)
                self.data.serve_late(slot, copies, record.data, replaced=replaced, is_open=_is_open)
            else:
                self.data.serve(slot, copies, record.data)
            self._note(name, msgspec.structs.replace(record, serves=True))

    def drop_what_was_tried(self) -> None:
        """Drop what candidates had made of their copies when they went live."""
        with _SERVING:
            for tried in self._folder.glob("*.data.tried"):
                shutil.rmtree(tried, ignore_errors=True)

    def uses_copies(self, name: str) -> bool:
        """Has a process a file open of the copies that its slot has of the app's data? It would go on writing there."""
        record = self._record(name)
        return bool(record.data) and not record.serves and process_table.has_open_below(self._copies(name))

    def needs_settling(self, name: str) -> bool:
        """Has a slot served since it was saved last, or copies that somebody has tried?"""
        return self._record(name).serves or self._copies(name).exists()

    def drop_copies(self, name: str) -> None:
        if not self._record(name).serves:  # else they are links, which somebody may have resolved
            shutil.rmtree(self._copies(name), ignore_errors=True)

    def written(self, name: str) -> list[str]:
        """Return the paths in a slot that are in no commit, and that are none of ours, nor a cache."""
        return leftovers.written(self._git, self._folder / name) if self._standing(name) is not None else []

    def named(self, name: str) -> list[str]:
        """Return the same as people name it: a folder of which nothing is in a commit once, with a stroke behind it."""
        return leftovers.named(self._git, self._folder / name) if self._standing(name) is not None else []

    def save(self, name: str, data: tuple[str, ...] = ()) -> bool:
        """Take over the data of a slot that has served, and move what else lies there to where it is kept for a while.

        Nothing is saved of what never served. Where the disk is full nothing can be, and a way back counts more; but
        data is not lost for it: False where some would be.
        """
        record, path = self._record(name), self._folder / name
        if not record.serves or not path.is_dir():
            return True
        if self._standing(name) is None:  # the checkout was moved, or git's record of the slot is gone
            self._put_aside(name)
            return True
        try:
            own = self._own_data(path, {*record.data, *data})
            for folder in own:
                replaced = self._leftovers_of(name) / folder
                self.data.take_over(path / folder, folder, replaced=replaced, is_open=_is_open)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return False
        except GitError:  # it is damaged: a power cut
            self._put_aside(name)
            return True
        try:
            if names := self.written(name):
                leftovers.keep(path, names, self._leftovers_of(name))
            self._note(name, msgspec.structs.replace(record, serves=False))
        except GitError:
            self._put_aside(name)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            log.warning("the disk is full: what the app may have written in slot %s is not kept", name)
        return True

    def _own_data(self, slot: Path, paths: Collection[str]) -> list[str]:
        """Return those folders of data that the app has put in the place of their links; none that git tracks."""
        own = [path for path in paths if (slot / path).is_dir() and not (slot / path).is_symlink()]
        return [path for path in own if not self._git.run("ls-files", "-z", "--", path, cwd=slot)]

    def _put_aside(self, name: str) -> None:
        """Keep a slot that git cannot read any more as a whole: it is made anew."""
        slot, record, to = self._folder / name, self._record(name), self._leftovers_of(name)
        for path in record.data:  # git did not track them when they were linked
            if (slot / path).is_dir() and not (slot / path).is_symlink():
                replaced = to.with_name(f"{to.name}-replaced") / path
                self.data.take_over(slot / path, path, replaced=replaced, is_open=_is_open)
        slot.rename(to)
        log.warning("slot %s was damaged: it is kept as %s", name, to)
        self._note(name, _Record())

    def _leftovers_of(self, name: str) -> Path:
        self.leftovers.mkdir(mode=0o700, exist_ok=True)
        return leftovers.new_folder(self.leftovers, self._standing(name) or name)

    def _before(self, path: str) -> Iterator[Path]:
        """Yield where the app may have written what belongs at a path of its data: in what serves, in the checkout."""
        serving = [name for name in self._held() if self._record(name).serves]
        for name in sorted(serving, key=lambda one: -(self._folder / f"{one}.json").stat().st_mtime):
            yield self._folder / name / path
        yield self._git.root / path

    def _copies(self, name: str) -> Path:
        return self._folder / f"{name}.data"

    def _record(self, name: str) -> _Record:
        try:
            return _RECORD.decode((self._folder / f"{name}.json").read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return _Record()

    def _note(self, name: str, record: _Record) -> None:
        write_atomically(self._folder / f"{name}.json", msgspec.json.encode(record))


def _is_open(path: Path) -> bool:
    """Has a process this file open?"""
    return bool(process_table.with_open(path))
