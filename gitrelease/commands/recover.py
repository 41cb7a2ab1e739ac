"""`gitrelease recover`: after a crash or a disaster, bring production back into a known state, and say how."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import Client, end_or_raise, print_json, require_owner, show_progress, user
from gitrelease.commands.options import Json, ending
from gitrelease.core.errors import Exit, ReleaseError, RepositoryError
from gitrelease.core.render import outcome_lines
from gitrelease.core.signs import Told
from gitrelease.core.text import one_line
from gitrelease.edges import wire
from gitrelease.edges.home import Home
from gitrelease.edges.terminal import say
from gitrelease.edges.underway import news, under_way

_PATIENCE = 3.0  # seconds in which an agent answers, and in which it ends when it is told to

Tell = Callable[[str], None]


def register(app: typer.Typer) -> None:
    app.command("recover", short_help="Mend what a crash or a disaster left, verify.")(ending(run))


def run(
    context: typer.Context,
    branch: Annotated[
        str | None,
        typer.Option(
            metavar="BRANCH", help="As for init, where its settings are lost.", autocompletion=offers.branches
        ),
    ] = None,
    script: Annotated[str | None, typer.Option(metavar="FILE", help="Likewise.")] = None,
    schema: Annotated[str | None, typer.Option(metavar="FILE", help="Likewise.")] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="Likewise.")] = None,
    python: Annotated[str | None, typer.Option(metavar="PATH", help="Likewise.")] = None,
    as_json: Json = False,
) -> int:
    """End half-done work, clear what is stale, bring the last good release back, verify it; say each thing done."""
    from gitrelease.recovery.house import Options
    from gitrelease.recovery.recover import mend

    client = _client(context.obj)
    done: list[str] = []

    def tell(line: str) -> None:
        done.append(line)
        say([Told(one_line(line, 400), "done")], error=True)
        news()

    _end_agents(client, tell)
    options = Options(branch=branch, script=script, schema=schema, port=port, python=python)
    try:
        with client.without_agent(), under_way("mend", "what was left is looked through"):
            for line in mend(client.root, client.home, options):
                tell(line)
    except BaseException:
        # What serves must be looked after all the same; where that fails, too, what went wrong first is told.
        if client.home.wanted.exists():
            with contextlib.suppress(ReleaseError):
                client.start_agent()
        raise
    end = _bring_up(client, tell)
    code = int(end.pop("code", Exit.DONE))
    if code != Exit.STUCK and end.get("outcome") != "refused":
        why = "; ".join(done) or "nothing was wrong"
        end_or_raise(client.ask("recovered", {"by": user(), "reason": why}, show_progress))
    if as_json:
        print_json({**end, "done": done})
    elif code:
        say(outcome_lines({**end, "code": code}), error=True)
    else:
        what = f"recovered: {end['release']} is live and was verified, a new agent looks after it"
        what += "" if done else "; nothing was wrong"
        say([Told(what, "done")])
        if end.get("hint"):
            say([Told(one_line(end["hint"], 400), "warning")], error=True)  # a group may not have come up
    return code


def _client(directory: Path) -> Client:
    """Return the client of the checkout that `directory` is in, whatever is left of it: git may not know it."""
    start = directory.resolve()
    found = next((folder for folder in (start, *start.parents) if (folder / ".git").is_dir()), None)
    if found is None:
        raise RepositoryError(
            f"{directory} is in no checkout",
            hint="Go to the production checkout, or name it: gitrelease -C DIR recover; a new one: git clone URL DIR; "
            "then: gitrelease -C DIR init",
        )
    client = Client(found, Home(found / ".git"))
    if client.home.root.exists():
        require_owner(client)
    return client


def _end_agents(client: Client, tell: Tell) -> None:
    """End the agent, also one that hangs or that serves a home which is gone; front and backends go on."""
    from gitrelease.edges import process_table, processes
    from gitrelease.edges.home import AGENT_MARK

    agents = process_table.marked(AGENT_MARK, str(client.home.root))
    if any("--foreground" in process_table.arguments(agent) for agent in agents):
        raise ReleaseError(
            "production runs under a service manager, which would start it again in between",
            hint="Stop it there; gitrelease recover; gitrelease down; and start it there again",
            code=Exit.REFUSED,
        )
    with contextlib.suppress(wire.NoAgent, wire.AgentGone, TimeoutError):
        wire.ask(client.home.agent_socket, "make-way", {}, show_progress, timeout=_PATIENCE)
    for agent in agents:
        if not processes.wait_end(agent, _PATIENCE):
            tell(f"ended the agent (pid {agent.pid}), which was busy or did not answer")
            processes.stop(agent, grace=_PATIENCE)


def _bring_up(client: Client, tell: Tell) -> dict[str, Any]:
    """Start production as `up` does, and see that it serves; else start it again, and at last go back."""
    client.start_agent()
    end = end_or_raise(client.ask("up", {"by": user(), "recovering": True}, show_progress))
    if end.get("outcome") not in ("unchanged", "released", "rolled_back"):
        return end
    wrong = _wrong(client)
    for verb in ("restart", "rollback"):
        if not wrong:
            return end
        tell(f"{end.get('release')} does not serve ({wrong}): {verb}")
        tried = client.ask(verb, {"by": user(), "reason": f"recover: {wrong}"}, show_progress)
        if "error" not in tried and tried.get("outcome") != "refused":
            end, wrong = tried, _wrong(client)
        elif _is_of_host(tried):
            # No release would start: going back would only mark a good one bad.
            return _stuck(end, tried["reason"], "Mend that, then: gitrelease recover")
    read = "Read what the app says (the newest file in .git/gitrelease/logs), or: gitrelease rollback RELEASE"
    return end if not wrong else _stuck(end, wrong, read)


def _is_of_host(tried: dict[str, Any]) -> bool:
    """Was it refused for what says nothing of the release: an interpreter that cannot be started, say?"""
    from gitrelease.core.outcome import outcome_from

    return "error" not in tried and outcome_from(tried).unknown


def _stuck(end: dict[str, Any], wrong: str, hint: str) -> dict[str, Any]:
    return {
        "outcome": "stuck",
        "release": end.get("release"),
        "reason": wrong,
        "hint": hint,
        "code": int(Exit.STUCK),
    }


def _wrong(client: Client) -> str:
    """Say what is wrong with what users get; nothing when it serves."""
    checks = end_or_raise(client.ask("verify", {}, show_progress))["checks"]
    return "; ".join(f"{check['name']}: {check['detail']}" for check in checks if check["status"] == "failed")
