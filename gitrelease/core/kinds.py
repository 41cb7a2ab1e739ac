"""What kinds of change are there, and which of two is the riskier?"""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Kind(enum.StrEnum):
    """The kinds of change, lowest first; JSON and settings use the values."""

    NONE = "none"
    DICTIONARY = "dictionary"
    PATTERN = "pattern"
    SCHEMA = "schema"
    MAJOR = "major"

    @property
    def rank(self) -> int:
        """0 for `none` up to 4 for `major`."""
        return tuple(Kind).index(self)


def highest(kinds: Iterable[Kind]) -> Kind:
    """Return the riskiest of `kinds`; `Kind.NONE` where there are none."""
    return max(kinds, key=lambda kind: kind.rank, default=Kind.NONE)


def ordered(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Return `kinds` without repetition, lowest first."""
    return tuple(sorted(set(kinds), key=lambda kind: kind.rank))
