"""How does a push end that was staged by an agent that has ended since, or whose pusher was too slow?

The branch has moved, so the push was taken: it is looked at like everything else that has arrived, but for who pushed,
who waits for the answer and may have approved it.
"""

from __future__ import annotations

from gitrelease.agent.inbox import Inbox, reconcile
from gitrelease.checks.staging import Report
from gitrelease.core.outcome import Outcome
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.records import Records
from gitrelease.release.production import Production


def resume(
    production: Production, inbox: Inbox, pushed: str, *, approval: str, cancel: Cancel, report: Report
) -> Outcome:
    """Bring the commit `pushed` to its end, with the `approval` that came with it (see core/approval.py), or say how it
    has ended.
    """
    report("push", "it was cut off in the middle, and is taken up again", None)
    world = production.world
    head = world.git.ref(world.settings.branch_ref) or ""
    pushed = pushed or head  # a hook of an earlier version names none
    if world.git.is_ancestor(pushed, head) and not _is_done(production, world.records(), pushed):
        waiting = inbox.find(pushed)
        if approval:
            inbox.approvals[pushed] = approval
            if waiting is not None:
                inbox.forget(waiting.key)  # whoever looked at it first did not know of the approval
        outcome = reconcile(production, inbox, cancel=cancel, report=report)
        if outcome is not None:
            return outcome
    return _found(production, inbox, pushed)


def _is_done(production: Production, known: Records, pushed: str) -> bool:
    """Is it live, or did it change nothing that runs?"""
    if pushed == production.memory.settled:
        return True
    return known.live is not None and production.world.git.is_ancestor(pushed, known.live.source)


def _found(production: Production, inbox: Inbox, pushed: str) -> Outcome:
    """Say what has become of what was pushed: it is live, it waits, or it was turned away."""
    known = production.world.records()
    live = known.live.name if known.live else None
    if _is_done(production, known, pushed):
        return Outcome(outcome="unchanged", release=live, reason=f"{live} is live, with all that was pushed")
    for waiting in inbox.waiting.values():
        if production.world.git.is_ancestor(pushed, waiting.candidate.source):
            return Outcome(outcome="refused", release=live, reason=waiting.why, hint=waiting.hint, waiting=True)
    told = next((one for one in reversed(production.memory.attempts) if one.commit == pushed), None)
    if told is not None and told.outcome == "refused":
        return Outcome(outcome="refused", release=live, reason=told.reason, hint="Mend it, then push again")
    return Outcome(
        outcome="unchanged",
        release=live,
        reason="taken, and not live yet",
        hint="See on the host what is in its way: gitrelease status",
    )
