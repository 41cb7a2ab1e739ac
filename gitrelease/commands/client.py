"""How does a command reach the agent: find the checkout, start the agent when it is wanted, ask, print, end?

Standard library and `wire` only: `status` and `rollback` must answer at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitrelease.core.errors import Busy, Exit, ReleaseError
from gitrelease.core.render import outcome_lines, step_lines
from gitrelease.core.signs import Told
from gitrelease.core.steps import first, following
from gitrelease.core.text import one_line
from gitrelease.edges import wire
from gitrelease.edges.home import AGENT_MARK, Home, find, not_set_up, open_log, user_name
from gitrelease.edges.terminal import say
from gitrelease.edges.underway import under_way

if TYPE_CHECKING:
    from gitrelease.world import World

AGENT_START = 20.0  # seconds
AGENT_ANSWER = 10.0  # seconds in which an agent says that it is there; it does so in milliseconds


class AgentEnded(ReleaseError):
    """The agent ended (killed, or told to) while it was asked; what it was at is brought to its end by the next."""

    def __init__(self) -> None:
        super().__init__(
            "the agent ended before it had answered",
            hint="See what is live: gitrelease status; where it is not done yet, type it again",
            code=Exit.UNEXPECTED,
        )


class Client:
    """A command's view of a production checkout."""

    def __init__(self, root: Path, home: Home) -> None:
        self.root = root
        self.home = home

    def ask(self, verb: str, arguments: wire.Message, progress: Callable[[wire.Message], None]) -> wire.Message:
        """Ask the agent; `AgentEnded` when there is none any more. At a terminal it is seen what is under way."""
        with under_way(*first(verb)) as shown:

            def told(message: wire.Message) -> None:
                progress(message)
                if begun := following(verb, message["step"]):
                    shown.now(*begun)

            try:
                return wire.ask(self.home.agent_socket, verb, arguments, told)
            except (wire.NoAgent, wire.AgentGone) as error:
                raise AgentEnded from error

    def ask_starting(
        self, verb: str, arguments: wire.Message, progress: Callable[[wire.Message], None]
    ) -> wire.Message:
        """Ask the agent, started first when it is missing; `ReleaseError` when `down` was asked for, or never `up`."""
        if not self.home.wanted.exists():
            raise not_up(self.home)
        with under_way(*first(verb)):
            self.start_agent()
            return self.ask(verb, arguments, progress)

    def start_agent(self) -> None:
        """Make sure that an agent answers, and that it has production up when it is wanted."""
        if self.answers():
            return
        require_owner(self)
        log = self.home.agent_log
        with open_log(log) as output:
            child = subprocess.Popen(
                [sys.executable, "-I", "-m", "gitrelease.agent", str(self.root)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, AGENT_MARK: str(self.home.root)},
                start_new_session=True,
            )
        with under_way("agent", "it starts"):
            self._await_agent(child, log)

    def _await_agent(self, child: subprocess.Popen[bytes], log: Path) -> None:
        """Wait until the agent that was started answers; `ReleaseError` when it does not."""
        deadline = time.monotonic() + AGENT_START
        while not self.answers():
            if child.poll() not in (None, 0) or time.monotonic() > deadline:
                _require_settings(self.root)
                last = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise ReleaseError(
                    f"the agent does not start{_how(child)}: {' '.join(last)}",
                    hint=f"Its log is {log}",
                    code=Exit.UNEXPECTED,
                )
            time.sleep(0.01)

    @contextlib.contextmanager
    def without_agent(self) -> Iterator[None]:
        """Hold what an agent holds as long as it lives, so that none is at work while the context is open."""
        self.home.create()
        with open_log(self.home.agent_lock) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(
                    "an agent is just starting or cannot be reached, or another command is at work without one",
                    hint="Try again in a moment; where it stays so: gitrelease recover",
                ) from error
            yield

    def await_agent_end(self) -> None:
        """Wait until the agent has ended: it holds a lock on a file as long as it lives."""
        with open_log(self.home.agent_lock) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    def answers(self) -> bool:
        """Is an agent there? `ReleaseError` for one that is there and does not answer."""
        try:
            wire.ask(self.home.agent_socket, "ping", {}, lambda _: None, timeout=AGENT_ANSWER)
        except (wire.NoAgent, wire.AgentGone):
            return False
        except TimeoutError as error:
            raise silent() from error
        return True


