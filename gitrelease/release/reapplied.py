"""Which of what was taken back before does a candidate bring back, unasked?

Taken back is what went bad, as a whole, and what `rollback --only` took back of a release.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from gitrelease.candidate import Candidate, difference
from gitrelease.core.diff import Diff
from gitrelease.core.history import Release
from gitrelease.core.reapplied import Returned, may_return, returned
from gitrelease.edges.git import Git
from gitrelease.edges.records import Records
from gitrelease.release.production import Production

_NEWEST = 10  # of the releases that went bad, and of those that may have taken something back


class _TakenBack(NamedTuple):
    """Content that was taken back: it is in `commit`, and was not in the commit `before`."""

    name: str
    reason: str
    before: str
    commit: str


def what_returns(production: Production, known: Records, candidate: Candidate, diff: Diff | None) -> list[Returned]:
    """Return what comes back with a candidate that is `diff` against live, but for what its commits say is wanted."""
    live, world = known.live, production.world
    if live is None or diff is None or not world.is_production:
        return []
    found = []
    for one in _taken_back(production, known, live):
        brought = _brought(production, one)
        if one.commit == live.commit or not may_return(brought, diff):
            continue
        from_live = difference(world, live.commit, one.commit)
        items = returned(brought, from_live, difference(world, one.commit, candidate.commit))
        if items:
            found.append(Returned(one.name, one.reason, items))
    if not found:
        return []
    wanted = _wanted(world.git, live.source, candidate.source)
    return [one for one in found if one.release not in wanted]


def _taken_back(production: Production, known: Records, live: Release) -> Iterator[_TakenBack]:
    for number in sorted(known.bad, reverse=True)[:_NEWEST]:
        release = known.releases.numbered(number)
        before = known.release(release.previous) if release is not None and release.previous else None
        if release is not None and before is not None:
            yield _TakenBack(release.name, known.bad[number], before.commit, release.commit)
    newest = list(islice(known.releases.newest(below=live.number + 1, without=known.bad), _NEWEST))
    for release, taken_from in _parts(production.world.git, newest):
        before = known.release(release.previous) if release.previous else None
        if before is not None:
            # What the release before it had, and it has not.
            yield _TakenBack(
                before.name, f"taken back by {release.name}, as in {taken_from}", release.commit, before.commit
            )


def _parts(git: Git, releases: list[Release]) -> Iterator[tuple[Release, str]]:
    """Yield the releases that have taken back a part of another one, each with the release that it took that from."""
    if not releases:
        return
    sources = dict.fromkeys(release.source for release in releases)
    shown = git.lines("log", "--no-walk", "--format=%H %(trailers:key=Taken-From,valueonly,separator=%x2C)", *sources)
    taken_from = dict(line.split(" ", 1) for line in shown if " " in line)
    for release in releases:
        if name := taken_from.get(release.source, "").strip():
            yield release, name


def _brought(production: Production, one: _TakenBack) -> Diff:
    """Return what content that was taken back had changed; it is the same each time that it is asked for."""
    settings = production.world.settings
    key = (one.before, one.commit, settings.regions, settings.app.script, settings.app.schema)
    if key not in production.brought:
        if len(production.brought) >= 4 * _NEWEST:
            production.brought.clear()
        production.brought[key] = difference(production.world, one.before, one.commit)
    return production.brought[key]


def _wanted(git: Git, before: str, after: str) -> set[str]:
    """Return the releases that the commits between two say are to come back, each in a trailer `Returns: release/N`."""
    listed = git.lines("log", "--format=%(trailers:key=Returns,valueonly)", f"{before}..{after}", "--")
    return {name.strip() for line in listed for name in line.split(",") if name.strip()}
