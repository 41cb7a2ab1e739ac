"""`gitrelease show RELEASE`: everything that is known of one release."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending
from gitrelease.core.text import one_line

if TYPE_CHECKING:
    from gitrelease.core.history import Release
    from gitrelease.edges.records import Records
    from gitrelease.world import World


def register(app: typer.Typer) -> None:
    app.command("show", short_help="Everything about one release.")(ending(run))


def run(
    context: typer.Context,
    release: Annotated[str, typer.Argument(metavar="RELEASE")],
    as_json: Json = False,
) -> int:
    """What one release changed, who released it, when, how, and what became of it."""
    from gitrelease.core.errors import ReleaseError
    from gitrelease.world import open_world

    world = open_world(context.obj)
    known = world.records()
    found = known.release(release)
    if found is None:
        raise ReleaseError(f"there is no release {release!r}", hint="See which there are: gitrelease history")
    told = describe_release(world, known, found)
    if as_json:
        print_json(told)
    else:
        typer.echo("\n".join(_lines(told)))
    return 0


def describe_release(world: World, known: Records, found: Release) -> dict[str, Any]:
    """Return all that is known of a release: the object that `show --json` prints."""
    import msgspec

    from gitrelease.agent.status import release_row
    from gitrelease.checks.baseline import read_baseline
    from gitrelease.commands.diff import describe

    before = known.release(found.previous) if found.previous else None
    kept = read_baseline(world, found.commit)
    return {
        **release_row(known, world.journal.memory(), found),
        "source": found.source,
        "previous": found.previous,
        "bad": known.bad.get(found.number),
        "diff": describe(world, before.commit, found.commit) if before else None,
        "checks": [{"name": check.name, "status": check.status, "detail": check.detail} for check in kept.checks]
        if kept
        else [],
        "replay": msgspec.to_builtins(kept.replay) if kept else None,
    }


def _lines(told: dict[str, Any]) -> list[str]:
    from gitrelease.core.render import diff_lines

    moment = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(told["at"]))
    out = [
        f"{told['release']}  {told['outcome']}  {one_line(told['summary'], 200)}",
        f"commit    {told['commit']}" + (f" (source {told['source']})" if told["source"] != told["commit"] else ""),
        f"released  {moment} by {one_line(told['by'], 80)}, {told['trigger']}"
        + (f", live after {told['seconds']:.1f} s" if told["seconds"] else ""),
        f"previous  {told['previous'] or 'none'}",
    ]
    if told["bad"]:
        out.append(f"bad       {one_line(told['bad'], 300)}")
    if told["diff"]:
        out += diff_lines(told["diff"])
    out += list(_replay_lines(told["replay"])) if told["replay"] else []
    out += [
        f"check     {check['name']}: {check['status']} {one_line(check['detail'], 100)}".rstrip()
        for check in told["checks"]
    ]
    return out


def _replay_lines(replay: dict[str, Any]) -> Iterator[str]:
    """Yield what the release did to the numbers of the sample documents, a line a value."""
    yield f"replay    {replay['documents']} documents, {replay['signs']} label counts differ"
    for sign, what in (("-", "lost"), ("~", "changed"), ("+", "gained")):
        for item in replay[what]:
            values = " -> ".join(one_line(item[side]["value"], 40) for side in ("old", "new") if item[side])
            yield f"  {sign} {one_line(item['metric'], 40)} {values}  {one_line(item['document'], 60)}"
