"""Which releases may go? The old ones; never what production serves, proved good, is pinned or would go back to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gitrelease.core.history import Release, rollback_target


def needed(releases: Iterable[Release], *, live: int | None, good: int | None, bad: Collection[int]) -> set[int]:
    """Return the numbers of the releases that a group of instances needs: live, good, and where it would go back."""
    newest = sorted(releases, key=lambda release: -release.number)
    target = rollback_target(newest, live=live, bad=bad) if live is not None else None
    return {number for number in (live, good, target.number if target else None) if number is not None}


def droppable(
    releases: Sequence[Release], *, stays: Collection[int], bad: Collection[int], keep: int
) -> tuple[Release, ...]:
    """Return the releases beyond the newest `keep`, oldest first; never one of those that have to stay.

    Failed ones are counted apart, so that a bad week drops no good release. The newest number of all stays: numbers
    are given once.
    """
    newest = sorted(releases, key=lambda release: -release.number)
    stays = {*stays, *(release.number for release in newest[:1])}
    for failed in (True, False):
        same = [release.number for release in newest if (release.number in bad) is failed]
        stays.update(same[:keep])
    return tuple(release for release in reversed(newest) if release.number not in stays)
