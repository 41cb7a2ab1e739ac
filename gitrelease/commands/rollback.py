"""`gitrelease rollback`: back to the newest older release that is not bad, or to a named one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gitrelease.commands.client import client_for, finish, print_json, show_progress, user
from gitrelease.commands.options import DryRun, Json, Reason, ending


def register(app: typer.Typer) -> None:
    app.command("rollback", short_help="Back to the newest older release that is not bad.")(ending(run))


def run(
    context: typer.Context,
    release: Annotated[str | None, typer.Argument(metavar="[RELEASE]", show_default=False)] = None,
    dry_run: DryRun = False,
    reason: Reason = "",
    as_json: Json = False,
) -> int:
    """Go back to the newest older release that is not bad, or to a named one."""
    client = client_for(context.obj)
    if dry_run:
        return _preview(client.root, release, as_json=as_json)
    end = client.ask_starting("rollback", {"release": release, "reason": reason, "by": user()}, show_progress)
    return finish(end, as_json=as_json)


def _preview(root: Path, release: str | None, *, as_json: bool) -> int:
    from gitrelease.commands.diff import describe
    from gitrelease.edges import records
    from gitrelease.release import no_target, target_of_rollback
    from gitrelease.world import open_world

    world = open_world(root)
    known = records.read(world.git)
    target = target_of_rollback(known, release)
    if known.live is None or target is None:
        raise no_target(release)
    change = describe(world, known.live.commit, target.commit)
    if as_json:
        print_json({"outcome": "unchanged", "release": known.live.name, "target": target.name, "diff": change})
    else:
        from gitrelease.core.render import diff_lines

        typer.echo(f"would go back from {known.live.name} to {target.name}: {target.summary}")
        typer.echo("\n".join(diff_lines(change)))
    return 0
