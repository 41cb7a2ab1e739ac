"""Does a change bring back what was taken back before? Asked of each term, pattern and field, and of places in code.

A fix on top of what went bad changes the item that was wrong. An item that is there again with the value that it had is
what somebody has pulled before it was taken back, and pushes once more without knowing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gitrelease.core.changes import Lines
from gitrelease.core.diff import Diff, OtherChange
from gitrelease.core.text import one_line

_SHOWN = 5


class Returned(NamedTuple):
    """What comes back of a release: its name, why it was taken back, and which items."""

    release: str
    reason: str
    items: tuple[str, ...]


def returned(brought: Diff, from_live: Diff, to_candidate: Diff) -> tuple[str, ...]:
    """Return the items that a candidate has as the content that was taken back had them, and that live has not.

    `brought`: what that content had changed; `from_live`: what it is against what is live; `to_candidate`: what the
    candidate is against it.
    """
    there = set(_new_items(from_live)) - set(_all_items(to_candidate))
    items = [item for item in _new_items(brought) if item in there]
    touched = [*to_candidate.other, *_as_places(to_candidate)]
    places = [
        place
        for place in brought.other
        if place.new_lines is not None
        and _overlaps_new(place, from_live.other)
        and not any(one.file == place.file and _overlap(one.old_lines, place.new_lines) for one in touched)
    ]
    return (*(": ".join(filter(None, item)) for item in items), *map(_place, places))


def may_return(brought: Diff, candidate: Diff) -> bool:
    """Could a change bring back some of what was `brought`? It does not where the two have nothing in common."""
    files = {one.file for one in candidate.other}
    return bool(set(_new_items(brought)) & set(_new_items(candidate))) or any(
        one.file in files for one in brought.other
    )


def told(found: Sequence[Returned]) -> str:
    """Say what comes back, of which release, and why that was taken back."""
    return "; ".join(
        f"it brings back what was taken back with {one.release} ({one_line(one.reason, 160)}): {_few(one.items)}"
        for one in found
    )


def hint(found: Iterable[Returned]) -> str:
    """Say how a commit can say that this is wanted."""
    lines = ", ".join(f"Returns: {one.release}" for one in found)
    return f"or say so in the commit message, a line each at its end: {lines}"


def _few(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return one_line(", ".join(items[:_SHOWN]), 400) + more


def _new_items(diff: Diff) -> Iterator[tuple[str, str]]:
    for region in diff.regions:
        for item in (*region.added, *region.changed):
            yield region.region, item
        if not (region.added or region.changed or region.removed):
            yield region.region, ""  # its content could not be read, or is code


def _all_items(diff: Diff) -> Iterator[tuple[str, str]]:
    yield from _new_items(diff)
    for region in diff.regions:
        for item in region.removed:
            yield region.region, item


def _as_places(diff: Diff) -> Iterator[OtherChange]:
    for one in diff.regions:
        yield OtherChange(file=one.file, old_lines=one.old_lines, new_lines=one.new_lines, why="")


def _overlaps_new(place: OtherChange, others: Iterable[OtherChange]) -> bool:
    return any(one.file == place.file and _overlap(one.new_lines, place.new_lines) for one in others)


def _overlap(one: Lines | None, other: Lines | None) -> bool:
    return one is not None and other is not None and one.overlaps(other)


def _place(place: OtherChange) -> str:
    lines = place.new_lines
    assert lines is not None  # noqa: S101  # such a place has been left out
    return f"{place.file}, lines {lines.first} to {lines.last}"
