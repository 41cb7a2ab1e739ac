"""Would a new process of the live release start? After a way back to a process that was still warm nobody knows.

It has the packages in memory that were installed when it started. Where the release that was left needs others, what is
installed by now may not fit: then one is started beside production, in the slot for checks, and ended again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time

from gitrelease.checks.staging import Unfit, stage_again
from gitrelease.core.errors import ReleaseError
from gitrelease.core.events import StartTried
from gitrelease.core.history import Release
from gitrelease.core.packages import say_packages
from gitrelease.edges.backends import backend_name
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.git import Git, GitError
from gitrelease.release.execute import record
from gitrelease.release.production import Production
from gitrelease.release.room import lacking

_THREAD = "fresh start"

log = logging.getLogger("gitrelease.agent")


def packages_differ(git: Git, one: str, other: str) -> bool:
    """Do two commits say differently which packages the app needs?"""
    try:
        return say_packages(git.changed_paths(one, other))
    except GitError:  # a damaged commit, which must not stop a rollback: it is tried
        return True


def try_beside(production: Production, release: Release) -> None:
    """Start a process of a release in a thread of its own, and write down whether it came up."""
    thread = threading.Thread(target=_try, args=(production, release), name=_THREAD, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # no more threads just now: `try_once_more` comes back to it
        log.warning("whether a new process of %s starts is tried later: %s", release.name, error)


def try_once_more(production: Production) -> None:
    """Try it where that is in doubt and could not be tried yet: another check was running, say."""
    memory = production.memory
    if memory.start_in_doubt is None or memory.start_tried is not None:
        return
    live = production.world.records().live
    running = any(thread.name == _THREAD for thread in threading.enumerate())
    if live is not None and live.number == memory.start_in_doubt and not running:
        try_beside(production, live)


def shown(production: Production, number: int) -> None:
    """A new process of a release has come up: where that was in doubt it is no more."""
    if production.memory.start_in_doubt == number:
        record(production, StartTried(at=time.time(), number=number, ok=True))


def _try(production: Production, release: Release) -> None:
    short_of = lacking(production, release.commit, instances=1)
    if short_of is not None:
        log.warning("whether a new process of %s starts is not tried: %s", release.name, short_of.detail)
        return
    try:
        with contextlib.closing(Cancel()) as cancel:
            staged = stage_again(
                production.world.judged_by(release.commit),
                release,
                cancel=cancel,
                report=lambda step, text, _: log.info("a new process of %s: %s %s", release.name, step, text),
                name=backend_name(release.commit),
                checking_only=True,
            )
    except (ReleaseError, OSError) as error:  # another check is running, say: that says nothing of the release
        log.warning("whether a new process of %s starts could not be tried: %s", release.name, error)
        return
    if production.memory.start_in_doubt != release.number or not production.world.wanted:
        return  # something else is live by now, or production was taken down, and this process with it
    if isinstance(staged, Unfit) and staged.unknown:
        log.warning("whether a new process of %s starts could not be tried: %s", release.name, staged.reason)
        return
    reason = staged.reason if isinstance(staged, Unfit) else ""
    if reason:
        log.error("a new process of %s does not start: %s", release.name, reason)
    record(production, StartTried(at=time.time(), number=release.number, ok=not reason, reason=reason))
