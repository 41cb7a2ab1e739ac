"""Which verbs are there? Each is a file here with a `register` that adds it to the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gitrelease import __version__


def application() -> typer.Typer:
    """Return the command line; calling it runs it."""
    from gitrelease.commands import (
        bisect,
        blame,
        check,
        demo,
        deploy,
        diff,
        down,
        history,
        init,
        plan,
        regions,
        restart,
        rollback,
        show,
        status,
        uninstall,
        up,
    )

    app = typer.Typer(
        name="gitrelease",
        help="Release an app on this host: verified, without a gap, undone by one command.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    # In the order in which a user meets them.
    for verb in (
        init, up, status, diff, plan, check, deploy, rollback, restart, history, show, regions,
        blame, bisect, down, uninstall, demo,
    ):  # fmt: skip
        verb.register(app)
    return app


def _common(
    context: typer.Context,
    directory: Annotated[
        Path,
        typer.Option("-C", metavar="DIR", help="The production checkout; default: the one you stand in."),
    ] = Path(),
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    context.obj = directory


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gitrelease {__version__}")
        raise typer.Exit
