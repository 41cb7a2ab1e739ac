"""How is done what is no release, and needs production and its files for itself? By the agent, or without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gitrelease.commands.client import client_for, end_or_raise, require_owner, show_progress, user
from gitrelease.core.steps import first
from gitrelease.edges import wire

if TYPE_CHECKING:
    import msgspec

    from gitrelease.world import World


def ask_or_do(
    directory: Path, verb: str, arguments: wire.Message, alone: Callable[[World], msgspec.Struct]
) -> wire.Message:
    """Ask the agent for `verb`; where there is none, do it `alone`, with no agent starting meanwhile."""
    client = client_for(directory)
    require_owner(client)
    if client.answers():
        return end_or_raise(client.ask(verb, {**arguments, "by": user()}, show_progress))
    import msgspec

    from gitrelease.edges.underway import under_way
    from gitrelease.world import open_world

    with client.without_agent(), under_way(*first(verb)):
        done: wire.Message = msgspec.to_builtins(alone(open_world(client.root)))
    return done
