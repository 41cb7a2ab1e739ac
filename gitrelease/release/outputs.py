"""What did the app print, as which instance and in which release? From the logs that are kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from gitrelease.core.history import Release
from gitrelease.core.output import KEY_LINES, LONGEST, Shown
from gitrelease.core.redaction import HIDDEN
from gitrelease.core.tracebacks import Errors
from gitrelease.edges.backends import logs_in
from gitrelease.edges.logfiles import Cutter, Line, pieces
from gitrelease.release.running import Running, Serving
from gitrelease.world import World

_LEAST_WINDOW, _MOST_WINDOW = 32 << 20, 256 << 20  # bytes at the end of a log in which the last lines are looked for
_LOOKED_AT = 4096  # bytes of a line in which an error is looked for


class Log(msgspec.Struct, frozen=True):
    """The output of one process of the app."""

    path: Path
    instance: str
    release: int
    begun: float  # seconds since 1970


def of_release(world: World, running: Running, release: Release, names: Sequence[str]) -> list[Log]:
    """Return the logs of a release for some instances, the oldest first. What served the same commit counts as well."""
    known = {log.path: log for serving in (running.live, running.standby) for log in of_serving(serving)}
    first = world.instances[0].name
    found = [
        known.get(one.path) or Log(one.path, one.instance or first, release.number, one.begun)
        for one in logs_in(world.home)
        if one.commit == release.commit[:10]
    ]
    return [log for log in found if log.instance in names and log.release == release.number]


def of_serving(serving: Serving | None) -> list[Log]:
    """Return the logs of what runs."""
    workers = serving.workers.items() if serving is not None else ()
    number = serving.number if serving is not None else 0
    return [Log(Path(worker.backend.log), name, number, 0.0) for name, worker in workers]


def lines(log: Log, *, newest: int | None = None) -> Iterator[Line]:
    """Yield the lines of a log, the last one also where it has no end yet."""
    cutter = Cutter()
    for piece in pieces(log.path, newest=newest):
        yield from cutter.feed(piece)
    yield from cutter.rest()


def last_lines(log: Log, count: int) -> list[str]:
    """Return the last lines of a log, as they are shown."""
    return newest(lines(log, newest=window(count)), Shown(), count)


def window(count: int) -> int:
    """Return in how many bytes at its end the last lines of a log are looked for."""
    return min(max(count * LONGEST, _LEAST_WINDOW), _MOST_WINDOW)


def newest(found: Iterable[Line], shown: Shown, count: int) -> list[str]:
    """Return the last of some lines, as they are shown; nothing of a private key that has begun before them."""
    kept: list[str] = []
    for line in deque(found, maxlen=count + KEY_LINES):
        if shown.is_orphan(line.text):
            kept = [*kept[:-KEY_LINES], f"{HIDDEN} private key"]
        else:
            kept.extend(shown.take(line.text, size=line.size))
    return kept[-count:] if count else []


def errors(logs: Sequence[Log]) -> Errors:
    """Return the errors that logs tell of."""
    found = Errors()
    for log in logs:
        for line in lines(log):
            found.take(line.text[:_LOOKED_AT].decode(errors="replace"))
        found.start_over()
    return found
