"""`gitrelease prune`: drop old releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.chore import ask_or_do
from gitrelease.commands.client import print_json
from gitrelease.commands.options import DryRun, Json, ending
from gitrelease.core.text import counted

if TYPE_CHECKING:
    from pathlib import Path

    from gitrelease.edges.git import Git
    from gitrelease.edges.wire import Message


def register(app: typer.Typer) -> None:
    app.command("prune", short_help="Drop old releases; never one that is needed.")(ending(run))


def run(
    context: typer.Context,
    keep: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many to keep; failed ones are counted apart.")
    ] = 50,
    backup: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Drop this backup, and nothing else.", autocompletion=offers.backups),
    ] = None,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Drop what apps left beside their scripts, and nothing else.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Drop releases beyond the newest N; never the live, the last good, a pinned one, nor where a rollback would go.

    What only a group has had is counted by itself, and what any group needs stays.
    """
    if backup is not None:
        return _drop_backup(context.obj, backup, dry_run=dry_run, as_json=as_json)
    if leftovers:
        return _drop_leftovers(context.obj, dry_run=dry_run, as_json=as_json)
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
        _tell_of_leftovers(context.obj)
    if not dry_run:
        _pack(Git(client_for(context.obj).root))
    return 0


def _drop_backup(directory: Path, name: str, *, dry_run: bool, as_json: bool) -> int:
    """Drop a backup, with the copy from which it would come back."""
    from gitrelease.commands.client import client_for
    from gitrelease.core.errors import ReleaseError
    from gitrelease.edges import tag_copies
    from gitrelease.edges.git import Git

    git = Git(client_for(directory).root)
    known = tag_copies.backups(git)
    full = name if name.startswith("backup/") else f"backup/{name}"
    if full not in known:
        raise ReleaseError(f"there is no backup {name!r}", hint="See which there are: git tag --list 'backup/*'")
    if not dry_run:
        tag_copies.drop(git, [full])
    if as_json:
        print_json({"backup": full, "dry_run": dry_run})
    else:
        typer.echo(f"{'would drop' if dry_run else 'dropped'} {full}")
    return 0


def _drop_leftovers(directory: Path, *, dry_run: bool, as_json: bool) -> int:
    """Drop what apps have written beside their scripts and is kept for a while, in all groups."""
    from gitrelease.commands.client import client_for, require_owner
    from gitrelease.edges import leftovers

    client = client_for(directory)
    require_owner(client)
    places = [one.leftovers for one in client.home.every()]
    size = sum(leftovers.size(place) if dry_run else leftovers.drop(place) for place in places)
    if as_json:
        print_json({"leftovers_mb": round(size / 1e6, 1), "dry_run": dry_run})
    else:
        typer.echo(f"{'would drop' if dry_run else 'dropped'} {size / 1e6:.1f} MB that apps left in slots")
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


def _tell_of_leftovers(directory: Path) -> None:
    from gitrelease.commands.client import client_for
    from gitrelease.edges import leftovers

    size = sum(leftovers.size(one.leftovers) for one in client_for(directory).home.every())
    if size:
        typer.echo(f"{size / 1e6:.1f} MB that apps left in slots are kept; drop them: gitrelease prune --leftovers")


def _tell(end: Message, *, dry_run: bool) -> None:
    dropped = end["dropped"]
    span = f": {dropped[0]}" + (f" … {dropped[-1]}" if len(dropped) > 1 else "") if dropped else ""
    word = "would drop" if dry_run else "dropped"
    typer.echo(f"{word} {counted(len(dropped), 'release')}{span}; {end['kept']} are kept")
    if end["kept_heads"]:
        typer.echo(f"{word} {counted(end['kept_heads'], 'mark')} of replaced heads that the branch holds by now")
    if dropped and dry_run:
        typer.echo("  protect one: gitrelease pin RELEASE")
