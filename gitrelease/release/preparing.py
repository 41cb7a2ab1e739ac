"""May a candidate go live, and is it fit to? classify → decide → stage, and who has to be asked first.

Nothing that production serves has moved when this is done. What follows is in `promotion.py`. Everything here runs in
the agent, under its lock.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from gitrelease.candidate import Candidate, difference
from gitrelease.checks.ignored_files import what_no_slot_gets
from gitrelease.checks.judging import unexplained_losses
from gitrelease.checks.liveside import Live
from gitrelease.checks.signatures import signature_check, signing_hint
from gitrelease.checks.staging import Report, Staged, Unfit, stage
from gitrelease.core import reapplied
from gitrelease.core.approval import counts
from gitrelease.core.decide import (
    AfterApproval,
    Decision,
    Frozen,
    Go,
    No,
    NothingToDo,
    approval_hint,
    decide,
    loss_hint,
    mend_hint,
    objections,
    quarantine_hint,
    thaw_hint,
)
from gitrelease.core.diff import Diff
from gitrelease.core.errors import Cancelled, Exit, ReleaseError
from gitrelease.core.events import AttemptOutcome
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.history import Release, release_name
from gitrelease.core.kinds import Kind
from gitrelease.core.meaning import summarise
from gitrelease.core.outcome import Check, Outcome
from gitrelease.core.reapplied import Returned
from gitrelease.core.replay import Difference
from gitrelease.core.text import one_line, short
from gitrelease.edges import records
from gitrelease.edges.backends import Backend, backend_name
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.git import GitError
from gitrelease.edges.housekeeping import is_full
from gitrelease.edges.records import Records
from gitrelease.release import room, transaction
from gitrelease.release.attempts import Attempt, cut_off
from gitrelease.release.before import Before
from gitrelease.release.branch import leaves_out
from gitrelease.release.drain import make_room
from gitrelease.release.production import Production
from gitrelease.release.reapplied import what_returns
from gitrelease.release.running import Serving
from gitrelease.release.spread import on_the_data_itself, spread
from gitrelease.release.way import way_missing


@dataclass(frozen=True)
class Prepared:
    """A candidate that may go live: fit, and approved where that is asked for."""

    staged: Staged
    backends: dict[str, Backend]  # for each instance, by its name
    before: Before
    begun: float  # monotonic
    approval: str = ""  # how a person let it through, where one has


def prepare(
    production: Production,
    known: Records,
    candidate: Candidate,
    *,
    approved: bool = False,
    approval: str = "",
    explicit: bool = False,
    by_hand: bool = False,
    waiting: Iterable[str] = (),
    cancel: Cancel,
    report: Report,
) -> Prepared | Outcome:
    """Classify, decide and stage; an `Outcome` says that it ends here, production untouched.

    `approved`: it needs nobody's word; `approval`: how a person gave it, see core/approval.py, which counts where the
    policy does not ask for another one. `explicit`: a person named the commit, which overrides a quarantine; `by_hand`:
    a person asked for a release, which a freeze does not bind; `waiting`: see `leaves_out`.
    """
    begun = time.monotonic()
    if known.live is not None:  # what somebody has set on the host a moment ago counts
        production.world = production.world.judged_by(known.live.commit)
    world, live = production.world, _compared_with(production, known)
    if known.live is None and production.running.live is not None:
        raise _live_is_lost(production.running.live, world.live_ref)
    diff = difference(world, live.commit, candidate.commit) if live else None
    kind = diff.kind if diff else Kind.MAJOR
    policy = world.settings.policy[kind]
    approved = approved or counts(approval, policy.approval)
    report("classify", f"{kind}, {policy.risk} risk: {meaning(diff)}", time.monotonic() - begun)
    if approval and not approved:
        report(
            "approval", f"policy.{kind}.approval is {policy.approval}: approve without the commit does not count", None
        )
    attempt = Attempt(production, candidate, kind, begun)
    # Before everything else: what merely moves the branch must be signed as well, or what comes next is not.
    signed = signature_check(world, candidate, live.source if live else None, cancel)
    if signed is not None and signed.status in ("failed", "unknown"):
        hint = signing_hint(world, candidate, signed)
        return attempt.end("refused", f"{signed.name}: {signed.detail}", hint=hint, checks=(signed,))
    condemned = known.quarantined.get(candidate.key)
    settled = production.memory.settled
    back = (
        leaves_out(world, candidate, known.live, waiting=waiting, settled=settled)
        if known.live and not explicit
        else ""
    )
    returns = [] if explicit else what_returns(production, known, candidate, diff)

    def decided(*, approved: bool) -> Decision:
        return decide(
            diff if world.is_production or (diff and diff.kind is not Kind.NONE) else None,
            policy,
            same_content=known.live is not None and candidate.key == records.content_key(world.git, known.live.commit),
            quarantined=condemned.reason if condemned else None,
            explicit=explicit,
            approved=approved or not world.is_production,
            frozen=None if by_hand else frozen_now(known),
            leaves_out=back,
            returns=reapplied.told(returns),
        )

    decision = decided(approved=approved)
    way = way_missing(world, candidate, kind) if isinstance(decision, Go | AfterApproval) and live else None
    if way is not None:
        why, hint = way
        refused = candidate.refusable or candidate.trigger == "shell"
        return attempt.end("refused" if refused else "waiting", why, hint=hint)
    if not isinstance(decision, Go | AfterApproval):
        return _turned_away(attempt, decision, known)
    short_of = room.lacking(production, candidate.commit)
    if short_of is not None:
        hint = room.hint(candidate.trigger)
        return attempt.end("refused", f"room: {short_of.detail}", hint=hint, checks=(short_of,))
    make_room(production, report)
    before = Before(production, known)
    staged = _staged(attempt, diff, live, given=(signed,) if signed else (), cancel=cancel, report=report)
    if isinstance(staged, Unfit):
        mend = mend_hint(candidate.trigger, candidate.known_as, unknown=staged.unknown)
        hint = what_no_slot_gets(world, candidate, staged.reason) + mend
        return attempt.end("refused", staged.reason, hint=hint, checks=staged.checks)
    without = decided(approved=False) if approval else decision
    needed = _ask_for_approval(attempt, decision, without, staged, known, approved=approved, back=back, returns=returns)
    if isinstance(needed, Outcome):
        return needed
    started = _ready(attempt, known, staged, cancel=cancel, report=report)
    if isinstance(started, Outcome):
        return started
    counted = approval if approved and needed else ""
    return Prepared(staged=staged, backends=started, before=before, begun=begun, approval=counted)


def _ready(
    attempt: Attempt, known: Records, staged: Staged, *, cancel: Cancel, report: Report
) -> dict[str, Backend] | Outcome:
    """Let what was found fit run for every instance, on the app's data; an `Outcome` says that it ends here."""
    production, candidate = attempt.production, attempt.candidate
    world = production.world
    with _told_when_cut_off(attempt):
        started = spread(production, world, staged.backend, cancel=cancel, report=report)
    if not isinstance(started, Check):
        try:
            refused = _unrecorded(attempt, known)
        except (GitError, OSError):
            production.end_all(started.values())
            raise  # nobody can be refused: it is tried again
        if refused is not None:
            production.end_all(started.values())
            return refused
        with _told_when_cut_off(attempt):
            started = on_the_data_itself(production, world, started, cancel=cancel, report=report)
    if isinstance(started, Check):
        hint = mend_hint(candidate.trigger, candidate.known_as, unknown=started.status == "unknown")
        why = f"{started.name}: {started.detail}"
        return attempt.end("refused", why, hint=hint, checks=(*staged.checks, started))
    return started


