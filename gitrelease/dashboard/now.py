"""What is live now, on which instance, and how well? And what needs a person?"""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from gitrelease.core.text import ago, counted, short
from gitrelease.dashboard import reading, releases, resources, showing
from gitrelease.dashboard.frame import OFTEN, section

INSTANCES = ("instance", "group", "url", "release", "health", "pid", "cpu %", "memory MB", "up", "restarts")
NEWEST = 20
LEFT_OUT = ("trigger", "risk", "to live, s", "pinned")  # of them; the view Releases has all


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
    showing.lines(rows, INSTANCES)


def figures(state: dict[str, Any]) -> None:
    """Show what is live, and whether every instance is well."""
    live, rows = state["live"], state["instances"]
    well = sum(row["health"] == "healthy" for row in rows)
    if live is None:
        st.subheader("Nothing is live yet")
        return
    st.subheader(f"{live['release']} is live")
    good, standby = state["last_good"] or "none yet", state["standby"] or "nothing"
    showing.words(
        f"{live['summary']}\n{live['kind']}, {short(live['commit'])}, since {ago(time.time() - live['since'])};"
        f" last good {good}; {standby} stands by; {state['branch']} is at {short(state['checkout']['head'])}"
    )
    if well == len(rows):
        st.success(f"{well} of {len(rows)} instances are healthy")
    else:
        st.error(f"{well} of {len(rows)} instances are healthy")


def notices(state: dict[str, Any]) -> None:
    """Show what is out of the ordinary: what it is in our words, then the rest as it was written."""
    now = time.time()
    if not state["agent"]["running"]:
        st.error(
            "The agent is not running: nothing is released, nobody looks after what serves. Start it: gitrelease up"
        )
    if state["person_needed"]:
        st.error("A person is needed")
        showing.words(state["person_needed"])
        acknowledged(state["emergency"])
    if state["soaking"]:
        st.info(f"{state['soaking']['release']} soaks, {state['soaking']['seconds_left']:.0f} s left")
    if state["lock"]:
        lock = state["lock"]
        st.info("Something is under way")
        showing.words(f"{lock['doing']} by {lock['owner']} (pid {lock['pid']}), since {ago(now - lock['since'])}")
    if state["frozen"]:
        st.warning("Automatic releases are frozen")
        showing.words(state["frozen"]["told"])
    for row in state.get("sessions", ()):  # an agent of an earlier version tells none
        if row["open"] and row["role"] != "live":
            st.info(f"{counted(row['open'], 'open page')} on {row['release'] or 'an older release'} ({row['role']})")
    for group in state["groups"]:
        in_group(group)
    checkout = state["checkout"]
    if checkout["dirty"] or not checkout["in_sync"]:
        st.warning("The checkout is not what is live: see Edits and branch")
    if state["waiting"] or state["refused_edits"]:
        st.warning("Something waits or was refused: see Not released")


def in_group(group: dict[str, Any]) -> None:
    """Show what a group beside production serves, and whether a person is needed there."""
    soaking = ", soaking" if group["soaking"] else ""
    good = f"; good {group['last_good'] or 'none yet'}" if group["live"] else ""
    showing.words(f"group {group['name']} serves {group['live'] or 'nothing yet'}{soaking}{good}")
    if group["person_needed"]:
        st.error("A person is needed for a group")
        showing.words(f"{group['name']}: {group['person_needed']}")
        acknowledged(group["emergency"])


def acknowledged(emergency: dict[str, Any] | None) -> None:
    """Show who looks after what a person is needed for."""
    found = emergency["acknowledged"] if emergency else None
    if found:
        showing.words(f"acknowledged by {found['by']}, {ago(time.time() - found['at'])} ago: {found['reason']}")


def instance(row: dict[str, Any]) -> dict[str, Any]:
    """Return one instance as a row of the table."""
    running = row["pid"] is not None
    return {
        "instance": row["name"],
        "group": row["group"],
        "url": row["url"],
        "release": row["release"] or "nothing",
        "health": f"{row['health']}, at work" if row.get("at_work") else row["health"],
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
    told = reading.history(reading.mark())
    columns = [name for name in releases.columns(told) if name not in LEFT_OUT]
    showing.lines(releases.rows(told, NEWEST), columns)
