"""Which releases may go? The old ones; never what production serves, proved good, is pinned or would go back to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gitrelease.core.history import Release


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
