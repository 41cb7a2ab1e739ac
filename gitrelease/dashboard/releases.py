"""Which releases were there, who made them, what did they mean, and what became of them? And all of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import streamlit as st

from gitrelease.core.groups import PRODUCTION
from gitrelease.core.render import diff_lines
from gitrelease.dashboard import actions, reading, showing
from gitrelease.dashboard.frame import OFTEN, section
from gitrelease.dashboard.started import started

COLUMNS = ("release", "outcome", "kind", "by", "what it meant", "at", "trigger", "risk", "to live, s", "pinned")
IN_GROUPS = (*COLUMNS[:2], "went to", "serves", *COLUMNS[2:])  # where there are groups beside production
REPLAYED = ("", "metric", "before", "after", "document")
LINES = 50  # of an instance; the rest by gitrelease logs
CHECKS = ("check", "status", "detail")


def columns(told: dict[str, Any]) -> tuple[str, ...]:
    """Return the columns of the timeline of a history."""
    serving: dict[str, str] = told["serving"]
    alone = set(serving) <= {PRODUCTION} and all(one["group"] == PRODUCTION for one in told["releases"])
    return COLUMNS if alone else IN_GROUPS


def rows(told: dict[str, Any], most: int | None = None) -> list[dict[str, Any]]:
    """Return the releases of a history as rows of the timeline."""
    serving: dict[str, str] = told["serving"]
    return [
        {**row(one), "serves": ", ".join(group for group, name in serving.items() if name == one["release"])}
        for one in told["releases"][:most]
    ]


def row(told: dict[str, Any]) -> dict[str, Any]:
    """Return one release as a row of the timeline."""
    return {
        **{name: told[name] for name in ("release", "kind", "risk", "trigger", "by")},
        "went to": told["group"],
        "outcome": told["outcome"].replace("_", " "),
        "at": showing.moment(told["at"]),
        "what it meant": told["summary"],
        "to live, s": told["seconds"],
        "pinned": "pinned" if told["pinned"] else "",
    }


@section()
def draw() -> None:
    """The timeline; the release that is selected there, or chosen by its name, is shown below."""
    marked = reading.mark()
    told = reading.history(marked)
    st.session_state["marked"] = marked
    changed()
    names = [one["release"] for one in told["releases"]]
    if not names:
        st.text("No releases yet: gitrelease up")
        return
    selected = showing.table(rows(told), columns(told), key="timeline", select=True)
    if selected and st.session_state.get("selected") != selected:
        st.session_state["release"] = names[selected[0]]
    st.session_state["selected"] = selected
    name = st.selectbox("Release", names, key="release")
    show(reading.release(name, marked))
    log(name, marked)


@section(every=OFTEN)
def changed() -> None:
    """Say that there is something new; nothing moves while somebody reads."""
    if reading.mark() != st.session_state.get("marked"):
        st.info("Something has happened since this was drawn")
        if st.button("Show it"):
            st.rerun()


def show(told: dict[str, Any]) -> None:
    """Show everything about one release."""
    showing.block(facts(told))
    if started().actions:
        actions.for_release(told)
    st.subheader("What it changed")
    if told["diff"]:
        showing.block(diff_lines(told["diff"]))
    else:
        st.text("It has no release before it.")
    st.subheader("Replay of the sample documents")
    replay = told["replay"]
    if replay:
        st.text(f"{replay['documents']} documents, {replay['signs']} label counts differ")
        showing.table(list(replayed(replay)), REPLAYED, key="replay")
        for item in replay["unread"]:
            st.text(f"Not compared: {item['document']} {item['why']}")
    else:
        st.text("Nothing was replayed, or its result is not kept any more.")
    st.subheader("What the app printed")
    output(told["release"])
    st.subheader("Checks")
    showing.table(
        [{"check": one["name"], "status": one["status"], "detail": one["detail"]} for one in told["checks"]],
        CHECKS, key="checks",
    )  # fmt: skip


def output(name: str) -> None:
    """Show the last lines of each instance."""
    printed = {instance: lines for instance, lines in reading.output(name, LINES).items() if lines}
    for instance, lines in printed.items():
        showing.words(instance)
        showing.block(lines)
    if not printed:
        st.text("Nothing, or it is not kept any more.")


def log(name: str, marked: str) -> None:
    """Show the deployment log, filled in; it can be taken along."""
    st.subheader("Deployment log")
    text, page = reading.log(name, marked)
    showing.download("Download it as Markdown", page, f"{name.replace('/', '-')}.md")
    showing.block([text])


def facts(told: dict[str, Any]) -> Iterator[str]:
    """Yield the first lines: what it is, whose, when, what became of it."""
    yield f"{told['release']}  {told['outcome'].replace('_', ' ')}  {told['summary']}"
    yield f"commit    {told['commit']}" + (f" (source {told['source']})" if told["source"] != told["commit"] else "")
    live = f", live after {told['seconds']:.1f} s" if told["seconds"] else ""
    yield f"released  {showing.moment(told['at'])} by {told['by']}, {told['trigger']}{live}"
    yield f"previous  {told['previous'] or 'none'}"
    if told["reason"]:
        yield f"reason    {told['reason']}"
    if told["bad"]:
        yield f"bad       {told['bad']}"


def replayed(replay: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield a row for each value that differs from the release before."""
    for what in ("lost", "changed", "gained"):
        for item in replay[what]:
            before, after = (item[side]["value"] if item[side] else "" for side in ("old", "new"))
            yield {
                "": what, "metric": item["metric"], "before": before, "after": after, "document": item["document"],
            }  # fmt: skip
