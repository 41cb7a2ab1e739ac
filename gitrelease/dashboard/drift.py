"""Does what lies in the checkout, and what the branch holds, differ from what is live?"""

from __future__ import annotations

import streamlit as st

from gitrelease.core.render import diff_lines
from gitrelease.core.text import short
from gitrelease.dashboard import reading, showing
from gitrelease.dashboard.frame import section


@section()
def draw() -> None:
    state = reading.status()
    live, checkout = state["live"], state["checkout"]
    st.button("Look again")
    if live is None:
        st.text("Nothing is live yet, so nothing can differ from it.")
        return
    here = reading.world()
    branch = here.git.ref(here.settings.branch_ref)
    sync = "in sync with live" if checkout["in_sync"] else "not what is live"
    showing.block(
        [
            f"live      {live['release']}, {short(live['commit'])}",
            f"branch    {state['branch']} at {short(branch)}",
            f"checkout  {short(checkout['head'])}, {sync}",
        ]
    )
    if checkout["git_at_work"]:
        st.warning("git is at work in the checkout, or was cut off there; when none runs any more: gitrelease recover")
    st.subheader("Edits on disk")
    if checkout["dirty"]:
        showing.block(checkout["dirty"])
        showing.block(diff_lines(reading.difference(live["commit"], here.checkout.disk_tree())))
    else:
        st.text("No managed file differs from what was written last.")
    st.subheader("The branch and what is live")
    if branch is None:
        st.text("The branch is gone.")
    else:
        change = reading.difference(live["commit"], branch)
        if change["kind"] == "none":
            st.text("The same, but for what does not run.")
        else:
            showing.block(diff_lines(change))
