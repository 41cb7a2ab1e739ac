"""`gitrelease ack`: say that you look after what a person is needed for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from gitrelease.commands.chore import ask_or_do
from gitrelease.commands.client import print_json, user
from gitrelease.commands.options import Json, Reason, ending
from gitrelease.core.moments import when
from gitrelease.core.text import one_line

if TYPE_CHECKING:
    from gitrelease.release.acknowledge import Answer
    from gitrelease.world import World


def register(app: typer.Typer) -> None:
    app.command("ack", short_help="Say that you look after what a person is needed for.")(ending(run))


def run(context: typer.Context, reason: Reason = "", as_json: Json = False) -> int:
    """Acknowledge that a person is needed, so that nobody is called again; see `status` for why one is."""

    def alone(world: World) -> Answer:
        from gitrelease.release.acknowledge import acknowledge

        journals = [world.of_group(name).journal for name in world.settings.groups]
        books = [(journal.memory(attempts=1), journal.append) for journal in journals if journal.path.parent.exists()]
        return acknowledge(books, by=user(), reason=reason)

    answer = ask_or_do(context.obj, "ack", {"reason": reason}, alone)
    needed = answer["needed"]
    if as_json:
        told = {"by": answer["by"], "at": answer["at"], "reason": answer["reason"]} if needed else None
        print_json({"new": answer["new"], "person_needed": needed, "acknowledged": told})
    elif needed is None:
        typer.echo("nobody is needed: there is nothing to acknowledge")
    elif answer["new"]:
        typer.echo(f"acknowledged: {one_line(needed, 300)}\n  how production stands: gitrelease status")
    else:
        typer.echo(f"{one_line(answer['by'], 80)} has acknowledged it {when(answer['at'], time.time())}")
    return 0
