"""Who may use the slot that is set aside for checks, and what becomes of it when whoever had it was killed?"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from gitrelease.core.errors import Busy
from gitrelease.edges import process_table, processes
from gitrelease.edges.backends import MARK
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.slots import CHECK, Slot
from gitrelease.world import World

CHECK_WAIT = 30.0  # seconds in which another check must have ended


@contextlib.contextmanager
def leaving_nothing(world: World) -> Iterator[None]:
    """End what this process has started from a slot when it is interrupted, even while it was being started."""
    try:
        yield
    except BaseException:
        for identity in process_table.marked(MARK, str(world.home.root)):
            if process_table.descends(identity, {os.getpid()}):
                processes.stop(identity, grace=0.5)
        raise


def check_slot(world: World, commit: str, cancel: Cancel) -> Slot:
    """Take the slot that is set aside for checks, waiting for another check to end; `Busy` when it does not."""
    deadline = time.monotonic() + CHECK_WAIT
    while True:
        try:
            return world.slots.take(
                commit, shared=world.settings.app.shared, data=world.data_of(commit), names=(CHECK,)
            )
        except Busy:
            _end_left_behind(world)
            if time.monotonic() > deadline:
                raise
            cancel.wait([], 0.1)


def _end_left_behind(world: World) -> None:
    """End what holds the slot for checks after whoever took it was killed; only what was started from a slot."""
    holders = world.slots.left_behind(CHECK)
    started = process_table.marked(MARK, str(world.home.root)) if holders else []
    for holder in holders:
        if holder in started:
            processes.stop(holder, grace=0.5)
