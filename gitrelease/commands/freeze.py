"""`gitrelease freeze` and `unfreeze`: refuse every automatic release for a while."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated

import typer

from gitrelease.commands.client import AGENT_ANSWER, Client, client_for, print_json, require_owner, user
from gitrelease.commands.options import Json, Reason, ending
from gitrelease.core.signs import Told
from gitrelease.edges.terminal import say

if TYPE_CHECKING:
    from gitrelease.core.freeze import Freeze


def register(app: typer.Typer) -> None:
    app.command("freeze", short_help="Refuse every automatic release for a while.")(ending(run))


def run(
    context: typer.Context,
    reason: Reason = "",
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When it ends by itself: 2h, 18:30, '2026-01-05 18:30'; default: never.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Refuse pushes, let pulls, commits and edits wait; what a person types and an automatic way back go on."""
    held = freeze(client_for(context.obj), by=user(), reason=reason, until=until)
    if as_json:
        print_json({"frozen": True, "by": held.by, "reason": reason, "until": held.until})
    else:
        say([Told(held.told, "frozen"), "  end it: gitrelease unfreeze"])
    return 0


def freeze(client: Client, *, by: str, reason: str, until: str | None) -> Freeze:
    """Freeze production and tell the agent, where there is one; `until` as `--until` has it."""
    from gitrelease.core.errors import ReleaseError
    from gitrelease.core.freeze import Freeze, moment
    from gitrelease.edges import records, wire
    from gitrelease.edges.git import Git

    require_owner(client)
    now = float(int(time.time()))  # as the tag keeps it
    try:
        end = moment(until, now=now) if until is not None else None
    except ValueError as error:
        raise ReleaseError(
            f"--until {until}: {error}", hint="Write a length (30m, 2h), a time (18:30) or a date (2026-01-05 18:30)"
        ) from error
    git = Git.discover(client.root)
    held = Freeze(by=by, since=now, reason=reason, until=end)
    update = records.freeze(git, held, commit=git.resolve("HEAD") or "")
    git.update_refs([update], reason="freeze")
    with contextlib.suppress(wire.NoAgent, wire.AgentGone, TimeoutError):
        wire.ask(client.home.agent_socket, "freeze", {"by": held.by}, lambda _: None, timeout=AGENT_ANSWER)
    return held
