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

from gitrelease.core.groups import ALL
from gitrelease.dashboard.started import started
from gitrelease.edges.samples import Row
from gitrelease.world import World, open_world

FRESH = 2.0  # seconds
SAMPLED = 30.0  # seconds between two samples


def root() -> Path:
    return Path(started().root)


def world() -> World:
    """Open the checkout; settings are those of what is live now."""
    return open_world(root(), kept=True)


@st.cache_data(ttl=FRESH, show_spinner=False)
def status() -> dict[str, Any]:
    """Return the status object, from the agent, or from refs and disk where there is none."""
    from gitrelease.commands.client import client_for
    from gitrelease.commands.status import read_status

    return read_status(client_for(root()))


@st.cache_data(ttl=FRESH, show_spinner=False)
def mark() -> str:
    """Return what changes whenever a release, a mark of one, or the journal of a group does."""
    from gitrelease.core.refs import OURS, RELEASES

    here = world()
    refs = here.git.run("for-each-ref", "--format=%(objectname) %(refname)", RELEASES.rstrip("/"), OURS.rstrip("/"))
    written = [_written(here.of_group(name).home.journal) for name in here.settings.groups]
    return hashlib.sha256(refs + "\n".join(written).encode()).hexdigest()


def _written(file: Path) -> str:
    """Return what changes whenever a file does."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


@st.cache_data(max_entries=2, show_spinner=False)
def history(marked: str) -> dict[str, Any]:
    """Return the history object of all groups: all releases and attempts, newest first; `marked` is `mark()`."""
    from gitrelease.release.past import of_all_groups

    return of_all_groups(world())


@st.cache_data(max_entries=64, show_spinner=False)
def release(name: str, marked: str) -> dict[str, Any]:
    """Return all that is known of one release; `marked` is `mark()`."""
    from gitrelease.commands.show import describe_release, find_release, where_it_was

    here = world()
    known, found = find_release(here, name)
    return {**describe_release(here, known, found), "group": where_it_was(here, known, found).group}


@st.cache_data(max_entries=16, show_spinner=False)
def log(name: str, marked: str) -> tuple[str, str]:
    """Return the deployment log of one release, as text and as Markdown; `marked` is `mark()`."""
    from gitrelease.commands.show import find_release, log_of
    from gitrelease.core.deployment_log import as_markdown, as_text

    here = world()
    sections = log_of(here, *find_release(here, name), release(name, marked))
    return "\n".join(as_text(sections)), "\n".join((*as_markdown(sections), ""))


@st.cache_data(ttl=2 * FRESH, max_entries=16, show_spinner=False)
def output(name: str, most: int) -> dict[str, list[str]]:
    """Return the last lines that a release's processes have printed, by instance, as far as they are kept."""
    from gitrelease.commands.printing import newest_lines
    from gitrelease.release.outputs import of_release
    from gitrelease.release.selection import chosen

    found: dict[str, list[str]] = {}
    for one in chosen(world(), ALL, ended=True):
        served = one.world.records().release(name)
        logs = of_release(one.world, one.running, served, one.names) if served else []
        for instance in one.names:
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
