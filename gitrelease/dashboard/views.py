"""Which views does the page have, and what does somebody see who has no token?"""

from __future__ import annotations

import streamlit as st

from gitrelease.dashboard import actions, drift, frame, missed, now, releases, resources, showing
from gitrelease.dashboard.started import started

VIEWS = {
    "Now": now.draw,
    "Releases": releases.draw,
    "Resources": resources.draw,
    "Not released": missed.draw,
    "Edits and branch": drift.draw,
}


def page() -> None:
    """Draw the view that was chosen."""
    st.set_page_config(page_title="gitrelease", layout="wide")
    if not frame.admitted():
        st.text("Open the address that gitrelease dashboard printed; it holds the token that lets you in.")
        return
    showing.words(started().root)
    view = st.radio("View", list(VIEWS), horizontal=True, label_visibility="collapsed", key="view")
    if started().actions:
        with st.sidebar:
            actions.panel()
    VIEWS[view]()
