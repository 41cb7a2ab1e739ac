"""What does the agent tell who only looks? Without a turn: while a release is under way as well."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gitrelease import __version__
from gitrelease.agent.request import Request
from gitrelease.agent.status import status
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.memory import Memory
from gitrelease.release.past import from_journal, history, tells
from gitrelease.release.production import Production
from gitrelease.world import World

if TYPE_CHECKING:
    from gitrelease.agent.agent import Agent


class Looks:
    """The verbs that change nothing."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.verbs: Mapping[str, Callable[[Request], dict[str, Any]]] = {
            "ping": self._ping,
            "status": self._status,
            "history": self._history,
        }

    def _ping(self, _: Request) -> dict[str, Any]:
        """Say that we are there, and what is under way: without a look at refs or files."""
        holder = self._agent.turn.holder
        soak = next((one.soak for one in self._every() if one.soak is not None), None)
        return {
            "version": __version__,
            "pid": os.getpid(),
            "doing": holder.doing if holder else None,
            "soaking": soak.number if soak else None,
        }

    def _status(self, _: Request) -> dict[str, Any]:
        agent = self._agent
        groups = agent.groups.every()
        return status(agent.world, agent.production, agent.turn.holder, agent.inbox, agent=os.getpid(), groups=groups)

    def _history(self, request: Request) -> dict[str, Any]:
        """Tell the newest `count` of a group as `release/past.py` does; `wrong` is what is so with the host's settings.

        A journal is read only where what is remembered here does not reach far enough.
        """
        agent, count = self._agent, int(request.arguments["count"])
        world = agent.production.world if agent.production is not None else agent.world
        memories = {one.world.group: one.memory for one in self._every()}

        def remember(there: World) -> Memory:
            memory = memories.get(there.group)
            return memory if memory is not None and tells(memory, count) else from_journal(there)

        told = history(world.of_group(request.text("group") or PRODUCTION), count, remember)
        return {**told, **world.wrong}

    def _every(self) -> tuple[Production, ...]:
        """Return the productions of all groups that are looked after; none before production is up."""
        main = self._agent.production
        return (main, *self._agent.groups.every()) if main is not None else ()
