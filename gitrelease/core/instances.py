"""Which instances does somebody mean?"""

from __future__ import annotations

from collections.abc import Sequence

from gitrelease.core.errors import ReleaseError
from gitrelease.core.text import one_line


def chosen(names: Sequence[str], wanted: str | None) -> tuple[str, ...]:
    """Return the instances that `wanted` names, all where it names nothing; `ReleaseError` says which there are."""
    if wanted is None:
        return tuple(names)
    if wanted in names:
        return (wanted,)
    raise ReleaseError(
        f"there is no instance {one_line(wanted, 80)!r}", hint=f"There is: {one_line(', '.join(names), 500)}"
    )
