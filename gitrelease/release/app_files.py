"""Which files does the app write beside its script, and will they stay? Somebody is told at the first time.

A slot is used again by another release, and then has that one's files and no others. What `app.data` names stays; all
else is moved to where it is kept for a while.
"""

from __future__ import annotations

import logging
import time

from gitrelease.core import data_folders
from gitrelease.core.events import FilesFound
from gitrelease.edges import leftovers
from gitrelease.release.execute import record
from gitrelease.release.production import Production

log = logging.getLogger("gitrelease.agent")

MOST_NAMES = 20  # that are told at once


def save(production: Production) -> None:
    """Save what was written in the slots of processes that have ended, and bound what is kept of it."""
    world, running = production.world, production.running
    for serving in filter(None, (running.live, running.standby)):
        production.give_data(serving, late=True)  # an earlier version has started it, or the disk was full
    in_use = {backend.slot for backend in running.backends()}
    world.slots.settle(world.settings.app.data, but=in_use)
    dropped = leftovers.bound(world.slots.files.leftovers, world.settings.limits.leftovers_mb << 20)
    if dropped:
        log.warning(
            "what apps have written beside their script is more than is kept (limits.leftovers_mb); dropped: %s",
            ", ".join(dropped),
        )  # fmt: skip


def look(production: Production) -> None:
    """See which files the running releases have written that will not stay, and tell of those that are new."""
    running, slots, data = production.running, production.world.slots, production.world.settings.app.data
    serving = [one for one in (running.standby, running.live) if one is not None]
    numbers = {backend.slot: one.number for one in serving for backend in one.backends}
    found: dict[str, int] = {}
    for slot, number in numbers.items():
        names = (
            name for name in slots.files.named(slot) if not data_folders.is_in(name, data)
        )  # what is data by now is kept
        found |= dict.fromkeys(names, number)
    new = [name for name in found if name not in production.memory.files_found]
    if new:
        told = tuple(new[:MOST_NAMES])
        log.warning("the app writes %s beside its script: what keeps it: gitrelease doctor", ", ".join(told))
        record(production, FilesFound(at=time.time(), number=found[new[0]], names=told))
    production.written = tuple(found)
