"""`gitrelease monitor`: is what each instance uses within its thresholds, and does a release use more than another?"""

from __future__ import annotations

from typing import Annotated

import typer

from gitrelease.commands.options import ending


def register(app: typer.Typer) -> None:
    app.command("monitor", short_help="CPU, memory, sessions, errors against thresholds.")(ending(run))


def run(
    context: typer.Context,
    instance: Annotated[str | None, typer.Argument(metavar="[INSTANCE]", show_default=False)] = None,
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="How long to watch.")] = "10m",
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="Between two samples.")] = "30s",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line; the last is the summary.")] = (
        False
    ),
) -> int:
    """Watch what each instance uses; say at the end whether it stayed within its thresholds (exit code 3: it did not).

    Ctrl-C ends it early, with the summary of what was seen.
    """
    from gitrelease.commands.watching import Span, watch
    from gitrelease.world import open_world

    span = Span(length, every)
    world = open_world(context.obj)
    return watch(world, instance, span, as_json=as_json)
