"""What do the hook shims run? Thin clients: the agent does the work, the hook relays its lines and its verdict.

Whoever pushes may be gone: a write that nobody reads must not block, and never decides about the release.
"""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path

from gitrelease.commands.client import AgentEnded, Client
from gitrelease.core.approval import PushOptions, read_push_options
from gitrelease.core.errors import ReleaseError
from gitrelease.core.render import outcome_lines, step_lines
from gitrelease.core.text import plain, quoted
from gitrelease.edges import wire
from gitrelease.edges.home import Home, user_name

_WRITE_LIMIT = 5.0  # seconds
_REMOTE_WIDTH = 72  # 80 less git's "remote: "


class Relay:
    """Writes lines to the pusher until one cannot be delivered in time; then it is silent."""

    def __init__(self) -> None:
        self._silent = False
        self._poll = select.poll()
        self._poll.register(sys.stdout.fileno(), select.POLLOUT)

    def line(self, text: str) -> None:
        # A pipe that poll calls writable takes PIPE_BUF bytes without blocking.
        shown = plain(text).replace("\n", " ")
        data = shown.encode(errors="replace")[: select.PIPE_BUF - 1] + b"\n"
        if self._silent:
            return
        try:
            events = self._poll.poll(_WRITE_LIMIT * 1000)
            if not events or events[0][1] & (select.POLLERR | select.POLLNVAL):
                self._silent = True
                return
            os.write(sys.stdout.fileno(), data)
        except OSError:
            self._silent = True

    def step(self, message: wire.Message) -> None:
        for text in step_lines(message["step"], message["text"], message["seconds"], _REMOTE_WIDTH):
            self.line(text)

    def end(self, end: wire.Message) -> None:
        for text in outcome_lines(end):
            self.line(text)


def main(arguments: list[str]) -> int:
    """Run the hook that `arguments` name: `update ROOT PID OLD NEW`, `post-receive ROOT PID NEW`, `wake ROOT`."""
    name, root, *rest = arguments
    client = Client(Path(root), Home(Path(root) / ".git"))
    relay = Relay()
    try:
        if name == "wake":
            client.start_agent()
            return 0
        return _push(client, relay, name, rest)
    except ReleaseError as error:
        relay.end({"error": f"{_became(name, error)}: {error.message}", "hint": error.hint})
        return int(error.code)


def _became(name: str, error: ReleaseError) -> str:
    """Say what became of a push whose hook `name` ends with an error."""
    if name == "update":
        return "the push is refused"
    return "taken, and whether it is live is not known" if isinstance(error, AgentEnded) else "taken, not live yet"


def _push(client: Client, relay: Relay, name: str, rest: list[str]) -> int:
    if not client.home.wanted.exists() and not client.home.down.exists():
        return _before_first_up(client, relay, name, rest)
    if name == "update":
        return _update(client, relay, *rest)
    return _post_receive(client, relay, *rest)


def _update(client: Client, relay: Relay, receive_pack: str, old: str, new: str) -> int:
    read = _options_given(client, receive_pack, new)
    _require_own_uid(client)
    for line in read.told(new):
        relay.line(line)
    end = _ask(
        client,
        "push-stage",
        {
            "old": old,
            "new": new,
            "approval": read.approval,
            "receive_pack": int(receive_pack),
            "by": pusher(),
        },
        relay,
    )
    accepted = end.get("outcome") in ("staged", "unchanged")
    if not accepted:
        relay.end(end)
    return 0 if accepted else int(end.get("code", 3)) or 3


def _options_given(client: Client, receive_pack: str, new: str) -> PushOptions:
    """Return the options of the push, which `pre-receive` has kept for this once."""
    kept = client.home.pushes / receive_pack
    given = kept.read_text(errors="replace").splitlines() if kept.exists() else []
    kept.unlink(missing_ok=True)
    return read_push_options(given, new)


def _post_receive(client: Client, relay: Relay, receive_pack: str, new: str = "") -> int:
    approval = read_push_options(_push_options(), new).approval if new else ""
    asked = {"receive_pack": int(receive_pack), "new": new, "approval": approval, "by": pusher()}
    try:
        end = _ask(client, "push-promote", asked, relay)
    except AgentEnded:
        end = _ask(client, "push-promote", asked, relay)  # it starts the next agent, which goes on with it
    if "error" in end:
        end["error"] = f"taken, not live yet: {end['error']}"
    elif end.get("waiting"):
        end["hint"] = _on_host(end["hint"])
    if end.get("outcome") == "released":
        relay.line(end["hint"])
    else:
        relay.end(end)
    return 0


def _push_options() -> list[str]:
    """Return the options of the push, which git gives to `post-receive` but not to `update`."""
    count = int(os.environ.get("GIT_PUSH_OPTION_COUNT", "0"))
    return [os.environ.get(f"GIT_PUSH_OPTION_{number}", "") for number in range(count)]


def _ask(client: Client, verb: str, arguments: wire.Message, relay: Relay) -> wire.Message:
    """Ask the agent; where none answers, what is to be done is done on the host, not where the push came from."""
    try:
        return client.ask_starting(verb, arguments, relay.step)
    except AgentEnded as error:
        taken = verb == "push-promote"
        error.hint = "The next agent goes on with it; start it on the host: gitrelease up" if taken else "Push again"
        raise
    except ReleaseError as error:
        raise ReleaseError(error.message, hint=_on_host(error.hint), code=error.code) from error


def _on_host(hint: str) -> str:
    return f"On the host: {hint[:1].lower()}{hint[1:]}"


def _before_first_up(client: Client, relay: Relay, name: str, rest: list[str]) -> int:
    """Nothing is released before the first `up`: the push is taken, its files follow. There is nothing to approve."""
    from gitrelease.edges.following import follow
    from gitrelease.edges.git import is_zero
    from gitrelease.world import open_world

    if name == "update":
        receive_pack, old, new = rest
        for line in _options_given(client, receive_pack, new).unknown:
            relay.line(line)
    world = open_world(client.root)
    if name == "update":
        world.checkout.require_no_rebase()
        if not is_zero(old):
            world.checkout.catch_up(old)
        return 0
    head = world.git.ref(world.settings.branch_ref)
    if head is not None:
        follow(world.checkout, head, head, at=time.time())
    relay.line("taken; production was never started, so nothing was released")
    relay.line("  release it: gitrelease up on the host")
    return 0


def _require_own_uid(client: Client) -> None:
    owner = client.home.root.stat().st_uid
    if owner != os.getuid():
        name = user_name(owner)
        raise ReleaseError(
            f"production belongs to {name}",
            hint=f"Push as {name}: git push {quoted(f'ssh://{name}@HOST{client.root}')}",
        )


def pusher() -> str:
    """Return who pushes, as far as it can be known here."""
    return os.environ.get("GIT_COMMITTER_NAME") or os.environ.get("SSH_USER") or user_name(os.getuid())
