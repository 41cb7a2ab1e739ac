"""`gitrelease deploy`: stage, verify, promote, record."""

from __future__ import annotations

from typing import Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import client_for, finish, show_progress, user
from gitrelease.commands.options import DryRun, Json, Reason, Revision, ending


def register(app: typer.Typer) -> None:
    app.command("deploy", short_help="Stage, verify, promote and record REV.")(ending(run))


def run(
    context: typer.Context,
    revision: Revision = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Let a major change through that passes its checks.")
    ] = False,
    group: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="GROUP", autocompletion=offers.groups, help="To another group of instances than production."
        ),
    ] = None,
    dry_run: DryRun = False,
    reason: Reason = "",
    as_json: Json = False,
) -> int:
    """Release REV (default: what waits for approval, else the head of the deploy branch).

    With --to GROUP it goes to another group of instances; a release of theirs is carried on to production as it is.
    """
    if dry_run:
        from gitrelease.commands.plan import run as plan

        return plan(context, revision, as_json)
    client = client_for(context.obj)
    arguments = {"revision": revision, "approve": approve, "reason": reason, "by": user(), "group": group}
    return finish(client.ask_starting("deploy", arguments, show_progress), as_json=as_json)
