"""What came in and is not live, and why: refused, waiting, or bad?"""

from __future__ import annotations

import streamlit as st

from gitrelease.core.groups import PRODUCTION
from gitrelease.core.remedy import OF_IGNORED, TAKE_BACK
from gitrelease.core.sheets import is_missed
from gitrelease.core.text import short
from gitrelease.dashboard import reading, showing
from gitrelease.dashboard.frame import OFTEN, section

MOST = 500  # attempts
WAITING = ("commit", "kind", "trigger", "since", "why", "what to do")
BAD = ("what", "commit", "why")
ATTEMPTS = ("at", "commit", "outcome", "trigger", "by", "why")
IN_GROUPS = (*ATTEMPTS[:3], "group", *ATTEMPTS[3:])  # where something came in for another group than production


def draw() -> None:
    waiting()
    attempts()


@section(every=OFTEN)
def waiting() -> None:
    """What somebody may do something about."""
    state = reading.status()
    st.subheader("Waiting")
    rows = [
        {
            "commit": short(one["commit"]), "kind": one["kind"], "trigger": one["trigger"],
            "since": showing.moment(one["since"]),
            "why": one["reason"], "what to do": one["hint"],
        }
        for one in state["waiting"]
    ]  # fmt: skip
    _table_or(rows, WAITING, "waiting", "Nothing waits.")
    for reason in state["refused_edits"]:
        st.warning("An edit on disk is refused")
        # Not above: Markdown makes a long dash of the two.
        showing.words(f"{reason}\nsee it: gitrelease diff --worktree\ntake it back: {TAKE_BACK},\n{OF_IGNORED}")
    st.subheader("Bad")
    rows = [
        {"what": one["release"] or "content", "commit": short(one["commit"]), "why": one["reason"]}
        for one in reversed(state["quarantined"])
    ]
    _table_or(rows, BAD, "bad", "Nothing is quarantined.")


@section(every=OFTEN)
def attempts() -> None:
    """What was not released, newest first."""
    st.subheader("Not released")
    told = reading.history(reading.mark())["attempts"]
    rows = [
        {**one, "at": showing.moment(one["at"]), "commit": short(one["commit"]), "why": one["reason"]}
        for one in told
        if is_missed(one)
    ]
    columns = ATTEMPTS if all(row["group"] == PRODUCTION for row in rows) else IN_GROUPS
    _table_or(rows[:MOST], columns, "attempts", "All that came in was released.")
    if len(rows) > MOST:
        more = f"and {len(rows) - MOST} more: gitrelease history --json"
        st.text(f"{more}; of a group: gitrelease history --in GROUP --json" if columns is IN_GROUPS else more)


def _table_or(rows: list[dict[str, object]], columns: tuple[str, ...], key: str, nothing: str) -> None:
    if rows:
        showing.table(rows, columns, key=key)
    else:
        st.text(nothing)
