"""Moves open pages from a backend that has to end to the one that serves its instance.

For each page: the old process hands its session to the new one under a ticket, the front sends the page there when it
reconnects, and its old connection is ended. A page that cannot be moved stays until it is closed, or its process has to
end.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from gitrelease.core.errors import ReleaseError
from gitrelease.core.events import PagesMoved
from gitrelease.core.history import release_name
from gitrelease.core.pages import moved_pages
from gitrelease.core.text import one_line
from gitrelease.edges import page_trials
from gitrelease.edges.backends import Backend
from gitrelease.edges.companion import Companion, CompanionError, Sent
from gitrelease.edges.faults import passing
from gitrelease.edges.front import FrontGone, PageSession
from gitrelease.edges.home import Home
from gitrelease.release.execute import record
from gitrelease.release.production import PageMoves, Production

log = logging.getLogger("gitrelease.agent")

GONE = 3.0  # seconds for pages that moved to be gone from their old process: they reconnect within one
_LOOK = 0.05  # seconds between two looks at that
_AT_ONCE = 16  # pages that are handed over side by side
_NO_PROOF = "its browser sent no cookie by which it could be known again"
_OFF = "app.companion is false, or was when the process started (which: gitrelease doctor)"


class _Account(NamedTuple):
    """What has become of pages: how many moved, why others stayed, one entry a page, what could not be carried."""

    moved: int
    stayed: tuple[str, ...]
    dropped: tuple[str, ...]


def move_pages(production: Production, backend: Backend, *, number: int, instance: str, wait: float) -> PageMoves:
    """Move the pages of `backend`, which runs release `number`, to the live release; return what became of all so far.

    Returns when each page is at its new process or cannot be moved: `wait` seconds for a run under way, and the time
    that its documents take. Whoever asks while pages of that backend move waits for them.
    """
    moves = production.moves.setdefault(backend.id, PageMoves())
    with moves.lock:
        live = production.running.live
        worker = live.workers.get(instance) if live is not None else None
        if live is None or worker is None or worker.backend.id == backend.id:
            return moves
        known = production.front.sessions(backend.id)
        if not backend.identity.alive:
            return moves  # its pages may be elsewhere, without what was entered: `tell_of_the_rest` tells of them
        moves.again &= {page.session for page in known}
        moves.open = _open(known)
        pages = [page for page in known if page.session not in moves.stayed or page.session in moves.again]
        if not pages:
            return moves
        moved, dropped = moves.moved, len(moves.dropped)
        why, for_good = _cannot_move(production.world.home, backend, worker.backend)
        if why:
            for page in pages:
                _note(moves, page, why, for_good=for_good)
        else:
            with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="page") as beside:
                move = _mover(production, backend, worker.backend, wait)
                for page, end in zip(pages, beside.map(move, pages), strict=True):
                    _note(moves, page, end)
        # What may move later is told of when it has, or when it cannot.
        stayed = [session for session in moves.stayed if session not in moves.again and session not in moves.told]
        moves.told.update(stayed)
        new = _Account(moves.moved - moved, tuple(moves.stayed[one] for one in stayed), tuple(moves.dropped[dropped:]))
        _record(production, new, number=number, to=live.number)
        return moves


def _cannot_move(home: Home, old: Backend, new: Backend) -> tuple[str, bool]:
    """Say why no page can move between two backends, and whether that is for good; nothing where they can."""
    if not old.companion or not new.companion:
        return _OFF, True
    try:
        for backend in (old, new):
            state = page_trials.status(home, Path(backend.companion))
            if not state.moves:
                return state.why or f"sessions of Streamlit {state.streamlit} cannot be moved", True
    except CompanionError as error:
        return error.message, False
    return "", False


def _mover(production: Production, old: Backend, new: Backend, wait: float) -> Callable[[PageSession], Sent | str]:
    """Return what moves one page and says what was carried, or why it stays."""
    source, target = Companion(Path(old.companion)), Path(new.companion)

    def move(page: PageSession) -> Sent | str:
        if not page.proved:
            return _NO_PROOF
        ticket = secrets.token_urlsafe(24)
        try:
            sent = source.send(page.session, ticket=ticket, to=target, wait=wait)
        except CompanionError as error:
            return error.message
        passing("pages: handed over, not switched")
        try:
            production.front.move(page.session, backend=new.id, ticket=ticket)
        except ReleaseError as error:  # it has gone, say
            try:
                source.release(page.session)
            except CompanionError as gone:
                log.warning("a page that could not be moved: %s", gone.message)
            return error.message
        return sent

    return move


def _note(moves: PageMoves, page: PageSession, end: Sent | str, *, for_good: bool = False) -> None:
    if isinstance(end, str):
        moves.stayed[page.session] = end
        if page.proved and not for_good:
            moves.again.add(page.session)
        return
    moves.stayed.pop(page.session, None)
    moves.again.discard(page.session)
    if page.open:
        moves.coming.add(page.session)
    moves.moved += 1
    moves.moved_at = time.time()
    moves.dropped += [f"{one.name}: {one.why}" for one in end.dropped]


def _record(production: Production, account: _Account, *, number: int, to: int) -> None:
    """Write down what has become of pages of release `number` that were to go on at release `to`."""
    moved, stayed = account.moved, account.stayed
    if not moved and not stayed:
        return
    dropped = tuple(dict.fromkeys(one_line(what, 200) for what in account.dropped))
    log.info("%s", moved_pages(moved, len(stayed), release_name(to), stayed))
    event = PagesMoved(at=time.time(), number=number, to=to, moved=moved, stayed=stayed, dropped=dropped)
    try:
        record(production, event)
    except OSError as error:  # a full disk: the pages have moved all the same
        log.warning("that pages moved could not be written down: %s", error)


def tell_of_the_rest(production: Production, backend: Backend, *, number: int) -> None:
    """Write down which open pages could not be moved from a backend that ends now, though that was tried again.

    Those of one that has ended by itself are elsewhere by now, without what was entered there.
    """
    moves, live = production.moves.get(backend.id), production.running.live
    if moves is None or live is None or not moves.again:
        return
    try:
        there = _open(production.front.sessions(backend.id)) if backend.identity.alive else moves.open
    except FrontGone:
        there = moves.open
    stayed = tuple(moves.stayed[session] for session in sorted(moves.again & there))
    _record(production, _Account(0, stayed, ()), number=number, to=live.number)


def _open(pages: Iterable[PageSession]) -> set[str]:
    return {page.session for page in pages if page.open}


def await_gone(production: Production, backends: Iterable[Backend]) -> None:
    """Wait, `GONE` seconds at most, until the pages that moved have left: what they say last is sent after them."""
    until = time.monotonic() + GONE
    for backend in backends:
        while _is_being_left(production, backend) and time.monotonic() < until:
            threading.Event().wait(_LOOK)


def _is_being_left(production: Production, backend: Backend) -> bool:
    moves = production.moves.get(backend.id)
    if moves is None or not moves.moved or not backend.identity.alive:
        return False
    live = production.running.live
    away = {
        page.session
        for worker in (live.workers.values() if live is not None else ())
        for page in production.front.sessions(worker.backend.id)
        if not page.open
    }
    if moves.coming & away:
        return True
    try:
        return bool(Companion(Path(backend.companion)).status().leaving)
    except CompanionError:  # it is busy, or has ended by itself
        return backend.identity.alive


def are_coming(production: Production, *, away: bool = True) -> bool:
    """Has a page that moved not been run in its new process yet? It still shows what its old one made.

    Also where a process is too busy to say so. Without `away` those do not count that have not come back yet.
    """
    for backend in production.running.backends():
        if not backend.companion or not backend.identity.alive:
            continue
        try:
            status = Companion(Path(backend.companion)).status()
        except CompanionError:
            if backend.identity.alive:
                return True
            continue
        if status.arriving or (away and status.pending):
            return True
    return False


def await_first_runs(production: Production, until: float) -> None:
    """Wait, until monotonic `until` at most, for the pages that have come to their new processes to be run there."""
    while time.monotonic() < until and are_coming(production, away=False):
        threading.Event().wait(_LOOK)


def open_pages(production: Production) -> dict[str, int]:
    """Return how many pages each backend has open; nothing where the front does not answer just now."""
    try:
        return dict(production.front.status().pages)
    except FrontGone:
        return {}


def pages_of(production: Production, opened: dict[str, int], number: int | None) -> int:
    """Return how many pages are open on a release that does not serve, in the processes that still run it."""
    running = production.running
    standby = running.standby.backends if running.standby and running.standby.number == number else ()
    leaving = [one.backend for one in running.leaving if one.number == number]
    return sum(opened.get(backend.id, 0) for backend in (*standby, *leaving))
