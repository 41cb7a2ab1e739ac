"""Which folders of an app may outlive its releases (`app.data`), and which would be somebody else's?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

# What apps commonly call the folder that they write results to.
USUAL = frozenset({"downloads", "exports", "output", "outputs", "processed", "reports", "results", "uploads"})
ACCEPTED = 'folders of the checkout that git does not track, such as ["output/"]'


def normal(path: str) -> str:
    """Return a path as it is compared and shown: `output/` and `./output` are `output`."""
    return PurePosixPath(path).as_posix()


def why_not(path: str) -> str:
    """Say why a path cannot be such a folder, whatever is there; nothing where it can."""
    parts = PurePosixPath(path).parts
    if not parts:
        return "is the checkout itself"
    if path.startswith(("/", "~")) or ".." in parts:
        return "leads out of the checkout"
    if parts[0] == ".git":
        return "is git's"
    return "has a character that no path can have" if "\0" in path else ""


def conflict(data: Sequence[str], shared: Iterable[str]) -> str:
    """Say which of the folders would be in two places; nothing where each is by itself."""
    each = list(dict.fromkeys(data))
    for place, one in enumerate(each):
        for other in each[place + 1 :]:
            if _overlap(one, other):
                return f"names {one!r} and {other!r}, one of which is in the other"
        for other in shared:
            if _overlap(one, other):
                return f"names {one!r}, and app.shared {other!r}"
    return ""


def laid_over(repository: Mapping[str, Any], host: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return `shared` and `data` of two tables `[app]`; what would be in two places is where the `host` has it."""
    shared, data = list(host.get("shared", ())), list(dict.fromkeys(map(normal, host.get("data", ()))))
    for path in repository.get("shared", ()):
        if path not in shared and not any(_overlap(path, one) for one in data):
            shared.append(path)
    for path in map(normal, repository.get("data", ())):
        if not any(_overlap(path, one) for one in (*shared, *data)):
            data.append(path)
    return shared, data


def is_in(path: str, folders: Iterable[str]) -> bool:
    """Is a path one of the folders, or in one?"""
    return any(PurePosixPath(path).is_relative_to(PurePosixPath(one)) for one in folders)


def _overlap(one: str, other: str) -> bool:
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