def _compared_with(production: Production, known: Records) -> Release | None:
    """Return what a candidate is compared with: what users of production get, whatever a group serves meanwhile."""
    world = production.world
    return known.live if world.is_production else world.of_group(PRODUCTION).records().live


def _unrecorded(attempt: Attempt, known: Records, *, runs: bool = True) -> Outcome | None:
    """Refuse what could not be recorded just now, for the history neither; raise why where nobody can be refused.

    `runs`: it changes what runs. Of a full disk who pushes or deploys is told in other words.
    """
    production, candidate = attempt.production, attempt.candidate
    if is_full(production.world.home.root):
        return None
    try:
        if runs:
            transaction.prove(production, known, candidate)
        else:
            transaction.prove_branch(production, candidate)
        production.world.journal.prove()
    except (GitError, OSError) as error:
        if not candidate.refusable:
            raise
        return Outcome(
            outcome="refused",
            release=known.live.name if known.live else None,
            kind=attempt.kind,
            reason=f"it could not be recorded: {error.message if isinstance(error, GitError) else error}",
            hint="On the host: mend that (see what is in the way: gitrelease doctor); then once more",
        )
    return None


def _turned_away(attempt: Attempt, decision: NothingToDo | No | Frozen, known: Records) -> Outcome:
    """End what is not even staged."""
    candidate = attempt.candidate
    match decision:
        case NothingToDo():
            refused = _unrecorded(attempt, known, runs=False) if candidate.refusable else None
            return refused or attempt.end("unchanged", decision.why)
        case No():
            hint = quarantine_hint(candidate.known_as, refusable=candidate.refusable)
            return attempt.end("refused", decision.why, hint=hint)
        case Frozen():
            fate: AttemptOutcome = "refused" if candidate.refusable else "waiting"
            hint = thaw_hint(candidate.known_as, refusable=candidate.refusable)
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
        attempt.tell(cut_off(attempt.candidate), f"cut off: {cut}")
        raise


