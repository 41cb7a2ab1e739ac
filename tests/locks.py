"""Locks of git that nobody can say were left behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

_AHEAD = 4.0  # seconds: less than what tells a lock that was left behind, before and after its date
_EVERY = 0.5


def fresh_lock(path: Path) -> None:
    """Make a lock file that is never old, until somebody deletes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    keep_fresh(path)


def keep_fresh(path: Path) -> None:
    """Keep a lock file that is there, or will be, from being old, until somebody deletes it."""
    threading.Thread(target=_keep_fresh, args=(path,), daemon=True).start()


def _keep_fresh(path: Path) -> None:
    pause, seen = threading.Event(), False
    while path.exists() or not seen:
        if path.exists():
            seen = True
            try:
                os.utime(path, (time.time() + _AHEAD,) * 2)
            except FileNotFoundError:
                return
        pause.wait(_EVERY)
