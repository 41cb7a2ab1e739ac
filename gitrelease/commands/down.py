"""`gitrelease down`: stop the agent, the front and every backend."""

from __future__ import annotations

import typer

from gitrelease.commands.client import client_for, end_or_raise, finish, show_progress, user
from gitrelease.commands.options import Json, ending


def register(app: typer.Typer) -> None:
    app.command("down", short_help="Stop production and its agent.")(ending(run))


def run(context: typer.Context, as_json: Json = False) -> int:
    """Stop production and its agent; releases and files stay as they are."""
    client = client_for(context.obj)
    # What an agent has left that was killed on the way down is brought to its end.
    half_down = any(home.processes.exists() for home in client.home.every())
    if client.home.wanted.exists() or half_down:
        client.start_agent()
        end = end_or_raise(client.ask("down", {"by": user()}, show_progress))  # refused, it goes on
        client.await_agent_end()
        return finish(end, as_json=as_json, word="down")
    return finish({"outcome": "unchanged", "reason": "production is down already"}, as_json=as_json, word="down")
