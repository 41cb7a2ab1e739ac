"""`gitrelease drill`: rehearse a rollback beside production, and say how long it took."""

from __future__ import annotations

from typing import Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import client_for, end_or_raise, print_json, show_progress, user
from gitrelease.commands.options import Json, ending
from gitrelease.core.signs import Told
from gitrelease.edges.terminal import say


def register(app: typer.Typer) -> None:
    app.command("drill", short_help="Rehearse a rollback beside production.")(ending(run))


def run(
    context: typer.Context,
    release: Annotated[
        str | None,
        typer.Argument(metavar="[RELEASE]", show_default=False, autocompletion=offers.releases_to_go_back_to),
    ] = None,
    as_json: Json = False,
) -> int:
    """Bring the release that a rollback would go to up from its tag, open a session there, and end it again."""
    client = client_for(context.obj)
    end = client.ask_starting("drill", {"release": release, "by": user()}, show_progress)
    code = int(end_or_raise(end).pop("code", 0))
    if as_json:
        print_json(end)
    elif end["ok"]:
        seen = end["warm_seconds"]
        warm = (
            "it has no standby"
            if seen is None
            else f"its standby answers, then it is a switch ({seen:.2f} s to see it)"
        )
        what = f"a rollback to {end['release']} works: up from its tag in {end['cold_seconds']:.1f} s; {warm}"
        say([Told(what, "ok")])
    else:
        mend = "  mend what it needs, or name another one: gitrelease drill RELEASE"
        say([Told(f"a rollback to {end['release']} would fail: {end['reason']}", "failed"), mend], error=True)
    return code
