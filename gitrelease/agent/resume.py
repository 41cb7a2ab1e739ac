"""How does a push end that was staged by an agent that has ended since, or whose pusher was too slow?

The branch has moved, so the push was taken: it is looked at like everything else that has arrived, but for who pushed,
who waits for the answer and may have approved it.
"""

from __future__ import annotations

from gitrelease.agent.inbox import Inbox, reconcile
from gitrelease.checks.staging import Report
from gitrelease.core.outcome import Outcome
from gitrelease.edges.cancel import Cancel
from gitrelease.release.production import Production


def resume(
    production: Production, inbox: Inbox, pushed: str, *, approval: str, cancel: Cancel, report: Report
) -> Outcome:
    """Bring the commit `pushed` to its end, with the `approval` that came with it (see core/approval.py), or say how it
    has ended.
    """
    report("push", "it was cut off in the middle, and is taken up again", None)
    git, branch = production.world.git, production.world.settings.branch_ref
    pushed = pushed or git.ref(branch) or ""  # a hook of an earlier version names none
    if _is_on_branch(production, pushed) and not _is_done(production, pushed):
        if approval:
            inbox.approvals[pushed] = approval
            for waiting in list(inbox.waiting.values()):
                if git.is_ancestor(waiting.candidate.source, pushed):  # whoever looked at it did not know of that
                    inbox.forget(waiting.candidate.key)
        outcome = reconcile(production, inbox, cancel=cancel, report=report)
        if outcome is not None:
            return outcome
    return _found(production, inbox, pushed)


def _is_on_branch(production: Production, pushed: str) -> bool:
    git, head = production.world.git, production.world.git.ref(production.world.settings.branch_ref)
    return head is not None and git.is_ancestor(pushed, head)


def _is_done(production: Production, pushed: str) -> bool:
    """Is it live, or did it change nothing that runs?"""
    if pushed == production.memory.settled:
        return True
    live = production.world.records().live
    return live is not None and production.world.git.is_ancestor(pushed, live.source)


def _found(production: Production, inbox: Inbox, pushed: str) -> Outcome:
    """Say what has become of what was pushed: it is live, it waits, it was turned away, or somebody undid it."""
    known = production.world.records().live
    live = known.name if known else None
    if _is_done(production, pushed):
        return Outcome(outcome="unchanged", release=live, reason=f"{live} is live, with all that was pushed")
    for waiting in inbox.waiting.values():
        if production.world.git.is_ancestor(pushed, waiting.candidate.source):
            return Outcome(outcome="refused", release=live, reason=waiting.why, hint=waiting.hint, waiting=True)
    told = next((one for one in reversed(production.memory.attempts) if one.commit == pushed), None)
    if told is not None and told.outcome == "refused":
        return Outcome(outcome="refused", release=live, reason=told.reason, hint="Mend it, then push again")
    on_branch = _is_on_branch(production, pushed)
    reason = "taken, and not live yet" if on_branch else "taken, and not on the branch any more"
    hint = "See on the host what is live and what is in the way: gitrelease status"
    return Outcome(outcome="unchanged", release=live, reason=reason, hint=hint)
