"""What do the verbs share? Options, each with one meaning, and the way a verb ends: with its exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, ParamSpec

import typer

from gitrelease.commands import offers
from gitrelease.core.errors import Interrupted, ReaderGone

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")]
Reason = Annotated[str, typer.Option("-m", metavar="REASON", help="Why; kept in the history.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, change nothing.")]
Revision = Annotated[str | None, typer.Argument(metavar="[REV]", show_default=False, autocompletion=offers.revisions)]

_Parameters = ParamSpec("_Parameters")


def ending(verb: Callable[_Parameters, int]) -> Callable[_Parameters, None]:
    """Make the command line end with the exit code that `verb` returns."""

    @functools.wraps(verb)
    def run(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> None:
        try:
            code = verb(*arguments, **options)
        except KeyboardInterrupt as error:  # of these two, Typer would make an end of its own, without a word
            raise Interrupted from error
        except BrokenPipeError as error:
            raise ReaderGone from error
        if code:
            raise typer.Exit(code)

    return run
