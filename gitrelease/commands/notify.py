"""`gitrelease notify test`: does everybody who is to be told get what is sent?"""

from __future__ import annotations

import enum
import time
from typing import Annotated

import typer

from gitrelease.commands.client import client_for, print_json, require_owner
from gitrelease.commands.options import Json, ending
from gitrelease.core.errors import Exit


class Action(enum.StrEnum):
    """What can be asked of the notifications."""

    TEST = "test"


def register(app: typer.Typer) -> None:
    app.command("notify", short_help="Try every receiver of notifications: notify test.")(ending(run))


def run(
    context: typer.Context,
    action: Annotated[Action, typer.Argument(metavar="test", show_default=False)],
    as_json: Json = False,
) -> int:
    """Send a test to every URL in the host settings, and say of each whether it reached its receiver."""
    from gitrelease.agent.telling import scene_of
    from gitrelease.core.errors import SettingsError
    from gitrelease.core.notices import TEST, Notice, body_of, receivers, title_of
    from gitrelease.core.settings import seconds
    from gitrelease.core.signs import Told
    from gitrelease.edges import notify, records, settings
    from gitrelease.edges.terminal import say
    from gitrelease.edges.underway import under_way
    from gitrelease.edges.variables import for_reactions
    from gitrelease.world import open_world

    client = client_for(context.obj)
    require_owner(client)
    told = settings.told_of(client.home.settings).notify
    named = list(receivers(told))
    if not named:
        raise SettingsError(
            "nobody is told of anything: notify.urls is empty",
            hint='Set it in .git/gitrelease/host.toml: [notify] urls = ["mailto://…"]; see docs/configuration.md',
        )
    world = open_world(client.root)
    live = records.read(world.git).live
    scene = scene_of(world, live.name if live else "")
    test = Notice(event=TEST, level=0, at=time.time(), reason="this is a test, nothing has happened")
    messages = [
        notify.Message(
            setting=setting, url=receiver.url, title=title_of(test, scene), body=body_of(test, scene),
            type="info",
        )
        for setting, receiver in named
    ]  # fmt: skip
    with under_way("notify", "each receiver is sent a test"):
        ends = notify.deliver(messages, environment=for_reactions(client.home.root), limit=seconds(told.timeout))
    reached = all(one.reached for one in ends)
    if as_json:
        rows = [
            {"setting": one.setting, "to": one.to, "reached": one.reached, "detail": one.why, "seconds": one.seconds}
            for one in ends
        ]
        print_json({"ok": reached, "receivers": rows})
    else:
        lines: list[str] = []
        for one in ends:
            said = f"reached its receiver, {one.seconds:.1f} s" if one.reached else f"FAILED: {one.why}"
            lines.append(Told(f"{one.setting:<14}  {one.to}  {said}", "ok" if one.reached else "failed"))
        if not reached:
            lines.append("  mend it in .git/gitrelease/host.toml, or that receiver; then: gitrelease notify test")
        say(lines)
    return Exit.DONE if reached else Exit.USAGE
