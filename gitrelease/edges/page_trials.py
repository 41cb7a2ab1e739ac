"""Do pages move in a version of Streamlit that nobody has tried before? What a trial has shown on this host is kept.

One process is tried, when a release is staged; those of other instances, and whatever is started again, are told of it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from gitrelease import __version__
from gitrelease.core.reading import ReadAs
from gitrelease.edges.companion import Companion, CompanionStatus
from gitrelease.edges.home import Home, write_atomically


class Trial(msgspec.Struct, frozen=True):
    """Does a page move, and if not, why?"""

    moves: bool
    why: str = ""


_TRIALS = ReadAs(dict[str, Trial])


def keep(home: Home, streamlit: str, trial: Trial) -> None:
    """Keep what a trial of a version of Streamlit has shown; it counts for this version of gitrelease."""
    ours = {version: one for version, one in _kept(home).items() if version.startswith(f"{__version__} ")}
    write_atomically(home.page_trials, msgspec.json.encode({**ours, _key(streamlit): trial}))


def status(home: Home, socket: Path) -> CompanionStatus:
    """Return the status of a companion, which hears first of a trial of its version that was made in another process.

    `CompanionError` where it does not answer.
    """
    companion = Companion(socket)
    found = companion.status()
    if found.moves is None and (trial := _kept(home).get(_key(found.streamlit))) is not None:
        companion.tried(trial.moves, trial.why)
        return companion.status()
    return found


def _key(streamlit: str) -> str:
    return f"{__version__} {streamlit}"


def _kept(home: Home) -> dict[str, Trial]:
    try:
        return _TRIALS.convert(msgspec.json.decode(home.page_trials.read_bytes()))
    except (FileNotFoundError, msgspec.MsgspecError):  # a power cut has emptied it, say: the next release tries anew
        return {}
