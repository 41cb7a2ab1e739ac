"""Tells whether open pages can move to and from a process, and tries it where its Streamlit was never tried before."""

from __future__ import annotations

import os
import time
from pathlib import Path

from gitrelease.core.outcome import Check
from gitrelease.edges import inside, page_trials
from gitrelease.edges.backends import Backend
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.companion import CompanionError
from gitrelease.edges.page_trials import Trial
from gitrelease.edges.slots import Slot
from gitrelease.world import World

LIMIT = 10.0  # seconds for a trial


def page_moves(world: World, slot: Slot, backend: Backend, cancel: Cancel) -> tuple[Check, ...]:
    """Return the check that says why open pages stay where they are; nothing where they move, or there are none.

    It never fails: an app whose pages stay is served as well as any other.
    """
    if world.settings.app.kind != "streamlit" or backend.tls:
        return ()  # what TLS means for pages is said with the configuration
    begun = time.monotonic()
    if not backend.companion:
        why = "app.companion is false"
    else:
        try:
            why = _why_not(world, slot, backend, cancel)
        except CompanionError as error:
            why = error.message
    if not why:
        return ()
    detail = (
        f"{why}: open pages are not moved to the next process, they stay until they are closed, or its room is needed"
    )
    spent = round(time.monotonic() - begun, 3)
    return (Check(name="open pages", kind="major", status="skipped", detail=detail, seconds=spent),)


def _why_not(world: World, slot: Slot, backend: Backend, cancel: Cancel) -> str:
    socket = Path(backend.companion)
    state = page_trials.status(world.home, socket)
    if state.moves is not None:
        return "" if state.moves else state.why
    why = _tried(world, slot, backend, cancel)
    why = f"Streamlit {state.streamlit} was tried and does not carry a page: {why}" if why else ""
    page_trials.keep(world.home, state.streamlit, Trial(not why, why))
    return page_trials.status(world.home, socket).why


def _tried(world: World, slot: Slot, backend: Backend, cancel: Cancel) -> str:
    """Move a page from the process to itself; say why that does not work, nothing where it does."""
    handle = os.pidfd_open(backend.identity.pid)
    try:
        with inside.move_trial(
            world.python, home=world.home.root, endpoint=backend.endpoint, companion=backend.companion, deadline=LIMIT,
            cwd=slot.path,
        ) as running:  # fmt: skip
            if running.handle not in cancel.wait([handle, running.handle], LIMIT + 5.0):
                return "the trial did not end in time"
            return inside.move_trial_result(running)
    finally:
        os.close(handle)
