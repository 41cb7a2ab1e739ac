"""How does a candidate go live? The story on one screen.

classify → decide → stage → promote → soak. The way back is in `going_back.py`. Everything here runs in the agent,
under its lock.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

import msgspec

from gitrelease.candidate import Candidate, difference
from gitrelease.checks.baseline import keep_baseline
from gitrelease.checks.findings import Findings
from gitrelease.checks.judging import unexplained_losses
from gitrelease.checks.liveside import Live
from gitrelease.checks.signatures import signature_check, signing_hint
from gitrelease.checks.staging import Report, Staged, Unfit, stage
from gitrelease.core.decide import (
    AfterApproval,
    Frozen,
    Go,
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
    AttemptOutcome,
    Promoted,
    Promoting,
    Superseded,
)
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.history import Release, release_name, tag_message
from gitrelease.core.kinds import Kind
from gitrelease.core.meaning import summarise
from gitrelease.core.outcome import Check, Outcome
from gitrelease.core.text import one_line
from gitrelease.edges import records
from gitrelease.edges.backends import Backend, backend_name
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.edges.git import GitError, RefUpdate
from gitrelease.edges.records import Records
from gitrelease.release import room
from gitrelease.release.attempts import Attempt, cut_off
from gitrelease.release.before import Before
from gitrelease.release.branch import branch_for
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
from gitrelease.release.production import Fate, Production, Serving
from gitrelease.release.spread import spread
from gitrelease.release.way import way_missing
from gitrelease.world import World


@dataclass(frozen=True)
class Prepared:
    """A candidate that may go live: fit, and approved where that is asked for."""

    staged: Staged
    backends: dict[str, Backend]  # for each instance, by its name
    before: Before
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
    world, live = production.world, _compared_with(production, known)
    if known.live is None and production.running.live is not None:
        raise _live_is_lost(production.running.live, world.live_ref)
    diff = difference(world, live.commit, candidate.commit) if live else None
    kind = diff.kind if diff else Kind.MAJOR
    policy = world.settings.policy[kind]
    report("classify", f"{kind}, {policy.risk} risk: {meaning(diff)}", time.monotonic() - begun)
    attempt = Attempt(production, candidate, kind, begun)
    # Before everything else: what merely moves the branch must be signed as well, or what comes next is not.
    signed = signature_check(world, candidate, live.source if live else None, cancel)
    if signed is not None and signed.status in ("failed", "unknown"):
        hint = signing_hint(world, candidate, signed)
        return attempt.end("refused", f"{signed.name}: {signed.detail}", hint=hint, checks=(signed,))
    condemned = known.quarantined.get(candidate.key)
    decision = decide(
        diff if world.is_production or (diff and diff.kind is not Kind.NONE) else None,
        policy,
        same_content=known.live is not None and candidate.key == records.content_key(world.git, known.live.commit),
        quarantined=condemned.reason if condemned else None,
        explicit=explicit,
        approved=approved or not world.is_production,
        frozen=None if by_hand else frozen_now(known),
    )
    way = way_missing(world, candidate, kind) if isinstance(decision, Go | AfterApproval) and live else None
    if way is not None:
        why, hint = way
        return attempt.end("refused" if candidate.trigger in ("push", "shell") else "waiting", why, hint=hint)
    if not isinstance(decision, Go | AfterApproval):
        return _turned_away(attempt, decision)
    short_of = room.lacking(production, candidate.commit)
    if short_of is not None:
        hint = room.hint(candidate.trigger)
        return attempt.end("refused", f"room: {short_of.detail}", hint=hint, checks=(short_of,))
    make_room(production, report)
    before = Before(production, known)
    staged = _staged(attempt, diff, live, given=(signed,) if signed else (), cancel=cancel, report=report)
    if isinstance(staged, Unfit):
        hint = mend_hint(candidate.trigger, candidate.known_as)
        return attempt.end("refused", staged.reason, hint=hint, checks=staged.checks)
    lacking = _lacking_approval(attempt, decision, staged, known, approved=approved)
    if lacking is not None:
        return lacking
    with _told_when_cut_off(attempt):
        started = spread(production, world, staged.backend, cancel=cancel, report=report)
    if isinstance(started, Check):
        hint = mend_hint(candidate.trigger, candidate.known_as)
        why = f"{started.name}: {started.detail}"
        return attempt.end("refused", why, hint=hint, checks=(*staged.checks, started))
    return Prepared(staged=staged, backends=started, before=before, begun=begun)


def _compared_with(production: Production, known: Records) -> Release | None:
    """Return what a candidate is compared with: what users of production get, whatever a group serves meanwhile."""
    world = production.world
    return known.live if world.is_production else world.of_group(PRODUCTION).records().live


def _turned_away(attempt: Attempt, decision: NothingToDo | No | Frozen) -> Outcome:
    """End what is not even staged."""
    candidate = attempt.candidate
    match decision:
        case NothingToDo():
            return attempt.end("unchanged", decision.why)
        case No():
            return attempt.end("refused", decision.why, hint=decision.hint)
        case Frozen():
            fate: AttemptOutcome = "refused" if candidate.trigger == "push" else "waiting"
            hint = thaw_hint(candidate.trigger, candidate.known_as)
            return attempt.end(fate, decision.why, hint=hint, frozen=True)
        case _:
            assert_never(decision)


def _staged(
    attempt: Attempt,
    diff: Diff | None,
    live: Release | None,
    *,
    given: tuple[Check, ...],
    cancel: Cancel,
    report: Report,
) -> Staged | Unfit:
    production, candidate = attempt.production, attempt.candidate
    with _told_when_cut_off(attempt):
        return stage(
            production.world,
            candidate,
            diff=diff,
            live=Live(production.world, live.commit, cancel) if live else None,
            cancel=cancel,
            report=report,
            name=backend_name(candidate.commit),
            given=given,
            beside=production.running.live.first if production.running.live else None,
            instance=production.instances[0],
        )


@contextlib.contextmanager
def _told_when_cut_off(attempt: Attempt) -> Iterator[None]:
    """Let the history tell of a candidate that somebody cuts off while the context is open."""
    try:
        yield
    except Cancelled as cut:
        attempt.tell(cut_off(attempt.candidate.trigger), f"cut off: {cut}")
        raise


def _lacking_approval(
    attempt: Attempt, decision: Go | AfterApproval, staged: Staged, known: Records, *, approved: bool
) -> Outcome | None:
    """End what is fit and needs somebody's word first; None when it may go live, as the very first release may."""
    production, candidate, world = attempt.production, attempt.candidate, attempt.production.world
    try:
        losses = unexplained_losses(world, known.live, candidate, staged.findings)
    except BaseException:
        production.end(staged.backend)
        raise
    lacking = [decision.why] if isinstance(decision, AfterApproval) else []
    if not approved:
        lacking.append(objections(retyped=staged.findings.retyped, losses=losses))
    why = "; ".join(filter(None, lacking))
    if not why or known.live is None:
        return None
    production.end(staged.backend)
    hint = approval_hint(candidate.trigger, candidate.known_as, world.settings.app.branch)
    if losses:
        hint += f"; {loss_hint([item.metric for item in losses])}"
    return attempt.end("waiting", why, hint=hint)


