"""What is this host like: its git, kernel, file systems and clock, its load and memory, what runs and listens there?

Of what is not ours only numbers are told.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gitrelease.edges import housekeeping, process_table

_ASK_LIMIT = 10.0  # seconds
_TIMEX_SIZE = 208  # bytes of struct timex, see adjtimex(2)
_NOT_KEPT = 5  # TIME_ERROR
_MB = 1 << 20
_LIMIT = 2.0  # seconds in which the kernel answers
# The words of netlink(7) and sock_diag(7), which the standard library does not name.
_SOCK_DIAG, _BY_FAMILY, _DUMP, _ERROR, _DONE = 4, 20, 0x301, 2, 3
_LISTENS = 1 << 10  # the state of a TCP socket


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


def can_write(path: Path) -> bool:
    """May this user write a file, or make files in a folder? What is not there is in nobody's way."""
    return os.access(path, os.W_OK | os.X_OK if path.is_dir() else os.W_OK) or not path.exists()


def can_write_below(folder: Path) -> bool:
    """May this user make files in a folder, and in every folder below it?"""
    return can_write(folder) and all(
        can_write(Path(place) / name) for place, names, _ in os.walk(folder) for name in names
    )


def system() -> dict[str, Any]:
    """Return name, kernel, cores and load; the load is that of the last minute, five, and fifteen."""
    told = os.uname()
    return {
        "name": told.nodename,
        "system": told.sysname,
        "kernel": told.release,
        "machine": told.machine,
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def disks(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return what the file systems of `paths` have, each once; in megabytes, and files that may still be made."""
    rows: dict[int, dict[str, Any]] = {}
    for path in paths:
        used, room = shutil.disk_usage(path), housekeeping.room_at(path)
        rows.setdefault(
            path.stat().st_dev,
            {"path": str(path), "total_mb": used.total // _MB, "free_mb": room.free // _MB, "free_files": room.files},
        )
    return list(rows.values())


def processes(ours: Iterable[int]) -> dict[str, int]:
    """Return how many processes run that are not `ours`, and how many of them belong to this user."""
    known = set(ours)
    others = [one.pid for one in process_table.table() if one.pid not in known]
    return {"all": len(others), "of_this_user": sum(map(_is_mine, others))}


def _is_mine(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False


def listening() -> frozenset[int]:
    """Return the TCP ports that somebody listens on."""
    return frozenset(port for family in (socket.AF_INET, socket.AF_INET6) for port in _listening(family))


def _listening(family: int) -> Iterator[int]:
    """Ask the kernel for its listening sockets, see sock_diag(7): /proc/net/tcp has every connection, too."""
    wanted = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, _LISTENS)
    header = struct.pack("=IHHII", 16 + len(wanted), _BY_FAMILY, _DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as asked:
        asked.settimeout(_LIMIT)
        asked.send(header + wanted)
        while True:
            received, at = asked.recv(65_536), 0
            while at < len(received):
                length, kind = struct.unpack_from("=IH", received, at)
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", received, at + 16)[0]
                    raise OSError(code, os.strerror(code))
                if kind == _DONE:
                    return
                yield int.from_bytes(received[at + 20 : at + 22], "big")
                at += (length + 3) & ~3


def python_version() -> str:
    return platform.python_version()
