"""Do open pages move when their process has to end, and if not, what do people lose?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, warning, well
from gitrelease.edges import page_trials
from gitrelease.edges.backends import Backend
from gitrelease.edges.companion import Companion, CompanionError
from gitrelease.edges.home import Home

_SHOWN = 'what a refused candidate has cached on disk (persist="disk") is shown by every release'
_LOST = "whoever has a page open when its process ends loses what was entered there"


def pages(case: Case) -> Iterator[Diagnosis]:
    """Can the open pages of the live release move? Of an app that is no Streamlit nothing is said."""
    app = case.world.settings.app
    if app.kind != "streamlit":
        return
    if not app.companion:
        fix = f"take companion = false out of host.toml, then: {case.restart}; or out of gitrelease.toml, then push it"
        yield warning("open pages", f"app.companion is false: {_LOST}", fix=fix)
        yield warning("disk cache", f"app.companion is false: {_SHOWN}", fix=fix)
        return
    live = [running.live for _, running in case.groups() if running.live is not None]
    looked = [backend for serving in live for backend in serving.backends if backend.identity.alive]
    reasons = dict.fromkeys(why for backend in looked if (why := _why_not(case.world.home, backend)))
    for why in reasons:
        yield warning("open pages", f"{why}: {_LOST}", fix=f"{case.restart}, while nobody uses the app")
    shared = dict.fromkeys(filter(None, map(_why_shared, looked)))
    for why in shared:
        yield warning(
            "disk cache", f"{why}: {_SHOWN}", fix='use no persist="disk" in the app with this version of Streamlit'
        )
    if looked and not reasons:
        yield well("open pages", "they move with what was entered when their process has to end")


def _why_not(home: Home, backend: Backend) -> str:
    """Say why pages of a process cannot move; nothing where they can."""
    if backend.tls:
        return ""  # said with the app's Streamlit configuration
    if not backend.companion:
        return "the app runs in a process that was started while app.companion was false, or by an earlier gitrelease"
    try:
        state = page_trials.status(home, Path(backend.companion))
    except CompanionError as error:
        return error.message
    return "" if state.moves else state.why or f"Streamlit {state.streamlit} was never tried"


def _why_shared(backend: Backend) -> str:
    """Say why a process shares its cache on disk with others; nothing where it has its own, or says nothing."""
    try:
        return Companion(Path(backend.companion)).status().shared_cache if backend.companion else ""
    except CompanionError:
        return ""
