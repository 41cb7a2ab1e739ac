"""Who may see the page, and how is a part of it drawn: let in, kept fresh, its errors shown in its place?"""

from __future__ import annotations

import functools
from collections.abc import Callable

import streamlit as st

from gitrelease.core.errors import ReleaseError, of_host
from gitrelease.dashboard import showing
from gitrelease.dashboard.started import started

OFTEN = 5.0  # seconds between two looks at production
SELDOM = 30.0  # seconds; samples come as often


def admitted() -> bool:
    """Does the address of this view hold the token?"""
    return started().admits(st.query_params.get("token", ""))


def section(*, every: float | None = None) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Make a part of the page of a function: drawn only for who is let in, and again `every` so many seconds.

    Such a part is run for itself, without the rest of the page: it has to ask for the token, too.
    """

    def as_section(draw: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(draw)
        def guarded() -> None:
            if admitted():
                with_errors(draw)

        return st.fragment(guarded, run_every=every) if every is not None else guarded

    return as_section


def with_errors(draw: Callable[[], None]) -> None:
    """Draw; what a person must fix is shown where the part would be."""
    try:
        draw()
    except ReleaseError as error:
        showing.problem(error)
    except OSError as error:
        known = of_host(error, started().root)
        if known is None:
            raise
        showing.problem(known)
