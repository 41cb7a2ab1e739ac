"""`gitrelease bisect TEXT`: which release changed what a text extracts to?"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending
from gitrelease.core.text import one_line


def register(app: typer.Typer) -> None:
    app.command("bisect", short_help="Which release changed what TEXT extracts to.")(ending(run))


def run(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False, help="As it stands in a document.")],
    as_json: Json = False,
) -> int:
    """Run the app's pipeline over TEXT in as few releases as possible; say which one changed the result."""
    import msgspec

    from gitrelease.checks.check_slot import leaving_nothing
    from gitrelease.core.replay import told
    from gitrelease.edges.underway import under_way
    from gitrelease.release.bisect import bisect
    from gitrelease.world import open_world

    world = open_world(context.obj)
    with leaving_nothing(world), under_way("bisect", "the text goes through a release"):
        found = bisect(world, world.records(), text, tell=_tell)
    if as_json:
        print_json(
            {
                "release": found.first.name if found.first else None,
                "before": found.before.name if found.before else None,
                "live": msgspec.to_builtins(found.live),
                "difference": msgspec.to_builtins(found.difference),
                "ran": list(found.ran),
            }
        )
        return 0
    values = ", ".join(f"{item.metric} {item.value}" for item in found.live.metrics)
    typer.echo(f"live extracts {one_line(values, 300) or found.live.failed or 'nothing'}")
    if found.first is None or found.difference is None:
        typer.echo(f"no release that was run extracts anything else ({len(found.ran)} were run)")
        return 0
    difference = found.difference
    changes = told((*difference.lost, *difference.changed, *difference.gained)) or f"{difference.signs} label counts"
    typer.echo(f"{found.first.name} changed it ({len(found.ran)} releases were run): {found.first.summary}")
    typer.echo(f"  {changes}; see: gitrelease show {found.first.name}")
    return 0


def _tell(line: str) -> None:
    from gitrelease.edges.underway import news

    print(line, file=sys.stderr, flush=True)
    news()
