"""Who tells of what has happened, and how is nothing told twice or never? A thread that follows the journal.

It is apart from every release: whoever writes an event only wakes it. How far it has come is on disk, so that the
next agent tells what this one could not any more. Receivers and commands are followed by one teller each: neither waits
for the other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gitrelease.agent.background import guarded
from gitrelease.core.bound import Bound, Held
from gitrelease.core.events import AnyEvent
from gitrelease.core.history import Release
from gitrelease.core.memory import Memory
from gitrelease.core.notices import Notice, notice_of
from gitrelease.core.reading import ReadAs
from gitrelease.edges.home import write_atomically
from gitrelease.edges.journal import Journal, Place

if TYPE_CHECKING:
    from gitrelease.edges.cancel import Cancel

LEAVE = 1.0  # seconds in which what is being told just now may end when the agent does
_QUIET = 1.0  # seconds without an event, after which it is written down how far the teller has come
_CUT = 0.3  # seconds in which a command that is cut off has ended

Tell = Callable[[Sequence[Notice], "Cancel"], None]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a teller has come, and what it has held back."""

    place: Place
    held: dict[str, Held] = {}


_PROGRESS = ReadAs(Progress)


class Teller(threading.Thread):
    """Hands every notice, in the order of the journal, to `tell`, until `stop`."""

    def __init__(
        self,
        name: str,
        journal: Journal,
        progress: Path,
        *,
        tell: Tell,
        release: Callable[[int], Release | None],
        meanwhile: Callable[[Memory], float | None] = lambda _: None,
    ) -> None:
        """`release` looks one up; `meanwhile` is asked after each look, and says when to look again."""
        super().__init__(name=name, daemon=True)
        self._journal = journal
        self._path = progress
        self._tell = tell
        self._release = release
        self._meanwhile = meanwhile
        self._wake = threading.Event()
        self._stopping = False
        self._saving = threading.Lock()
        self._unsaved = False
        self._cancel: Cancel | None = None
        self._memory = Memory(most_attempts=1)
        self._place, self._bound = Place(), Bound({})
        if not progress.exists():
            self._place = journal.after(None)[1]  # what is past is no news
            self._save()

    def look(self) -> None:
        """Something was written down."""
        self._wake.set()

    def stop(self) -> None:
        """Tell nothing more; see `leave`."""
        self._stopping = True
        self._wake.set()

    def leave(self, deadline: float) -> None:
        """Let what is being told just now end. What takes longer is cut off, and told by the next agent.

        A delivery that is on its way is not cut off: the process that sends goes on, and it counts as told. `deadline`
        is monotonic, in seconds.
        """
        self.join(max(deadline - time.monotonic(), 0.0))
        if self.is_alive() and self._cancel is not None:
            self._cancel.set("the agent ends")
            self.join(_CUT)
        if self.is_alive():
            self._save()

    def run(self) -> None:
        guarded(self.name, self._go_on)
        wait: float | None = 0.0
        while not self._stopping:
            woken = self._wake.wait(wait)
            self._wake.clear()
            if self._unsaved and (self._stopping or not woken):
                guarded(self.name, lambda _: self._save())
            if not self._stopping:
                guarded(self.name, self._follow)
                wait = self._wait()

    def _wait(self) -> float | None:
        waits: list[float | None] = [self._bound.due_in(time.monotonic()), _QUIET if self._unsaved else None]

        def ask(_: Cancel) -> None:
            waits.append(self._meanwhile(self._memory))

        guarded(self.name, ask)
        return min((one for one in waits if one is not None), default=None)

    def _follow(self, cancel: Cancel) -> None:
        """Tell what has happened since the last look."""
        self._cancel = cancel
        events, place = self._journal.after(self._place)
        notices = self._noticed(events)
        now = time.monotonic()
        going = [*self._bound.due(now), *(one for one in notices if self._bound.admit(one, now) is not None)]
        # An event that nobody is told of may be looked at again: that is written down when it is quiet.
        self._unsaved |= place != self._place
        self._place = place
        if going:
            self._tell(going, cancel)
            self._save()

    def _noticed(self, events: Sequence[AnyEvent]) -> list[Notice]:
        notices: list[Notice] = []
        for event in events:
            notice = notice_of(event, self._memory, self._release)
            self._memory.take(event)
            if notice is not None:
                notices.append(notice)
        return notices

    # -- how far -----------------------------------------------------------------------------------------------

    def _go_on(self, _: Cancel) -> None:
        """Begin where an earlier agent had come to."""
        try:
            last = _PROGRESS.decode(self._path.read_bytes())
        except msgspec.DecodeError:
            last = Progress(place=self._journal.after(None)[1])
        self._place, self._bound = last.place, Bound(last.held)
        unseen, reached = self._journal.after(last.place)
        # What was told already is only remembered. One by one: a long journal is large.
        held: deque[AnyEvent] = deque()
        for event in self._journal.events():
            held.append(event)
            if len(held) > len(unseen):
                self._memory.take(held.popleft())
        if not unseen:
            self._place = reached

    def _save(self) -> None:
        with self._saving:
            self._unsaved = False
            progress = Progress(place=self._place, held=self._bound.held)
            write_atomically(self._path, msgspec.json.encode(progress))
