"""Which releases are there, what is live, good and bad? Read from refs and written to them, nothing else.

refs/tags/release/N              annotated tag of a release
refs/gitrelease/live, good       tag objects: what production serves, what last proved good
refs/gitrelease/live-GROUP, …    the same for another group of instances
refs/gitrelease/only/GROUP/N     the tag object of a release that only that group has had, production never
refs/gitrelease/checkout         the commit last written to the work tree
refs/gitrelease/bad/N            tag object whose message says why release N is bad
refs/gitrelease/quarantine/KEY   the same for content: KEY is the content without its documents
refs/gitrelease/kept/ID          heads and candidates that something replaced, still reachable
refs/gitrelease/pinned/N         the tag object of a release that is never pruned
refs/gitrelease/state/N          blob: how things stood before release N
refs/gitrelease/tags/…           copies of the tags of releases and backups: see tag_copies.py
refs/gitrelease/host             blob: the settings of this host that were read well last, but for who is told
refs/gitrelease/frozen           tag object whose message says who froze production, why and until when
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitrelease.core.documents import is_document
from gitrelease.core.freeze import Freeze, freeze_from_message, freeze_message
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.history import Release, release_name, release_number
from gitrelease.core.redaction import redacted
from gitrelease.core.refs import (
    BAD,
    CHECKOUT,
    FROZEN,
    GOOD,
    KEPT,
    LIVE,
    ONLY,
    OURS,
    PINNED,
    QUARANTINE,
    RELEASES,
    STATE,
    good_ref,
    live_ref,
)
from gitrelease.core.text import one_line
from gitrelease.edges.git import ZERO, Git, RefUpdate
from gitrelease.edges.tag_copies import with_copies
from gitrelease.edges.tags import Noted, Releases, Tag, read_note, read_release, read_tags

# There are as many states and copies of tags as releases, and who looks at production asks for none of them. No other
# ref of ours begins so.
_BUT_THOSE = (OURS + "[!st]*", OURS + "[!st]*/**")


@dataclass(frozen=True)
class Quarantined:
    """Content that went bad: the commit that showed it, when (whole seconds since 1970), and the first reason.

    `number` is the release that it was, 0 where it never became one; `note` is the tag that says so.
    """

    key: str
    commit: str
    at: float
    reason: str
    number: int
    note: str


@dataclass(frozen=True)
class Records:
    """All that the refs say at one moment; of tags, what they say is read when somebody asks."""

    releases: Releases
    live: Release | None
    good: Release | None
    checkout: str | None
    bad: Noted[int, str]
    quarantined: Noted[str, Quarantined]
    occupied: frozenset[int]  # numbers that a tag has, whoever made it
    every: Releases  # those of all groups
    elsewhere: Mapping[int, tuple[str, ...]]  # releases that production never had, and the groups that have
    pinned: frozenset[int] = frozenset()
    frozen: Freeze | None = None  # it may be over by now

    def release(self, name: str) -> Release | None:
        """Return the release that `name` (`release/7` or `7`) names."""
        return self.releases.numbered(release_number(name))

    def release_at(self, git: Git, commit: str) -> Release | None:
        """Return the release that serves `commit`, the live one where several do."""
        numbers = (release_number(name) for name, _ in git.tags_at(commit) if name.startswith(RELEASES))
        tagged = (self.releases.numbered(number) for number in numbers)
        found = (self.live, self.good, *tagged)
        return next((release for release in found if release is not None and release.commit == commit), None)

    @property
    def next_number(self) -> int:
        newest = next(self.every.newest(), None)
        # A group may serve what somebody has deleted the tag of.
        number = max((*((newest.number,) if newest else ()), *self.bad, *self.pinned, *self.elsewhere), default=0) + 1
        while number in self.occupied:
            number += 1
        return number


def read(git: Git, group: str = PRODUCTION) -> Records:
    """Read all records as they are for a group: one git command for the refs, one for the tags that are not known yet.

    What only other groups have had is no release of this one: nothing goes back to it.
    """
    # Names only: git would have to open every tag to tell of what kind it is.
    listed = git.lines("for-each-ref", "--format=%(objectname) %(refname)", RELEASES.rstrip("/"), *_BUT_THOSE)
    refs: dict[str, str] = {}
    tags: dict[int, str] = {}
    for line in listed:
        name, ref = line.split(" ", 1)
        if not ref.startswith(RELEASES):
            refs[ref] = name
            continue
        number = release_number(ref)
        if number is not None:
            tags[number] = name
    occupied = frozenset(tags)
    pointers = (live_ref(group), good_ref(group))
    read_tags(git, [refs[ref] for ref in (*pointers, FROZEN) if ref in refs])  # at once
    pinned = _numbered(refs, PINNED)
    # The pointers are the tag objects themselves: what is live is known, whoever deleted or moved its tag.
    tags |= pinned
    live, good = (read_release(git, refs[ref]) if ref in refs else None for ref in pointers)
    tags |= {release.number: release.tag for release in (good, live) if release is not None}
    frozen = read_note(git, refs[FROZEN]) if FROZEN in refs else None
    elsewhere = _elsewhere(refs)
    every = Releases(git, tags)
    apart = {number for number, groups in elsewhere.items() if group not in groups}
    return Records(
        releases=Releases(git, {number: tag for number, tag in tags.items() if number not in apart})
        if apart
        else every,
        every=every,
        elsewhere=elsewhere,
        live=live,
        good=good,
        checkout=refs.get(CHECKOUT),
        bad=Noted(git, _numbered(refs, BAD), lambda _, note: note.message.strip()),
        quarantined=Noted(git, _below(refs, QUARANTINE), _quarantined),
        occupied=occupied,
        pinned=frozenset(pinned),
        frozen=freeze_from_message(frozen.message, at=frozen.at) if frozen else None,
    )


def find(git: Git, number: int, group: str = PRODUCTION) -> Release | None:
    """Return release `number` as `read` would, for who needs no other: it costs the same with ten thousand of them."""
    pointers = (live_ref(group), good_ref(group), f"{PINNED}{number}", f"{RELEASES}{number}")
    listed = git.lines("for-each-ref", "--format=%(refname) %(objectname)", *pointers)
    tags = dict(line.split(" ", 1) for line in listed)
    found = (read_release(git, tags[ref]) for ref in pointers if ref in tags)
    return next((release for release in found if release is not None and release.number == number), None)


def _below(refs: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {ref[len(prefix) :]: name for ref, name in refs.items() if ref.startswith(prefix)}


def _numbered(refs: Mapping[str, str], prefix: str) -> dict[int, str]:
    return {int(number): name for number, name in _below(refs, prefix).items() if number.isdigit()}


def _elsewhere(refs: Mapping[str, str]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for name in sorted(_below(refs, ONLY)):
        group, _, number = name.partition("/")
        if number.isdigit():
            found[int(number)] = (*found.get(int(number), ()), group)
    return found


def only_in(group: str, number: int, tag: str) -> RefUpdate:
    """Return the update that says that a group has had a release which production never had."""
    return RefUpdate(f"{ONLY}{group}/{number}", tag)


def in_production(records: Records, number: int) -> list[RefUpdate]:
    """Return the updates that let production have what only other groups have had."""
    return [RefUpdate(f"{ONLY}{group}/{number}", None) for group in records.elsewhere.get(number, ())]


def groups(git: Git) -> tuple[str, ...]:
    """Return the groups beside production that refs tell of, whether an instance names them or not."""
    prefixes = (f"{LIVE}-", f"{GOOD}-", ONLY)
    listed = git.lines("for-each-ref", "--format=%(refname)", f"{LIVE}-*", f"{GOOD}-*", ONLY.rstrip("/"))
    return tuple(
        sorted(
            {
                ref.removeprefix(prefix).partition("/")[0]
                for ref in listed
                for prefix in prefixes
                if ref.startswith(prefix)
            }
        )
    )


def _quarantined(key: str, note: Tag) -> Quarantined:
    number = release_number(note.name) or 0
    return Quarantined(
        key=key, commit=note.target, at=note.at, reason=note.message.strip(), number=number, note=note.id
    )


def released_commits(git: Git) -> set[str]:
    """Return the commits that releases serve."""
    known = read(git)
    tagged = git.lines("for-each-ref", "--format=%(*objectname)", RELEASES.rstrip("/"))
    return {*tagged, *(release.commit for release in (known.live, known.good) if release is not None)}


def content_key(git: Git, commit: str) -> str:
    """Return a key of what would run from `commit`: every file of its tree that is no document."""
    digest = hashlib.sha1(usedforsecurity=False)
    for entry in git.list_tree(commit):
        if not is_document(entry.path):
            digest.update(os.fsencode(f"{entry.mode} {entry.id} {entry.path}\0"))
    return digest.hexdigest()


def keep(commit: str) -> RefUpdate:
    """Keep a commit that no branch may hold any more."""
    return RefUpdate(f"{KEPT}{commit}", commit)


def condemn(git: Git, *, commit: str, key: str, reason: str, at: float, number: int | None = None) -> list[RefUpdate]:
    """Return the ref updates that quarantine content, and mark release `number` bad where one is given."""
    name = release_name(number) if number is not None else f"quarantine/{key}"
    note = git.write_tag(name=name, commit=commit, message=f"{one_line(redacted(reason))}\n", at=at)
    updates = [RefUpdate(f"{QUARANTINE}{key}", note)]
    if number is not None:
        updates.append(RefUpdate(f"{BAD}{number}", note))
    return updates


def absolve(records: Records, *, key: str, number: int | None = None) -> list[RefUpdate]:
    """Return the ref updates that lift a quarantine, and a release's mark where one is given."""
    updates = [RefUpdate(f"{QUARANTINE}{key}", None)] if key in records.quarantined else []
    if number is not None and number in records.bad:
        updates.append(RefUpdate(f"{BAD}{number}", None))
    return updates


