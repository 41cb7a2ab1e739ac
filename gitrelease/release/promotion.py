"""How does a candidate go live, and how does production go back? The story on one screen.

classify → decide → stage → promote → soak. A rollback takes the same road to an older release; only the
ref updates differ. Everything here runs in the agent, under its lock.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

from gitrelease.candidate import Candidate, difference
from gitrelease.checks.baseline import keep_baseline
from gitrelease.checks.findings import Findings
from gitrelease.checks.judging import unexplained_losses
from gitrelease.checks.liveside import Live
from gitrelease.checks.signatures import signature_check, signing_hint
from gitrelease.checks.staging import Report, Staged, Unfit, stage, stage_again
from gitrelease.core.decide import (
    AfterApproval,
    Frozen,
    No,
    NothingToDo,
    approval_hint,
    decide,
    loss_hint,
    mend_hint,
    objections,
    thaw_hint,
)
from gitrelease.core.diff import Diff
from gitrelease.core.errors import Cancelled, Exit, ReleaseError
from gitrelease.core.events import (
    Attempted,
    AttemptOutcome,
    Promoted,
    Promoting,
    Superseded,
    WentBack,
)
from gitrelease.core.history import Release, good_after, release_name, rollback_target, tag_message
from gitrelease.core.kinds import Kind
from gitrelease.core.meaning import summarise
from gitrelease.core.outcome import Outcome
from gitrelease.core.text import one_line, short
from gitrelease.edges import records
from gitrelease.edges.backends import Backend, backend_name
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.edges.git import GitError, RefUpdate
from gitrelease.edges.housekeeping import drop_ballast
from gitrelease.edges.records import GOOD, LIVE, Records
from gitrelease.release import room
from gitrelease.release.branch import branch_for, branch_to
from gitrelease.release.execute import (
    BringFiles,
    Intend,
    MoveRefs,
    Performed,
    Step,
    SwitchTraffic,
    Write,
    carry_out,
    record,
)
from gitrelease.release.production import Fate, Production, Serving
from gitrelease.world import World


@dataclass(frozen=True)
class Prepared:
    """A candidate that may go live: fit, and approved where that is asked for."""

    staged: Staged
    begun: float  # monotonic


def prepare(
    production: Production,
    known: Records,
    candidate: Candidate,
    *,
    approved: bool = False,
    explicit: bool = False,
    by_hand: bool = False,
    cancel: Cancel,
    report: Report,
) -> Prepared | Outcome:
    """Classify, decide and stage; an `Outcome` says that it ends here, production untouched.

    `explicit`: a person named the commit, which overrides a quarantine; `by_hand`: a person asked for a release, which
    a freeze does not bind.
    """
    begun = time.monotonic()
    world, live = production.world, known.live
    if live is None and production.running.live is not None:
        raise _live_is_lost(production.running.live)
    diff = difference(world, live.commit, candidate.commit) if live else None
    kind = diff.kind if diff else Kind.MAJOR
    policy = world.settings.policy[kind]
    report("classify", f"{kind}, {policy.risk} risk: {meaning(diff)}", time.monotonic() - begun)
    # Before everything else: what merely moves the branch must be signed as well, or what comes next is not.
    signed = signature_check(world, candidate, live.source if live else None, cancel)
    if signed is not None and signed.status in ("failed", "unknown"):
        hint, why = signing_hint(world, candidate, signed), f"{signed.name}: {signed.detail}"
        outcome = _end(production, candidate, "refused", kind, why, hint=hint, begun=begun)
        return msgspec.structs.replace(outcome, checks=(signed,))
    condemned = known.quarantined.get(candidate.key)
    decision = decide(
        diff,
        policy,
        same_content=live is not None and candidate.key == records.content_key(world.git, live.commit),
        quarantined=condemned.reason if condemned else None,
        explicit=explicit,
        approved=approved,
        frozen=None if by_hand else frozen_now(known),
    )
    if isinstance(decision, NothingToDo):
        return _end(production, candidate, "unchanged", kind, decision.why, begun=begun)
    if isinstance(decision, No):
        return _end(production, candidate, "refused", kind, decision.why, hint=decision.hint, begun=begun)
    if isinstance(decision, Frozen):
        hint = thaw_hint(candidate.trigger, candidate.known_as)
        fate: AttemptOutcome = "refused" if candidate.trigger == "push" else "waiting"
        return _end(production, candidate, fate, kind, decision.why, hint=hint, begun=begun)

    short_of = room.lacking(production, candidate.commit)
    if short_of is not None:
        hint = room.hint(candidate.trigger)
        outcome = _end(production, candidate, "refused", kind, f"room: {short_of.detail}", hint=hint, begun=begun)
        return msgspec.structs.replace(outcome, checks=(short_of,))
    make_room(production, report)
    try:
        staged = stage(
            world,
            candidate,
            diff=diff,
            live=Live(world, live.commit, cancel) if live else None,
            cancel=cancel,
            report=report,
            name=backend_name(candidate.commit),
            given=(signed,) if signed else (),
            beside=production.running.live.backend if production.running.live else None,
        )
    except Cancelled as cut:
        attempt(production, candidate, cut_off(candidate.trigger), kind, f"cut off: {cut}")
        raise
    if isinstance(staged, Unfit):
        hint = mend_hint(candidate.trigger, candidate.known_as)
        outcome = _end(production, candidate, "refused", kind, staged.reason, hint=hint, begun=begun)
        return msgspec.structs.replace(outcome, checks=staged.checks)
    try:
        losses = unexplained_losses(world, live, candidate, staged.findings)
    except BaseException:
        production.end(staged.backend)
        raise
    lacking = [decision.why] if isinstance(decision, AfterApproval) else []
    if not approved:
        lacking.append(objections(retyped=staged.findings.retyped, losses=losses))
    why = "; ".join(filter(None, lacking))
    if why and live is not None:
        production.end(staged.backend)
        hint = approval_hint(candidate.trigger, candidate.known_as, world.settings.app.branch)
        if losses:
            hint += f"; {loss_hint([item.metric for item in losses])}"
        return _end(production, candidate, "waiting", kind, why, hint=hint, begun=begun)
    return Prepared(staged=staged, begun=begun)


def frozen_now(known: Records) -> str | None:
    """Say who froze production and until when; None when nobody did, or when that is over."""
    return known.frozen.told if known.frozen is not None and known.frozen.holds(time.time()) else None


def _live_is_lost(serving: Serving) -> ReleaseError:
    """Return the error for a production that serves a release and whose refs do not say so any more."""
    name = release_name(serving.number)
    return ReleaseError(
        f"{name} is served, and {LIVE} does not name it any more",
        hint=f"Put it back: git update-ref {LIVE} $(git rev-parse {name}); then push again",
        code=Exit.REFUSED,
    )


def promote(production: Production, prepared: Prepared, *, report: Report) -> Outcome:
    """Make a prepared candidate live: tag, pointers, traffic, files, soak."""
    world, staged = production.world, prepared.staged
    candidate = staged.candidate
    begun = time.monotonic()
    try:
        known = records.read(world.git)
        release = _tagged(world, known, staged)
    except BaseException:
        production.end(staged.backend)  # a full disk, say: nothing has moved
        raise
    passing("promote: tag written")
    try:
        performed = carry_out(_steps_to(production, known, release, prepared), production)
    except BaseException as error:
        moved = world.git.ref(LIVE) == release.tag
        if not serves(production, staged.backend):
            production.end(staged.backend)
        if moved or not isinstance(error, GitError | ReleaseError):
            raise  # where the refs have moved, the inbox serves what they say as soon as it looks
        # Somebody moved the branch since the candidate was put together: the newer state is looked at next.
        why = f"the branch moved meanwhile ({error})"
        return _end(production, candidate, "superseded", release.kind, why, begun=begun)
    passing("promote: live, not told")
    # First of all: what follows writes to the disk, which may be full.
    soak = world.settings.policy[release.kind].soak_seconds
    take_effect(production, known, release, soak=soak)
    keep_baseline(world, candidate.commit, staged.findings)
    attempt(production, candidate, "released", release.kind, release.summary)
    report("promote", f"{release.name} is live on {addresses(production)}", time.monotonic() - begun)
    return Outcome(
        outcome="released",
        release=release.name,
        previous=release.previous,
        kind=release.kind,
        reason=release.summary,
        hint=f"{_kept(performed)}soaking for {soak:g} s; undo with: gitrelease rollback",
        seconds=round(time.monotonic() - prepared.begun, 3),
        checks=staged.checks,
    )


def _tagged(world: World, known: Records, staged: Staged) -> Release:
    """Write the tag object of the release that a staged candidate becomes; no ref names it yet."""
    candidate, diff = staged.candidate, staged.diff
    kind = diff.kind if diff else Kind.MAJOR
    number, at = known.next_number, time.time()
    release = Release(
        number=number, tag="", commit=candidate.commit, source=candidate.source, kind=kind,
        risk=world.settings.policy[kind].risk, trigger=candidate.trigger, by=candidate.by, at=at,
        summary=note(diff, staged.findings), previous=known.live.name if known.live else None,
    )  # fmt: skip
    message = tag_message(release, reason=candidate.reason)
    tag = world.git.write_tag(name=release.name, commit=release.commit, message=message, at=at)
    return msgspec.structs.replace(release, tag=tag)


def _steps_to(production: Production, known: Records, release: Release, prepared: Prepared) -> list[Step]:
    """Return the steps of the way to a new release."""
    candidate, live = prepared.staged.candidate, known.live
    intent = Promoting(
        at=release.at, number=release.number, tag=release.tag, commit=release.commit, source=release.source,
        previous=live.number if live else None,
    )  # fmt: skip
    updates = (
        records.create_tag(release.number, release.tag),
        RefUpdate(LIVE, release.tag, live.tag if live else None),
        *branch_for(production, candidate),
        *records.absolve(known, key=candidate.key),
    )
    steps: list[Step] = [Intend(intent)]
    if production.soak is not None and live is not None:
        steps.append(Write(Superseded(at=release.at, number=live.number)))
    took = round(time.monotonic() - prepared.begun, 3)
    return [
        *steps,
        MoveRefs(updates, reason=release.name),
        SwitchTraffic(Serving.from_now(release.number, prepared.staged.backend), then=Fate.STANDS_BY),
        BringFiles(release.commit, release.source),
        Write(Promoted(at=release.at, number=release.number, seconds=took)),
    ]


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
    verdict = reason or f"{live.name} was rolled back by {by}"
    with ThreadPoolExecutor(max_workers=1) as beside:
        # While the old release comes up: what the refs are going to say.
        marks = beside.submit(_marks_of_return, production, known, target, verdict=verdict)
        serving = _brought_back(production, target, cancel=cancel, report=report)
    if isinstance(serving, Unfit):
        return Outcome(
            outcome="stuck" if automatic else "refused",
            release=live.name,
            kind=target.kind,
            reason=f"{target.name} cannot be brought back: {serving.reason}",
            hint=f"{live.name} goes on serving; see: gitrelease history; name another: gitrelease rollback RELEASE",
            checks=serving.checks,
        )
    switched = time.monotonic()
    went = WentBack(at=time.time(), number=live.number, to=target.number, reason=reason, by=by, automatic=automatic)
    try:
        performed = carry_out(_steps_back(production, live, target, serving, marks.result(), went), production)
    except BaseException:
        standby = production.running.standby
        if not serves(production, serving.backend) and (not standby or serving.backend.id != standby.backend.id):
            production.end(serving.backend)  # what was started for it has no use; the inbox serves what the refs say
        raise
    judging = production.world.judged_by(target.commit).settings
    take_effect(production, known, target, soak=judging.policy[target.kind].soak_seconds)
    report("promote", f"{target.name} is live again on {addresses(production)}", time.monotonic() - switched)
    return Outcome(
        outcome="rolled_back",
        release=target.name,
        previous=live.name,
        kind=target.kind,
        reason=reason or f"asked for by {by}",
        hint=f"{_kept(performed)}fix on top of {short(live.source)} and push; see: gitrelease history",
        seconds=round(time.monotonic() - begun, 3),
        failed=automatic,
    )


def _kept(performed: Performed) -> str:
    return f"what lay on disk is kept as {performed.backup}; " if performed.backup else ""


def _marks_of_return(production: Production, known: Records, target: Release, *, verdict: str) -> tuple[RefUpdate, ...]:
    """Return how the releases' own marks change: the one that is left is bad, the one gone back to is not."""
    git, live = production.world.git, known.live
    marks: list[RefUpdate] = []
    if live is not None and target.number < live.number:
        key = records.content_key(git, live.commit)
        marks += records.condemn(git, commit=live.commit, key=key, reason=verdict, at=time.time(), number=live.number)
    if known.quarantined:
        marks += records.absolve(known, key=records.content_key(git, target.commit), number=target.number)
    good = good_after(
        known.releases,
        live=target.number,
        bad=set(known.bad) - {target.number},
        superseded=production.memory.superseded,
    )
    if good or known.good:
        marks.append(RefUpdate(GOOD, good.tag if good else None))
    return tuple(marks)


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
        previous=live.number,
    )  # fmt: skip
    updates = (RefUpdate(LIVE, target.tag, live.tag), *branch_to(production, target.source), *marks)
    return [
        Intend(intent),
        MoveRefs(updates, reason=f"back to {target.name}"),
        SwitchTraffic(serving, then=Fate.BAD if target.number < live.number else Fate.LEAVES),
        BringFiles(target.commit, target.source, clean=True),
        Write(went),
    ]


