"""Where can this process be made to die? At named points, and only where its environment asks for it.

`GITRELEASE_FAULT=POINT` kills the process as a power cut would, the first time it passes that point; `POINT#2` the
second time. `GITRELEASE_FAULT_TRACE=FILE` writes the points that are passed. Tests show with it that nothing is lost.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path

FAULT = "GITRELEASE_FAULT"
TRACE = "GITRELEASE_FAULT_TRACE"

_fault = os.environ.get(FAULT, "")
_trace = os.environ.get(TRACE, "")
_passed: Counter[str] = Counter()
_lock = threading.Lock()


def passing(point: str) -> None:
    """Say that the process is at `point`; it may be its last."""
    if not _fault and not _trace:
        return
    with _lock:
        _passed[point] += 1
        if _trace:
            with Path(_trace).open("a") as file:
                file.write(f"{point}\n")
        if _fault in (f"{point}#{_passed[point]}", point):
            os.kill(os.getpid(), signal.SIGKILL)
