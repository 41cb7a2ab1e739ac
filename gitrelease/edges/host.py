"""What is this host like: its git, its file systems, its clock?"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

_ASK_LIMIT = 10.0  # seconds
_TIMEX_SIZE = 208  # bytes of struct timex, see adjtimex(2)
_NOT_KEPT = 5  # TIME_ERROR


def git_version() -> tuple[int, ...] | None:
    """Return the version of the git on PATH, None where there is none that runs."""
    program = shutil.which("git")
    if program is None:
        return None
    try:
        said = subprocess.run([program, "--version"], capture_output=True, check=False, timeout=_ASK_LIMIT).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rb"(\d+)\.(\d+)(?:\.(\d+))?", said)
    return tuple(int(part) for part in found.groups() if part) if found else None


def runs_no_programs(path: Path) -> bool:
    """Is the file system of `path` mounted so that nothing on it is executed?"""
    return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)


def is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def clock_is_kept() -> bool:
    """Does something keep the clock of this host right? The kernel is told so by whatever does."""
    # With no mode set it changes nothing, and everybody may ask.
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))) != _NOT_KEPT


def crontab() -> str:
    """Return the crontab of this user; nothing where there is none."""
    program = shutil.which("crontab")
    if program is None:
        return ""
    try:
        ran = subprocess.run([program, "-l"], capture_output=True, check=False, timeout=_ASK_LIMIT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.decode(errors="replace") if ran.returncode == 0 else ""


def foreign_files(folder: Path, *, most: int) -> list[Path]:
    """Return what below `folder` this user neither owns nor may write, after a look at `most` files."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        # Objects are never written again: of those, the folders alone count.
        names = folders if here.parent.name == "objects" else [*folders, *files]
        for name in names:
            path = here / name
            try:
                strange = path.lstat().st_uid != os.getuid() and not os.access(path, os.W_OK)
            except FileNotFoundError:
                continue
            if strange:
                found.append(path)
        most -= len(names)
        if most < 0:
            break
    return found
