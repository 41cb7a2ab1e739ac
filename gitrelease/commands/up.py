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
from gitrelease.edges.home import AGENT_MARK


def register(app: typer.Typer) -> None:
    app.command("up", short_help="Start production; the first time this makes release/1.")(ending(run))


def run(
    context: typer.Context,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, for a service manager; ends with it.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Start production; the first time this releases what is checked out as release/1."""
    client = client_for(context.obj)
    if foreground:
        require_owner(client)
        _become_agent(client)
    client.start_agent()
    end = client.ask("up", {"by": user()}, show_progress)
    return finish(end, as_json=as_json, word="up" if end.get("outcome") == "unchanged" else "")


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
