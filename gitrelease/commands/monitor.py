"""`gitrelease monitor`: is what each instance uses within its thresholds, and does a release use more than another?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import look_at
from gitrelease.commands.options import ending


def register(app: typer.Typer) -> None:
    app.command("monitor", short_help="CPU, memory, sessions, errors against thresholds.")(ending(run))


def run(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INSTANCE|GROUP|all] [RELEASE [RELEASE]]",
            show_default=False,
            autocompletion=offers.instances_and_releases,
        ),
    ] = None,
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="How long to watch.")] = "10m",
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="TIME", help="Between two samples; by default 30s, of a short time a tenth."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare two releases by what was kept; default: live, the one before.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one object a line; the last one is the summary.")
    ] = False,
) -> int:
    """Watch what each instance uses; say at the end whether it stayed within its thresholds (exit code 3: it did not).

    Ctrl-C ends it early, with the summary of what was seen.
    """
    instance, releases = _understood(words or (), compare=compare)
    if compare:
        from gitrelease.commands.comparing import compare_releases

        return compare_releases(look_at(context.obj), releases, instance, as_json=as_json)
    from gitrelease.commands.watching import Span, watch

    span = Span(length, every)
    return watch(look_at(context.obj), instance, span, as_json=as_json)


def _understood(words: Sequence[str], *, compare: bool) -> tuple[str | None, tuple[str, ...]]:
    """Return the instance that was named, if any, and the releases to compare."""
    from gitrelease.core.errors import ReleaseError
    from gitrelease.core.history import release_number

    releases = tuple(word for word in words if "/" in word and release_number(word) is not None)
    others = [word for word in words if word not in releases]
    if len(others) > 1 or len(releases) > 2:
        raise ReleaseError(
            "too many words",
            hint="Name one instance, one group or all: gitrelease monitor NAME --for TIME; or compare releases: "
            "gitrelease monitor --compare NEW OLD",
        )
    if releases and not compare:
        raise ReleaseError("a release is named, and nothing to do with it", hint="Compare releases with --compare")
    return (others[0] if others else None), releases