def _ask_for_approval(
    attempt: Attempt,
    decision: Go | AfterApproval,
    without: Decision,
    staged: Staged,
    known: Records,
    *,
    approved: bool,
    back: str,
    returns: Sequence[Returned],
) -> Outcome | bool:
    """End what is fit and lacks a person's word; else return whether it needed one. The very first release does not.

    `without`: what was decided without anybody's word; `back`: that the branch went back behind what is live;
    `returns`: what was taken back comes back.
    """
    production, world = attempt.production, attempt.production.world
    try:
        losses = unexplained_losses(world, known.live, attempt.candidate, staged.findings)
    except BaseException:
        production.end(staged.backend)
        raise
    objection = objections(retyped=staged.findings.retyped, losses=losses)
    wanted = [decision.why] if isinstance(decision, AfterApproval) else []
    wanted += [objection] if objection and not approved else []
    if not wanted or known.live is None:
        return bool(objection) or isinstance(without, AfterApproval)
    production.end(staged.backend)
    hint = _how_to_approve(attempt, known.live, back=bool(back), returns=returns, losses=losses)
    return attempt.end("waiting", "; ".join(wanted), hint=hint)


def _how_to_approve(
    attempt: Attempt, live: Release, *, back: bool, returns: Sequence[Returned], losses: Sequence[Difference]
) -> str:
    """Say how a candidate is approved, or made one that needs no approval.

    `back`: the branch went back behind what is live; `returns`: what was taken back comes back.
    """
    candidate, world = attempt.candidate, attempt.production.world
    hint = approval_hint(candidate.known_as, world.settings.app.branch, refusable=candidate.refusable)
    if back and candidate.refusable:
        merge = f"git fetch REMOTE tag {live.name} && git merge {short(live.source)}"
        hint = f"Merge what is live: {merge}; then push again. To leave it out: {hint}"
    elif back and world.git.is_ancestor(candidate.source, live.source):
        hint += f"; or bring the branch forward again: git merge --ff-only {short(live.source)}"
    elif back:
        hint += f"; or take what is live into the branch again: git merge {short(live.source)}"
    if returns and candidate.trigger != "edit":  # which has no commit message
        hint += f"; {reapplied.hint(returns)}"
    if losses:
        hint += f"; {loss_hint([item.metric for item in losses])}"
    return hint


def frozen_now(known: Records) -> str | None:
    """Say who froze production and until when; None when nobody did, or when that is over."""
    return known.frozen.told if known.frozen is not None and known.frozen.holds(time.time()) else None


def meaning(diff: Diff | None) -> str:
    """Return the release note: what changed, in one line."""
    return one_line(summarise(diff), 600) if diff else "the first release"


def _live_is_lost(serving: Serving, ref: str) -> ReleaseError:
    """Return the error for a production that serves a release and whose refs do not say so any more."""
    name = release_name(serving.number)
    return ReleaseError(
        f"{name} is served, and {ref} does not name it any more",
        hint=f"Put it back: git update-ref {ref} $(git rev-parse {name}); then once more",
        code=Exit.REFUSED,
    )
