"""How does the deploy branch follow production, and never lose a commit?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from gitrelease.candidate import Candidate
from gitrelease.core.events import Settled
from gitrelease.core.history import Release
from gitrelease.core.text import one_line, short
from gitrelease.edges import records
from gitrelease.edges.faults import passing
from gitrelease.edges.git import Git, RefUpdate
from gitrelease.release.execute import bring_files, record
from gitrelease.release.production import Production
from gitrelease.world import World


def branch_to(production: Production, source: str) -> tuple[RefUpdate, ...]:
    """Return the updates that bring the deploy branch to `source`, keeping the head that is replaced."""
    world = production.world
    if not world.is_production:
        return ()
    branch = world.settings.branch_ref
    head = world.git.ref(branch)
    if head == source:
        return ()
    if head is None:
        return (RefUpdate(branch, source),)
    kept = () if world.git.is_ancestor(head, source) else (records.keep(head),)
    return (RefUpdate(branch, source, head), *kept)


def head_for(world: World, candidate: Candidate) -> str | None:
    """Return the head that the deploy branch has to be at for a candidate: an edit's own, else where it is now."""
    return candidate.made_on if candidate.trigger == "edit" else world.git.ref(world.settings.branch_ref)


def branch_for(production: Production, candidate: Candidate) -> tuple[RefUpdate, ...]:
    """Return the updates of the branch that go with a candidate.

    What came by the branch is on it already; commits that somebody has put on top since then stay. An edit goes on
    top of the head that it was made on, or not at all. What a person named is where the branch goes.
    """
    git, branch = production.world.git, production.world.settings.branch_ref
    if candidate.came_by_branch:
        return ()
    if candidate.trigger == "edit":
        head = head_for(production.world, candidate)
        return () if git.ref(branch) == candidate.source else (RefUpdate(branch, candidate.source, head),)
    return branch_to(production, candidate.source)


def leaves_out(
    world: World, candidate: Candidate, live: Release, *, waiting: Iterable[str] = (), settled: str | None = None
) -> str:
    """Say that the branch went back behind the live release, without a rollback; nothing where it did not.

    A commit that was amended, or rebased, takes the place of one that is live: that is something else. Both keep author
    and date of the commit, by which it is known again. `waiting` are commits that waited and do not have what is live
    in them: neither has what is put on top of one. `settled` is what the branch moved to last without a release: with
    another message, say, it is in the place of what is live. So is the head of the branch where it has the same
    content, and nobody has looked at it yet.
    """
    git, source = world.git, candidate.source
    if source == live.source or git.is_ancestor(live.source, source):
        return ""
    head = git.ref(world.settings.branch_ref)
    if any(one and git.is_ancestor(one, source) and _same_content(git, one, live.source) for one in (settled, head)):
        return ""
    _, found, _ = git.execute("merge-base", source, live.source)
    common = found.decode().strip()
    if common and _same_content(git, common, live.source):
        return ""  # only documents are missing
    back = candidate.trigger in ("push", "edit") or any(git.is_ancestor(one, source) for one in waiting)
    if back or not common or common == source:
        return f"the branch went back: what {live.name} has brought is not in {short(source)}"
    gone = _left_out(git, common, live.source, source)
    if gone is None:
        return ""
    commit, subject = gone
    lost = f"{short(commit)} ({one_line(subject, 80)}), which is in {live.name}"
    return f"the branch went back: {lost}, is not in {short(source)}"


def _left_out(git: Git, common: str, before: str, after: str) -> tuple[str, str] | None:
    """Return the newest commit since `common` that is gone, with its subject; documents do not count.

    Of those that one author has written in one second, the subject tells which is in the place of which; each takes
    the place of one.
    """
    kept = Counter((author, subject) for _, author, subject in _since(git, common, after))
    others = []
    for commit, author, subject in _since(git, common, before):
        if kept[author, subject]:
            kept[author, subject] -= 1
        else:
            others.append((commit, author, subject))
    reworded = Counter(author for author, _ in kept.elements())
    for commit, author, subject in others:
        if reworded[author]:
            reworded[author] -= 1
        elif not _same_content(git, f"{commit}^", commit):
            return commit, subject
    return None


def _since(git: Git, common: str, head: str) -> Iterator[tuple[str, str, str]]:
    """Yield the commits since `common`: id, author with the date, subject."""
    for line in git.lines("log", "--no-merges", "--format=%H%x00%an <%ae> %at%x00%s", f"{common}..{head}", "--"):
        commit, author, subject = line.split("\0", 2)
        yield commit, author, subject


def _same_content(git: Git, one: str, other: str) -> bool:
    return records.content_key(git, one) == records.content_key(git, other)


def settle(production: Production, candidate: Candidate) -> str:
    """The branch is at a commit that changes nothing that runs: let the files and the memory follow.

    Returns why the files could not be brought there yet; nothing where they are.
    """
    world = production.world
    updates = branch_for(production, candidate)
    passing("settle: before the refs")
    if updates:
        world.git.update_refs(updates, reason="nothing that runs has changed")
    passing("settle: before the files")
    _, late = bring_files(production, candidate.commit, candidate.source, from_disk=candidate.trigger == "edit")
    passing("settle: before the record")
    record(production, Settled(at=time.time(), source=candidate.source))
    return f"the files of the checkout follow later: {late}" if late else ""


def turn_away(production: Production, candidate: Candidate, reason: str, *, condemn: bool) -> None:
    """Bring a branch whose head was refused back to what is live."""
    world = production.world
    known = world.records()
    if known.live is None:
        return
    updates = list(branch_to(production, known.live.source))
    if condemn and candidate.key not in known.quarantined:
        updates += records.condemn(
            world.git, commit=candidate.known_as, key=candidate.key, reason=reason, at=time.time()
        )
    passing("turn away: before the refs")
    world.git.update_refs(updates, reason="refused, back to live")
    passing("turn away: before the files")
    bring_files(production, known.live.commit, known.live.source)
