"""Locks of git that nobody can say were left behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

_AHEAD = 4.0  # seconds: less than what tells a lock that was left behind, before and after its date
_EVERY = 0.5


def fresh_lock(path: Path) -> threading.Event:
    """Make a lock file that is never old, until somebody deletes it or the event that is returned is set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return keep_fresh(path)


def keep_fresh(path: Path) -> threading.Event:
    """Keep a lock file that is there, or will be, from being old, until somebody deletes it or the event is set.

    To be set before somebody is to take the lock for left behind: a file that is touched meanwhile is another one.
    """
    over = threading.Event()
    threading.Thread(target=_keep_fresh, args=(path, over), daemon=True).start()
    return over


def _keep_fresh(path: Path, over: threading.Event) -> None:
    seen = False
    while path.exists() or not seen:
        if path.exists():
            seen = True
            try:
                os.utime(path, (time.time() + _AHEAD,) * 2)
            except FileNotFoundError:
                return
        if over.wait(_EVERY):
            return
