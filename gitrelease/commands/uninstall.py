"""`gitrelease uninstall`: take `init` back; release tags stay."""

from __future__ import annotations

import typer

from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending


def register(app: typer.Typer) -> None:
    app.command("uninstall", short_help="Take init back; release tags stay.")(ending(run))


def run(context: typer.Context, as_json: Json = False) -> int:
    """Leave the repository as it was before init, release tags aside."""
    from gitrelease.installation import uninstall

    done = uninstall(context.obj)
    if as_json:
        print_json({"done": done})
    else:
        typer.echo("\n".join(done))
    return 0
