"""Where is the data that an app keeps beside its script (`app.data`)? In one place that outlives its releases.

The slot that serves has a link to it. What is only tried, a candidate or a check, has a link to a copy of its own; when
it goes live, the link is replaced in one step, and what it has tried out is dropped. Where its copies were, links stay:
a process may have resolved the first one, and write there ever after.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

_TRIED = ".tried"  # what a candidate has made of its copy, until somebody has time to remove it


class DataFolders:
    """The data of the app of one group of instances: `place` holds it, by path."""

    def __init__(self, place: Path, sources: Callable[[str], Iterable[Path]]) -> None:
        """`sources`: folders that may have had what belongs at a path before that was data, the best first."""
        self.place = place
        self._sources = sources

    def link(self, slot: Path, paths: Sequence[str]) -> list[str]:
        """Give the slot at `slot` those folders `paths` that it does not have; return them."""
        lacking = [path for path in paths if not os.path.lexists(slot / path)]
        for path in lacking:
            self._make(path)
            _link(slot / path, self.place / path)
        return lacking

    def copy(self, slot: Path, copies: Path, paths: Sequence[str]) -> list[str]:
        """Give the slot copies of them, made in `copies`, in the place of the folders themselves.

        `OSError` where the disk is full; nothing of the copies is left then.
        """
        lacking = [path for path in paths if not os.path.lexists(slot / path)]
        try:
            for path in lacking:
                self._make(path)
                _copy(self.place / path, copies / path, moved=(self.place, copies))
                _link(slot / path, copies / path)
        except OSError:
            shutil.rmtree(copies, ignore_errors=True)
            raise
        return lacking

    def serve(self, slot: Path, copies: Path, paths: Sequence[str]) -> None:
        """Let the slot have the data itself in the place of its copies of `paths`: it serves from now on.

        What it has tried out is dropped, or put aside until somebody has time for that.
        """
        if not paths:
            return
        tried = copies.with_name(f"{copies.name}{_TRIED}")
        shutil.rmtree(tried, ignore_errors=True)
        tried.mkdir(mode=0o700)
        for path in paths:
            self._make(path)
            link, copy = slot / path, copies / path
            aside = tried / path
            aside.parent.mkdir(parents=True, exist_ok=True)
            if copy.is_dir() and not copy.is_symlink():
                copy.rename(aside)
            _link(copy, self.place / path)
            if os.path.lexists(link) and not link.is_symlink():
                link.rename(aside.with_name(f"{aside.name}.own"))  # the candidate has put it in the place of its link
            _link(link, self.place / path)

    def serve_late(
        self, slot: Path, copies: Path, paths: Sequence[str], *, replaced: Path, is_open: Callable[[Path], bool]
    ) -> None:
        """Do the same where the slot has served from its copies: what was written there is the app's data as well.

        File by file: whoever is killed in between leaves the rest where it was, to be taken over the next time.
        """
        for path in paths:
            for own in (slot / path, copies / path):
                if own.is_dir() and not own.is_symlink():
                    self.take_over(own, path, replaced=replaced / path, is_open=is_open)
                    shutil.rmtree(own, ignore_errors=True)  # empty folders at most
                _link(own, self.place / path)

    def take_over(self, folder: Path, path: str, *, replaced: Path, is_open: Callable[[Path], bool]) -> None:
        """Take what the app has put in the place of its link to `path`, or written to a copy of it: all of `folder`.

        Of a file that is in both the newer one stays, and one that `is_open`; the other goes to `replaced`.
        """
        self._make(path)
        _merge(folder, self.place / path, replaced, is_open)

    def give_back(self, checkout: Path, *, replaced: Path) -> list[str]:
        """Move all data to the checkout, where older files of the same names go to `replaced`; return what it was."""
        if not self.place.is_dir():
            return []
        names = sorted(path.name for path in self.place.iterdir() if not path.name.startswith("."))
        for name in names:
            _merge(self.place / name, checkout / name, replaced / name, lambda _: False)
        return names

    def _make(self, path: str) -> None:
        """Make the folder in our place where it is not there yet: of what there was of it before."""
        folder = self.place / path
        if folder.exists():
            return
        scratch = folder.with_name(f".{folder.name}.{os.getpid()}-{threading.get_ident()}.new")
        self.place.mkdir(mode=0o700, exist_ok=True)
        scratch.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = next((one for one in self._sources(path) if one.is_dir() and not one.is_symlink()), None)
        try:
            if before is None:
                scratch.mkdir()
            else:
                _copy(before, scratch)
            scratch.rename(folder)
        except OSError:
            shutil.rmtree(scratch, ignore_errors=True)
            if not folder.is_dir():  # else somebody else has made it meanwhile, a check say
                raise


def _copy(source: Path, target: Path, *, moved: tuple[Path, Path] | None = None) -> None:
    """Copy a folder to which somebody may be writing: what goes meanwhile is left out, as is what cannot be read.

    Whoever runs the app is who copies: it could not read that either. A link that leads below the first folder of
    `moved` leads to the same place below the second one in the copy.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _but_what_cannot_be_read():
        for entry in os.scandir(source):
            with _but_what_cannot_be_read():
                to = target / entry.name
                if entry.is_symlink():
                    to.symlink_to(_moved(Path(entry.path).readlink(), moved))
                elif entry.is_dir():
                    _copy(Path(entry.path), to, moved=moved)
                elif entry.is_file():  # no pipe, no socket: to open one is to wait
                    shutil.copy2(entry.path, to)
        shutil.copystat(source, target)


def _moved(target: Path, moved: tuple[Path, Path] | None) -> Path:
    if moved is None or not target.is_relative_to(moved[0]):
        return target
    return moved[1] / target.relative_to(moved[0])


@contextlib.contextmanager
def _but_what_cannot_be_read() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP):
            raise


def _link(link: Path, target: Path) -> None:
    """Let `link` lead to `target`, in one step where it leads somewhere already."""
    scratch = link.with_name(f".{link.name}.link")
    scratch.unlink(missing_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    scratch.symlink_to(target)
    scratch.replace(link)


def _merge(source: Path, target: Path, replaced: Path, is_open: Callable[[Path], bool]) -> None:
    """Move what is in `source` to `target`; of what is in both one is moved to `replaced`."""
    if source.is_dir() and not source.is_symlink() and (target.is_dir() or not os.path.lexists(target)):
        if not os.path.lexists(target):
            _move(source, target)
            return
        for path in sorted(source.iterdir()):
            _merge(path, target / path.name, replaced / path.name, is_open)
        return
    if not os.path.lexists(target):
        _move(source, target)
    elif _is_same(source, target):
        source.unlink()
    elif _is_newer(source, target) and not is_open(target):
        _move(target, replaced)
        _move(source, target)
    else:
        _move(source, replaced)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.move(source, target)


def _is_same(one: Path, other: Path) -> bool:
    first, second = one.lstat(), other.lstat()
    if not (stat.S_ISREG(first.st_mode) and stat.S_ISREG(second.st_mode)):
        return False
    return first.st_size == second.st_size and filecmp.cmp(one, other, shallow=False)


def _is_newer(one: Path, other: Path) -> bool:
    first, second = one.lstat(), other.lstat()
    return stat.S_ISREG(first.st_mode) and stat.S_ISREG(second.st_mode) and first.st_mtime_ns >= second.st_mtime_ns