def create_tag(number: int, tag: str) -> tuple[RefUpdate, ...]:
    """Return the updates that create the tag of release `number`, which must not exist yet, and its copy."""
    return with_copies([RefUpdate(f"{RELEASES}{number}", tag, ZERO)])


def keep_state(git: Git, number: int, state: str) -> list[RefUpdate]:
    """Return the update that keeps how things stood before release `number`: the blob `state`, nothing where that is
    empty, also where a release of that number had one before.
    """
    if state:
        return [RefUpdate(f"{STATE}{number}", state)]
    return [RefUpdate(f"{STATE}{number}", None)] if git.ref(f"{STATE}{number}") else []


def read_state(git: Git, number: int) -> bytes | None:
    """Return what was kept of how things stood before release `number`, None where nothing was."""
    name = git.ref(f"{STATE}{number}")
    return git.blobs([name]).get(name) if name else None


def drop_states(git: Git, releases: Iterable[Release]) -> list[RefUpdate]:
    """Return the updates that forget how things stood before `releases`."""
    kept = set(git.lines("for-each-ref", "--format=%(refname)", STATE.rstrip("/")))
    return [RefUpdate(ref, None) for ref in (f"{STATE}{release.number}" for release in releases) if ref in kept]


def pin(release: Release) -> RefUpdate:
    """Return the update that keeps a release from being pruned, also where its tag is deleted."""
    return RefUpdate(f"{PINNED}{release.number}", release.tag)


def unpin(number: int) -> RefUpdate:
    return RefUpdate(f"{PINNED}{number}", None)


def freeze(git: Git, freeze: Freeze, *, commit: str) -> RefUpdate:
    """Write down a freeze; return the update that lets it hold. `commit` is what its tag object points at."""
    return RefUpdate(
        FROZEN, git.write_tag(name="frozen", commit=commit, message=freeze_message(freeze), at=freeze.since)
    )


def drop(records: Records, releases: Iterable[Release]) -> list[RefUpdate]:
    """Return the updates that remove `releases` with their marks; what made content bad is remembered."""
    updates: list[RefUpdate] = []
    for release in releases:
        updates += with_copies([RefUpdate(f"{RELEASES}{release.number}", None, release.tag)])
        if release.number in records.bad:
            updates.append(RefUpdate(f"{BAD}{release.number}", None))
        updates += in_production(records, release.number)
    return updates
