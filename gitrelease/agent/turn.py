"""Whose turn is it? One thing at a time changes production; the rest waits, is told who has the turn, or gives way."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

from gitrelease.core.errors import Busy
from gitrelease.core.text import ago
from gitrelease.edges.cancel import Cancel

URGENT_WAIT = 10.0  # seconds: until whoever is only staging has given way to a rollback
SHORT_WAIT = 2.0  # seconds: a look at the inbox that finds nothing is no release under way
AGENT = "agent"  # owns the turn when nobody asked
PUSH, LOOK = "push", "looking at the inbox"  # what comes by itself
ROLLBACK, DOWN = "rollback", "down"


@dataclass(frozen=True)
class Holder:
    """Who changes production just now; `cancel` stops it as long as nothing has been switched."""

    owner: str
    pid: int
    doing: str
    since: float  # seconds since 1970
    cancel: Cancel


class Turn:
    """The lock of one production checkout. It lives in the agent, so it dies with it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: Holder | None = None

    @property
    def holder(self) -> Holder | None:
        return self._holder

    def take(self, *, owner: str, pid: int, doing: str, cancel: Cancel, wait: float) -> Holder:
        """Take the turn; `Busy` when another still has it after `wait` seconds, `Cancelled` when `cancel` is set."""
        deadline = time.monotonic() + wait
        with self._changed:
            while self._holder is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self.busy()
                # Woken for a change; now and then to see whether the one who waits is still there.
                self._changed.wait(min(left, 0.2))
                cancel.check()
            self._holder = Holder(owner=owner, pid=pid, doing=doing, since=time.time(), cancel=cancel)
            return self._holder

    def give_back(self, holder: Holder) -> None:
        with self._changed:
            if self._holder is holder:
                self._holder = None
                self._changed.notify_all()

    def hurry(
        self, reason: str, *, only: str | None = None, doing: Collection[str] = (), sparing: Collection[str] = ()
    ) -> None:
        """Ask whoever has the turn to stop, as far as it has not switched anything yet.

        Only if it is `only`, and does one of `doing`, where these are given; not if it does one of `sparing`.
        """
        with self._changed:
            holder = self._holder
            if (
                holder is not None
                and only in (None, holder.owner)
                and (not doing or holder.doing in doing)
                and holder.doing not in sparing
            ):
                holder.cancel.set(reason)

    def busy(self) -> Busy:
        holder = self._holder
        if holder is None:
            return Busy("another release was under way", hint="Try again")
        return Busy(
            f"another release is under way: {holder.doing} by {holder.owner} (pid {holder.pid}),"
            f" since {ago(time.time() - holder.since)}",
            hint="Wait for it, see how far it is: gitrelease status; what goes before it: gitrelease rollback",
        )
