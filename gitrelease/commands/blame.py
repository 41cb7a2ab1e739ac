"""`gitrelease blame TERM`: which release brought a term, a metric or a field, and which one lost it?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from gitrelease.commands.client import look_at, print_json
from gitrelease.commands.options import Json, ending
from gitrelease.core.moments import when
from gitrelease.core.text import one_line, short
from gitrelease.edges.terminal import say


def register(app: typer.Typer) -> None:
    app.command("blame", short_help="Which release brought or lost a term, a metric, a field.")(ending(run))


def run(
    context: typer.Context,
    term: Annotated[str, typer.Argument(metavar="TERM", show_default=False)],
    as_json: Json = False,
) -> int:
    """Say which release brought TERM (a term, a metric, a field, a pattern) and which one lost it."""
    from gitrelease.release.blame import blame

    world = look_at(context.obj)
    told = blame(world, world.records(), term)
    if as_json:
        print_json(told)
        return 0
    say(_lines(term, told))
    return 0


def _lines(term: str, told: dict[str, Any]) -> Iterator[str]:
    now, shown, where = time.time(), one_line(term, 60), ", ".join(told["present"])
    yield f"{shown!r} is in {where} now" if where else f"{shown!r} is in no region of the live release"
    for event in told["events"]:
        word = "there since" if event["since_first"] else f"{event['action']} in"
        moment = when(datetime.fromisoformat(event["date"]).timestamp(), now)
        author = f"{short(event['commit'])} by {one_line(event['author'], 40)}, {moment}"
        yield f"  {word} {event['release']:<12} {event['region']:<20} {author}"
    if told["rolled_back_in"]:
        yield f"  it was in {', '.join(told['rolled_back_in'])}, which was rolled back"
