"""`gitrelease unfreeze`: end a freeze; what waited for that is released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from gitrelease.commands.client import Client, client_for, poke, print_json, require_owner
from gitrelease.commands.options import Json, ending

if TYPE_CHECKING:
    from gitrelease.core.freeze import Freeze


def register(app: typer.Typer) -> None:
    app.command("unfreeze", short_help="End a freeze.")(ending(run))


def run(context: typer.Context, as_json: Json = False) -> int:
    """End a freeze; what came meanwhile is released as if it came now."""
    was = end(client_for(context.obj))
    if as_json:
        print_json({"frozen": False, "was_frozen": was is not None})
    else:
        typer.echo(f"ended: {was.told}" if was else "production was not frozen")
    return 0


def end(client: Client, *, asked: str = "") -> Freeze | None:
    """End a freeze and return what it was; `asked` is who, where it is not who runs this."""
    from gitrelease.core import refs
    from gitrelease.edges import records
    from gitrelease.edges.git import Git, RefUpdate

    require_owner(client)
    git = Git.discover(client.root)
    was = records.read(git).frozen
    if was is not None:
        git.update_refs([RefUpdate(refs.FROZEN, None)], reason=f"unfreeze by {asked}" if asked else "unfreeze")
        poke(client)
    return was
