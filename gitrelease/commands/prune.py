"""`gitrelease prune`: drop old releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gitrelease.commands.chore import ask_or_do
from gitrelease.commands.client import print_json
from gitrelease.commands.options import DryRun, Json, ending
from gitrelease.core.text import counted

if TYPE_CHECKING:
    from gitrelease.edges.git import Git
    from gitrelease.edges.wire import Message


def register(app: typer.Typer) -> None:
    app.command("prune", short_help="Drop old releases; never one that is needed.")(ending(run))


def run(
    context: typer.Context,
    keep: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many to keep; failed ones are counted apart.")
    ] = 50,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Drop releases beyond the newest N; never the live, the last good, a pinned one, nor where a rollback would go.

    What only a group has had is counted by itself, and what any group needs stays.
    """
    from gitrelease.commands.client import client_for
    from gitrelease.edges.git import Git
    from gitrelease.release.pruning import prune

    end = ask_or_do(
        context.obj, "prune", {"keep": keep, "dry_run": dry_run},
        lambda world: prune(world, world.beside(), keep=keep, dry_run=dry_run),
    )  # fmt: skip
    if as_json:
        print_json(end)
    else:
        _tell(end, dry_run=dry_run)
    if not dry_run:
        _pack(Git(client_for(context.obj).root))
    return 0


def _pack(git: Git) -> None:
    """Pack loose objects: here and not in the agent, since a rollback must not wait for it."""
    from gitrelease.edges.git import GitError
    from gitrelease.edges.underway import under_way

    try:
        with under_way("pack", "git packs its loose objects"):
            git.pack_loose_objects()
    except GitError as error:
        typer.echo(f"git could not pack its loose objects: {error.message}. {error.hint}", err=True)


def _tell(end: Message, *, dry_run: bool) -> None:
    dropped = end["dropped"]
    span = f": {dropped[0]}" + (f" … {dropped[-1]}" if len(dropped) > 1 else "") if dropped else ""
    word = "would drop" if dry_run else "dropped"
    typer.echo(f"{word} {counted(len(dropped), 'release')}{span}; {end['kept']} are kept")
    if end["kept_heads"]:
        typer.echo(f"{word} {counted(end['kept_heads'], 'mark')} of replaced heads that the branch holds by now")
    if dropped:
        typer.echo("  protect one: gitrelease pin RELEASE")
