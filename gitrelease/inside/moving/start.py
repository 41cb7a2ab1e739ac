"""Starts the companion in the app's process: the identity of its scripts, the hooks, the socket."""

from __future__ import annotations

import re
from typing import Any

from . import cookie_secret, disk_cache, hooks, identity
from .arrivals import Arrivals
from .departures import Departures
from .endpoint import Endpoint, Handler, Payload, Refusal
from .garbage import Garbage
from .holding import Holding
from .launch import Arguments, tell
from .loop import manager, on_loop
from .media import KeptMedia
from .memory import Memory
from .resending import Resending
from .state import files_of, running
from .uploads import Uploads

# Versions between which, both included, sessions were moved in a test. Others are tried when a release is staged.
TRIED: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = (
    ((1, 28), (1, 28)),
    ((1, 40), (1, 40)),
    ((1, 52), (1, 52)),
    ((1, 67), (1, 67)),
)


def start(arguments: Arguments) -> None:
    """Start the companion; raises where it can do nothing at all. The app's own imports come first, as they would."""
    import streamlit
    import streamlit.web.cli

    shared_cache = _separate(arguments.cache)
    problems = [_identify(arguments.root, arguments.canonical), _share(arguments.cookie_secret), shared_cache]
    companion = Companion(streamlit.__version__, shared_cache)
    problems.append(companion.join())
    Endpoint(arguments.socket, companion.handlers()).start()
    for problem in filter(None, problems):
        tell(problem)


def _identify(root: str, canonical: str) -> str:
    try:
        identity.install(identity.Canonical(root, canonical))
    except Exception as error:  # noqa: BLE001  # a version whose insides are others
        return f"pages lose typed values when a release changes: {type(error).__name__}: {error}"
    return ""


def _share(secret: str) -> str:
    try:
        if secret and not cookie_secret.use(secret):
            return f"cookies that the app signs are lost when a release changes: {secret} cannot be used"
    except Exception as error:  # noqa: BLE001  # a version whose insides are others
        return f"cookies that the app signs are lost when a release changes: {type(error).__name__}: {error}"
    return ""


def _separate(cache: str) -> str:
    try:
        if cache:
            disk_cache.use(cache)
    except Exception as error:  # noqa: BLE001  # a version whose insides are others
        return f"what the app caches on disk is shared with candidates: {type(error).__name__}: {error}"
    return ""


class Companion:
    """What the agent may ask. `shared_cache` says why the process has no disk cache of its own."""

    def __init__(self, version: str, shared_cache: str = "") -> None:
        self._version = version
        self._shared_cache = shared_cache
        self._moves: bool | None = tried(version)
        self._why = "" if self._moves else f"Streamlit {version} has not been tried"
        self._arrivals: Arrivals | None = None
        self._departures: Departures | None = None
        self._uploads = Uploads()
        self._garbage = Garbage()
        self._memory = Memory(self._garbage)
        self._media = KeptMedia()

    def join(self) -> str:
        """Join the companion to Streamlit; return what is wrong, where this version's insides are others."""
        try:
            from streamlit.runtime.app_session import AppSession

            holding = Holding(AppSession.request_rerun)
            resending = Resending()
            departures = Departures(holding, resending, self._uploads)
            arrivals = Arrivals(holding, departures)
            self._uploads.watch()
            hooks.wrap_reruns(holding, self._uploads)
            hooks.wrap_uploads(arrivals, departures)
            hooks.wrap_addresses(departures)
            hooks.follow_uploads(self._uploads, departures)
            hooks.wrap_ends(holding, self._garbage)
            hooks.wrap_disconnections(departures, holding)
            hooks.wrap_messages(resending)
            hooks.wrap_connections(arrivals, departures, holding, resending, self._memory)
        except Exception as error:  # noqa: BLE001
            self._moves, self._why = False, f"Streamlit {self._version} is not built as expected ({error})"
            return f"open pages cannot be moved to a new release: {self._why}"
        self._arrivals, self._departures = arrivals, departures
        hooks.keep_media(self._media)
        return ""

    def _note_trial(self, request: dict[str, Any], _: Payload) -> dict[str, Any]:
        """Take note of what a trial in this very process has shown, where this version was never tried before."""
        if self._moves is None:
            self._moves, self._why = bool(request.get("moves")), str(request.get("why", ""))
        return {}

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers of the socket, by verb."""
        found: dict[str, Handler] = {"status": self._status, "trim": self._trim}
        if self._arrivals is not None and self._departures is not None:
            found["send"] = self._arrivals.send
            found["tried"] = self._note_trial
            found["release"] = self._arrivals.release
            found["receive"] = self._arrivals.receive
            found["late"] = self._arrivals.late
        else:
            for verb in ("tried", "send", "release", "receive", "late"):
                found[verb] = self._refuse
        return found

    def _trim(self, _: dict[str, Any], __: Payload) -> dict[str, Any]:
        dropped = self._memory.trim()
        hooks.drop_media(self._media)
        return {"dropped": dropped}

    def _refuse(self, _: dict[str, Any], __: Payload) -> dict[str, Any]:
        raise Refusal(f"pages of this process cannot be moved: {self._why}")

    def _status(self, _: dict[str, Any], __: Payload) -> dict[str, Any]:
        return {
            "streamlit": self._version,
            "moves": self._moves,
            "why": self._why,
            "shared_cache": self._shared_cache,
            "sessions": on_loop(self._rows),
            "pending": self._arrivals.count if self._arrivals is not None else 0,
            "arriving": on_loop(self._arriving),
            "leaving": on_loop(self._leaving),
        }

    def _arriving(self) -> int:
        return self._arrivals.arriving if self._arrivals is not None else 0

    def _leaving(self) -> int:
        return self._departures.leaving if self._departures is not None else 0

    def _rows(self) -> list[dict[str, Any]]:
        known = manager()
        found = []
        for one in known.list_sessions():
            found.append({**_row(known, one.session), "uploads": self._uploads.of(one.session.id)})
        return found


def _row(known: Any, session: Any) -> dict[str, Any]:
    files = files_of(session)
    return {
        "session": session.id,
        "active": bool(known.is_active_session(session.id)),
        "running": running(session),
        "files": len(files),
        "bytes": sum(len(one.data) for one in files.values()),
    }


def tried(version: str) -> bool | None:
    """Return whether sessions move in this version of Streamlit: True, or None where nobody has tried."""
    match = re.match(r"(\d+)\.(\d+)", version)
    number = (int(match[1]), int(match[2])) if match else (0, 0)
    return True if any(first <= number <= last for first, last in TRIED) else None
