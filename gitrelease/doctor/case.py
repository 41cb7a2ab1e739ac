"""What is there to look at? Each part is opened when a look first asks for it, and what is broken raises there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gitrelease import installation
from gitrelease.core import settings_text
from gitrelease.core.errors import ReleaseError
from gitrelease.core.settings import DEFAULT_BRANCH
from gitrelease.edges import settings as settings_files
from gitrelease.edges import wire
from gitrelease.edges.front import FrontControl
from gitrelease.edges.git import Git
from gitrelease.edges.home import Home, for_sudo, user_name
from gitrelease.release.production import Production
from gitrelease.release.running import Running, read_running
from gitrelease.world import World, open_world

PING = 5.0  # seconds in which an agent says that it is there
STATUS = 20.0  # likewise how production stands: it asks every backend


@dataclass(frozen=True)
class Agent:
    """What became of a question to the agent: the status that it told, or that it is there and says nothing."""

    status: dict[str, Any] | None
    silent: bool = False


@dataclass
class Case:
    """A checkout that may be a production checkout, in whatever state. `start_agent` is how commands start one."""

    root: Path
    start_agent: Callable[[], None]

    def __post_init__(self) -> None:
        self.directory = self.root / ".git"
        self.home = Home(self.directory)

    def require_owner(self) -> None:
        """Raise unless production is ours, or nobody's yet: another user sees little of it, and must mend nothing."""
        for place in (self.home.root, self.directory):
            try:
                owner = place.stat().st_uid
            except FileNotFoundError:
                continue
            except PermissionError as error:
                raise _not_ours(self.root.stat().st_uid) from error
            if place == self.home.root and owner != os.getuid():
                raise _not_ours(owner)

    @property
    def initialised(self) -> bool:
        return self.home.initialised

    @property
    def wanted(self) -> bool:
        """Was production brought up, and not down again?"""
        return self.home.wanted.exists()

    @property
    def recover(self) -> str:
        """What mends most of what a crash leaves, and what else it does where production is not up."""
        return "gitrelease recover" if self.wanted else "gitrelease recover (it brings production up, too)"

    @property
    def restart(self) -> str:
        """What gives the app, in every group that serves, processes with what is set now."""
        if not self.wanted:
            return "gitrelease up"
        beside = [world.group for world, running in self.groups() if running.live is not None][1:]
        return " && ".join(["gitrelease restart", *(f"gitrelease restart {group}" for group in beside)])

    @cached_property
    def git(self) -> Git:
        return Git.discover(self.root)

    @cached_property
    def host_tables(self) -> dict[str, Any]:
        return settings_text.read(settings_files.of_host(self.home.settings), str(self.home.settings))

    @property
    def branch(self) -> str:
        return str(self.host_tables.get("app", {}).get("branch", DEFAULT_BRANCH))

    @cached_property
    def world(self) -> World:
        return open_world(self.root, initialised=False)

    @cached_property
    def python(self) -> Path:
        """The interpreter of the app, as `init` would take it; `SettingsError` where that is none that runs it."""
        app = dict(self.host_tables.get("app", {}))
        installation.require_python_and_script(self.git, app, None)
        return Path(app["python"])

    @cached_property
    def agent(self) -> Agent:
        try:
            wire.ask(self.home.agent_socket, "ping", {}, lambda _: None, timeout=PING)
            return Agent(wire.ask(self.home.agent_socket, "status", {}, lambda _: None, timeout=STATUS))
        except (wire.NoAgent, wire.AgentGone, FileNotFoundError):
            return Agent(None)
        except TimeoutError:
            return Agent(None, silent=True)

    def groups(self) -> Iterator[tuple[World, Running]]:
        """Yield each group of instances, production first, with what was written down that runs of it."""
        for name in self.world.settings.groups:
            there = self.world.of_group(name)
            yield there, read_running(there.home.processes)

    def production(self) -> Production:
        """Return production as it was written down: to be looked at."""
        control = FrontControl(self.home.front_socket)
        return Production(self.world, control, read_running(self.home.processes), self.world.journal.memory(attempts=1))


def _not_ours(owner: int) -> ReleaseError:
    return ReleaseError(
        f"production belongs to {user_name(owner)}",
        hint=f"Run it as that user: sudo -u {for_sudo(owner)} gitrelease -C DIR doctor",
    )
