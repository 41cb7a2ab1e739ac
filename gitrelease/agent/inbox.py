"""What has landed in the checkout, and what becomes of it? Pushes aside, everything goes through here.

wanted = head of the deploy branch plus carried files; actual = the live release. Pulls, commits, resets and
edits only poke; what to do is read from the refs and from the disk, so a missed poke loses nothing.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from gitrelease.candidate import Candidate, belonging_to, compose, of_branch
from gitrelease.checks.staging import Report, Unfit
from gitrelease.core import refs
from gitrelease.core.errors import ReleaseError
from gitrelease.core.events import Attempted, Stopped, TagsRestored
from gitrelease.core.history import Release
from gitrelease.core.kinds import Kind
from gitrelease.core.outcome import Outcome
from gitrelease.core.settings import seconds
from gitrelease.core.text import readable
from gitrelease.edges import records, tag_copies
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.edges.following import follow
from gitrelease.edges.git import GitError
from gitrelease.edges.records import Records
from gitrelease.release import attempts
from gitrelease.release.branch import head_for, settle, turn_away
from gitrelease.release.execute import record
from gitrelease.release.preparing import Prepared, frozen_now, prepare
from gitrelease.release.production import Production
from gitrelease.release.promotion import promote, take_effect
from gitrelease.release.restart import serve
from gitrelease.world import World

AGAIN = 2.0  # seconds until git, which is at work in the checkout, is likely to be done
FIRST_PAUSE = 10.0  # seconds after a look that came to no end, doubled each time that it fails once more,
LONGEST_PAUSE = 600.0  # up to these
TOLD_FROM = 2  # such looks in a row on: a lock that is gone ten seconds later is nobody's business
TELL_AGAIN = 86_400.0  # seconds, of tags that are deleted by every fetch
MOST_NAMES = 100  # of them in the journal
_LOOKED_AT = 50  # attempts, for what has waited

log = logging.getLogger("gitrelease.agent")


@dataclass(frozen=True)
class Waiting:
    """A candidate that passed its checks and needs a person's approval, or that came while production was frozen."""

    candidate: Candidate
    kind: Kind
    since: float
    why: str
    hint: str  # how it can be released
    frozen: bool  # it is looked at again when that is over


@dataclass(frozen=True)
class Pushed:
    """What is known of a push that was cut off and goes on: who pushed, and how it was approved (core/approval.py)."""

    by: str
    approval: str


@dataclass
class Inbox:
    """What has been judged already and must not be tried again by itself."""

    waiting: dict[str, Waiting] = field(default_factory=dict)  # by content key
    refused: dict[str, str] = field(default_factory=dict)  # edits, by content key: why
    resumed: dict[str, Pushed] = field(default_factory=dict)  # pushes that go on, by commit, until they are looked at
    turned_away: tuple[str, Outcome] | None = None  # the commit that the branch has gone back from last, and why
    again_in: float | None = None  # seconds: the last look came to no end, a lock of git's was in its way, say
    settles_in: float | None = None  # seconds: somebody has only just written what lies on disk, or git may just do so
    failed: int = 0  # looks in a row that came to no end, those for which somebody has poked left out,
    doubles_at: float = 0.0  # monotonic: one that comes to no end then makes the pause longer
    trouble: str = ""  # and why the last one did not, with what git or the disk says
    pending: str = ""  # the head of the branch that cannot go live because of that, as it was told last
    tags: tag_copies.Stamp | None = None  # of the tags of releases and backups, when they were all there

    def find(self, commit: str) -> Candidate | None:
        """Return the waiting candidate that `commit` names, as what is served or as what is on the branch."""
        candidates = (waiting.candidate for waiting in self.waiting.values())
        return next((one for one in candidates if commit in (one.commit, one.source)), None)

    def last(self, world: World) -> Candidate | None:
        """Return the candidate that waits for approval and is what the branch, or the disk on top of it, holds."""
        candidates = [waiting.candidate for waiting in tuple(self.waiting.values())]  # the agent writes to it meanwhile
        return next((one for one in reversed(candidates) if _is_wanted(world, one)), None)

    def wait(self, candidate: Candidate, outcome: Outcome, known: Records) -> None:
        """Remember what waits, and what for; of edits the last one, which is what lies on disk."""
        for key, other in list(self.waiting.items()):
            if candidate.trigger == other.candidate.trigger == "edit":
                self.forget(key)
        self.waiting[candidate.key] = Waiting(
            candidate,
            kind=outcome.kind or Kind.MAJOR,
            since=time.time(),
            why=outcome.reason,
            hint=outcome.hint,
            frozen=frozen_now(known) is not None,
        )

    def refuses_only(self, key: str) -> None:
        """Forget edits that were refused and lie on disk no more: changed since, or taken back in part."""
        self.refused = {edit: why for edit, why in self.refused.items() if edit == key}

    def forget(self, key: str) -> None:
        self.waiting.pop(key, None)
        self.refused.pop(key, None)


