"""Does a backend stay within its limits? Its processes are counted a few times a second; docs/decisions/0017 says why.

What a sample cannot see is what comes and goes between two of them.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from types import TracebackType

from gitrelease.core.limits import Bounds, Sample, bounds, excess
from gitrelease.core.settings import Limits
from gitrelease.edges.backends import NAME, Backend
from gitrelease.edges.process_table import Tree

EVERY = 0.2  # seconds between two samples


class Meter:
    """Counts the processes of one backend; `told` says what a limit is set to, and where."""

    def __init__(self, backend: Backend, allowed: Bounds, told: Callable[[str], str]) -> None:
        self._tree = Tree(backend.identity, NAME, backend.log)
        self._allowed = allowed
        self._told = told

    def look(self) -> str:
        """Say which limit is passed just now, and by how much; nothing where none is."""
        members = self._tree.members()
        beyond = excess(Sample(len(members), sum(one.resident_mb for one in members)), self._allowed)
        if beyond and len(members) > 1:
            # Pages that a parent shares with its children are resident in each of them, and there but once.
            beyond = excess(Sample(len(members), sum(one.own_mb() for one in members)), self._allowed)
        return f"{beyond.said} ({self._told(beyond.limit)})" if beyond else ""


def beside(limits: Limits, live: Backend | None) -> Bounds:
    """Return what a release may use beside the `live` one."""
    if limits.memory_most_mb or live is None:
        return bounds(limits, live_mb=None)
    members = Tree(live.identity, NAME, live.log).members()
    return bounds(limits, live_mb=sum(one.resident_mb for one in members))


class Sampler(threading.Thread):
    """Takes samples until `result` is asked for; `end` is called at the first one that is beyond a limit."""

    def __init__(self, meter: Meter, end: Callable[[], None]) -> None:
        super().__init__(name="limits", daemon=True)
        self._meter, self._end = meter, end
        self._over = threading.Event()
        self._said = ""

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._said and not self._over.wait(EVERY):
            self._sample()

    def result(self) -> str:
        """Take a last sample; say which limit was passed, nothing where none was."""
        self._over.set()
        self.join()
        if not self._said:
            self._sample()
        return self._said

    def _sample(self) -> None:
        try:
            self._said = self._meter.look()
            if self._said:
                self._end()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
            # The host is out of something for a moment: the next sample may see more, and so does the last one.
