"""Where can this process be made to die? At named points, and only where its environment asks for it.

`GITRELEASE_FAULT=POINT` kills the process as a power cut would when it first passes that point; with
`GITRELEASE_FAULT_SIGNAL=STOP` it stands still there, so that something else can be killed.
`GITRELEASE_FAULT_TRACE=FILE` writes the points that are passed. Tests show with it that nothing is lost.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

FAULT = "GITRELEASE_FAULT"
SIGNAL = "GITRELEASE_FAULT_SIGNAL"
TRACE = "GITRELEASE_FAULT_TRACE"

_fault = os.environ.get(FAULT, "")
_trace = os.environ.get(TRACE, "")
_signal = signal.SIGSTOP if os.environ.get(SIGNAL) == "STOP" else signal.SIGKILL
_lock = threading.Lock()
_met = threading.Event()


def passing(point: str) -> None:
    """Say that the process is at `point`; it may be its last."""
    if not _fault and not _trace:
        return
    with _lock:
        if _trace:
            with Path(_trace).open("a") as file:
                file.write(f"{point}\n")
        if _fault == point and not _met.is_set():
            _met.set()
            os.kill(os.getpid(), _signal)
