"""How is a decided release carried out? Steps as values, one `match` over them, in an order that survives crashes.

Intent, refs, traffic, files, record: everything after the intent can be redone from the refs, so an agent
that was killed in between finishes what the refs say has happened and drops what they do not know.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import msgspec

from gitrelease.core.events import Abandoned, AnyEvent, Promoted, Promoting, WentBack
from gitrelease.core.text import one_line
from gitrelease.edges.faults import passing
from gitrelease.edges.following import follow
from gitrelease.edges.git import GitError, RefUpdate
from gitrelease.release.production import Fate, Production
from gitrelease.release.running import Serving

log = logging.getLogger("gitrelease.agent")


@dataclass(frozen=True)
class Intend:
    """Say in the journal what is about to happen."""

    event: Promoting


@dataclass(frozen=True)
class MoveRefs:
    """Create the tag, move the pointers and the branch: one durable transaction."""

    updates: tuple[RefUpdate, ...]
    reason: str


@dataclass(frozen=True)
class SwitchTraffic:
    """Send new connections to another backend."""

    serving: Serving
    then: Fate


@dataclass(frozen=True)
class BringFiles:
    """Let the work tree follow: `source` on the branch, and the carried file of `commit`."""

    commit: str
    source: str
    clean: bool = False  # edits on disk make way, kept as a backup
    from_disk: bool = False  # it was an edit: what was saved since stays, and is the next one


@dataclass(frozen=True)
class Write:
    """Record what has happened."""

    event: AnyEvent


Step = Intend | MoveRefs | SwitchTraffic | BringFiles | Write
_NAMES = {Intend: "intent", MoveRefs: "refs", SwitchTraffic: "traffic", BringFiles: "files", Write: "record"}


@dataclass
class Performed:
    """What the steps have to say afterwards."""

    backups: tuple[str, ...] = ()
    late: str = ""  # why the files could not be brought to the release yet

    def told(self) -> str:
        """Say where the edits are that made way, and whether files are late, to stand before other words."""
        kept = f"what lay on disk is kept as {' and '.join(self.backups)}; " if self.backups else ""
        return kept + (f"the files of the checkout follow later: {self.late}; " if self.late else "")


def carry_out(steps: Sequence[Step], production: Production) -> Performed:
    """Perform `steps` in order; where the refs cannot be moved, what was intended is void, and the journal says so."""
    performed = Performed()
    for step in steps:
        passing(f"{_NAMES[type(step)]}: before")
        try:
            perform(step, production, performed)
        except GitError:
            if isinstance(step, MoveRefs):
                _abandon(production)
            raise
        passing(f"{_NAMES[type(step)]}: done")
    return performed


def _abandon(production: Production) -> None:
    intent = production.memory.unfinished
    if intent is None or production.world.git.ref(production.world.live_ref) == intent.tag:
        return
    # On a full disk the next agent says it.
    with contextlib.suppress(OSError):
        record(production, Abandoned(at=time.time(), number=intent.number))


def perform(step: Step, production: Production, performed: Performed) -> None:
    """Perform one step; each can be repeated."""
    world = production.world
    match step:
        case Intend(event=event):
            record(production, event)
        case Write(event=event):
            record(production, _with_files(event, performed))
        case MoveRefs(updates=updates, reason=reason):
            world.git.update_refs(updates, reason=reason)
        case SwitchTraffic(serving=serving, then=then):
            production.switch(serving, then=then, now=time.time())
        case BringFiles(commit=commit, source=source, clean=clean, from_disk=from_disk):
            performed.backups, performed.late = bring_files(
                production, commit, source, clean=clean, from_disk=from_disk
            )
        case _:
            assert_never(step)


def _with_files(event: AnyEvent, performed: Performed) -> AnyEvent:
    """Let the end of a promotion, or of a way back, tell what became of the files in the checkout."""
    if (performed.backups or performed.late) and isinstance(event, Promoted | WentBack):
        return msgspec.structs.replace(event, backups=performed.backups, late=performed.late)
    return event


def bring_files(
    production: Production, commit: str, source: str, *, clean: bool = False, from_disk: bool = False
) -> tuple[tuple[str, ...], str]:
    """Bring the checkout to a release as far as it can be just now; return the backups that this needed, or why not.

    A person's own git holds the index, say, or the disk is full. Production is not served from here, and the inbox
    brings the files up as soon as it can: their commit is not noted as written.
    """
    if not production.world.is_production:
        return (), ""
    try:
        checkout = production.world.checkout
        backups = follow(checkout, commit, source, at=time.time(), clean=clean, from_disk=from_disk)
    except (GitError, OSError) as error:
        log.warning("the work tree follows later: %s", error)
        return (), one_line(str(error), 300)
    return backups, ""


def record(production: Production, event: AnyEvent) -> None:
    """Write an event to the journal and take it into memory."""
    production.world.journal.append(event)
    production.memory.take(event)
