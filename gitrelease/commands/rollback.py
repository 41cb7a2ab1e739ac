"""`gitrelease rollback`: back to the newest older release that is not bad, or to a named one; as a whole or in part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import client_for, finish, look_at, print_json, show_progress, user
from gitrelease.commands.options import DryRun, Json, Reason, ending
from gitrelease.core.signs import Told
from gitrelease.edges.terminal import say

if TYPE_CHECKING:
    from gitrelease.core.history import Release
    from gitrelease.edges.records import Records
    from gitrelease.world import World


def register(app: typer.Typer) -> None:
    app.command("rollback", short_help="Back to the newest older release that is not bad.")(ending(run))


def run(
    context: typer.Context,
    release: Annotated[
        str | None,
        typer.Argument(metavar="[RELEASE]", show_default=False, autocompletion=offers.releases_to_go_back_to),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="KIND_OR_REGION",
            autocompletion=offers.parts,
            help="Take back dictionary, pattern, schema or one region.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--in", metavar="GROUP", autocompletion=offers.groups, help="In another group of instances than production."
        ),
    ] = None,
    dry_run: DryRun = False,
    reason: Reason = "",
    as_json: Json = False,
) -> int:
    """Go back to the newest older release that is not bad, or to a named one; with --only, some regions of it."""
    client = client_for(context.obj)
    if dry_run:
        return _preview(client.root, release, only, group, as_json=as_json)
    wanted = {"release": release, "only": only, "reason": reason, "by": user(), "group": group}
    end = client.ask_starting("rollback", wanted, show_progress)
    return finish(end, as_json=as_json)


def _preview(root: Path, release: str | None, only: str | None, group: str | None, *, as_json: bool) -> int:
    from gitrelease.commands.diff import describe
    from gitrelease.core.groups import PRODUCTION
    from gitrelease.release.going_back import no_target, target_of_rollback
    from gitrelease.release.takeback import target_of_part

    world = look_at(root).of_group(group or PRODUCTION)
    known = world.records()
    target = target_of_part(world, known, release, only) if only else target_of_rollback(world, known, release)
    if known.live is None or target is None:
        raise no_target(world, release)
    if only is not None:
        return _preview_part(world, known, target, only, as_json=as_json)
    change = describe(world, known.live.commit, target.commit)
    if as_json:
        print_json({"outcome": "unchanged", "release": known.live.name, "target": target.name, "diff": change})
    else:
        from gitrelease.core.render import diff_lines

        say([f"would go back from {known.live.name} to {target.name}: {target.summary}", *diff_lines(change)])
    return 0


def _preview_part(world: World, known: Records, target: Release, only: str, *, as_json: bool) -> int:
    from gitrelease.release.takeback import equal_there, part_of

    part = part_of(world, known, target, only)
    live = known.live.name if known.live else None
    if as_json:
        regions = list(part.taken) if part else []
        patch = part.diff() if part else ""
        print_json({"outcome": "unchanged", "release": live, "target": target.name, "regions": regions, "patch": patch})
    elif part is None:
        typer.echo(f"nothing to take back: {equal_there(world, known, target, only)}")
    else:
        say([f"would take {', '.join(part.taken)} of {live} back to {target.name}", *_patch_lines(part.diff())])
    return 0


def _patch_lines(patch: str) -> list[str]:
    """Return the lines of a patch, what it adds and removes marked; its file names are neither."""
    states = {"+": "added", "-": "removed"}
    return [
        Told(line, states[line[0]]) if line[:1] in states and line[:3] not in ("+++", "---") else line
        for line in patch.splitlines()
    ]
