"""How does this host stand: its kernel, load, memory and disks, what runs and listens there?

Of what is not ours only numbers are told.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gitrelease.edges import housekeeping, process_table

_MB = 1 << 20
_LISTENS = "0A"  # of a TCP socket, as the kernel writes it


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


def listening() -> tuple[int, ...]:
    """Return the TCP ports that somebody listens on."""
    found: set[int] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():  # a host without IPv6
            continue
        for line in table.read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENS:
                found.add(int(words[1].rpartition(":")[2], 16))
    return tuple(sorted(found))


def python_version() -> str:
    return platform.python_version()
