"""What does the page read, and for how long is that true? The same functions as the commands use, remembered.

How production stands is read again after some seconds, once for all who look. Releases are remembered under a mark of
the refs and the journal, and read again only when those have changed.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import streamlit as st

from gitrelease.dashboard.started import started
from gitrelease.edges.samples import Row
from gitrelease.world import World, open_world

FRESH = 2.0  # seconds
SAMPLED = 30.0  # seconds between two samples


def root() -> Path:
    return Path(started().root)


def world() -> World:
    """Open the checkout; settings are those of what is live now."""
    return open_world(root())


@st.cache_data(ttl=FRESH, show_spinner=False)
def status() -> dict[str, Any]:
    """Return the status object, from the agent, or from refs and disk where there is none."""
    from gitrelease.commands.client import client_for
    from gitrelease.commands.status import read_status

    return read_status(client_for(root()))


@st.cache_data(ttl=FRESH, show_spinner=False)
def mark() -> str:
    """Return what changes whenever a release, a mark of one, or the journal does."""
    from gitrelease.edges.records import OURS, RELEASES

    here = world()
    refs = here.git.run("for-each-ref", "--format=%(objectname) %(refname)", RELEASES.rstrip("/"), OURS.rstrip("/"))
    journal = here.home.journal
    written = journal.stat() if journal.exists() else None
    size = f"{written.st_size} {written.st_mtime_ns}" if written else ""
    return hashlib.sha256(refs + size.encode()).hexdigest()


@st.cache_data(max_entries=2, show_spinner=False)
def history(marked: str) -> dict[str, Any]:
    """Return the history object: releases and attempts, newest first, all of them; `marked` is `mark()`."""
    from gitrelease.release.past import history as read_history

    return read_history(world())


@st.cache_data(max_entries=64, show_spinner=False)
def release(name: str, marked: str) -> dict[str, Any]:
    """Return all that is known of one release; `marked` is `mark()`."""
    from gitrelease.commands.show import describe_release
    from gitrelease.release.going_back import no_target

    here = world()
    known = here.records()
    found = known.release(name)
    if found is None:
        raise no_target(name)
    return describe_release(here, known, found)


@st.cache_data(ttl=2 * FRESH, max_entries=16, show_spinner=False)
def output(name: str, most: int) -> dict[str, list[str]]:
    """Return the last lines that a release's processes have printed, by instance, as far as they are kept."""
    from gitrelease.commands.printing import asked_for, newest_lines

    found: dict[str, list[str]] = {}
    for asked in asked_for(world(), None, name):
        logs = asked.logs()
        for instance in asked.names:
            found[instance] = newest_lines([log for log in logs if log.instance == instance], most)
    return found


@st.cache_data(max_entries=16, show_spinner=False)
def samples(since: float, until: float, points: int) -> tuple[list[Row], float]:
    """Return what was sampled, summed up into `points` stretches of time for each instance, and since when.

    Where the first sample is much later than `since`, it is since then: the stretches are shorter, and the lines finer.
    """
    from gitrelease.edges import samples as kept

    path = world().home.samples
    while True:
        rows = kept.read(path, since, until, points=points)
        begun = min((row.at for row in rows), default=since) - (until - since) / points
        if begun - since < (until - since) / 2 or until - begun <= SAMPLED:
            return rows, since
        since = begun


def settled_now() -> float:
    """Return the moment up to which samples are complete: it moves on as they come."""
    return time.time() // SAMPLED * SAMPLED


@st.cache_data(max_entries=8, show_spinner=False)
def difference(before: str, after: str) -> dict[str, Any]:
    """Return what `after`, a commit or a tree, changes against `before`."""
    from gitrelease.commands.diff import describe

    return describe(world(), before, after)
