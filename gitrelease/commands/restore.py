"""`gitrelease restore BACKUP`: bring kept work back to disk."""

from __future__ import annotations

from typing import Annotated

import typer

from gitrelease.commands.client import client_for, end_or_raise, print_json, require_owner, show_progress, user
from gitrelease.commands.options import Json, ending


def register(app: typer.Typer) -> None:
    app.command("restore", short_help="Bring a backup back to disk.")(ending(run))


def run(
    context: typer.Context,
    backup: Annotated[str, typer.Argument(metavar="BACKUP", show_default=False)],
    as_json: Json = False,
) -> int:
    """Bring BACKUP (a tag `backup/…`) back to disk: an edit as it was, looked at like any other."""
    import msgspec

    from gitrelease.release.keeping import restore
    from gitrelease.world import open_world

    client = client_for(context.obj)
    require_owner(client)
    end = end_or_raise(
        client.ask_or_do(
            "restore",
            {"backup": backup, "by": user()},
            lambda: msgspec.to_builtins(restore(open_world(client.root), backup)),
            show_progress,
        )
    )
    if as_json:
        print_json({"restored": end["restored"], "backup": end["backup"]})
        return 0
    kept = f"; what lay there is kept as {end['backup']}" if end["backup"] else ""
    typer.echo(f"{end['restored']} is on disk again{kept}")
    typer.echo("  it is looked at like any edit: gitrelease status; what it means: gitrelease diff --worktree")
    return 0
