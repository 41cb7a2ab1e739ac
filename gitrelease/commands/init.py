"""`gitrelease init`: make this checkout a production checkout."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending
from gitrelease.core.errors import ReleaseError
from gitrelease.core.text import quoted


def register(app: typer.Typer) -> None:
    app.command("init", short_help="Make this checkout a production checkout.")(ending(run))


def run(
    context: typer.Context,
    branch: Annotated[
        str | None,
        typer.Option(
            metavar="BRANCH",
            help="The branch that production follows; default: deploy.",
            show_default=False,
            autocompletion=offers.branches,
        ),
    ] = None,
    script: Annotated[
        str | None, typer.Option(metavar="FILE", help="The app's file; default: FinDocPipeline.py.", show_default=False)
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The schema export, carried even when ignored.", show_default=False),
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", help="The port that users know; default: 8501.", show_default=False)
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The app's Python; default: found in .venv.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> int:
    """Make this checkout a production checkout: settings, hooks, pushes allowed. Safe to repeat."""
    import msgspec

    from gitrelease.installation import init

    with _reminding_of_the_others(branch, script, schema, port, python):
        done = init(context.obj, branch=branch, script=script, schema=schema, port=port, python=python)
    if as_json:
        print_json(msgspec.to_builtins(done))
        return 0
    typer.echo(
        f"{done.root} is a production checkout: {done.script} from the branch {done.branch}, run by {done.python}"
    )
    if done.made_branch:
        typer.echo(f"the branch {done.branch} was made here and is checked out")
    if done.chained:
        typer.echo(f"hooks that were there still run: {', '.join(done.chained)}")
    if done.hooks_path is not None:
        typer.echo(
            f"core.hooksPath was {done.hooks_path}: this repository runs its hooks from .git/hooks now, those first"
        )
    if done.data:
        typer.echo(f"kept for all releases, a candidate gets a copy (app.data): {', '.join(done.data)}")
    if done.shared:
        typer.echo(f"linked into every slot, never in a tag (app.shared): {', '.join(done.shared)}")
    if done.carried:
        typer.echo(
            f"git ignores {done.carried}: every release carries it all the same\n"
            f"  to let git track it: git add -f {quoted(done.carried)} && git commit"
        )
    if done.put_right:
        typer.echo(f"put right: {', '.join(done.put_right)}")
    for note in done.notes:
        typer.echo(note)
    if not done.up:
        typer.echo("next: gitrelease up")
    elif done.changed:
        changed = ", ".join(done.changed)
        typer.echo(f"production is up; what was changed ({changed}) counts after: gitrelease down && gitrelease up")
    elif done.hooks_path is None and not done.put_right:
        typer.echo("production is up, and nothing was changed: gitrelease status")
    return 0


@contextlib.contextmanager
def _reminding_of_the_others(*options: object) -> Iterator[None]:
    """Let a refusal of one option say that the others are to be typed again: what is refused is written nowhere."""
    try:
        yield
    except ReleaseError as error:
        if sum(one is not None for one in options) > 1 and "init --" in error.hint:
            error.hint += ", and your other options as they were"
        raise
