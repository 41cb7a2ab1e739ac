"""`gitrelease logs`: what does the app print, per instance and release?"""

from __future__ import annotations

from typing import Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import look_at
from gitrelease.commands.options import ending


def register(app: typer.Typer) -> None:
    app.command("logs", short_help="The app's output; its errors, grouped.")(ending(run))


def run(
    context: typer.Context,
    instance: Annotated[
        str | None, typer.Argument(metavar="[INSTANCE|GROUP|all]", show_default=False, autocompletion=offers.instances)
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            "--release", metavar="N", autocompletion=offers.releases, help="Of which release; by default the live one."
        ),
    ] = None,
    errors: Annotated[bool, typer.Option("--errors", help="Errors by type and place, counted.")] = False,
    follow: Annotated[bool, typer.Option("-f", help="Go on with what is printed from now on, until Ctrl-C.")] = False,
    count: Annotated[int, typer.Option("-n", metavar="LINES", min=0, help="How many lines of each instance.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; with -f one for each line.")] = False,
) -> int:
    """The app's output, without secrets; long lines are cut. No agent is needed."""
    from gitrelease.commands import printing
    from gitrelease.core.errors import ReleaseError

    if errors and follow:
        raise ReleaseError("--errors counts what there is, -f waits for more", hint="Take one of the two")
    asked = printing.asked_for(look_at(context.obj), instance, release)
    if errors:
        from gitrelease.commands.failures import print_errors

        if len(asked) > 1:
            raise ReleaseError("--errors counts those of one release", hint="Name an instance or a group")
        return print_errors(asked[0], as_json=as_json)
    if follow:
        from gitrelease.commands.following import follow_output

        return follow_output(asked, count, as_json=as_json)
    return printing.print_output(asked, count, as_json=as_json)
