"""Which releases may go? The old ones; never what production serves, proved good, is pinned or would go back to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gitrelease.core.history import Release, rollback_target


def droppable(
    releases: Sequence[Release],
    *,
    live: int | None,
    good: int | None,
    pinned: Collection[int],
    bad: Collection[int],
    keep: int,
) -> tuple[Release, ...]:
    """Return the releases beyond the newest `keep`, oldest first.

    Failed ones are counted apart, so that a bad week drops no good release. The newest number of all stays: numbers
    are given once.
    """
    newest = sorted(releases, key=lambda release: -release.number)
    target = rollback_target(newest, live=live, bad=bad) if live is not None else None
    stays = {live, good, target.number if target else None, *pinned}
    stays.add(max((release.number for release in releases), default=None))
    for failed in (True, False):
        same = [release.number for release in newest if (release.number in bad) is failed]
        stays.update(same[:keep])
    return tuple(release for release in reversed(newest) if release.number not in stays)
