"""Which verbs are there? Each is a file here with a `register` that adds it to the command line.

Only the one that is typed is imported: an operator who rolls back waits for no other.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gitrelease import __version__
from gitrelease.commands import offers

# In the order in which a user meets them.
VERBS = (
    "init", "up", "status", "monitor", "logs", "diff", "plan", "check", "deploy", "rollback", "restart", "history",
    "show", "regions", "blame", "bisect", "snapshot", "restore", "pin", "unpin", "prune", "freeze", "unfreeze",
    "drill", "doctor", "recover", "notify", "ack", "dashboard", "service", "completion", "down", "uninstall", "demo",
)  # fmt: skip


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the command line; calling it runs it. With `arguments`, as they were typed, only their verb is there."""
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
    typed = first_word(arguments)
    for verb in [typed] if typed in VERBS else VERBS:
        importlib.import_module(f"gitrelease.commands.{verb}").register(app)
    return app


def first_word(arguments: Sequence[str]) -> str | None:
    """Return what was typed behind `-C DIR` and `--no-pager`: a verb, if all is well."""
    words = iter(arguments)
    for word in words:
        if word not in ("-C", "--no-pager"):
            return word
        if word == "-C":
            next(words, None)
    return None


def _common(
    context: typer.Context,
    directory: Annotated[
        Path,
        typer.Option(
            "-C",
            metavar="DIR",
            autocompletion=offers.folders,
            help="The production checkout; default: the one you stand in.",
        ),
    ] = Path(),
    no_pager: Annotated[
        bool, typer.Option("--no-pager", help="Print long output directly, also at a terminal.")
    ] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    context.obj = directory
    if no_pager:
        from gitrelease.edges import pager

        pager.switch_off()


def _print_version(context: typer.Context, asked: bool) -> None:
    if asked and not context.resilient_parsing:  # so the library reads a line that is still being typed
        typer.echo(f"gitrelease {__version__}")
        raise typer.Exit
