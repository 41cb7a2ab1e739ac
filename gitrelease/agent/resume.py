"""How does a push end that was cut off after its branch had moved: its agent has ended, or who pushed was too slow?

It was taken, so it is looked at like everything else that has arrived. Who pushed waits for the answer, and what he has
approved is approved.
"""

from __future__ import annotations

from gitrelease.agent.inbox import Inbox, Pushed, Waiting, reconcile
from gitrelease.checks.staging import Report
from gitrelease.core.approval import counts
from gitrelease.core.errors import Cancelled
from gitrelease.core.history import Release
from gitrelease.core.kinds import Kind
from gitrelease.core.outcome import Outcome
from gitrelease.edges.cancel import Cancel
from gitrelease.release.production import Production


def resume(
    production: Production, inbox: Inbox, commit: str, pushed: Pushed, *, cancel: Cancel, report: Report
) -> Outcome:
    """Bring the push of `commit` to its end, unless a look has done so by now, and say how it ended."""
    head = production.world.git.ref(production.world.settings.branch_ref)
    waiting = _waiting(inbox, commit)
    if waiting is not None and not waiting.frozen and _approves(production, pushed, waiting.kind):
        inbox.forget(waiting.candidate.key)  # whoever looked at it had not heard of the approval
        waiting = None
    if waiting is None and _is_on(production, commit, head) and not _is_done(production, commit):
        if head == commit:
            inbox.resumed[commit] = pushed
        try:
            outcome = reconcile(production, inbox, cancel=cancel, report=report)
        except Cancelled as cut:
            return not_yet(production, str(cut))
        if outcome is not None and head == commit:
            return outcome
    return _found(production, inbox, commit)


def not_yet(production: Production, why: str) -> Outcome:
    """Return what is said of a push that was taken, and that the agent looks at again by itself."""
    return Outcome(
        outcome="unchanged",
        release=_name(production.world.records().live),
        reason=f"taken, not live yet: {why}",
        hint="The agent goes on with it; see on the host how it is: gitrelease status",
    )


def _approves(production: Production, pushed: Pushed, kind: Kind) -> bool:
    return counts(pushed.approval, production.world.settings.policy[kind].approval)


def _waiting(inbox: Inbox, commit: str) -> Waiting | None:
    return next((one for one in inbox.waiting.values() if one.candidate.source == commit), None)


def _is_on(production: Production, commit: str, head: str | None) -> bool:
    return head is not None and production.world.git.is_ancestor(commit, head)


def _is_done(production: Production, commit: str) -> bool:
    """Is it live, or on the branch with nothing that runs changed since?"""
    world, settled = production.world, production.memory.settled
    live = world.records().live
    if live is not None and _is_on(production, commit, live.source):
        return True
    return settled == world.git.ref(world.settings.branch_ref) and _is_on(production, commit, settled)


def _found(production: Production, inbox: Inbox, commit: str) -> Outcome:
    """Say what has become of it: it is live, it waits, it was turned away, or somebody has set the branch back."""
    world = production.world
    live = _name(world.records().live)
    if _is_done(production, commit):
        return Outcome(outcome="unchanged", release=live, reason=f"{live} is live, with all that was pushed")
    for waiting in inbox.waiting.values():
        if _is_on(production, commit, waiting.candidate.source):
            return Outcome(outcome="refused", release=live, reason=waiting.why, hint=waiting.hint, waiting=True)
    if inbox.turned_away is not None and inbox.turned_away[0] == commit:
        return inbox.turned_away[1]
    if _is_on(production, commit, world.git.ref(world.settings.branch_ref)):
        return not_yet(production, "something is in its way")
    hint = "Somebody has set it back. See on the host what is live: gitrelease status"
    return Outcome(outcome="unchanged", release=live, reason="taken, and not on the branch any more", hint=hint)


def _name(live: Release | None) -> str | None:
    return live.name if live else None
