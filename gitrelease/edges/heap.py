"""How does the agent give memory back? What its many threads free would else stay with the C library, in pieces.

Measured by `tests.benchmarks.longrun`: what the agent holds grows half as much over a thousand releases.
"""

from __future__ import annotations

import ctypes
import platform

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


def share_one() -> None:
    """Let all threads, those to come as well, share one heap; the interpreter runs one at a time anyway."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Give what lies free back to the system; a few milliseconds."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
