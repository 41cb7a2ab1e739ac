"""`gitrelease regions`: where do the regions stand in REV? The guide's table of line numbers, always true."""

from __future__ import annotations

from typing import Any

import typer

from gitrelease.commands.client import look_at, print_json
from gitrelease.commands.options import Json, Revision, ending
from gitrelease.edges.terminal import say


def register(app: typer.Typer) -> None:
    app.command("regions", short_help="The regions of REV, with their line numbers.")(ending(run))


def run(context: typer.Context, revision: Revision = None, as_json: Json = False) -> int:
    """Say on which lines the regions of REV stand (default: the head of the deploy branch)."""
    from gitrelease.candidate import commit_of, compose, lost_revision
    from gitrelease.core.refs import LIVE
    from gitrelease.release.regions import places

    world = look_at(context.obj, initialised=False)
    named = commit_of(world, revision or world.settings.app.branch)
    live = world.git.resolve(LIVE)
    # What git ignores is in no commit of a person: the export is then the live release's.
    commit = compose(world, named, carried_from=live) if live else named
    rows = places(world, commit)
    if as_json:
        print_json({"commit": named, "regions": rows})
        return 0
    problem = lost_revision(world.git, world.settings.regions)
    if problem:
        typer.echo(problem, err=True)
    say(map(_line, rows) if rows else [_none(world.settings.app.script)])
    return 0


def _none(script: str) -> str:
    return f"no regions are known of {script}: every change of it is major; set some: docs/configuration.md, [[region]]"


def _line(row: dict[str, Any]) -> str:
    lines = f"{row['lines'][0]}-{row['lines'][1]}" if row["lines"] else "not there"
    return f"{row['region']:<20} {row['kind']:<11} {row['file']}:{lines}  {row['where']}".rstrip()