def reconcile(production: Production, inbox: Inbox, *, cancel: Cancel, report: Report) -> Outcome | None:
    """Look at branch and disk, release what has arrived; None when there was nothing to do.

    What git, or the disk, refuses is tried again in a while, without anybody's poke.
    """
    inbox.settles_in = None
    try:
        _put_tags_back(production, inbox)
        outcome = _look(production, inbox, cancel=cancel, report=report)
    except (GitError, OSError) as error:
        now = time.monotonic()
        if now >= inbox.doubles_at:  # else somebody has poked: that says nothing of how long it will last
            inbox.failed += 1
        inbox.again_in = pause_after(inbox.failed)
        inbox.doubles_at = now + inbox.again_in
        inbox.trouble = error.message if isinstance(error, GitError) else str(error)
        if inbox.failed >= TOLD_FROM:
            _tell_pending(production, inbox)
        raise
    inbox.failed, inbox.doubles_at, inbox.trouble, inbox.pending = 0, 0.0, "", ""
    inbox.again_in = min(
        (one for one in (_until_thaw(production, inbox), inbox.settles_in) if one is not None), default=None
    )
    passing("inbox: looked")
    return outcome


def pause_after(failed: int) -> float:
    """Return in how many seconds it is looked again after so many looks in a row that came to no end, one at least."""
    return min(FIRST_PAUSE * 2.0 ** min(failed - 1, 10), LONGEST_PAUSE)


def _tell_pending(production: Production, inbox: Inbox) -> None:
    """Let the history, and whoever is notified, know once of a commit, or an edit on disk, that cannot go live."""
    try:
        head = production.world.git.ref(production.world.settings.branch_ref)
        live = production.world.records().live
        if head is None or live is None or head == inbox.pending:
            return
        if head not in (live.source, production.memory.settled):
            inbox.pending = head
            trigger, what, by = _moved_by(production), "taken", _committer(production, head)
        elif production.world.checkout.on_branch() and _is_edited(production.world):
            trigger, what, by = "edit", "an edit on disk", readable(production.world.checkout.identity()[0])
        else:
            return
        told = production.memory.attempts[-1:]  # perhaps by an agent before this one
        if any((one.commit, one.trigger, one.outcome) == (head, trigger, "pending") for one in told):
            return
        event = Attempted(
            at=time.time(), commit=head, trigger=trigger, outcome="pending",
            reason=f"{what}, not live yet: {inbox.trouble}", by=by,
        )  # fmt: skip
        record(production, event)
    except (GitError, OSError) as error:
        log.warning("and that cannot be written down: %s", error)


def _put_tags_back(production: Production, inbox: Inbox) -> None:
    """Put back the tags of releases and backups that were deleted or replaced, and tell of it.

    Where git refuses that, a tag named `backup` is in the way say, all else goes on.
    """
    stamp = tag_copies.stamp(production.world.git)
    if stamp == inbox.tags:
        return
    try:
        names = tag_copies.put_back(production.world.git)
    except GitError as error:
        log.warning("tags of releases or backups are gone and cannot be put back: %s", error.message)
        return
    inbox.tags = stamp
    if not names:
        return
    log.warning("tags had been deleted or replaced, and are put back: %s", ", ".join(names))
    told, now = production.memory.tags_restored, time.time()
    if told is None or not 0 <= now - told < TELL_AGAIN:
        record(production, TagsRestored(at=now, names=tuple(names[:MOST_NAMES])))


