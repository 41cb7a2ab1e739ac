"""What is live now, on which instance, and how well? And what needs a person?"""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from gitrelease.core.text import ago, short
from gitrelease.dashboard import reading, releases, resources, showing
from gitrelease.dashboard.frame import OFTEN, section

INSTANCES = ("instance", "group", "url", "release", "health", "pid", "cpu %", "memory MB", "up", "restarts")
NEWEST = 20


def draw() -> None:
    standing()
    resources.last_day()
    newest()


@section(every=OFTEN)
def standing() -> None:
    """How production stands, read again every few seconds."""
    state = reading.status()
    figures(state)
    notices(state)
    rows = [instance(row) for row in state["instances"]]
    showing.table(rows, INSTANCES, key="instances")


def figures(state: dict[str, Any]) -> None:
    """Show what is live in a row of figures."""
    live, rows = state["live"], state["instances"]
    healthy = sum(row["health"] == "healthy" for row in rows)
    told = {
        "live": live["release"] if live else "nothing yet",
        "since": ago(time.time() - live["since"]) if live else "",
        "kind": live["kind"] if live else "",
        "healthy": f"{healthy} of {len(rows)}",
        "last good": state["last_good"] or "none yet",
        "stands by": state["standby"] or "none",
    }
    for column, (label, value) in zip(st.columns(len(told)), told.items(), strict=True):
        column.metric(label, value)
    if live:
        showing.words(live["summary"])


def notices(state: dict[str, Any]) -> None:
    """Show what is out of the ordinary: what it is in our words, then the rest as it was written."""
    now = time.time()
    if not state["agent"]["running"]:
        st.error(
            "The agent is not running: nothing is released, and nobody looks after what serves. Start it: gitrelease up"
        )
    if state["person_needed"]:
        st.error("A person is needed")
        showing.words(state["person_needed"])
    if state["soaking"]:
        st.info(f"{state['soaking']['release']} soaks, {state['soaking']['seconds_left']:.0f} s left")
    if state["lock"]:
        lock = state["lock"]
        st.info("Something is under way")
        showing.words(f"{lock['doing']} by {lock['owner']} (pid {lock['pid']}), since {ago(now - lock['since'])}")
    if state["frozen"]:
        st.warning("Automatic releases are frozen")
        showing.words(state["frozen"]["told"])
    for group in state["groups"]:
        soaking = ", soaking" if group["soaking"] else ""
        showing.words(f"group {group['name']} serves {group['live'] or 'nothing yet'}{soaking}")
    checkout = state["checkout"]
    if checkout["dirty"] or not checkout["in_sync"]:
        st.warning("The checkout is not what is live: see Edits and branch")
    elif state["waiting"] or state["refused_edits"]:
        st.warning("Something waits or was refused: see Not released")
    showing.words(f"branch {state['branch']} at {short(checkout['head'])}")


def instance(row: dict[str, Any]) -> dict[str, Any]:
    """Return one instance as a row of the table."""
    running = row["pid"] is not None
    return {
        "instance": row["name"],
        "group": row["group"],
        "url": row["url"],
        "release": row["release"] or "nothing",
        "health": row["health"],
        "pid": row["pid"],
        "cpu %": row["cpu_percent"] if running else None,
        "memory MB": row["memory_mb"] if running else None,
        "up": ago(row["uptime_s"]) if running else "",
        "restarts": row["restarts"],
    }


@section(every=OFTEN)
def newest() -> None:
    """The newest releases."""
    st.subheader("Newest releases")
    told = reading.history(reading.mark())["releases"][:NEWEST]
    showing.table([releases.row(one) for one in told], releases.COLUMNS, key="newest")
