"""What do those who work for the agent need of it?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from gitrelease.agent.inbox import Inbox
from gitrelease.agent.turn import Holder, Turn
from gitrelease.core.events import AnyEvent
from gitrelease.core.memory import Memory
from gitrelease.edges.cancel import Cancel
from gitrelease.release.production import Production


class Office(Protocol):
    """The agent, as its duty, its pushes and its chores see it."""

    turn: Turn
    inbox: Inbox

    def serving(self) -> Production:
        """Return production, or raise `ReleaseError` where it is not up."""

    def has_turn(
        self, *, owner: str, pid: int, doing: str, cancel: Cancel, wait: float
    ) -> AbstractContextManager[Holder]:
        """Change production while the context is open."""

    def parts(self) -> Sequence[Office]:
        """Return the office of each group of instances that is looked after, production's first."""

    def remembered(self) -> Memory:
        """Return what the journal remembers, whether production is up or not."""

    def note(self, event: AnyEvent) -> None:
        """Write an event down, whether production is up or not."""

    def poke(self) -> None:
        """Have a look soon: something may have arrived."""

    def end_if_homeless(self) -> bool:
        """End the agent when what we keep on this host is gone."""
