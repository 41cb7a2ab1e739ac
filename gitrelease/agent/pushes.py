"""How does a push go through? Staged by the `update` hook, live as soon as its ref has moved, dropped when cut off.

In between the push keeps the turn; `post-receive` tells the pusher how it went. `git receive-pack`, the parent of all
three hooks, names the push; when it ends and the ref has not moved, the candidate is dropped: production was never
touched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import select
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from gitrelease.agent.background import guarded, log
from gitrelease.agent.inbox import Pushed
from gitrelease.agent.office import Office
from gitrelease.agent.resume import not_yet, resume
from gitrelease.agent.turn import AGENT, PUSH, Holder
from gitrelease.candidate import Candidate, of_branch
from gitrelease.checks.staging import Report
from gitrelease.core import refs
from gitrelease.core.errors import Busy, Exit, ReleaseError, is_known, of_host
from gitrelease.core.events import Attempted
from gitrelease.core.kinds import Kind
from gitrelease.core.outcome import Outcome
from gitrelease.core.remedy import TAKE_BACK
from gitrelease.core.settings import seconds
from gitrelease.core.text import quoted, short
from gitrelease.edges import locks
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.edges.git import GitError, is_zero
from gitrelease.edges.housekeeping import is_full
from gitrelease.release import attempts
from gitrelease.release.branch import settle
from gitrelease.release.execute import record
from gitrelease.release.preparing import Prepared, prepare
from gitrelease.release.production import Production
from gitrelease.release.promotion import promote
from gitrelease.world import World


@dataclass
class Push:
    """A push that was judged, and has the turn until it is live or cut off."""

    candidate: Candidate
    holder: Holder
    cancel: Cancel
    prepared: Prepared | None  # None: nothing that runs has changed
    begun: bool = False  # somebody sees to it; guarded by the lock of `Pushes`
    told: list[tuple[str, str, float | None]] = field(default_factory=list)
    outcome: Future[Outcome] = field(default_factory=Future)


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
        approval: str,
        receive_pack: int,
        by: str,
        cancel: Cancel,
        report: Report,
    ) -> Outcome:
        """Judge a push; when it may go live it keeps the turn until it is live, or until it is cut off."""
        office, production = self._office, self._office.serving()
        world = production.world
        refusal = _refuse_at_once(production, old, new)
        if refusal is not None:
            return _told(production, new, by, refusal)
        holder = office.turn.holder
        # Looking whether something has arrived takes the agent milliseconds: not worth a word.
        if holder is not None and (holder.owner != AGENT or time.time() - holder.since > 1):
            report("wait", office.turn.busy().message, None)
        if holder is not None:
            world = world.judged_by(world.live_ref)  # what is set on the host by now counts
        try:
            holder = office.turn.take(
                owner=by,
                pid=receive_pack,
                doing=PUSH,
                cancel=cancel,
                wait=seconds(world.settings.limits.wait),
            )
        except Busy as busy:
            return _told(production, new, by, _refused(production, _waited(world, busy), busy.hint))
        keeps_turn = False
        try:
            judged = self._judge(old, new, approval=approval, by=by, cancel=cancel, report=report)
            if isinstance(judged, Outcome):
                return judged
            candidate, prepared = judged
            push = Push(candidate, holder, cancel, prepared if isinstance(prepared, Prepared) else None)
            self._remember(receive_pack, push)
            keeps_turn = True
            passing("push: staged, its ref has not moved")
            return prepared if isinstance(prepared, Outcome) else _staged(production, prepared)
        finally:
            if not keeps_turn:
                office.turn.give_back(holder)
                office.poke()

    def _judge(
        self, old: str, new: str, *, approval: str, by: str, cancel: Cancel, report: Report
    ) -> Outcome | tuple[Candidate, Prepared | Outcome]:
        """Put the candidate together and stage it; an `Outcome` alone refuses the push."""
        production = self._office.serving()
        world = production.world
        refusal = _refuse_moved(production, old)
        if refusal is not None:
            return _told(production, new, by, refusal)
        with ThreadPoolExecutor(max_workers=1) as beside:
            edited = beside.submit(_refuse_edited, production)
            known = world.records()
            arriving = of_branch(world, new, live=known.live, trigger="push", by=by, at=time.time())
            candidate = dataclasses.replace(arriving, refusable=True)
            refusal = edited.result()
        if refusal is not None:
            return _told(production, new, by, refusal)
        prepared = prepare(production, known, candidate, approval=approval, cancel=cancel, report=report)
        if isinstance(prepared, Outcome) and prepared.outcome != "unchanged":
            return prepared
        home = world.home.root
        if isinstance(prepared, Prepared) and is_full(home):
            # Git would only say that it cannot write a file.
            production.end_all(prepared.backends.values())
            hint = f"Make room (df -h {quoted(home)}; df -i {quoted(home)}), then push again"
            return _refused(production, "the disk is full: it filled up while the candidate was staged", hint)
        return candidate, prepared

    def promote(
        self, receive_pack: int, *, commit: str, approval: str, by: str, cancel: Cancel, report: Report
    ) -> Outcome:
        """Say how the push of `commit` went live; its refs have moved.

        An agent that has ended since it staged the push has taken along what it knew: it is resumed, with the approval
        that came with it.
        """
        with _taken(self._office.serving().world.home.root):
            return self._promote(receive_pack, commit=commit, approval=approval, by=by, cancel=cancel, report=report)

    def _promote(
        self, receive_pack: int, *, commit: str, approval: str, by: str, cancel: Cancel, report: Report
    ) -> Outcome:
        with self._lock:
            push = self._pushes.get(receive_pack)
        if push is not None:
            self._finish(push)
            with contextlib.suppress(CancelledError):
                outcome = push.outcome.result()
                for step in push.told:
                    report(*step)
                return outcome
        passing("push: asked for one that was cut off")
        report("push", "it was cut off in the middle, and is taken up again", None)
        office, pushed = self._office, Pushed(by=by, approval=approval)
        if commit:  # a hook of an earlier version names none
            office.inbox.resumed[commit] = pushed  # whoever looks at it first knows
        production = office.serving()
        commit = commit or production.world.git.ref(production.world.settings.branch_ref) or ""
        if office.turn.holder is not None:
            report("wait", office.turn.busy().message, None)
        world = production.world.judged_by(production.world.live_ref)
        wait = seconds(world.settings.limits.wait)
        try:
            with office.has_turn(owner=by, pid=receive_pack, doing=PUSH, cancel=cancel, wait=wait):
                return resume(office.serving(), office.inbox, commit, pushed, cancel=cancel, report=report)
        except Busy as busy:
            return not_yet(production, _waited(world, busy))

    def go_on(self) -> None:
        """The branch has moved: what was pushed there goes live now, `post-receive` only hears of it."""
        with self._lock:
            staged = [push for push in self._pushes.values() if not push.begun]
        for push in staged:
            threading.Thread(target=self._finish_if_moved, args=(push,), name="push", daemon=True).start()

    def _finish_if_moved(self, push: Push) -> None:
        world = self._office.serving().world
        if world.git.ref(world.settings.branch_ref) == push.candidate.source:
            self._finish(push)

    def _finish(self, push: Push) -> None:
        """Make a staged push live and let the files follow, unless somebody is at it already."""
        with self._lock:
            if push.begun:
                return
            push.begun = True
        office, production = self._office, self._office.serving()
        try:
            push.outcome.set_result(_go_live(production, push))
        except Exception as error:  # noqa: BLE001  # whoever asks for the outcome hears of it; nobody may ask
            log.warning("a push by %s: %s", push.holder.owner, error, exc_info=not is_known(error))
            push.outcome.set_exception(error)
        finally:
            office.turn.give_back(push.holder)
            office.poke()

    def _remember(self, receive_pack: int, push: Push) -> None:
        with self._lock:
            self._pushes[receive_pack] = push
        threading.Thread(target=self._forget_when_over, args=(receive_pack, push), name="push", daemon=True).start()

    def _forget_when_over(self, receive_pack: int, push: Push) -> None:
        """Wait for the end of `git receive-pack`; drop the candidate if its ref has not moved by then."""
        world = self._office.serving().world
        limit = time.monotonic() + seconds(world.settings.limits.wait)
        with _end_of(receive_pack) as ended:
            try:
                # A suspended pusher must not keep the turn for ever either.
                while push.begun or (time.monotonic() < limit and not push.cancel.reason):
                    if ended(0.2):
                        break
                if ended(0):
                    guarded("what a push left", lambda _: _clear_locks(world))
                if not push.begun:
                    guarded("a push that is over", lambda _: self._finish_if_moved(push))
            finally:
                self._drop(push)
                with self._lock:
                    self._pushes.pop(receive_pack, None)
            if ended(None):
                guarded("what a push left", lambda _: _clear_locks(world))

    def _drop(self, push: Push) -> None:
        with self._lock:
            if push.begun:
                return
            push.begun = True
        try:
            if push.prepared is not None:
                guarded("a push that was cut off", lambda _: _end_cut_off(self._office.serving(), push))
        finally:
            push.outcome.cancel()
            self._office.turn.give_back(push.holder)
            self._office.poke()


def _end_cut_off(production: Production, push: Push) -> None:
    """End what was staged for a push whose branch never moved, and let the history tell of it."""
    if push.prepared is not None:
        production.end_all(push.prepared.backends.values())
        diff = push.prepared.staged.diff
        kind = diff.kind if diff else Kind.MAJOR
        attempts.tell(production, push.candidate, "refused", kind, "cut off: its branch never moved")


def _clear_locks(world: World) -> None:
    """A `git receive-pack` that was killed while it moved the branch leaves its locks: every push would be refused."""
    for lock in locks.clear_locks_of(world.git.root, world.git.directory, ("HEAD", world.settings.branch_ref)):
        log.warning("removed %s, which a push that was killed had left", lock)


@contextlib.contextmanager
def _taken(home: Path) -> Iterator[None]:
    """What git or the disk refuses now cannot be pushed again, everything is up to date: it is tried again by itself.

    `home` is where we write.
    """
    try:
        yield
    except (GitError, OSError) as error:
        raise _not_live_yet(error, home) from error


def _not_live_yet(error: GitError | OSError, home: Path) -> ReleaseError:
    """Say what keeps from going live what is on the branch already, and what its owner can do on the host."""
    by_itself = "It is tried again by itself, after ten seconds, then more, up to ten minutes"
    refused = OSError(errno.ENOSPC, str(error)) if isinstance(error, GitError) and is_full(home) else error
    known = of_host(refused, str(home), typed=False) if isinstance(refused, OSError) else None
    if known is not None:
        return ReleaseError(known.message, hint=f"{known.hint}. {by_itself}", code=known.code)
    return ReleaseError(
        error.message if isinstance(error, GitError) else str(error),
        hint=f"{by_itself}. On the host: how it is (gitrelease status), what is in the way (gitrelease doctor); "
        "clear it away: gitrelease recover",
        code=Exit.UNEXPECTED,
    )


@contextlib.contextmanager
def _end_of(pid: int) -> Iterator[Callable[[float | None], bool]]:
    """Give a question: has the process ended, within so many seconds (None: wait for it)?"""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        yield lambda _: True
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        yield lambda timeout: bool(poll.poll(None if timeout is None else timeout * 1000))
    finally:
        os.close(handle)


def _go_live(production: Production, push: Push) -> Outcome:
    if push.prepared is not None:
        return promote(production, push.prepared, report=lambda *step: push.told.append(step))
    late = settle(production, push.candidate)
    live = production.world.records().live
    return Outcome(
        outcome="unchanged", release=live.name if live else None, reason="nothing that runs has changed", hint=late
    )


def _staged(production: Production, prepared: Prepared) -> Outcome:
    live = production.world.records().live
    return Outcome(
        outcome="staged",
        release=live.name if live else None,
        reason="it goes live as soon as the branch has moved",
        kind=prepared.staged.diff.kind if prepared.staged.diff else None,
    )


def _told(production: Production, commit: str, by: str, refusal: Outcome) -> Outcome:
    """Let the history tell of a push that was refused before it was looked at."""
    record(
        production,
        Attempted(at=time.time(), commit=commit, trigger="push", outcome="refused", reason=refusal.reason, by=by),
    )
    return refusal


def _refuse_at_once(production: Production, old: str, new: str) -> Outcome | None:
    git = production.world.git
    if not is_zero(old) and not git.is_ancestor(old, new):
        return _refused(
            production,
            f"a forced push would drop {short(old)} from the branch that production follows",
            f"{_on_top(production)}, then push; to go back: gitrelease rollback on the host",
        )
    try:
        production.world.checkout.require_no_rebase()
    except ReleaseError as rebased:
        return _refused(production, rebased.message, rebased.hint)
    return None


def _waited(world: World, busy: Busy) -> str:
    return f"{busy.message}; a push waits no longer ({world.limit_told('wait')})"


def _on_top(production: Production) -> str:
    branch = production.world.settings.app.branch
    return f"Bring your work on top of it, with the remote that you pushed to: git pull --rebase REMOTE {branch}"


def _refuse_moved(production: Production, old: str) -> Outcome | None:
    """Refuse what is out of date by now."""
    world = production.world
    head = world.git.ref(world.settings.branch_ref)
    if head != (None if is_zero(old) else old):
        return _refused(
            production,
            f"the branch has moved to {short(head) if head else 'nothing'} meanwhile",
            f"{_on_top(production)}, then push again",
        )
    return None


def _refuse_edited(production: Production) -> Outcome | None:
    """Refuse what would run over an edit that lies in the checkout."""
    world = production.world
    base = world.git.ref(refs.CHECKOUT)
    edited = world.checkout.edited_paths(base) if base and world.checkout.on_branch() else ()
    if edited:
        return _refused(
            production,
            f"{', '.join(edited[:3])} was edited on the production host and is in no commit",
            f"On the host: {_way_out(world, edited)}; then push again",
        )
    return None


def _way_out(world: World, edited: Collection[str]) -> str:
    """Say what becomes of edits that are in the way, for which nobody can commit what git ignores."""
    carried = world.checkout.carried
    if carried not in edited or not world.checkout.carries():
        return f"commit it or take it back ({TAKE_BACK})"
    ignored = f"take {carried} back, which git ignores (git restore --source={refs.CHECKOUT} -W {quoted(carried)})"
    if len(edited) == 1:
        return ignored
    return f"commit or take back what else was edited ({TAKE_BACK}); {ignored}"


def _refused(production: Production, reason: str, hint: str) -> Outcome:
    live = production.world.records().live
    return Outcome(outcome="refused", release=live.name if live else None, reason=reason, hint=hint)
