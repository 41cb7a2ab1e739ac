"""`gitrelease uninstall`: take `init` back; release tags stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending
from gitrelease.core.text import quoted


def register(app: typer.Typer) -> None:
    app.command("uninstall", short_help="Take init back; release tags stay.")(ending(run))


def run(context: typer.Context, as_json: Json = False) -> int:
    """Leave the repository as it was before init, release tags aside."""
    from gitrelease.installation import uninstall
    from gitrelease.world import open_world

    root = open_world(context.obj).git.root
    done = uninstall(context.obj)
    left = list(_still_starting(root))
    if as_json:
        print_json({"done": done, "left": left})
    else:
        typer.echo("\n".join([*done, *left]))
    return 0


def _still_starting(root: Path) -> Iterator[str]:
    """Say what would start production with the host all the same: it is not of `init`, and outside of the checkout."""
    from gitrelease.core.service import in_crontab
    from gitrelease.edges import host, units
    from gitrelease.edges.home import user_name

    for unit in units.of_checkout(root, user_name(root.stat().st_uid)):
        remove = f"sudo rm {quoted(unit.path)}" if unit.system else f"rm {quoted(unit.path)}"
        ended = f"{unit.manager} disable {unit.path.name}; {remove}"
        yield f"{unit.path.name} would still start it with the host: {ended}"
    if in_crontab(host.crontab(), str(root)):
        yield "the crontab would still start it with the host: crontab -e"