def take_effect(production: Production, known: Records, live: Release, *, soak: float) -> None:
    """Let `live` count from now on, whatever way it came: its settings, its soak where it never came through one.

    `soak` is in seconds. Who was cut off after the refs had moved does this later, from the refs.
    """
    production.world = production.world.judged_by(live.commit)
    production.crashes.clear()
    production.soak = None
    good = known.good is not None and known.good.number == live.number
    if not good and live.number not in production.memory.proved:
        production.begin_soak(live.number, soak)
    if production.memory.unfinished is not None:
        record(production, Promoted(at=time.time(), number=live.number, seconds=0.0))


def _brought_back(production: Production, target: Release, *, cancel: Cancel, report: Report) -> Serving | Unfit:
    """Return a backend of `target`: the warm one, else a new one from its tag, verified like any other."""
    begun = time.monotonic()
    serving = production.warm(target.number)
    if serving is not None:
        report("stage", f"{target.name} is still warm on port {serving.backend.port}", time.monotonic() - begun)
        return serving
    make_room(production, report)
    world, name = production.world.judged_by(target.commit), backend_name(target.commit)
    staged = stage_again(world, target, cancel=cancel, report=report, name=name)
    return staged if isinstance(staged, Unfit) else Serving.from_now(target.number, staged.backend)


