"""`gitrelease regions`: where do the regions stand in REV? The guide's table of line numbers, always true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from gitrelease.commands.client import look_at, print_json
from gitrelease.commands.options import Json, Revision, ending
from gitrelease.edges.terminal import say

if TYPE_CHECKING:
    from gitrelease.world import World


def register(app: typer.Typer) -> None:
    app.command("regions", short_help="The regions of REV, with their line numbers.")(ending(run))


def run(context: typer.Context, revision: Revision = None, as_json: Json = False) -> int:
    """Say on which lines the regions of REV stand (default: the head of the deploy branch)."""
    from gitrelease.candidate import commit_of, compose, lost_revision
    from gitrelease.core.refs import LIVE

    world = look_at(context.obj, initialised=False)
    named = commit_of(world, revision or world.settings.app.branch)
    live = world.git.resolve(LIVE)
    # What git ignores is in no commit of a person: the export is then the live release's.
    commit = compose(world, named, carried_from=live) if live else named
    rows = regions(world, commit)
    if as_json:
        print_json({"commit": named, "regions": rows})
        return 0
    problem = lost_revision(world.git, world.settings.regions)
    if problem:
        typer.echo(problem, err=True)
    say(map(_line, rows))
    return 0


def _line(row: dict[str, Any]) -> str:
    lines = f"{row['lines'][0]}-{row['lines'][1]}" if row["lines"] else "not there"
    return f"{row['region']:<20} {row['kind']:<11} {row['file']}:{lines}  {row['where']}".rstrip()


def regions(world: World, commit: str) -> list[dict[str, Any]]:
    """Return each region with its lines in `commit`; null where it is not."""
    from gitrelease.candidate import placed
    from gitrelease.core.filechange import whole
    from gitrelease.core.parsing import Broken, parse
    from gitrelease.core.resolve import resolve as find
    from gitrelease.core.scopes import Scopes

    rows = []
    found: dict[str, Any] = {}
    lines = placed(world, commit)
    for path in world.settings.region_files:
        content = world.git.blob(commit, path)
        there = world.settings.regions_of(path)
        found |= {region.name: whole(content) for region in there if region.form == "file"}
        source = parse(content) if content is not None and path.endswith(".py") else None
        if source is not None and not isinstance(source, Broken):
            found |= {name: item.lines for name, item in find(Scopes(source), there, lines).items()}
    for region in world.settings.regions:
        where = ", ".join(filter(None, (region.symbol, region.assign)))
        rows.append(
            {
                "region": region.name,
                "kind": region.kind.value,
                "file": world.settings.file_of(region),
                "lines": list(found[region.name]) if found.get(region.name) else None,
                "where": where,
            }
        )
    return rows
