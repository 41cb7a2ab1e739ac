"""`gitrelease restart`: replace the running processes of the live release, without a gap."""

from __future__ import annotations

from typing import Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import client_for, finish, show_progress, user
from gitrelease.commands.options import Json, ending


def register(app: typer.Typer) -> None:
    app.command("restart", short_help="New processes for the live release, no gap.")(ending(run))


def run(
    context: typer.Context,
    instance: Annotated[
        str | None, typer.Argument(metavar="[INSTANCE|GROUP|all]", show_default=False, autocompletion=offers.instances)
    ] = None,
    as_json: Json = False,
) -> int:
    """Start the live release in a new process, send users there, let the old one end (default: all of production)."""
    client = client_for(context.obj)
    end = client.ask_starting("restart", {"instance": instance, "by": user()}, show_progress)
    return finish(end, as_json=as_json, word="restarted")
