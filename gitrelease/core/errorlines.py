"""Which lines of an app's output tell of an error? Bytes as they were written; no I/O."""

from __future__ import annotations

import re

from gitrelease.core.health import SOAK_MARKERS

TRACEBACK = "Traceback (most recent call last):"
LEVELS = ("ERROR", "CRITICAL", "FATAL")

# A traceback counts once, at its first line; the words that Streamlit writes above it are not counted again.
_WORDS = tuple(word.encode() for word in (TRACEBACK, *SOAK_MARKERS[1:], *LEVELS))
_LEVEL = re.compile(rb"(?<![A-Za-z0-9_])(?:" + b"|".join(level.encode() for level in LEVELS) + rb")(?![A-Za-z0-9_])")
_LOOKED_AT = 4096  # bytes of a line: a level stands at its start, and a line may be megabytes long


def count(output: bytes) -> int:
    """Return how many lines of `output` tell of an error."""
    if not any(word in output for word in _WORDS):
        return 0
    return sum(_tells(line[:_LOOKED_AT]) for line in output.split(b"\n"))


def _tells(line: bytes) -> bool:
    if not any(word in line for word in _WORDS):
        return False
    return any(word in line for word in _WORDS[: -len(LEVELS)]) or _LEVEL.search(line) is not None
