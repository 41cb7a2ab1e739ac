"""`gitrelease restore BACKUP`: bring kept work back to disk."""

from __future__ import annotations

from typing import Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.chore import ask_or_do
from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending


def register(app: typer.Typer) -> None:
    app.command("restore", short_help="Bring a backup back to disk.")(ending(run))


def run(
    context: typer.Context,
    backup: Annotated[str, typer.Argument(metavar="BACKUP", show_default=False, autocompletion=offers.backups)],
    as_json: Json = False,
) -> int:
    """Bring BACKUP (a tag `backup/…`) back to disk: an edit as it was, looked at like any other."""
    from gitrelease.release.keeping import restore

    end = ask_or_do(context.obj, "restore", {"backup": backup}, lambda world: restore(world, backup))
    if as_json:
        print_json({"restored": end["restored"], "backup": end["backup"]})
        return 0
    kept = f"; what lay there is kept as {end['backup']}" if end["backup"] else ""
    typer.echo(f"{end['restored']} is on disk again{kept}")
    typer.echo("  it is looked at like any edit: gitrelease status; what it means: gitrelease diff --worktree")
    return 0