def _until_thaw(production: Production, inbox: Inbox) -> float | None:
    """Return in how many seconds what waits for the end of a freeze is to be looked at again by itself."""
    if not any(waiting.frozen for waiting in inbox.waiting.values()):
        return None
    frozen = production.world.records().frozen
    return None if frozen is None or frozen.until is None else max(frozen.until - time.time(), 0.1)


def _look(production: Production, inbox: Inbox, *, cancel: Cancel, report: Report) -> Outcome | None:
    world = production.world
    known = world.records()
    if known.live is None:
        return None
    head = world.git.ref(world.settings.branch_ref)
    if head is None:
        return None
    if production.running.live is None or production.running.live.number != known.live.number:
        if production.memory.stopped is not None:
            return None  # a person is needed, and knows
        # The refs are the truth: something failed after they had moved.
        served = serve(production, known.live, cancel=cancel, report=report)
        if isinstance(served, Unfit):
            why = f"{known.live.name} is live by its tag and does not come up: {served.reason}"
            record(production, Stopped(at=time.time(), reason=why))
            raise ReleaseError(why, hint="Go back: gitrelease rollback; or mend what it needs: gitrelease restart")
    elif production.memory.unfinished is not None and production.memory.unfinished.tag == known.live.tag:
        # It is served, and what follows that could not be written: a full disk, say.
        soak = world.settings.policy[known.live.kind].soak_seconds
        take_effect(production, known, known.live, soak=soak)
        world = production.world
    _drop_stale(production, inbox, frozen=frozen_now(known) is not None)
    done = head in (known.live.source, production.memory.settled)
    inbox.resumed = {commit: pushed for commit, pushed in inbox.resumed.items() if commit == head and not done}
    if not done:
        candidate = of_branch(
            world,
            head,
            live=known.live,
            trigger=_moved_by(production),
            by=inbox.resumed[head].by if head in inbox.resumed else _committer(production, head),
            at=time.time(),
        )
        if world.checkout.disk_follows(candidate.commit):
            world.checkout.note(candidate.commit)
        if candidate.key not in inbox.waiting:
            return _take_branch(production, inbox, known, candidate, cancel=cancel, report=report)
    elif not _files_follow(production, head, known):
        if _git_is_at_work(world, inbox):
            return None
        follow(world.checkout, belonging_to(world, head, known.live), head, at=time.time())
    return _take_edit(production, inbox, head, known, cancel=cancel, report=report)


def _is_wanted(world: World, candidate: Candidate) -> bool:
    """Is what waits still what the branch is at, or still an edit on top of that?"""
    head = world.git.ref(world.settings.branch_ref)
    if candidate.trigger != "edit":
        return candidate.source == head
    return head_for(world, candidate) == head and _is_edited(world)


def _is_edited(world: World) -> bool:
    """Does an edit of what production follows lie on disk?"""
    base = world.git.ref(refs.CHECKOUT)
    return base is not None and bool(world.checkout.edited_paths(base))


def _drop_stale(production: Production, inbox: Inbox, *, frozen: bool) -> None:
    """Forget what waited and is neither on the branch nor on disk any more, or is to be looked at once more."""
    for key, waiting in list(inbox.waiting.items()):
        candidate = waiting.candidate
        if waiting.frozen and not frozen:
            inbox.forget(key)
            continue
        if not _is_wanted(production.world, candidate):
            inbox.forget(key)
            attempts.tell(
                production, candidate, "superseded", waiting.kind, "it is neither on the branch nor on disk any more"
            )


def _take_branch(
    production: Production, inbox: Inbox, known: Records, candidate: Candidate, *, cancel: Cancel, report: Report
) -> Outcome:
    """Release what the branch has moved to; when it is unfit, the branch goes back to what is live."""
    waiting = _have_waited(production, known.live, candidate.source)
    resumed = inbox.resumed.get(candidate.source)
    prepared = prepare(
        production, known, candidate, approval=resumed.approval if resumed else "", waiting=waiting,
        cancel=cancel, report=report,
    )  # fmt: skip
    if isinstance(prepared, Prepared):
        return promote(production, prepared, report=report)
    if not (prepared.waiting and frozen_now(known)):  # what waits for the end of a freeze is looked at once more
        inbox.resumed.pop(candidate.source, None)
    if prepared.outcome == "unchanged":
        settle(production, candidate)
    elif prepared.waiting:
        inbox.wait(candidate, prepared, known)
    else:
        inbox.turned_away = (candidate.source, prepared)
        # What could not be judged, or is not signed, is not condemned: it may be tried again.
        turn_away(production, candidate, prepared.reason, condemn=prepared.condemns)
    return prepared


