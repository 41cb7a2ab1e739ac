"""Which releases are there, what is live, good and bad? Read from refs and written to them, nothing else.

refs/tags/release/N              annotated tag of a release
refs/gitrelease/live, good       tag objects: what production serves, what last proved good
refs/gitrelease/checkout         the commit last written to the work tree
refs/gitrelease/bad/N            tag object whose message says why release N is bad
refs/gitrelease/quarantine/KEY   the same for content: KEY is the content without its documents
refs/gitrelease/kept/ID          heads and candidates that something replaced, still reachable
refs/gitrelease/pinned/N         the tag object of a release that is never pruned
refs/gitrelease/frozen           tag object whose message says who froze production, why and until when
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from gitrelease.core.documents import is_document
from gitrelease.core.freeze import Freeze, freeze_from_message, freeze_message
from gitrelease.core.history import Release, release_from_tag, release_name, release_number
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line
from gitrelease.edges.git import ZERO, Git, RefUpdate

OURS = "refs/gitrelease/"
LIVE = OURS + "live"
GOOD = OURS + "good"
CHECKOUT = OURS + "checkout"
BAD = OURS + "bad/"
QUARANTINE = OURS + "quarantine/"
KEPT = OURS + "kept/"
PINNED = OURS + "pinned/"
FROZEN = OURS + "frozen"
RELEASES = "refs/tags/release/"
BACKUPS = "refs/tags/backup/"

_FIELDS = ("refname", "objecttype", "objectname", "*objectname", "taggerdate:unix", "tag", "contents")
_FORMAT = "".join(f"%({field})%00" for field in _FIELDS) + "%01"


@dataclass(frozen=True)
class Quarantined:
    """Content that went bad: the commit that showed it, and the first reason."""

    key: str
    commit: str
    reason: str


@dataclass(frozen=True)
class Records:
    """All that the refs say at one moment. Releases are ordered by number, oldest first."""

    releases: tuple[Release, ...]
    live: Release | None
    good: Release | None
    checkout: str | None
    bad: dict[int, str]
    quarantined: dict[str, Quarantined]
    taken: frozenset[int]  # numbers that somebody else's tag occupies
    pinned: frozenset[int] = frozenset()
    frozen: Freeze | None = None  # it may be over by now

    def release(self, name: str) -> Release | None:
        """Return the release that `name` (`release/7` or `7`) names."""
        number = release_number(name)
        return next((release for release in self.releases if release.number == number), None)

    @property
    def next_number(self) -> int:
        number = max((*(one.number for one in self.releases), *self.bad, *self.pinned), default=0) + 1
        while number in self.taken:
            number += 1
        return number


def read(git: Git) -> Records:
    """Read all records in one git command."""
    output = git.run("for-each-ref", f"--format={_FORMAT}", RELEASES.rstrip("/"), OURS.rstrip("/"))
    releases: dict[str, Release] = {}
    pointers: dict[str, str] = {}
    bad: dict[int, str] = {}
    quarantined: dict[str, Quarantined] = {}
    taken: set[int] = set()
    pinned: set[int] = set()
    frozen: Freeze | None = None
    for record in output.decode(errors="surrogateescape").split("\0\1\n"):
        if not record:
            continue
        ref, kind, name, peeled, date, named, message = record.split("\0", 6)
        # The pointers are the tag objects themselves: what is live is known, whoever deleted or moved its tag.
        called = named if ref in (LIVE, GOOD) or ref.startswith(PINNED) else ref if ref.startswith(RELEASES) else ""
        number = release_number(called)
        release = None
        if number is not None and kind == "tag":
            release = release_from_tag(name=called, tag=name, commit=peeled, at=float(date or 0), message=message)
        if release is not None:
            releases[name] = release
        if ref.startswith(RELEASES):
            if number is not None and release is None:
                taken.add(number)
        elif ref.startswith(BAD) and ref[len(BAD) :].isdigit():
            bad[int(ref[len(BAD) :])] = message.strip()
        elif ref.startswith(PINNED) and ref[len(PINNED) :].isdigit():
            pinned.add(int(ref[len(PINNED) :]))
        elif ref == FROZEN:
            frozen = freeze_from_message(message, at=float(date or 0))
        elif ref.startswith(QUARANTINE):
            key = ref[len(QUARANTINE) :]
            quarantined[key] = Quarantined(key=key, commit=peeled or name, reason=message.strip())
        else:
            pointers[ref] = name
    return Records(
        releases=tuple(sorted(releases.values(), key=lambda release: release.number)),
        live=releases.get(pointers.get(LIVE, "")),
        good=releases.get(pointers.get(GOOD, "")),
        checkout=pointers.get(CHECKOUT),
        bad=bad,
        quarantined=quarantined,
        taken=frozenset(taken),
        pinned=frozenset(pinned),
        frozen=frozen,
    )


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


def create_tag(number: int, tag: str) -> RefUpdate:
    """Return the update that creates the tag of release `number`; it must not exist yet."""
    return RefUpdate(f"{RELEASES}{number}", tag, ZERO)


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
        updates.append(RefUpdate(f"{RELEASES}{release.number}", None, release.tag))
        if release.number in records.bad:
            updates.append(RefUpdate(f"{BAD}{release.number}", None))
    return updates
