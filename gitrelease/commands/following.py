"""How is the output of the app followed, across rotations and on to the next release?"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from gitrelease.commands.client import print_json
from gitrelease.commands.printing import Asked, headed, prefixed
from gitrelease.core.history import release_name
from gitrelease.core.output import Shown
from gitrelease.edges.logfiles import Cutter, Growing, Line
from gitrelease.release.outputs import Log, newest, of_serving, window
from gitrelease.release.running import read_running

POLL = 0.25  # seconds between two looks


class Stream:
    """One log that is followed."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._growing, self._cutter, self._shown = Growing(log.path), Cutter(), Shown()

    def last(self, count: int) -> list[str]:
        """Return the last lines that are there, and go on from there."""
        self._growing.skip(leave=window(count))
        return newest(self._lines(), self._shown, count)

    def new(self) -> Iterator[str]:
        """Yield the lines that were ended since the last look."""
        for line in self._lines():
            yield from self._shown.take(line.text, size=line.size)

    def _lines(self) -> Iterator[Line]:
        while piece := self._growing.read():
            yield from self._cutter.feed(piece)


def follow_output(asked: Sequence[Asked], count: int, *, as_json: bool) -> int:
    """Print the last lines, then what comes, until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        _follow(asked, count, as_json=as_json)
    return 0


def _follow(asked: Sequence[Asked], count: int, *, as_json: bool) -> None:
    names = [name for one in asked for name in one.names]
    several = len(names) > 1

    def show(log: Log, line: str) -> None:
        if as_json:
            print_json({"instance": log.instance, "release": release_name(log.release), "line": line})
        else:
            print(prefixed(log.instance, line, several=several), flush=True)

    logs = [log for one in asked for log in one.logs()]
    streams = {log.path: Stream(log) for log in logs}
    for name in names:
        for log, line in _begin([stream for stream in streams.values() if stream.log.instance == name], count):
            show(log, line)
    serving, pause = [Serving(one) for one in asked], threading.Event()
    while True:
        for log in [log for one in serving for log in one.new()]:
            if log.path not in streams:
                streams[log.path] = Stream(log)
                print(headed(log), file=sys.stderr, flush=True)
        for stream in streams.values():
            for line in stream.new():
                show(stream.log, line)
        pause.wait(POLL)


def _begin(streams: Sequence[Stream], count: int) -> list[tuple[Log, str]]:
    """Return the last lines of an instance, which may be in several logs, the oldest first."""
    found: list[tuple[Log, str]] = []
    for stream in reversed(streams):
        found = [(stream.log, line) for line in stream.last(count - len(found))] + found
    return found


class Serving:
    """Which logs are those of the live release, as that changes?"""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._stamp: tuple[int, int] | None = None

    def new(self) -> list[Log]:
        """Return the logs that may not be followed yet; none where nothing has changed."""
        processes = self._asked.selection.world.home.processes
        stamp = _stamp(processes)
        if stamp == self._stamp:
            return []
        self._stamp = stamp
        live = of_serving(read_running(processes).live)
        return [log for log in live if log.instance in self._asked.names and self._wanted(log)]

    def _wanted(self, log: Log) -> bool:
        return self._asked.any_release or log.release == self._asked.release.number


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
