"""How does a push go through? Staged by the `update` hook, promoted by `post-receive`, dropped when cut off.

Between the two hooks the push keeps the turn. `git receive-pack`, the parent of all three hooks, names the
push; when it ends without `post-receive`, the candidate is dropped and production was never touched.
"""

from __future__ import annotations

import os
import select
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

from gitrelease.branch import settle
from gitrelease.candidate import Candidate, of_branch
from gitrelease.core.errors import Busy
from gitrelease.core.outcome import Outcome
from gitrelease.core.settings import seconds
from gitrelease.core.text import short
from gitrelease.edges import records
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.git import ZERO
from gitrelease.inbox import Inbox
from gitrelease.production import Production
from gitrelease.release import Prepared, prepare, promote
from gitrelease.staging import Report
from gitrelease.turn import Holder, Turn


class Office(Protocol):
    """What a push needs of the agent."""

    turn: Turn
    inbox: Inbox

    def serving(self) -> Production: ...

    def poke(self) -> None: ...


@dataclass
class Push:
    """A push between its `update` and its `post-receive` hook."""

    candidate: Candidate
    holder: Holder
    cancel: Cancel
    prepared: Prepared | None  # None: nothing that runs has changed
    over: threading.Event = field(default_factory=threading.Event)


class Pushes:
    """The pushes under way, by the pid of their `git receive-pack`; there is at most one that has the turn."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._pushes: dict[int, Push] = {}
        self._lock = threading.Lock()

    def stage(
        self,
        *,
        old: str,
        new: str,
        approved: bool,
        receive_pack: int,
        by: str,
        cancel: Cancel,
        report: Report,
    ) -> Outcome:
        """Judge a push; when it may go live it keeps the turn until `promote`, or until it is cut off."""
        office, production = self._office, self._office.serving()
        world = production.world
        refusal = _refuse_at_once(production, old, new)
        if refusal is not None:
            return refusal
        if office.turn.holder is not None:
            report("wait", office.turn.busy().message, None)
        try:
            holder = office.turn.take(
                owner=by,
                pid=receive_pack,
                doing="push",
                cancel=cancel,
                wait=seconds(world.settings.limits.wait),
            )
        except Busy as busy:
            return _refused(production, busy.message, busy.hint)
        keeps_turn = False
        try:
            refusal = _refuse_after_waiting(production, old)
            if refusal is not None:
                return refusal
            known = records.read(world.git)
            candidate = of_branch(world, new, live=known.live, trigger="push", by=by, at=time.time())
            prepared = prepare(production, candidate, approved=approved, cancel=cancel, report=report)
            if isinstance(prepared, Outcome) and prepared.outcome != "unchanged":
                return prepared
            push = Push(candidate, holder, cancel, prepared if isinstance(prepared, Prepared) else None)
            self._remember(receive_pack, push)
            keeps_turn = True
            if isinstance(prepared, Outcome):
                return prepared
            return Outcome(
                outcome="released",
                reason="staged",
                kind=prepared.staged.diff.kind if prepared.staged.diff else None,
            )
        finally:
            if not keeps_turn:
                office.turn.give_back(holder)
                office.poke()

    def promote(self, receive_pack: int, *, report: Report) -> Outcome:
        """The refs have moved: make the staged push live, and let the files follow."""
        office, production = self._office, self._office.serving()
        with self._lock:
            push = self._pushes.pop(receive_pack, None)
        if push is None:
            office.poke()
            live = records.read(production.world.git).live
            return Outcome(
                outcome="unchanged",
                release=live.name if live else None,
                reason="taken, but its staging was cut off: it is looked at once more, by itself",
                hint="See what becomes of it: gitrelease status, gitrelease history",
            )
        push.over.set()
        try:
            if push.prepared is None:
                settle(production, push.candidate)
                live = records.read(production.world.git).live
                return Outcome(
                    outcome="unchanged",
                    release=live.name if live else None,
                    reason="nothing that runs has changed",
                )
            return promote(production, push.prepared, report=report)
        finally:
            office.turn.give_back(push.holder)
            office.poke()

    def _remember(self, receive_pack: int, push: Push) -> None:
        with self._lock:
            self._pushes[receive_pack] = push
        threading.Thread(target=self._drop_when_cut_off, args=(receive_pack, push), name="push", daemon=True).start()

    def _drop_when_cut_off(self, receive_pack: int, push: Push) -> None:
        """Wait for the end of `git receive-pack`; drop the candidate unless `post-receive` has come first."""
        limit = time.monotonic() + seconds(self._office.serving().world.settings.limits.wait)
        try:
            handle = os.pidfd_open(receive_pack)
        except ProcessLookupError:
            handle = -1
        try:
            # A suspended pusher must not keep the turn for ever either.
            while handle >= 0 and time.monotonic() < limit and not push.over.is_set() and not push.cancel.reason:
                if select.select([handle], [], [], 0.2)[0]:
                    break
        finally:
            if handle >= 0:
                os.close(handle)
        with self._lock:
            dropped = self._pushes.pop(receive_pack, None)
        if dropped is not None:
            if dropped.prepared is not None:
                self._office.serving().end(dropped.prepared.staged.backend)
            self._office.turn.give_back(dropped.holder)
            self._office.poke()


def _refuse_at_once(production: Production, old: str, new: str) -> Outcome | None:
    git = production.world.git
    if old != ZERO and not git.is_ancestor(old, new):
        return _refused(
            production,
            f"a forced push would drop {short(old)} from the branch that production follows",
            "Bring your work on top of it: git pull --rebase, then push; to go back: gitrelease rollback on the host",
        )
    return None


def _refuse_after_waiting(production: Production, old: str) -> Outcome | None:
    """Refuse what is out of date by now, and what would run over an edit that lies in the checkout."""
    world = production.world
    head = world.git.ref(world.settings.branch_ref) or ZERO
    if head != old:
        return _refused(
            production,
            f"the branch has moved to {short(head)} meanwhile",
            "Fetch it, bring your work on top, push again",
        )
    base = world.git.ref(records.CHECKOUT)
    edited = world.checkout.edited_paths(base) if base and world.checkout.on_branch() else ()
    if edited:
        return _refused(
            production,
            f"{', '.join(edited[:3])} was edited on the production host and is in no commit",
            "On the host: commit it or take it back (git checkout -- FILE); then push again",
        )
    return None


def _refused(production: Production, reason: str, hint: str) -> Outcome:
    live = records.read(production.world.git).live
    return Outcome(outcome="refused", release=live.name if live else None, reason=reason, hint=hint)
