"""What do we leave on the disk, and how is it bounded? Is there room for more?"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitrelease.edges.home import Home, open_log

LOGS_KEPT = 50  # log files of backends that have ended, older generations included
OLDER = ".1"  # is appended to the name of a log file that makes way for an empty one
STALE = 86_400.0  # seconds after which nobody can be at work on a file of one moment any more
_FEW_FILES = 16  # likewise
_SCRATCH = re.compile(r"\..+\.(\d+)")  # as `write_atomically` names them
_ABANDONED = frozenset({"spec.json", "output", "results", "replay", "gitrelease_checks.py"})
_BALLAST = (32, 65_536)  # files, bytes each: a rollback writes a few objects, refs and events
_FULL = 65_536  # bytes: what git and the journal need to write a few small files


@dataclass(frozen=True)
class Room:
    """What a file system has left for this user; `files` is None where it does not count them."""

    free: int  # bytes
    files: int | None


def room_at(path: Path) -> Room:
    """Return what the file system of `path` has left."""
    found = os.statvfs(path)
    return Room(free=found.f_bavail * found.f_frsize, files=found.f_favail if found.f_files else None)


def is_full(folder: Path) -> bool:
    """Is there no room in `folder` for what git and the journal need to write a few small files?"""
    left = room_at(folder)
    if left.free < _FULL or (left.files is not None and left.files < _FEW_FILES):
        return True
    try:
        # A quota shows in no figure of the file system: only who writes finds out.
        with tempfile.TemporaryFile(dir=folder) as probe:
            os.posix_fallocate(probe.fileno(), 0, _FULL)
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def lay_in_ballast(home: Home) -> None:
    """Take a little room while there is some: on a full disk it is given up, so that a way back can be written."""
    number, size = _BALLAST
    left = room_at(home.root)
    if left.free < 8 * number * size or (left.files is not None and left.files < 8 * number):
        return
    home.ballast.mkdir(mode=0o700, exist_ok=True)
    for name in map(str, range(number)):
        if not (home.ballast / name).exists():
            try:
                with open_log(home.ballast / name) as file:
                    os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                (home.ballast / name).unlink(missing_ok=True)  # an empty file is no ballast
                raise


def drop_ballast(home: Home) -> bool:
    """Give up the ballast where the disk is full; was it?"""
    if not home.ballast.exists() or not is_full(home.root):
        return False
    shutil.rmtree(home.ballast, ignore_errors=True)
    return True


def rotate(log: Path, *, most: int) -> bool:
    """Empty a log file that is larger than `most` bytes, its last `most` kept in an older generation; was it?

    Whoever writes it goes on with the same open file, which is in append mode. A line that is written just between
    copying and emptying is lost. Where there is no room for the copy, the bound counts more than the old lines.
    """
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return False
    if size <= most:
        return False
    older = log.with_name(log.name + OLDER)
    try:
        with log.open("rb") as source, older.open("wb") as target:
            source.seek(size - most)
            for _ in range(2):  # what is written meanwhile, too; a process that never pauses must not keep us
                target.write(source.read(most))
    except OSError:
        older.unlink(missing_ok=True)
    os.truncate(log, 0)
    return True


def tidy(home: Home, *, running: Collection[Path]) -> list[Path]:
    """Remove what nobody needs any more, and return it.

    Those are old logs of backends that are not `running`, and what killed processes of ours were writing just then.
    """
    removed: list[Path] = []
    for path in (*_old_logs(home, running), *_scratch(home), *_old_pushes(home)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            removed.append(path)
    for folder in _abandoned(Path(tempfile.gettempdir())):
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder)
    return removed


def _old_logs(home: Home, running: Collection[Path]) -> list[Path]:
    kept = {home.agent_log, home.front_log, *running}
    kept |= {log.with_name(log.name + OLDER) for log in kept}
    ended = [path for path in home.logs.iterdir() if path.name.endswith((".log", f".log{OLDER}")) and path not in kept]
    return sorted(ended, key=_written, reverse=True)[LOGS_KEPT:]


def _scratch(home: Home) -> Iterator[Path]:
    """Yield files that a process was killed over before it could give them their name."""
    for folder in (home.root, home.run, home.baselines, home.told, home.slots):
        for path in folder.glob(".*"):
            named = _SCRATCH.fullmatch(path.name)
            if named and not _runs(int(named[1])):
                yield path


def _old_pushes(home: Home) -> Iterator[Path]:
    """Yield the options of pushes that are over: their `git receive-pack` has ended."""
    for path in home.pushes.iterdir():
        if path.name.isdigit() and (not _runs(int(path.name)) or time.time() - _written(path) > STALE):
            yield path


def _abandoned(folder: Path) -> Iterator[Path]:
    """Yield our temporary folders of checks that were killed: a day old, and nothing in them but what checks write."""
    for path in folder.glob("gitrelease-*"):
        with contextlib.suppress(OSError):
            mine = path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid()
            if mine and time.time() - _written(path) > STALE and {one.name for one in path.iterdir()} <= _ABANDONED:
                yield path


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")  # one that nobody has reaped has ended


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