def target_of_rollback(known: Records, name: str | None) -> Release | None:
    """Return the release that a rollback goes to: a named one, else the newest older one that is not bad."""
    if known.live is None:
        return None
    if name is not None:
        return known.release(name)
    return rollback_target(known.releases, live=known.live.number, bad=known.bad)


def no_target(name: str | None) -> ReleaseError:
    """Return the error for a rollback that has nowhere to go."""
    if name is not None:
        return ReleaseError(f"there is no release {name!r}", hint="See which there are: gitrelease history")
    return ReleaseError(
        "there is no older release that is not bad",
        hint="See which there are: gitrelease history; name one: gitrelease rollback RELEASE",
        code=Exit.REFUSED,
    )


# -- parts ---------------------------------------------------------------------------------------------------


def meaning(diff: Diff | None) -> str:
    """Return the release note: what changed, in one line."""
    return one_line(summarise(diff), 600) if diff else "the first release"


def note(diff: Diff | None, findings: Findings) -> str:
    """Return the release note with what the sample documents show."""
    replay = findings.replay
    return f"{meaning(diff)}; {replay.summary}" if replay is not None and replay.differs else meaning(diff)


def make_room(production: Production, report: Report) -> None:
    """Give up what only waits, when one more backend would not fit in memory, and say so."""
    begun = time.monotonic()
    given_up = production.make_room()
    if given_up:
        report("memory", f"is short: gave up {', '.join(given_up)}", time.monotonic() - begun)


