"""`gitrelease unpin RELEASE`: let a pinned release be pruned again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending
from gitrelease.commands.pin import find

if TYPE_CHECKING:
    from pathlib import Path

    from gitrelease.core.history import Release


Pinned = Annotated[str, typer.Argument(metavar="RELEASE", show_default=False, autocompletion=offers.pinned)]


def register(app: typer.Typer) -> None:
    app.command("unpin", short_help="Let prune drop a pinned release again.")(ending(run))


def run(context: typer.Context, release: Pinned, as_json: Json = False) -> int:
    """Let `prune` drop RELEASE again, when it is old enough."""
    found, was = unpin(context.obj, release)
    if as_json:
        print_json({"release": found.name, "pinned": False})
    else:
        typer.echo(f"{found.name} {'is not pinned any more' if was else 'was not pinned'}")
    return 0


def unpin(directory: Path, name: str, *, asked: str = "") -> tuple[Release, bool]:
    """Let the release that `name` names be pruned again; return it, and whether it was pinned."""
    from gitrelease.edges import records

    world, known, found = find(directory, name)
    was = found.number in known.pinned
    if was:
        by = f" by {asked}" if asked else ""
        world.git.update_refs([records.unpin(found.number)], reason=f"unpin {found.name}{by}")
    return found, was
