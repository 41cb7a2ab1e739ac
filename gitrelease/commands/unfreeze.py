"""`gitrelease unfreeze`: end a freeze; what waited for that is released."""

from __future__ import annotations

import typer

from gitrelease.commands.client import client_for, poke, print_json, require_owner
from gitrelease.commands.options import Json, ending


def register(app: typer.Typer) -> None:
    app.command("unfreeze", short_help="End a freeze.")(ending(run))


def run(context: typer.Context, as_json: Json = False) -> int:
    """End a freeze; what came meanwhile is released as if it came now."""
    from gitrelease.edges import records
    from gitrelease.edges.git import RefUpdate
    from gitrelease.world import open_world

    client = client_for(context.obj)
    require_owner(client)
    git = open_world(client.root).git
    was = records.read(git).frozen
    if was is not None:
        git.update_refs([RefUpdate(records.FROZEN, None)], reason="unfreeze")
        poke(client)
    if as_json:
        print_json({"frozen": False, "was_frozen": was is not None})
    else:
        typer.echo(f"ended: {was.told}" if was else "production was not frozen")
    return 0
