"""`gitrelease history`: which releases were there, and what came in and did not become one?"""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from gitrelease.commands.client import print_json
from gitrelease.commands.options import Json, ending
from gitrelease.core.text import ago, one_line, short


def register(app: typer.Typer) -> None:
    app.command("history", short_help="Releases and attempts, newest first.")(ending(run))


def run(
    context: typer.Context,
    count: Annotated[
        int | None, typer.Option("-n", metavar="N", min=1, help="How many to show; by default 20, all with --json.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Releases and attempts, newest first."""
    from gitrelease.agent.status import history
    from gitrelease.world import open_world

    most = count or (None if as_json else 20)
    told = history(open_world(context.obj), most)
    if as_json:
        print_json({**told, "attempts": told["attempts"][:most]})
    else:
        typer.echo("\n".join(lines(told, count or 20)))
    return 0


def lines(told: dict[str, Any], count: int) -> list[str]:
    """Return the history as a table, releases first, then as many of the attempts that became none."""
    now = time.time()
    out = [
        f"{row['release']:<12} {row['outcome']:<12} {row['kind']:<10} {row['trigger']:<6} {ago(now - row['at']):>7} ago"
        f"  {one_line(row['by'], 20)}{', pinned' if row['pinned'] else ''}\n    {one_line(row['summary'], 100)}"
        for row in told["releases"][:count]
    ]
    missed = [row for row in told["attempts"] if row["outcome"] not in ("released", "unchanged")][:count]
    if missed:
        out.append("not released:")
    out += [
        f"{short(row['commit']):<12} {row['outcome']:<12} {row['trigger']:<6} {ago(now - row['at']):>7} ago"
        f"  {one_line(row['by'], 20)}\n    {one_line(row['reason'], 160)}"
        for row in missed
    ]
    if told["emergencies"]:
        out.append("a person was needed:")
    out += [_emergency(row, now) for row in told["emergencies"][:count]]
    return out or ["no releases yet: gitrelease up"]


def _emergency(row: dict[str, Any], now: float) -> str:
    """Tell of a time in which a person was needed: why, who acknowledged it, and whether it is over."""
    found = row["acknowledged"]
    by = f"acknowledged by {one_line(found['by'], 40)}" if found else "acknowledged by nobody"
    why = f": {one_line(found['reason'], 100)}" if found and found["reason"] else ""
    end = f"over after {ago(row['ended'] - row['since'])}" if row["ended"] else "not over"
    return f"{ago(now - row['since']):>7} ago, {end}, {by}{why}\n    {one_line(row['reason'], 160)}"
