"""Do tags and pointers say what they said? Deleted ones are rebuilt from what remains: each other, journal, objects."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from gitrelease.candidate import belonging_to
from gitrelease.core.events import Promoting
from gitrelease.core.history import Release, good_after
from gitrelease.core.memory import Memory
from gitrelease.core.refs import BAD, CHECKOUT, GOOD, LIVE, ONLY, RELEASES, STATE
from gitrelease.core.text import counted
from gitrelease.edges import records, tag_copies
from gitrelease.edges.git import Git, RefUpdate
from gitrelease.edges.tags import read_release
from gitrelease.world import World


def mend_pointers(world: World, *, served: int | None) -> Iterator[str]:
    """Put back tags, `live`, marks, `good` and `checkout`; `served` is the release that processes still serve."""
    memory = world.journal.memory()
    yield from _mend_tags_of_groups(world)
    yield from _mend_tags(world, memory)
    for there in world.beside():
        yield from _mend_group(there, memory)
    yield from _mend_live(world, memory, served)
    yield from _mend_bad(world, memory)
    yield from _mend_good(world, memory)
    yield from _mend_checkout(world)
    yield from _mend_states(world)


# -- tags ------------------------------------------------------------------------------------------------------------


def _mend_tags(world: World, memory: Memory) -> Iterator[str]:
    git = world.git
    copied = tag_copies.put_back(git, reason="recover")
    if copied:
        yield _told_of(copied)
    known = records.read(git)
    tagged = {release.number: release for release in known.releases}
    found = {**_journalled(world, memory), **tagged}
    top = max(found, default=0)
    others = known.occupied - tagged.keys()
    missing = set(range(1, top + 1)) - found.keys() - memory.pruned - others
    if missing or not found:
        lost = _unreachable(git)
        found |= {number: release for number, release in lost.items() if number in missing or not found}
    updates = [
        RefUpdate(f"{RELEASES}{number}", release.tag)
        for number, release in sorted(found.items())
        if git.ref(f"{RELEASES}{number}") != release.tag
    ]
    if updates:
        git.update_refs(updates, reason="recover")
        yield _told_of([update.ref.removeprefix("refs/tags/") for update in updates])
    tag_copies.take_up(git)


def _told_of(names: Sequence[str]) -> str:
    more = " …" if len(names) > 5 else ""
    return f"put {counted(len(names), 'tag')} back: {', '.join(names[:5])}{more}"


def _journalled(world: World, memory: Memory) -> dict[int, Release]:
    """Return the releases that the journal saw go live, and whose tag objects are still there."""
    tags = {event.number: event.tag for event in world.journal.events() if isinstance(event, Promoting)}
    releases = (
        _read_tag(world.git, tag)
        for number, tag in tags.items()
        if number in memory.seconds and number not in memory.pruned
    )
    return {release.number: release for release in releases if release is not None}


def _unreachable(git: Git) -> dict[int, Release]:
    """Return releases whose tag objects are left and named by no ref, the newest where several have a number."""
    listed = git.execute("fsck", "--unreachable", "--no-reflogs", "--no-progress", "--connectivity-only")[1]
    found: dict[int, Release] = {}
    for line in listed.decode(errors="replace").splitlines():
        kind, _, name = line.removeprefix("unreachable ").partition(" ")
        release = _read_tag(git, name) if kind == "tag" else None
        if release is not None and (release.number not in found or found[release.number].at < release.at):
            found[release.number] = release
    return found


def _read_tag(git: Git, tag: str) -> Release | None:
    """Read a release from its tag object; None where that, or the commit that it names, is not there."""
    release = read_release(git, tag)
    return release if release is not None and git.resolve(release.commit) is not None else None


def _mend_tags_of_groups(world: World) -> Iterator[str]:
    """Put back the tags of what production never had: the marks of the groups name the same objects."""
    git = world.git
    marks = {
        f"{RELEASES}{number}": f"{ONLY}{groups[0]}/{number}" for number, groups in world.records().elsewhere.items()
    }
    lost = {ref: git.ref(mark) for ref, mark in marks.items() if git.ref(ref) is None}
    if lost:
        git.update_refs([RefUpdate(ref, tag) for ref, tag in lost.items()], reason="recover")
        names = ", ".join(ref.removeprefix("refs/tags/") for ref in lost)
        yield f"put {counted(len(lost), 'tag')} of groups back: {names}"


# -- groups ----------------------------------------------------------------------------------------------------------


def _mend_group(world: World, of_production: Memory) -> Iterator[str]:
    """Put back what says that a group alone has had a release, what it serves, and what proved good there."""
    git, memory, known = world.git, world.journal.memory(attempts=1), world.records()
    if of_production.served:  # else nobody can tell what production has had
        alone = (known.every.numbered(number) for number in memory.served.keys() - of_production.served.keys())
        lost = [one for one in alone if one is not None and world.group not in known.elsewhere.get(one.number, ())]
        if lost:
            git.update_refs([records.only_in(world.group, one.number, one.tag) for one in lost], reason="recover")
            yield f"{', '.join(one.name for one in lost)} is no release of production's: {world.group} alone has had it"
            known = world.records()
    live = known.every.numbered(memory.live)
    if known.live is None and live is not None:
        git.update_refs([RefUpdate(world.live_ref, live.tag)], reason="recover")
        yield f"nothing was live in {world.group} by the refs; {live.name} is again"
    sane = [one for one in known.releases.newest() if one.number in memory.proved and one.number not in known.bad]
    if known.good is None and sane:
        git.update_refs([RefUpdate(world.good_ref, sane[0].tag)], reason="recover")
        yield f"nothing was good in {world.group} by the refs; {sane[0].name} is the last that proved so"


# -- pointers --------------------------------------------------------------------------------------------------------


def _mend_live(world: World, memory: Memory, served: int | None) -> Iterator[str]:
    known = world.records()
    if known.live is not None or not known.releases:
        return
    by_number = {release.number: release for release in known.releases}
    sane = [release for release in known.releases if release.number not in {*known.bad, *memory.bad}]
    choices = (
        (by_number.get(served or 0), "that is what runs"),
        (by_number.get(memory.live or 0), "that is what the journal saw last"),
        (known.good, "that proved good last"),
        (sane[-1] if sane else None, "the newest that is not bad"),
    )
    live, why = next(((one, why) for one, why in choices if one is not None), (known.releases[-1], "the newest"))
    world.git.update_refs([RefUpdate(LIVE, live.tag)], reason="recover")
    yield f"nothing was live by the refs; {live.name} is again: {why}"


def _mend_bad(world: World, memory: Memory) -> Iterator[str]:
    known = world.records()
    for release in known.releases:
        reason = memory.bad.get(release.number)
        if reason is None or release.number in known.bad or release == known.live:
            continue
        key = records.content_key(world.git, release.commit)
        marks = records.condemn(
            world.git, commit=release.commit, key=key, reason=reason, at=time.time(), number=release.number
        )
        # Content that was released again since is not quarantined: only the release itself is marked.
        world.git.update_refs([mark for mark in marks if mark.ref.startswith(BAD)], reason="recover")
        yield f"marked {release.name} bad again: {reason}"


def _mend_good(world: World, memory: Memory) -> Iterator[str]:
    known = world.records()
    if known.good is not None or known.live is None:
        return
    # Where the journal is lost too, those before the live one count: it soaks once more.
    proved = memory.proved if memory.seconds else {release.number for release in known.releases} - {known.live.number}
    releases = [release for release in known.releases if release.number in proved]
    good = good_after(reversed(releases), live=known.live.number, bad=known.bad, superseded=memory.superseded)
    if good is not None:
        world.git.update_refs([RefUpdate(GOOD, good.tag)], reason="recover")
        yield f"nothing was good by the refs; {good.name} is the last that proved so"


def _mend_checkout(world: World) -> Iterator[str]:
    """Say again which commit the files were written from: the head of the branch, as far as anybody can tell."""
    head = world.git.ref(world.settings.branch_ref)
    if head is None or world.git.resolve(CHECKOUT) is not None:
        return
    commit = belonging_to(world, head, world.records().live)
    world.git.update_refs([RefUpdate(CHECKOUT, commit)], reason="recover")
    yield "what was written to the work tree last was lost; it is taken for the head of the branch"


def _mend_states(world: World) -> Iterator[str]:
    """Name the blobs again that say how things stood before the releases, as the journal has them."""
    git = world.git
    numbers = {release.number for release in world.records().every}
    # Production's last: of a release that a group had first, that is what was kept.
    journals = [world.of_group(name).journal for name in reversed(world.settings.groups)]
    events = (event for journal in journals for event in journal.events())
    intents = (event for event in events if isinstance(event, Promoting) and event.state)
    states = {intent.number: intent.state for intent in intents if intent.number in numbers}
    kept = set(git.lines("for-each-ref", "--format=%(refname)", STATE.rstrip("/")))
    gone = {number: state for number, state in states.items() if f"{STATE}{number}" not in kept}
    there = git.sizes(list(gone.values()))
    lost = {number: state for number, state in gone.items() if state in there}
    updates = [RefUpdate(f"{STATE}{number}", state) for number, state in lost.items()]
    if updates:
        git.update_refs(updates, reason="recover")
        names = ", ".join(f"release/{number}" for number in sorted(lost)[:5])
        yield f"what was kept of how things stood is named again, before {names}" + (" …" if len(lost) > 5 else "")
