"""Drains backends that no longer serve: their pages move when it is time, then their processes end.

The oldest go first when there are more than `sessions.keep`, or when memory or slots are short.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from gitrelease.checks.staging import Report
from gitrelease.core.errors import ReleaseError
from gitrelease.core.pages import beyond_kept
from gitrelease.core.settings import seconds
from gitrelease.edges import slots
from gitrelease.edges.companion import Companion, CompanionError
from gitrelease.edges.faults import passing
from gitrelease.release.pages import are_coming, await_first_runs, await_gone, move_pages, tell_of_the_rest
from gitrelease.release.production import MOVE_MARGIN, PageMoves, Production
from gitrelease.release.room import fits_one_more
from gitrelease.release.running import Leaving, Serving

log = logging.getLogger("gitrelease.agent")

TRIM_EVERY = 60.0  # seconds
TRY_AGAIN = 0.5  # seconds until a page that could not be moved is tried once more
SHOWN = 15.0  # seconds in which a page that has moved may ask for a file of its old process, at least


def drain(production: Production, *, now: float) -> list[Leaving]:
    """End the old backends that are done with; return those whose pages have to move now. `now`: since 1970."""
    with production.state:
        if not production.running.leaving:
            return []
        _hasten(production, now)
        opened = production.front.status().open
        leaving = production.running.leaving
        going = [one for one in leaving if _is_over(production, one, opened.get(one.backend.id, 0), now)]
        staying = tuple(one for one in leaving if one not in going)
        if going:
            production.running = msgspec.structs.replace(production.running, leaving=staying)
            production.save()
    if going:
        passing("retire: forgotten, not ended")
    _end(production, going)
    return [one for one in staying if now >= one.moves_at]


def _hasten(production: Production, now: float) -> None:
    """Let the pages of the oldest backends move now where more of them are left than may stay."""
    leaving = production.running.leaving
    keep = production.world.settings.sessions.keep if fits_one_more(production) else 0
    excess = beyond_kept([one.backend.slot for one in leaving], keep)
    hastened = tuple(_due(one, now) if one.backend.slot in excess else one for one in leaving)
    production.running = msgspec.structs.replace(production.running, leaving=hastened)


def _due(leaving: Leaving, now: float) -> Leaving:
    """Return it with its pages to be moved now, and its end soon after that; as it is where they move already."""
    if leaving.moves_at <= now and leaving.must_end:
        return leaving
    until = min(leaving.until, now + leaving.wait + MOVE_MARGIN)
    return msgspec.structs.replace(leaving, moves_at=now, until=until, must_end=True)


def _is_over(production: Production, leaving: Leaving, opened: int, now: float) -> bool:
    """Is nobody left on a backend, or is its time over?

    A page that was closed a moment ago may come back, and one that has moved still shows what its old process made,
    until its first run at the new one has ended.
    """
    backend = leaving.backend
    moves = production.moves.get(backend.id)
    if not backend.identity.alive:
        return True
    if moves is not None and moves.lock.locked():
        return False  # pages are being handed over: each has its own limit
    if now >= leaving.until and (leaving.must_end or moves is None or not moves.stay_for_good):
        return True
    shows = moves is not None and _may_show(moves, now)
    return not opened and not shows and not production.front.sessions(backend.id)


def _may_show(moves: PageMoves, now: float) -> bool:
    """May a page that has moved still show what its old process made?"""
    return moves.shown_at < moves.moved_at or now - moves.moved_at < SHOWN


def unfinished(production: Production) -> list[PageMoves]:
    """Return the moves from old processes of which it is not known that all pages were run in their new ones."""
    found = (production.moves.get(one.backend.id) for one in production.running.leaving)
    return [moves for moves in found if moves is not None and moves.shown_at < moves.moved_at]


def note_shown(production: Production, moves: Sequence[PageMoves]) -> None:
    """Ask whether all pages that have moved were run in their new processes, and note it."""
    asked = time.time()
    if not are_coming(production):
        for one in moves:
            one.shown_at = asked


def _end(production: Production, ended: Sequence[Leaving]) -> None:
    """End backends of which the front knows nothing from now on: their ports may soon be a stranger's."""
    if not ended:
        return
    for one in ended:
        tell_of_the_rest(production, one.backend, number=one.number)
    forget_others(production)
    production.end_all([one.backend for one in ended])
    for one in ended:
        production.moves.pop(one.backend.id, None)


def forget_others(production: Production) -> None:
    """Let the front forget the backends that are none of ours any more, with their sessions."""
    production.front.keep([backend.id for backend in production.running.backends()])