def _how(child: subprocess.Popen[bytes]) -> str:
    """Say by which signal a process was ended, which its log cannot tell; nothing where none did."""
    code = child.returncode
    return f" (ended by {signal.Signals(-code).name})" if code is not None and code < 0 else ""


def _require_settings(root: Path) -> None:
    """Raise for settings that cannot be read, by which an agent ends at once: where, and what is accepted there."""
    from gitrelease.world import open_world

    open_world(root)


def is_owner(client: Client) -> bool:
    """Are we the user whose production this is?"""
    return client.home.root.stat().st_uid == os.getuid()


def require_owner(client: Client) -> None:
    """Raise unless we are the user whose production this is: another one's files would be in its way."""
    if not is_owner(client):
        raise client.home.not_ours()


def poke(client: Client) -> None:
    """Let the agent have a look, where there is one: it watches this file."""
    client.home.poke.touch(mode=0o600)


def silent() -> ReleaseError:
    """Return the error for an agent that is there and does not answer."""
    return ReleaseError(
        f"the agent has not answered for {AGENT_ANSWER:g} s",
        hint="What serves goes on serving; end that agent and start another: gitrelease recover",
        code=Exit.UNEXPECTED,
    )


def not_up(home: Home) -> ReleaseError:
    if home.down.exists():
        who = home.down.read_text(errors="replace").strip()
        return ReleaseError(
            f"production is down, {who} asked for it", hint="Start it: gitrelease up", code=Exit.REFUSED
        )
    return ReleaseError("production was never started", hint="Start it: gitrelease up", code=Exit.REFUSED)


def client_for(directory: Path) -> Client:
    """Return the client for the production checkout that `directory` is in."""
    found = find(directory)
    if found is None:
        from gitrelease.edges.git import Git

        git = Git.discover(directory)
        found = git.root, Home(git.directory)
    root, home = found
    if not home.initialised:
        raise not_set_up(root)
    return Client(root, home)


def look_at(directory: Path, *, initialised: bool = True) -> World:
    """Open production for a command that only looks, or moves refs: settings of the host that cannot be read stop none
    of them. It is said that what was read last is taken.
    """
    from gitrelease.world import open_world

    world = open_world(directory, initialised=initialised, kept=True)
    warn_of(world.wrong)
    return world


def warn_of(told: Mapping[str, str | None]) -> None:
    """Say what is wrong with the settings of the host, where something is, and what holds meanwhile."""
    if (wrong := told["wrong"]) is not None:
        holds = told.get("holds") or ""  # an agent of an earlier version tells none
        say([Told(f"warning: {one_line(wrong, 400)}", "warning"), f"  {holds}"], error=True)


def show_progress(message: wire.Message) -> None:
    """Print one step of the agent for people, on standard error."""
    say(step_lines(message["step"], message["text"], message["seconds"]), error=True)


def end_or_raise(end: wire.Message) -> wire.Message:
    """Return what the agent answered; the error that it answered with is raised here."""
    if "error" in end:
        raise ReleaseError(end["error"], hint=end["hint"], code=Exit(end["code"]))
    return end


def finish(end: wire.Message, *, as_json: bool, word: str = "") -> int:
    """Print the end of a command and return its exit code; `word` says what was done when all went well."""
    code = int(end_or_raise(end).pop("code", Exit.DONE))
    if as_json:
        print_json(end)
    elif word and code == 0:
        say([Told(f"{word}: {end['reason']}", "done"), *([f"  {end['hint']}"] if end.get("hint") else [])])
    else:
        say(outcome_lines({**end, "code": code}), error=code != 0)
    return code


_printed: list[bool] = []


def print_json(value: dict[str, Any]) -> None:
    """Print one object, with its schema first."""
    _printed.append(True)
    print(json.dumps({"schema": 1, **value}), flush=True)


def printed() -> bool:
    """Has this command printed its one object?"""
    return bool(_printed)


def user() -> str:
    """Return who asks: the user, and behind sudo the one who typed it."""
    name = user_name(os.getuid())
    real = os.environ.get("SUDO_USER")
    return f"{real} as {name}" if real and real != name else name
