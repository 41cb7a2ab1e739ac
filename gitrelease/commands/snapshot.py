"""`gitrelease snapshot`: keep what is on disk now, in no commit or ignored by git."""

from __future__ import annotations

from typing import Annotated

import typer

from gitrelease.commands.chore import ask_or_do
from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending


def register(app: typer.Typer) -> None:
    app.command("snapshot", short_help="Keep what is on disk now as a backup tag.")(ending(run))


def run(
    context: typer.Context,
    note: Annotated[str, typer.Option("-m", metavar="NOTE", help="What it is; kept in the tag.")] = "",
    as_json: Json = False,
) -> int:
    """Keep what is on disk now, uncommitted, untracked and ignored managed files included, as a tag `backup/…`."""
    from gitrelease.release.keeping import snapshot

    end = ask_or_do(context.obj, "snapshot", {"note": note}, lambda world: snapshot(world, note=note))
    if as_json:
        print_json({"backup": end["backup"]})
    elif end["backup"] is None:
        typer.echo("nothing to keep: all that is on disk is in a commit")
    else:
        typer.echo(f"kept as {end['backup']}\n  bring it back: gitrelease restore {end['backup']}")
    return 0