def addresses(production: Production) -> str:
    return ", ".join(str(instance.port) for instance in production.world.settings.instances)


def serves(production: Production, backend: Backend) -> bool:
    """Is it this backend that users get?"""
    live = production.running.live
    return live is not None and live.backend.id == backend.id


def _end(
    production: Production,
    candidate: Candidate,
    outcome: AttemptOutcome,
    kind: Kind,
    reason: str,
    *,
    hint: str = "",
    begun: float,
) -> Outcome:
    """End an attempt without a release: in the journal, and as a value."""
    attempt(production, candidate, outcome, kind, reason)
    live = records.read(production.world.git).live
    return Outcome(
        outcome="unchanged" if outcome == "unchanged" else "refused",
        release=live.name if live else None,
        kind=kind,
        reason=reason,
        hint=hint,
        seconds=round(time.monotonic() - begun, 3),
        waiting=outcome == "waiting",
    )


def cut_off(trigger: str) -> AttemptOutcome:
    """Return what became of a candidate that was cut off: what came by itself is looked at again by itself."""
    return "superseded" if trigger in ("pull", "branch", "edit") else "refused"


def attempt(production: Production, candidate: Candidate, outcome: AttemptOutcome, kind: Kind, reason: str) -> None:
    """Write to the journal what became of a candidate; once, where a timer pulls the same one again and again."""
    last = production.memory.attempts[-1] if production.memory.attempts else None
    by_itself = candidate.trigger in ("pull", "branch")
    told = (candidate.known_as, candidate.trigger, outcome, _subject(reason))
    if by_itself and last is not None and told == (last.commit, last.trigger, last.outcome, _subject(last.reason)):
        return
    event = Attempted(
        at=time.time(), commit=candidate.known_as, trigger=candidate.trigger, outcome=outcome,
        reason=reason, by=candidate.by, key=candidate.key, kind=kind.value,
    )  # fmt: skip
    record(production, event)


def _subject(reason: str) -> str:
    """Return which check a reason is of: how much room there is, say, changes from one look to the next."""
    return reason.partition(":")[0]
