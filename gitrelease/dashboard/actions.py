"""What may be done from the page, where it was started with --allow-actions? What the commands do, confirmed first.

Nothing of this is drawn without that option. What is confirmed is what is done: when production has moved on
meanwhile, nothing is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.render import diff_lines, outcome_lines, step_lines
from gitrelease.dashboard import frame, reading, showing
from gitrelease.dashboard.started import started


def asked_by() -> str:
    """Return who asks, for the history: the page, and whose it is."""
    return f"dashboard of {started().by}"


def panel() -> None:
    """What can be done to production as a whole."""
    frame.with_errors(_panel)


def _panel() -> None:
    state = reading.status()
    if st.button("Roll back", disabled=state["live"] is None, width="stretch"):
        _roll_back_to(None)
    if state["frozen"]:
        if st.button("End the freeze", width="stretch"):
            end_freeze(state["frozen"]["told"])
    elif st.button("Freeze", width="stretch"):
        freeze()
    emergency = state.get("emergency")
    if emergency and not emergency["acknowledged"] and st.button("Acknowledge", width="stretch"):
        acknowledge(emergency["reason"])


def for_release(told: dict[str, Any]) -> None:
    """What can be done to one release."""
    name = told["release"]
    group = told["group"]
    if group != PRODUCTION:
        back = (
            f"go back from it there: gitrelease rollback --in {group}"
            if group in told["served_by"]
            else f"go back to it there: gitrelease rollback {name} --in {group}"
        )
        showing.words(f"only group {group} has had it; {back}")
        return
    columns = st.columns(4)
    live = reading.status()["live"]
    if columns[0].button(f"Roll back to {name}", disabled=live is None or live["release"] == name, width="stretch"):
        _roll_back_to(name)
    if columns[1].button("Unpin" if told["pinned"] else "Pin", width="stretch"):
        pin(name, pinned=not told["pinned"])


def _roll_back_to(name: str | None) -> None:
    """Find out where a rollback would go, then ask."""
    from gitrelease.release.going_back import no_target, target_of_rollback

    world = reading.world()
    known = world.records()
    target = target_of_rollback(world, known, name)
    if known.live is None or target is None:
        raise no_target(world, name)
    roll_back(known.live.name, known.live.commit, target.name, target.commit, target.summary)


@st.dialog("Roll back", width="large", on_dismiss="rerun")
def roll_back(live: str, live_commit: str, target: str, target_commit: str, summary: str) -> None:
    """Ask, and go back from what was live when somebody was asked."""
    st.text(f"{live} is live. Back to {target}, which means:")
    frame.with_errors(lambda: showing.block(diff_lines(reading.difference(live_commit, target_commit))))
    showing.words(f"{target}: {summary}")
    reason = st.text_input("Why", key="why roll back")
    if not _confirmed(f"Roll back to {target}", key="roll back"):
        return

    def go() -> list[str]:
        serves = reading.world().records().live
        if serves is None or serves.name != live:
            raise moved_on(live)
        return outcome_lines(_ask("rollback", {"release": target, "reason": reason}))

    _done(go)


@st.dialog("Freeze", on_dismiss="rerun")
def freeze() -> None:
    """Ask for how long, and freeze."""
    st.text("Pushes are refused, pulls, commits and edits wait. What a person types goes on.")
    until = st.text_input("Until: 2h, 18:30, 2026-01-05 18:30; empty: until somebody ends it", key="until")
    reason = st.text_input("Why", key="why freeze")
    if not _confirmed("Freeze", key="freeze"):
        return

    def go() -> list[str]:
        from gitrelease.commands.client import client_for
        from gitrelease.commands.freeze import freeze as hold

        return [hold(client_for(reading.root()), by=asked_by(), reason=reason, until=until.strip() or None).told]

    _done(go)


@st.dialog("End the freeze", on_dismiss="rerun")
def end_freeze(told: str) -> None:
    """Ask, and end the freeze."""
    showing.words(told)
    if not _confirmed("End the freeze", key="unfreeze"):
        return

    def go() -> list[str]:
        from gitrelease.commands.client import client_for
        from gitrelease.commands.unfreeze import end

        return ["ended" if end(client_for(reading.root()), asked=asked_by()) else "production was not frozen"]

    _done(go)


@st.dialog("Acknowledge", on_dismiss="rerun")
def acknowledge(needed: str) -> None:
    """Ask, and say that somebody looks after what a person is needed for."""
    showing.words(needed)
    st.text("Nobody is called again for it: you look after it.")
    reason = st.text_input("What you do about it", key="why acknowledge")
    if not _confirmed("Acknowledge", key="acknowledge"):
        return

    def go() -> list[str]:
        answer = _ask("ack", {"reason": reason})
        if answer["needed"] is None:
            return ["nobody is needed any more"]
        return [f"acknowledged by {answer['by']}: {answer['needed']}"]

    _done(go)


@st.dialog("Pin", on_dismiss="rerun")
def pin(name: str, *, pinned: bool) -> None:
    """Ask, and let prune keep a release, or drop it again."""
    st.text(f"prune keeps {name}, for good or until it is unpinned." if pinned else f"prune may drop {name} again.")
    if not _confirmed(f"{'Pin' if pinned else 'Unpin'} {name}", key="pin"):
        return

    def go() -> list[str]:
        from gitrelease.commands.pin import pin as keep
        from gitrelease.commands.unpin import unpin

        (keep if pinned else unpin)(reading.root(), name, asked=asked_by())
        return [f"{name} is {'' if pinned else 'not '}pinned"]

    _done(go)


def moved_on(live: str) -> ReleaseError:
    """Return the refusal of what was confirmed for something that is not live any more."""
    return ReleaseError(
        f"{live} is not live any more: production has moved on while you were asked",
        hint="Nothing was done. Close this, look again, and ask again",
        code=Exit.REFUSED,
    )


def _confirmed(what: str, *, key: str) -> bool:
    """Has somebody said yes, and then done it? In an address with the token, on a page that may act."""
    sure = st.checkbox("I mean it", key=f"sure {key}")
    return (
        st.button(what, type="primary", disabled=not sure, key=f"do {key}") and frame.admitted() and started().actions
    )


def _done(act: Callable[[], list[str]]) -> None:
    """Do it and show how it ended."""
    begun = time.monotonic()

    def show() -> None:
        lines = act()
        st.success(f"Done in {time.monotonic() - begun:.1f} s")
        showing.block(lines)

    try:
        frame.with_errors(show)
    finally:
        reading.status.clear()
        reading.mark.clear()


def _ask(verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Ask the agent as the command does, starting it where it is missing; its steps are shown as they happen."""
    from gitrelease.commands.client import client_for, end_or_raise, require_owner

    client = client_for(reading.root())
    require_owner(client)
    place, lines = st.empty(), list[str]()

    def progress(message: dict[str, Any]) -> None:
        lines.extend(step_lines(message["step"], message["text"], message["seconds"]))
        place.code(showing.safe("\n".join(lines)), language=None)

    return end_or_raise(client.ask_starting(verb, {**arguments, "by": asked_by()}, progress))