def _have_waited(production: Production, live: Release | None, head: str) -> list[str]:
    """Return the commits below `head` that waited for approval and do not have what is live in them, the newest first.

    The journal knows them, also for an agent that has just been started.
    """
    git = production.world.git
    if live is None or git.is_ancestor(live.source, head):
        return []
    waited = [one.commit for one in production.memory.attempts[-_LOOKED_AT:] if one.outcome == "waiting"]
    below = (one for one in dict.fromkeys(reversed(waited)) if git.is_ancestor(one, head))
    return [one for one in below if not git.is_ancestor(live.source, one)]


def _take_edit(
    production: Production, inbox: Inbox, head: str, known: Records, *, cancel: Cancel, report: Report
) -> Outcome | None:
    """Release what was edited on disk, as a commit; what is unfit is left as the person left it."""
    world = production.world
    checkout = world.checkout
    if known.checkout is None or checkout.in_progress():
        return None
    if not checkout.on_branch():
        inbox.refused.clear()  # what lies there is no edit of what production follows
        return None
    if _git_is_at_work(world, inbox) or world.home.recovering.exists():
        return None  # a mixture of two commits, and nobody's edit
    paths = checkout.edited_paths(world.git.ref(refs.CHECKOUT) or known.checkout)
    if not paths:
        inbox.refused.clear()
        return None
    age = checkout.age(paths)
    quiet = seconds(world.settings.limits.settle)
    if 0 <= age < quiet:
        inbox.settles_in = quiet - age  # whatever made us look: an editor may be in the middle of it
        return None
    names = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    source = checkout.commit_edit(
        parent=head, paths=paths, subject=f"Edit {names} on the production host", at=time.time()
    )
    candidate = of_edit(production, source, head)
    inbox.refuses_only(candidate.key)
    if candidate.key in inbox.refused or candidate.key in inbox.waiting:
        return None
    try:
        prepared = prepare(production, known, candidate, cancel=cancel, report=report)
    except GitError:
        raise  # that says nothing of the edit: it is tried again
    except ReleaseError as error:
        inbox.refused[candidate.key] = error.message
        raise
    if isinstance(prepared, Prepared):
        return promote(production, prepared, report=report)
    if prepared.outcome == "unchanged":
        settle(production, candidate)
    elif prepared.waiting:
        world.git.update_refs([records.keep(candidate.commit)], reason="waits for approval")
        inbox.wait(candidate, prepared, known)
    else:
        inbox.refused[candidate.key] = prepared.reason
    return prepared


def _git_is_at_work(world: World, inbox: Inbox) -> bool:
    """Does a git change the files just now? Nothing pokes when it has ended: it is looked at again in a while."""
    if not world.checkout.git_is_at_work():
        return False
    inbox.settles_in = AGAIN
    passing("inbox: git is at work")
    return True


def of_edit(production: Production, source: str, head: str) -> Candidate:
    """Return the candidate for an edit that was made on `head`: the carried file comes from the disk."""
    world = production.world
    commit = compose(world, source, carried_from=world.checkout.disk_tree())
    name, _ = world.checkout.identity()
    return Candidate(
        commit=commit,
        source=source,
        key=records.content_key(world.git, commit),
        trigger="edit",
        by=readable(name),
        at=time.time(),
        made_on=head,
    )


def _files_follow(production: Production, head: str, known: Records) -> bool:
    """Was the work tree brought up to the commit that the branch is at? Not after a crash in between."""
    return known.checkout is None or known.checkout == belonging_to(production.world, head, known.live)


def _moved_by(production: Production) -> str:
    """Return what moved the branch last, as the reflog has it: `push`, `pull`, else `branch`."""
    status, output, _ = production.world.git.execute(
        "reflog", "show", "-1", "--format=%gs", production.world.settings.branch_ref, "--"
    )
    word = output.decode(errors="replace").split(" ")[0].rstrip(":\n") if status == 0 else ""
    return word if word in ("push", "pull") else "branch"


def _committer(production: Production, commit: str) -> str:
    return readable(production.world.git.text("show", "-s", "--format=%cn", commit))
