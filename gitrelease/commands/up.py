"""`gitrelease up`: start the agent, the front and the live release."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer

from gitrelease.commands.client import (
    AgentEnded,
    Client,
    client_for,
    end_or_raise,
    finish,
    require_owner,
    show_progress,
    user,
)
from gitrelease.commands.options import Json, ending
from gitrelease.core.variables import told
from gitrelease.edges.home import AGENT_MARK, Home


def register(app: typer.Typer) -> None:
    app.command("up", short_help="Start production; the first time this makes release/1.")(ending(run))


def run(
    context: typer.Context,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, for a service manager; ends with it.")
    ] = False,
    variables: Annotated[
        bool, typer.Option("--variables", help="Record the app's variables anew, from this shell.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Start production; the first time this releases what is checked out as release/1.

    The first time, the app's variables are those of this shell; they are recorded, and count from then on.
    """
    client = client_for(context.obj)
    require_owner(client)
    recorded, others = _record_variables(client.home, anew=variables)
    if foreground:
        _follow_unit(client.home)
        _become_agent(client)
    client.start_agent()
    end = client.ask("up", {"by": user()}, show_progress)
    if recorded:
        end["variables"] = recorded
    code = finish(end, as_json=as_json, word="up" if end.get("outcome") == "unchanged" else "")
    if recorded and not as_json:
        restart = "; those that run have theirs until: gitrelease restart" if others else ""
        typer.echo(f"variables: the app's processes get these, whoever starts them: {told(recorded)}{restart}")
    return code


def _record_variables(home: Home, *, anew: bool) -> tuple[list[str], bool]:
    """Record the app's variables where none are, or anew.

    Returns the names of those that were recorded here, and whether the app runs already, with what it was started with.

    As long as nothing has ever come up, what was recorded may be what is missing. Where they are recorded nowhere, a
    process that runs tells them itself.
    """
    from gitrelease.core.refs import LIVE
    from gitrelease.edges import names
    from gitrelease.edges import variables as variables_of_host
    from gitrelease.release.running import read_running

    known = None if anew else variables_of_host.recorded(home.root)
    recorded = known is not None and known.source != "nobody"
    if recorded and names.refs(home.root.parent, LIVE):
        return [], False
    live = read_running(home.processes).live
    if (
        not anew
        and known is None
        and live is not None
        and variables_of_host.take_over(home.root, live.first.identity.pid)
    ):
        return [], False
    return sorted(variables_of_host.record(home.root, os.environ).all), live is not None


def _follow_unit(home: Home) -> None:
    from gitrelease.edges import variables

    variables.follow_unit(home.root, os.environ)


def _become_agent(client: Client) -> None:
    """Replace this process by the agent, which brings production up and takes it down when it is told to end.

    One in the background makes way; what it looked after goes on and is adopted.
    """
    client.home.create()
    with contextlib.suppress(AgentEnded):
        end_or_raise(client.ask("make-way", {}, show_progress))
        client.await_agent_end()
    client.home.wanted.touch(mode=0o600)
    client.home.down.unlink(missing_ok=True)
    arguments = [sys.executable, "-I", "-m", "gitrelease.agent", str(client.root), "--foreground"]
    os.environ[AGENT_MARK] = str(client.home.root)
    sys.stdout.flush()
    os.execv(sys.executable, arguments)  # noqa: S606  # an argument list of ours