def make_room(production: Production, report: Report) -> None:
    """Give up old backends, the oldest first, where memory or slots are short of one more release, and say so.

    Their pages move first. The standby is the last to be given up, and only for memory.
    """
    begun = time.monotonic()
    given_up: list[str] = []
    short = "memory" if not fits_one_more(production) else "slots"
    while production.running.leaving and _is_short(production):
        given_up.append(_give_up_oldest(production))
    if not fits_one_more(production) and (standby := production.running.standby) is not None:
        last, deadline = _leaving_now(production, standby), time.monotonic() + _wait(production)
        move_all(production, last)
        await_gone(production, standby.backends)
        await_first_runs(production, deadline)
        with production.state:
            production.running = msgspec.structs.replace(production.running, standby=None)
            production.save()
        given_up.append(f"the standby of release/{standby.number}")
        _end(production, last)
    if given_up:
        are = "is" if short == "memory" else "are"
        report(short, f"{are} short: gave up {', '.join(given_up)}", time.monotonic() - begun)


def _leaving_now(production: Production, standby: Serving) -> list[Leaving]:
    """Return the backends of a standby, the pages of which move now."""
    now, wait = time.time(), _wait(production)
    return [
        Leaving(worker.backend, now, standby.number, name, moves_at=now, wait=wait)
        for name, worker in standby.workers.items()
    ]


def _wait(production: Production) -> float:
    return seconds(production.world.settings.sessions.wait)


def _is_short(production: Production) -> bool:
    return not fits_one_more(production) or len(production.world.slots.held()) >= len(slots.NAMES)


def _give_up_oldest(production: Production) -> str:
    """End the oldest backends on their way out, those of all instances, and say what they were."""
    slot = production.running.leaving[0].backend.slot
    oldest = [one for one in production.running.leaving if one.backend.slot == slot]
    deadline = time.monotonic() + _wait(production)
    move_all(production, oldest)
    # A page that has just come here may not be back yet: it moves on once it is.
    while time.monotonic() < deadline and any(_moves_later(production, one) for one in oldest):
        threading.Event().wait(TRY_AGAIN)
        move_all(production, oldest)
    await_gone(production, [one.backend for one in oldest])
    await_first_runs(production, deadline)
    with production.state:
        staying = tuple(one for one in production.running.leaving if one.backend.slot != slot)
        production.running = msgspec.structs.replace(production.running, leaving=staying)
        production.save()
    _end(production, oldest)
    return f"an old backend of {oldest[0].backend.commit[:10]}"


def _moves_later(production: Production, leaving: Leaving) -> bool:
    moves = production.moves.get(leaving.backend.id)
    return moves is not None and bool(moves.again)


def move_all(production: Production, leaving: Iterable[Leaving]) -> None:
    """Move the pages of backends on their way out, one backend after the other."""
    for one in leaving:
        move_pages(production, one.backend, number=one.number, instance=one.instance, wait=one.wait)


class Drainer:
    """Drains the old backends of one production beside whoever looks after it; `look` returns at once."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self._under_way: dict[str, threading.Thread] = {}
        self._known: frozenset[str] = frozenset()  # backends, as the front was told last
        self._trim_at = 0.0  # seconds since 1970

    def look(self, now: float) -> None:
        """End what is done with, and begin to move the pages that have to. `now` is in seconds since 1970."""
        for one in drain(self._production, now=now):
            self._begin(one.backend.id, move_all, self._production, [one])
        if moves := unfinished(self._production):
            self._begin("shown", note_shown, self._production, moves)
        self._tell_front()
        self._standby(now)
        if now >= self._trim_at:
            self._trim_at = now + TRIM_EVERY
            self._begin("trim", trim, self._production)
        self._under_way = {name: thread for name, thread in self._under_way.items() if thread.is_alive()}

    def _tell_front(self) -> None:
        known = frozenset(backend.id for backend in self._production.running.backends())
        if known != self._known:
            forget_others(self._production)
            self._known = known

    def _standby(self, now: float) -> None:
        """Move the pages of the standby once they have stayed long enough; its process goes on."""
        running = self._production.running
        if running.standby is None or running.standby_moves_at is None or now < running.standby_moves_at:
            return
        for leaving in _leaving_now(self._production, running.standby):
            self._begin(leaving.backend.id, move_all, self._production, [leaving])

    def _begin(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        """Do something in a thread of its own, unless it is still being done."""
        if name in self._under_way and self._under_way[name].is_alive():
            return

        def run() -> None:
            try:
                work(*arguments)
            except ReleaseError as error:  # the front has just ended, say: the next look tries again
                log.warning("%s: %s", thread.name, error.message)

        thread = threading.Thread(target=run, name=f"drain {name}", daemon=True)
        self._under_way[name] = thread
        thread.start()


def trim(production: Production) -> None:
    """Let the processes that do not serve give back the memory of pages that were closed.

    Streamlit itself drops a closed session only when another page is closed, and nobody visits these.
    """
    running = production.running
    standby = running.standby.backends if running.standby is not None else ()
    for backend in (*standby, *(one.backend for one in running.leaving)):
        if backend.companion and backend.identity.alive:
            try:
                Companion(Path(backend.companion)).trim()
            except CompanionError as error:
                log.warning("memory of %s: %s", backend.id, error.message)
