"""`gitrelease history`: which releases were there, and what came in and did not become one?"""

from __future__ import annotations

import enum
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import client_for, is_owner, look_at, print_json, warn_of
from gitrelease.commands.options import Json, ending
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.moments import when
from gitrelease.core.signs import Told
from gitrelease.core.text import ago, one_line, short
from gitrelease.edges import wire
from gitrelease.edges.terminal import say

_SHOWN = 20  # to people, where nobody says how many
_ASKED = 200  # are told by an agent, which remembers the newest
_PATIENCE = 2.0  # seconds in which it has to


class Form(enum.StrEnum):
    """How it is printed: for people, for a spreadsheet, for scripts, for a page."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"
    MARKDOWN = "md"


def register(app: typer.Typer) -> None:
    app.command("history", short_help="Releases and attempts, newest first.")(ending(run))


def run(
    context: typer.Context,
    count: Annotated[
        int | None,
        typer.Option("-n", metavar="N", min=1, help="How many to show; by default 20, all with json and csv."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--in", metavar="GROUP", autocompletion=offers.groups, help="Of another group of instances than production."
        ),
    ] = None,
    form: Annotated[Form | None, typer.Option("--format", help="How to print it; by default text.")] = None,
    as_json: Json = False,
) -> int:
    """Releases and attempts, newest first; with --in those of a group, and what was tried there."""
    chosen = _chosen(form, as_json)
    most = count or (None if chosen in (Form.JSON, Form.CSV) else _SHOWN)
    told = _told_by_agent(context.obj, group or PRODUCTION, most) or _read(context.obj, group or PRODUCTION, most)
    if chosen is Form.JSON:
        print_json({**told, "attempts": told["attempts"][:most]})
    elif chosen is Form.TEXT:
        say(lines(told, count or _SHOWN))
    else:
        from gitrelease.core import sheets

        typer.echo((sheets.as_csv if chosen is Form.CSV else sheets.as_markdown)(told, most), nl=False)
    return 0


def _told_by_agent(directory: Path, group: str, most: int | None) -> dict[str, Any] | None:
    """Return what the agent tells, in half the time; None where that is ours to read: what has happened is on the disk
    as well, also where an agent hangs, or is of an earlier version that cannot tell.
    """
    if most is None or most > _ASKED:
        return None
    client = client_for(directory)
    if not is_owner(client):
        return None
    asked = {"group": group, "count": most}
    try:
        told = wire.ask(client.home.agent_socket, "history", asked, lambda _: None, timeout=_PATIENCE)
    except (wire.NoAgent, wire.AgentGone, TimeoutError):
        return None
    if "error" in told:
        return None  # whatever is wrong is said by who reads
    warn_of({key: told.pop(key, None) for key in ("wrong", "holds")})
    return told


def _read(directory: Path, group: str, most: int | None) -> dict[str, Any]:
    from gitrelease.release.past import history

    return history(look_at(directory).of_group(group), most)


def _chosen(form: Form | None, as_json: bool) -> Form:
    """Return the form that was asked for; `--json` is another word for `--format json`."""
    if not as_json:
        return form or Form.TEXT
    if form not in (None, Form.JSON):
        from gitrelease.core.errors import ReleaseError

        raise ReleaseError(f"--json and --format {form} were asked for", hint="Leave one of them out")
    return Form.JSON


def lines(told: dict[str, Any], count: int) -> list[str]:
    """Return the history as a table, releases first, then as many of the attempts that became none."""
    from gitrelease.core.sheets import missed, pages_moved, where, why_left

    now = time.time()
    out: list[str] = []
    shown, left_out = told["releases"][:count], missed(told)[:count]
    columns = _aligned(
        [
            (row["release"], row["outcome"].replace("_", " "), row["kind"], row["trigger"], when(row["at"], now))
            for row in shown
        ]
    )
    for row, line in zip(shown, columns, strict=True):
        who = f"{one_line(row['by'], 20)}{', pinned' if row['pinned'] else ''}{where(told, row)}"
        out += [Told(f"{line}  {who}", row["outcome"]), f"    {one_line(row['summary'], 100)}"]
        if row["rolled_back"]:
            out.append(f"    {why_left(row)}")
        out += [f"    {line}" for line in pages_moved(row)]
    if left_out:
        out.append("not released:")
    columns = _aligned(
        [(short(row["commit"]), row["outcome"], row["trigger"], when(row["at"], now)) for row in left_out]
    )
    for row, line in zip(left_out, columns, strict=True):
        out += [Told(f"{line}  {one_line(row['by'], 20)}", row["outcome"]), f"    {one_line(row['reason'], 160)}"]
    if told["emergencies"]:
        out.append("a person was needed:")
    out += [line for row in told["emergencies"][:count] for line in _emergency(row, now)]
    return out or ["no releases yet; " + _first(told["group"])]


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return each row on a line, every column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [" ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def _first(group: str) -> str:
    released = "release what is checked out: gitrelease up"
    return released if group == PRODUCTION else f"give it one: gitrelease deploy REV --to {group}"


def _emergency(row: dict[str, Any], now: float) -> list[str]:
    """Tell of a time in which a person was needed: why, who acknowledged it, and whether it is over."""
    found = row["acknowledged"]
    by = f"acknowledged by {one_line(found['by'], 40)}" if found else "acknowledged by nobody"
    why = f": {one_line(found['reason'], 100)}" if found and found["reason"] else ""
    end = f"over after {ago(row['ended'] - row['since'])}" if row["ended"] else "not over"
    line = f"{when(row['since'], now)}, {end}, {by}{why}"
    return [Told(line, "done" if row["ended"] else "problem"), f"    {one_line(row['reason'], 160)}"]