def frozen_now(known: Records) -> str | None:
    """Say who froze production and until when; None when nobody did, or when that is over."""
    return known.frozen.told if known.frozen is not None and known.frozen.holds(time.time()) else None


def _live_is_lost(serving: Serving, ref: str) -> ReleaseError:
    """Return the error for a production that serves a release and whose refs do not say so any more."""
    name = release_name(serving.number)
    return ReleaseError(
        f"{name} is served, and {ref} does not name it any more",
        hint=f"Put it back: git update-ref {ref} $(git rev-parse {name}); then push again",
        code=Exit.REFUSED,
    )


def promote(production: Production, prepared: Prepared, *, report: Report) -> Outcome:
    """Make a prepared candidate live: tag, pointers, traffic, files, soak."""
    world, staged = production.world, prepared.staged
    candidate = staged.candidate
    begun = time.monotonic()
    try:
        known = world.records()
        release = _as_it_is(production, known, candidate) or _tagged(world, known, staged)
    except BaseException:
        production.end_all(prepared.backends.values())  # a full disk, say: nothing has moved
        raise
    passing("promote: tag written")
    try:
        performed = carry_out(_steps_to(production, known, release, prepared), production)
    except BaseException as error:
        moved = world.git.ref(world.live_ref) == release.tag
        if not serves(production, staged.backend):
            production.end_all(prepared.backends.values())
        if moved or not isinstance(error, GitError | ReleaseError):
            raise  # where the refs have moved, the inbox serves what they say as soon as it looks
        # Somebody moved the branch since the candidate was put together: the newer state is looked at next.
        why = f"the branch moved meanwhile ({error})"
        return Attempt(production, candidate, release.kind, begun).end("superseded", why)
    passing("promote: live, not told")
    # First of all: what follows writes to the disk, which may be full.
    soak = world.settings.policy[release.kind].soak_seconds
    take_effect(production, known, release, soak=soak)
    keep_baseline(world, candidate.commit, staged.findings)
    Attempt(production, candidate, release.kind, begun).tell("released", release.summary)
    report("promote", f"{release.name} is live on {addresses(production)}", time.monotonic() - begun)
    return Outcome(
        outcome="released",
        release=release.name,
        previous=known.live.name if known.live else None,
        kind=release.kind,
        reason=release.summary,
        hint=f"{_renamed(candidate, release)}{performed.told()}soaking for {soak:g} s; undo with: {_undo(world)}",
        seconds=round(time.monotonic() - prepared.begun, 3),
        checks=staged.checks,
    )


