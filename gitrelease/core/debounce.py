"""Which changes on disk concern us, and when has a burst of them ended?"""

from __future__ import annotations

from pathlib import PurePath

# A burst that does not end (something writes all the time) is looked at in between all the same.
LONGEST_BURST = 5.0  # seconds

_NEVER = frozenset({"__pycache__", ".git", ".venv", "venv", "node_modules", ".mypy_cache", ".pytest_cache"})


def concerns(path: PurePath, root: PurePath) -> bool:
    """Can a change of `path` be a change of what git tracks below `root`?"""
    try:
        parts = path.relative_to(root).parts
    except ValueError:
        return False
    return bool(parts) and not _NEVER.intersection(parts)


def wait_until(first: float, last: float, settle: float) -> float:
    """Return the moment at which a burst counts as over: `settle` after its last change, not for ever later."""
    return min(last + settle, first + max(LONGEST_BURST, settle))
