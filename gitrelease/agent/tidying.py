"""When are things put in order that are left behind? Each time that other processes run than at the last time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitrelease.agent.background import log
from gitrelease.edges import heap
from gitrelease.edges.git import GitError
from gitrelease.release import app_files
from gitrelease.release.production import Production
from gitrelease.release.upkeep import tidy


class Tidying:
    """Looks after what the releases of all groups leave behind; `every` names what is served, production's first."""

    def __init__(self, every: Callable[[], Sequence[Production]]) -> None:
        self._every = every
        self._saved: frozenset[str] = frozenset()  # the backends, at the last time
        self._tidied: frozenset[str] = frozenset()

    def save_files(self) -> None:
        """Save what apps have written in slots that are used no more. Who asks has the turn: nobody takes a slot."""
        running = self._running()
        if running == self._saved:
            return
        try:
            for production in self._every():
                app_files.save(production)
        except (GitError, OSError) as error:  # somebody's leftovers bar no release; it is tried again
            log.warning("what apps have written in slots could not be kept yet: %s", error)
            return
        self._saved = running

    def tidy(self) -> None:
        """Remove what nobody needs any more; no release has to wait for it."""
        running = self._running()
        if running != self._tidied:
            for production in self._every():
                tidy(production)
            heap.give_back()
            self._tidied = running

    def _running(self) -> frozenset[str]:
        return frozenset(backend.id for one in self._every() for backend in one.running.backends())