def _undo(world: World) -> str:
    return "gitrelease rollback" if world.is_production else f"gitrelease rollback --in {world.group}"


def _as_it_is(production: Production, known: Records, candidate: Candidate) -> Release | None:
    """Return the release that a candidate stays; None where it becomes a new one.

    What production had meanwhile has a higher number, and the way back goes by numbers: it would pass that by.
    """
    carries, live = candidate.carries, known.live
    outrun = production.world.is_production and carries and live and carries.number < live.number
    return None if outrun else carries


def _tagged(world: World, known: Records, staged: Staged) -> Release:
    """Write the tag object of the release that a staged candidate becomes; no ref names it yet."""
    candidate, diff = staged.candidate, staged.diff
    kind = diff.kind if diff else Kind.MAJOR
    number, at = known.next_number, time.time()
    release = Release(
        number=number, tag="", commit=candidate.commit, source=candidate.source, kind=kind,
        risk=world.settings.policy[kind].risk, trigger=candidate.trigger, by=candidate.by, at=at,
        summary=note(diff, staged.findings), previous=known.live.name if known.live else None,
        reason=one_line(candidate.reason),
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
    updates = (
        *_tag_updates(production, known, release, carried=carried),
        RefUpdate(production.world.live_ref, release.tag, live.tag if live else None),
        *branch_for(production, candidate),
        *records.absolve(known, key=candidate.key, number=release.number),
        *records.keep_state(production.world.git, release.number, state),
    )
    steps: list[Step] = [Intend(intent)]
    if production.soak is not None and live is not None:
        steps.append(Write(Superseded(at=at, number=live.number)))
    took = round(time.monotonic() - prepared.begun, 3)
    return [
        *steps,
        MoveRefs(updates, reason=release.name),
        SwitchTraffic(Serving.from_now(release.number, prepared.backends), then=Fate.STANDS_BY),
        BringFiles(release.commit, release.source),
        Write(Promoted(at=at, number=release.number, seconds=took)),
    ]


def _tag_updates(production: Production, known: Records, release: Release, *, carried: bool) -> tuple[RefUpdate, ...]:
    """Return the updates that make the tag of a release, or let production have what another group has had alone."""
    world = production.world
    if carried:
        if world.is_production:
            return tuple(records.in_production(known, release.number))
        apart = release.number in known.elsewhere
        return (records.only_in(world.group, release.number, release.tag),) if apart else ()
    made = records.create_tag(release.number, release.tag)
    return (made,) if world.is_production else (made, records.only_in(world.group, release.number, release.tag))


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


def _renamed(candidate: Candidate, release: Release) -> str:
    """Say under which name goes live what was named as another release; nothing where that is its name."""
    carries = candidate.carries
    if carries is None or carries.number == release.number:
        return ""
    return f"{carries.name} is {release.name} here: production has had newer ones meanwhile; "


def addresses(production: Production) -> str:
    return ", ".join(str(instance.port) for instance in production.instances)


def serves(production: Production, backend: Backend) -> bool:
    """Is it this backend that users get?"""
    live = production.running.live
    return live is not None and live.runs(backend)
