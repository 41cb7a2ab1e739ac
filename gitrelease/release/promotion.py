"""How does a candidate go live that was found fit? In steps: what is meant, refs, traffic, files, what was done.

classify → decide → stage (`preparing.py`) → promote → soak. The way back is in `going_back.py`. Everything here runs in
the agent, under its lock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from gitrelease.candidate import Candidate
from gitrelease.checks.baseline import keep_baseline
from gitrelease.checks.findings import Findings
from gitrelease.checks.staging import Report, Staged
from gitrelease.core.diff import Diff
from gitrelease.core.events import Promoted, Promoting, Superseded
from gitrelease.core.history import Release, tag_message
from gitrelease.core.kinds import Kind
from gitrelease.core.outcome import Outcome
from gitrelease.core.pages import staying_pages
from gitrelease.core.settings import seconds
from gitrelease.core.text import one_line, short
from gitrelease.edges.backends import Backend
from gitrelease.edges.faults import passing
from gitrelease.edges.git import GitError
from gitrelease.edges.records import Records
from gitrelease.release import transaction
from gitrelease.release.attempts import Attempt
from gitrelease.release.execute import (
    BringFiles,
    Intend,
    MoveRefs,
    Step,
    SwitchTraffic,
    Write,
    carry_out,
    record,
)
from gitrelease.release.pages import open_pages, pages_of
from gitrelease.release.preparing import Prepared, meaning
from gitrelease.release.production import Fate, Production
from gitrelease.release.running import Serving
from gitrelease.world import World


def promote(production: Production, prepared: Prepared, *, report: Report) -> Outcome:
    """Make a prepared candidate live: tag, pointers, traffic, files, soak."""
    world, staged = production.world, prepared.staged
    candidate = staged.candidate
    begun = time.monotonic()
    try:
        known = world.records()
        release = transaction.stays(production, known, candidate) or _tagged(world, known, staged, prepared.approval)
        steps = _steps_to(production, known, release, prepared)
    except BaseException:
        production.end_all(prepared.backends.values())  # a full disk, say: nothing has moved
        raise
    passing("promote: tag written")
    try:
        performed = carry_out(steps, production)
    except BaseException as error:
        moved = world.git.ref(world.live_ref) == release.tag
        if not any(serves(production, one) for one in prepared.backends.values()):
            production.end_all(prepared.backends.values())
        superseded = None if moved or not isinstance(error, GitError) else _superseded(world, candidate, steps)
        if superseded is None:
            raise  # the inbox tries it again; where the refs have moved it serves what they say as soon as it looks
        return Attempt(production, candidate, release.kind, begun).end(
            # What the branch is at now is looked at next.
            "superseded",
            superseded,
            hint="See what becomes of that: gitrelease status",
        )
    passing("promote: live, not told")
    # First of all: what follows writes to the disk, which may be full.
    soak = world.settings.policy[release.kind].soak_seconds
    take_effect(production, known, release, soak=soak)
    keep_baseline(world, candidate.commit, staged.findings)
    Attempt(production, candidate, release.kind, begun).tell("released", release.summary)
    report("promote", f"{release.name} is live on {addresses(production)}", time.monotonic() - begun)
    older = next(known.releases.newest(below=release.number, without=known.bad), None)
    undo = f"; undo with: gitrelease rollback{world.within}" if known.live or older else ""
    told = f"{_renamed(candidate, release)}{performed.told()}{_pages(production, known.live)}"
    return Outcome(
        outcome="released",
        release=release.name,
        previous=known.live.name if known.live else None,
        kind=release.kind,
        reason=release.summary,
        hint=f"{told}soaking for {soak:g} s{undo}",
        seconds=round(time.monotonic() - prepared.begun, 3),
        checks=staged.checks,
    )


def _superseded(world: World, candidate: Candidate, steps: Sequence[Step]) -> str | None:
    """Say what has moved meanwhile; None where nothing has, or where the candidate is on the branch all the same."""
    lost = transaction.lost(world.git, [one for step in steps if isinstance(step, MoveRefs) for one in step.updates])
    if lost is None or candidate.came_by_branch:
        return None
    name = "the branch" if lost.ref == world.settings.branch_ref else lost.ref
    at = world.git.ref(lost.ref)
    return f"{name} has moved to {short(at)} meanwhile" if at else f"{name} is gone meanwhile"


def _tagged(world: World, known: Records, staged: Staged, approval: str) -> Release:
    """Write the tag object of the release that a staged candidate becomes; no ref names it yet."""
    candidate, diff = staged.candidate, staged.diff
    kind = diff.kind if diff else Kind.MAJOR
    number, at = known.next_number, time.time()
    release = Release(
        number=number, tag="", commit=candidate.commit, source=candidate.source, kind=kind,
        risk=world.settings.policy[kind].risk, trigger=candidate.trigger, by=candidate.by, at=at,
        summary=note(diff, staged.findings), previous=known.live.name if known.live else None,
        reason=one_line(candidate.reason), approval=approval,
    )  # fmt: skip
    tag = world.git.write_tag(name=release.name, commit=release.commit, message=tag_message(release), at=at)
    return msgspec.structs.replace(release, tag=tag)


def _steps_to(production: Production, known: Records, release: Release, prepared: Prepared) -> list[Step]:
    """Return the steps of the way to a new release."""
    candidate, live = prepared.staged.candidate, known.live
    state = prepared.before.blob()
    carried = release is candidate.carries
    at = time.time() if carried else release.at  # what is carried comes to this group just now
    intent = Promoting(
        at=at, number=release.number, tag=release.tag, commit=release.commit, source=release.source,
        previous=live.number if live else None, state=state,
    )  # fmt: skip
    updates = transaction.updates(production, known, candidate, number=release.number, tag=release.tag, state=state)
    steps: list[Step] = [Intend(intent)]
    if production.soak is not None and live is not None:
        steps.append(Write(Superseded(at=at, number=live.number)))
    took = round(time.monotonic() - prepared.begun, 3)
    return [
        *steps,
        MoveRefs(updates, reason=release.name),
        SwitchTraffic(Serving.from_now(release.number, prepared.backends), then=Fate.STANDS_BY),
        BringFiles(release.commit, release.source, from_disk=candidate.trigger == "edit"),
        Write(Promoted(at=at, number=release.number, seconds=took)),
    ]


def take_effect(production: Production, known: Records, live: Release, *, soak: float) -> None:
    """Let `live` count from now on, whatever way it came: its settings, its soak where it never came through one.

    `soak` is in seconds. Who was cut off after the refs had moved does this later, from the refs.
    """
    production.world = production.world.judged_by(live.commit)
    if production.world.is_production:
        production.world.keep_host()
    production.crashes.clear()
    production.soak = None
    good = known.good is not None and known.good.number == live.number
    if not good and live.number not in production.memory.proved:
        production.begin_soak(live.number, soak)
    if production.memory.unfinished is not None:
        record(production, Promoted(at=time.time(), number=live.number, seconds=0.0))


# -- parts ---------------------------------------------------------------------------------------------------


def note(diff: Diff | None, findings: Findings) -> str:
    """Return the release note with what the sample documents show."""
    replay = findings.replay
    return f"{meaning(diff)}; {replay.summary}" if replay is not None and replay.differs else meaning(diff)


def _renamed(candidate: Candidate, release: Release) -> str:
    """Say under which name goes live what was named as another release; nothing where that is its name."""
    carries = candidate.carries
    if carries is None or carries.number == release.number:
        return ""
    return f"{carries.name} is {release.name} here: production has had newer ones meanwhile; "


def _pages(production: Production, before: Release | None) -> str:
    """Say how many open pages stay on the release that served before, to stand before other words."""
    if before is None:
        return ""
    opened = pages_of(production, open_pages(production), before.number)
    told = staying_pages(opened, before.name, seconds(production.world.settings.limits.linger))
    return f"{told}; " if told else ""


def addresses(production: Production) -> str:
    return ", ".join(str(instance.port) for instance in production.instances)


def serves(production: Production, backend: Backend) -> bool:
    """Is it this backend that users get?"""
    live = production.running.live
    return live is not None and live.runs(backend)
