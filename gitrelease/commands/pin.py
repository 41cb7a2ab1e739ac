"""`gitrelease pin RELEASE`: a release that is never pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import client_for, look_at, print_json, require_owner
from gitrelease.commands.options import Json, ending

if TYPE_CHECKING:
    from pathlib import Path

    from gitrelease.core.history import Release
    from gitrelease.edges.records import Records
    from gitrelease.world import World

Named = Annotated[str, typer.Argument(metavar="RELEASE", show_default=False, autocompletion=offers.unpinned)]


def register(app: typer.Typer) -> None:
    app.command("pin", short_help="Protect a release from prune.")(ending(run))


def run(context: typer.Context, release: Named, as_json: Json = False) -> int:
    """Protect RELEASE from `prune`, for good or until `unpin`."""
    found = pin(context.obj, release)
    if as_json:
        print_json({"release": found.name, "pinned": True})
    else:
        typer.echo(f"{found.name} is pinned: prune keeps it; let it go: gitrelease unpin {found.name}")
    return 0


def pin(directory: Path, name: str, *, asked: str = "") -> Release:
    """Keep the release that `name` names from being pruned; `asked` is who, where it is not who runs this."""
    from gitrelease.edges import records

    world, known, found = find(directory, name)
    if found.number not in known.pinned:
        by = f" by {asked}" if asked else ""
        world.git.update_refs([records.pin(found)], reason=f"pin {found.name}{by}")
    return found


def find(directory: Path, name: str) -> tuple[World, Records, Release]:
    """Return the release that `name` names, for a change of its marks; `ReleaseError` where there is none."""
    from gitrelease.core.history import no_release, release_number

    client = client_for(directory)
    require_owner(client)
    world = look_at(client.root)
    known = world.records()
    found = known.every.numbered(release_number(name))  # what only a group has had as well
    if found is None:
        raise no_release(name)
    return world, known, found
