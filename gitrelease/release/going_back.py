"""How does production go back? By a switch to the release that is still warm, else from its tag in a slot.

The same steps as on the way to a new release; only the ref updates differ, and a release that is gone back to is
verified like any other. Everything here runs in the agent, under its lock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gitrelease.checks.staging import Report, Unfit
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.events import Promoting, WentBack
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.history import Release, good_after, no_release, rollback_target, trodden
from gitrelease.core.kinds import Kind
from gitrelease.core.memory import Memory
from gitrelease.core.outcome import Outcome
from gitrelease.core.pages import moved_pages
from gitrelease.core.text import short
from gitrelease.edges import records
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.git import GitError, RefUpdate
from gitrelease.edges.housekeeping import drop_ballast
from gitrelease.edges.records import Records
from gitrelease.release.branch import branch_to
from gitrelease.release.cold_start import packages_differ, try_beside
from gitrelease.release.drain import make_room
from gitrelease.release.execute import BringFiles, Intend, MoveRefs, Performed, Step, SwitchTraffic, Write, carry_out
from gitrelease.release.pages import move_pages
from gitrelease.release.production import Fate, Production
from gitrelease.release.promotion import addresses, serves, take_effect
from gitrelease.release.running import Serving
from gitrelease.release.spread import brought_up
from gitrelease.world import World

log = logging.getLogger("gitrelease.agent")

_TRIES = 5  # to move the refs, while others move the branch


def go_back(
    production: Production,
    known: Records,
    target: Release,
    *,
    reason: str,
    by: str,
    automatic: bool,
    cancel: Cancel,
    report: Report,
) -> Outcome:
    """Serve `target` again: by a switch when it is still warm, otherwise from its tag in a slot."""
    begun = time.monotonic()
    live = known.live
    if live is None or live.number == target.number:
        return Outcome(
            outcome="unchanged", release=target.name, kind=Kind.NONE, reason=f"{target.name} is live already"
        )
    if drop_ballast(production.world.home):
        report("disk", "is full: gave up what was kept free for a way back", None)
    judging = production.world.judged_by(target.commit)  # what is wrong with them is known before anything is done
    verdict = reason or f"{live.name} was rolled back by {by}"
    condemned = _condemns(production, known, live, target)
    with ThreadPoolExecutor(max_workers=2) as beside:
        # While the old release comes up: what the refs are going to say.
        differ = beside.submit(packages_differ, production.world.git, live.commit, target.commit)
        marks = beside.submit(_marks_of_return, production, known, target, verdict=verdict if condemned else None)
        standby = production.running.standby
        warm = {backend.identity for backend in standby.backends} if standby is not None else set()
        serving = _brought_back(production, judging, target, cancel=cancel, report=report)
    if isinstance(serving, Unfit):
        return Outcome(
            outcome="stuck" if automatic else "refused",
            release=live.name,
            kind=target.kind,
            reason=f"{target.name} cannot be brought back: {serving.reason}",
            hint=f"{live.name} goes on serving; see {_others(production.world)}",
            checks=serving.checks,
        )
    switched = time.monotonic()
    again = " again" if target.number in production.memory.served else ""
    in_doubt = serving.first.identity in warm and differ.result()
    went = WentBack(
        at=time.time(), number=live.number, to=target.number, reason=reason, by=by, automatic=automatic,
        packages=in_doubt,
    )  # fmt: skip
    try:
        performed = _carried_out(
            production, lambda: _steps_back(production, live, target, serving, marks.result(), went)
        )
    except BaseException:
        standby = production.running.standby
        if not serves(production, serving.first) and not (standby and standby.runs(serving.first)):
            production.end_all(serving.backends)  # it has no use; the inbox serves what the refs say
        raise
    take_effect(production, known, target, soak=judging.settings.policy[target.kind].soak_seconds)
    report("promote", f"{target.name} is live{again} on {addresses(production)}", time.monotonic() - switched)
    took = round(time.monotonic() - begun, 3)
    pages = _pages_moved(production, live, target, report=report)
    see = f"see: gitrelease history{production.world.within}"
    if in_doubt:
        try_beside(production, target)
        pages += f"{live.name} needs other packages, whether {target.name} starts anew is tried: gitrelease status; "
    return Outcome(
        outcome="rolled_back",
        release=target.name,
        previous=live.name,
        kind=target.kind,
        reason=reason or f"asked for by {by}",
        hint=f"{performed.told()}{pages}fix on top of {short(live.source)} and push; {see}",
        seconds=took,
        failed=automatic,
        marked_bad=condemned,
    )


def _pages_moved(production: Production, left: Release, target: Release, *, report: Report) -> str:
    """Move the open pages of a release that went bad to `target`; say what became of them, to stand before other words.

    Users have been served `target` for new pages since the switch: this is about those who have one open.
    """
    if target.number > left.number:
        return ""
    begun = time.monotonic()
    leaving = [one for one in production.running.leaving if one.number == left.number]
    ends = [
        move_pages(production, one.backend, number=one.number, instance=one.instance, wait=one.wait) for one in leaving
    ]
    moved = sum(end.moved for end in ends)
    stayed = [why for end in ends for why in end.stayed.values()]
    told = moved_pages(moved, len(stayed), target.name, stayed)
    if told:
        report("pages", told, time.monotonic() - begun)
    return f"{told}; " if told else ""


def _condemns(production: Production, known: Records, left: Release, target: Release) -> bool:
    """Is what is left for an older release marked bad for that? What production has had, production judges alone.

    Else its own way back, one day, would pass by what serves its users well; what was pushed after it had proved good
    in the group has another number there, and the same content.
    """
    world = production.world
    if target.number > left.number:
        return False
    if world.is_production or left.number not in known.elsewhere:
        return world.is_production
    main = world.of_group(PRODUCTION).records()
    served = (records.content_key(world.git, one.commit) for one in (main.live, main.good) if one is not None)
    return records.content_key(world.git, left.commit) not in served


def _marks_of_return(
    production: Production, known: Records, target: Release, *, verdict: str | None
) -> tuple[RefUpdate, ...]:
    """Return how the marks of releases change: by a verdict what is left is bad, what is gone back to is not."""
    git, live = production.world.git, known.live
    marks: list[RefUpdate] = []
    if live is not None and verdict is not None:
        key = records.content_key(git, live.commit)
        marks += records.condemn(git, commit=live.commit, key=key, reason=verdict, at=time.time(), number=live.number)
    if known.quarantined:
        marks += records.absolve(known, key=records.content_key(git, target.commit), number=target.number)
    bad, superseded = set(known.bad) - {target.number}, production.memory.superseded
    newest = known.releases.newest(below=target.number + 1, without=bad | superseded)
    good = good_after(newest, live=target.number, bad=bad, superseded=superseded)
    if good or known.good:
        marks.append(RefUpdate(production.world.good_ref, good.tag if good else None))
    return tuple(marks)


def _carried_out(production: Production, steps: Callable[[], list[Step]]) -> Performed:
    """Carry out `steps`; a commit that a person makes on the branch just then must not stop it, and is kept."""
    git, branch = production.world.git, production.world.settings.branch_ref
    for _ in range(_TRIES - 1):
        head = git.ref(branch)
        try:
            return carry_out(steps(), production)
        except GitError as error:
            if git.ref(branch) == head:
                raise
            log.warning("the branch moved meanwhile, once more: %s", error)
    return carry_out(steps(), production)


def _steps_back(
    production: Production,
    live: Release,
    target: Release,
    serving: Serving,
    marks: tuple[RefUpdate, ...],
    went: WentBack,
) -> list[Step]:
    """Return the steps of a way back; the branch is read last: a person may have moved it meanwhile."""
    intent = Promoting(
        at=went.at, number=target.number, tag=target.tag, commit=target.commit, source=target.source,
        previous=live.number, clean=True,
    )  # fmt: skip
    updates = (
        RefUpdate(production.world.live_ref, target.tag, live.tag),
        *branch_to(production, target.source),
        *marks,
    )
    return [
        Intend(intent),
        MoveRefs(updates, reason=f"back to {target.name}"),
        SwitchTraffic(serving, then=Fate.BAD if target.number < live.number else Fate.LEAVES),
        BringFiles(target.commit, target.source, clean=True),
        Write(went),
    ]


def _brought_back(
    production: Production, judging: World, target: Release, *, cancel: Cancel, report: Report
) -> Serving | Unfit:
    """Return a backend of `target`: the warm one, else a new one from its tag, verified like any other."""
    begun = time.monotonic()
    serving = production.warm(target.number)
    if serving is not None:
        report("stage", f"{target.name} is still warm on port {serving.first.port}", time.monotonic() - begun)
        return serving
    make_room(production, report)
    return brought_up(production, judging, target, cancel=cancel, report=report)


def target_of_rollback(world: World, known: Records, name: str | None, memory: Memory | None = None) -> Release | None:
    """Return the release that a rollback goes to: a named one, else the newest older one that is not bad.

    Another group than production goes back the way it came: numbers are given in production's order, and what is
    between two of them the group may never have tried. `memory` is its own, read where it is not at hand.
    """
    live = known.live
    if live is None:
        return None
    if name is not None:
        return known.release(name)
    if not world.is_production:
        trail = (memory or world.journal.memory(attempts=1)).trail
        before = trodden(trail, live=live.number, bad=known.bad)
        if (found := next(filter(None, map(known.releases.numbered, before)), None)) is not None:
            return found
    return rollback_target(known.releases.newest(below=live.number, without=known.bad), live=live.number, bad=known.bad)


def _others(world: World) -> str:
    """Say how to find another release to go back to."""
    return f"which there are: gitrelease history{world.within}; name one: gitrelease rollback RELEASE{world.within}"


def no_target(world: World, name: str | None) -> ReleaseError:
    """Return the error for a rollback that has nowhere to go."""
    if name is not None:
        return no_release(name)
    return ReleaseError(
        "there is no older release that is not bad",
        hint=f"See {_others(world)}",
        code=Exit.REFUSED,
    )
