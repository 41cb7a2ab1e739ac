"""How are the errors printed that the output of the app tells of?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from gitrelease.commands.client import print_json
from gitrelease.commands.printing import Asked
from gitrelease.core.history import Release
from gitrelease.core.moments import when
from gitrelease.core.text import one_line
from gitrelease.core.tracebacks import Errors, Group, known_before
from gitrelease.edges.terminal import say
from gitrelease.release.outputs import errors


def print_errors(asked: Asked, *, as_json: bool) -> int:
    """Print the errors of a release, most frequent first, and whether the release before had them too."""
    logs = asked.logs()
    found = errors(logs)
    before = _before(asked)
    earlier = asked.logs(before) if before is not None else []
    known = errors(earlier) if earlier else None
    groups = sorted(found.groups.values(), key=lambda group: -group.count)
    name = before.name if before is not None else None
    told = [_told(group, known) for group in groups]
    if as_json:
        print_json({"release": asked.release.name, "before": name, "errors": told, "others": found.others})
    else:
        say(_lines(asked, name, told, found, kept=bool(logs)))
    return 0


def _before(asked: Asked) -> Release | None:
    newest = asked.records.releases.newest()
    return next((one for one in newest if one.number < asked.release.number), None)


def _told(group: Group, known: Errors | None) -> dict[str, Any]:
    place = group.place
    return {
        "type": group.type,
        "place": {"file": place.file, "line": place.line, "function": place.function} if place else None,
        "message": group.message,
        "count": group.count,
        "first": group.first,
        "last": group.last,
        "before": None if known is None else known_before(group, known.groups),
    }


def _lines(asked: Asked, before: str | None, told: list[dict[str, Any]], found: Errors, *, kept: bool) -> Iterator[str]:
    if not kept:
        yield f"no output of {asked.release.name} is kept"
    elif not told:
        yield f"no errors in the output of {asked.release.name}"
    for row in told:
        yield f"{row['count']:>5} × {row['type']}{_place(row['place'])}"
        yield f"        {one_line(row['message'], 200)}"
        yield f"        {_seen(row)}; {_compared(row['before'], before)}"
    if found.others:
        yield f"and {found.others} more, of other kinds"


def _place(place: dict[str, Any] | None) -> str:
    if place is None:
        return ""
    return f" at {place['file']}:{place['line']}" + (f" in {place['function']}" if place["function"] else "")


def _seen(row: dict[str, Any]) -> str:
    if row["first"] is None:
        return "the output tells no time"
    now = time.time()
    return f"first {when(row['first'], now)}; last {when(row['last'], now)}"


def _compared(known: bool | None, before: str | None) -> str:
    if before is None:
        return "there was no release before"
    if known is None:
        return f"no output of {before} is kept"
    return f"{before} had it too" if known else f"new: {before} did not have it"
