"""What became of each release, and what came in and became none? The object that `history --json` prints."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from gitrelease.core.events import Attempted
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.history import Release, outcome_of, release_name, release_number
from gitrelease.core.memory import Emergency, Memory
from gitrelease.core.redaction import redacted
from gitrelease.core.sheets import is_missed
from gitrelease.core.text import one_line
from gitrelease.edges.records import Records
from gitrelease.world import World

Remember = Callable[[World], Memory]  # what the journal of a group remembers


def from_journal(world: World) -> Memory:
    """Read what the journal of a group remembers; of a long one that takes a tenth of a second."""
    return world.journal.memory()


def history(world: World, count: int | None = None, remember: Remember = from_journal) -> dict[str, Any]:
    """Return the history object of a group, newest first: the newest `count` releases that it has had, or all, and what
    was tried there: the newest `count` attempts, and as many of those that became no release, or all.
    """
    known = world.records()
    memory = remember(world)
    been = Been(world, known, memory, remember)
    had = (one for one in known.releases.newest() if world.group in been.where(one))
    return {
        "schema": 1,
        "group": world.group,
        "releases": [release_row(known, memory, release, been) for release in itertools.islice(had, count)],
        "attempts": list(_newest(memory.attempts, count)),
        "emergencies": [emergency_row(one) for one in reversed(tuple(memory.emergencies))],
    }


def tells(memory: Memory, count: int) -> bool:
    """Does `memory`, in which the oldest attempts may be missing, tell `history` all that it tells of `count`?"""
    attempts = tuple(memory.attempts)
    return len(attempts) < memory.most_attempts or sum(map(is_missed, _newest(attempts, count))) >= count


def _newest(attempts: Sequence[Attempted], count: int | None) -> Iterator[dict[str, Any]]:
    """Yield the attempts that `history` tells of `count`, newest first."""
    told, released = 0, set[str]()
    for place, attempt in enumerate(reversed(tuple(attempts))):  # an agent may be adding one
        if attempt.outcome == "released":
            released.add(attempt.commit)
        row = _attempt_row(attempt, over=attempt.outcome in ("waiting", "pending") and attempt.commit in released)
        if count is None or place < count or (is_missed(row) and told < count):
            yield row
        told += is_missed(row)


def of_all_groups(world: World) -> dict[str, Any]:
    """Return the history object with what only other groups than production have had; each row names its `group`.

    A release of production's is production's, whoever had it before. `serving` tells which groups serve a release now.
    """
    told, serving = history(world), {world.group: world.records().live}
    found = {row["release"]: {**row, "group": world.group} for row in told["releases"]}
    attempts = [{**row, "group": world.group} for row in told["attempts"]]
    for there in world.beside():
        its = history(there)
        serving[there.group] = there.records().live
        for row in its["releases"]:
            found.setdefault(row["release"], {**row, "group": there.group})
        attempts += [{**row, "group": there.group} for row in its["attempts"]]
    releases = sorted(found.values(), key=lambda row: release_number(row["release"]) or 0, reverse=True)
    attempts.sort(key=lambda row: float(row["at"]), reverse=True)
    names = {group: release.name for group, release in serving.items() if release is not None}
    return {**told, "releases": releases, "attempts": attempts, "serving": names}


def _attempt_row(attempt: Attempted, *, over: bool) -> dict[str, Any]:
    """Return one attempt as `history` shows it; `over`: it waited, and was released since."""
    return {
        "commit": attempt.commit,
        "trigger": attempt.trigger,
        "outcome": attempt.outcome,
        "over": over,
        "reason": attempt.reason,
        "by": attempt.by,
        "at": attempt.at,
    }


class Been:
    """Which groups of instances have had which release, by refs and journals?"""

    def __init__(self, world: World, known: Records, memory: Memory, remember: Remember = from_journal) -> None:
        """`memory` is what the journal of `world` remembers: a long one is read once."""
        self._known = known
        main = world.of_group(PRODUCTION)
        self._served = {
            one.group: (memory if one.group == world.group else remember(one)).served for one in (main, *main.beside())
        }

    def where(self, release: Release) -> tuple[str, ...]:
        """Return the groups that have had a release, in that order; what is no other group's alone is production's."""
        number = release.number
        since = {group: at[number] for group, at in self._served.items() if number in at}
        apart = self._known.elsewhere.get(number)
        for group in apart or (PRODUCTION,):
            since.setdefault(group, release.at)
        if apart is not None:
            since.pop(PRODUCTION, None)
        return tuple(sorted(since, key=lambda group: since[group]))


def release_row(known: Records, memory: Memory, release: Release, been: Been) -> dict[str, Any]:
    """Return one release as `history` shows it; `groups` are those that have had it, in that order."""
    live = known.live
    soaking = live.number if live and live != known.good and live.number not in memory.proved else None
    return {
        "release": release.name,
        "commit": release.commit,
        "kind": release.kind.value,
        "risk": release.risk,
        "outcome": outcome_of(release, soaking=soaking, bad=known.bad, superseded=memory.superseded),
        "trigger": release.trigger,
        "by": release.by,
        "at": release.at,
        "summary": release.summary,
        "seconds": memory.seconds.get(release.number),
        "pinned": release.number in known.pinned,
        "groups": list(been.where(release)),
        "rolled_back": _rolled_back(known, memory, release.number),
        "pages": [
            {**msgspec.to_builtins(one), "to": release_name(one.to)}
            for one in tuple(memory.pages.get(release.number, {}).values())
        ],
    }


def _rolled_back(known: Records, memory: Memory, number: int) -> dict[str, Any] | None:
    """Say why a release was rolled back and by whom; without its journal only why, as the mark of the release has it.

    `automatic`: nobody asked for it.
    """
    if number not in known.bad:
        return None
    went = memory.left.get(number)
    if went is None:
        return {"reason": known.bad[number], "by": None, "at": None, "to": None, "automatic": None}
    return {
        "reason": one_line(redacted(went.reason)),
        "by": went.by,
        "at": went.at,
        "to": release_name(went.to),
        "automatic": went.automatic,
    }


def emergency_row(emergency: Emergency) -> dict[str, Any]:
    """Return one time in which a person was needed, and who said that he looks after it."""
    acknowledged = emergency.acknowledged
    return {
        "since": emergency.at,
        "reason": emergency.reason,
        "acknowledged": {"by": acknowledged.by, "at": acknowledged.at, "reason": acknowledged.reason}
        if acknowledged
        else None,
        "escalated": emergency.escalated,
        "ended": emergency.ended,
    }
