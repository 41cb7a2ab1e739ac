"""`gitrelease show RELEASE`: everything that is known of one release."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import look_at, print_json
from gitrelease.commands.options import Json, ending
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.moments import zoned
from gitrelease.core.signs import Told
from gitrelease.core.text import ago, one_line
from gitrelease.edges.terminal import say

if TYPE_CHECKING:
    from gitrelease.core.deployment_log import Section
    from gitrelease.core.history import Release
    from gitrelease.edges.records import Records
    from gitrelease.world import World


class Form(enum.StrEnum):
    """How the log is printed: for people, for a page."""

    TEXT = "text"
    MARKDOWN = "md"


def register(app: typer.Typer) -> None:
    app.command("show", short_help="Everything about one release.")(ending(run))


def run(
    context: typer.Context,
    release: Annotated[str, typer.Argument(metavar="RELEASE", autocompletion=offers.releases)],
    log: Annotated[bool, typer.Option("--log", help="Print the deployment log, filled in.")] = False,
    form: Annotated[Form | None, typer.Option("--format", help="How to print the log; by default text.")] = None,
    as_json: Json = False,
) -> int:
    """What one release changed, who released it, when, how, and what became of it."""
    from gitrelease.core.errors import ReleaseError

    world = look_at(context.obj)
    known, found = find_release(world, release)
    if form is not None and (as_json or not log):
        example = f"gitrelease show {found.name} --log --format {form}"
        raise ReleaseError("--format says how the log is printed", hint=f"Ask for it without --json: {example}")
    told = describe_release(world, known, found)
    if log:
        _print_log(told, log_of(world, known, found, told), form, as_json=as_json)
    elif as_json:
        print_json(told)
    else:
        say(_lines(told))
    return 0


def find_release(world: World, name: str) -> tuple[Records, Release]:
    """Return the release that is named, also where only a group has had it, and the records of production."""
    from gitrelease.core.history import no_release, release_number

    known = world.records()
    found = known.every.numbered(release_number(name))
    if found is None:
        raise no_release(name)
    return known, found


def describe_release(world: World, known: Records, found: Release) -> dict[str, Any]:
    """Return all that is known of a release: the object that `show --json` prints."""
    import msgspec

    from gitrelease.checks.baseline import read_baseline
    from gitrelease.commands.diff import describe
    from gitrelease.core.history import release_number
    from gitrelease.core.state import decoded
    from gitrelease.edges import records
    from gitrelease.release.past import Been, release_row

    there = where_it_was(world, known, found)
    before = known.every.numbered(release_number(found.previous)) if found.previous else None
    kept = read_baseline(world, found.commit) or read_baseline(there, found.commit)
    memory = there.journal.memory()
    return {
        **release_row(there.records(), memory, found, Been(there, known, memory)),
        "served_by": [one.group for one in (world, *world.beside()) if _serves(one, found)],
        "source": found.source,
        "previous": found.previous,
        "reason": found.reason,
        "bad": known.bad.get(found.number),
        "diff": describe(world, before.commit, found.commit) if before else None,
        "checks": [
            {"name": check.name, "status": check.status, "detail": check.detail, "seconds": check.seconds}
            for check in (kept.checks if kept else ())
        ],
        "replay": msgspec.to_builtins(kept.replay) if kept else None,
        "state": msgspec.to_builtins(decoded(records.read_state(world.git, found.number))),
    }


def _serves(world: World, found: Release) -> bool:
    """Does a group serve a release? One that no instance names any more does as long as something of it runs."""
    there = bool(world.instances) or world.home.processes.exists()
    return there and world.git.ref(world.live_ref) == found.tag


def where_it_was(world: World, known: Records, found: Release) -> World:
    """Return the world that can tell how a release did: production's, or that of the group that alone has had it."""
    groups = known.elsewhere.get(found.number, ())
    return next((one for one in world.beside() if one.group in groups), world)


def log_of(world: World, known: Records, found: Release, told: dict[str, Any]) -> tuple[Section, ...]:
    """Return the deployment log of a release, filled in from what `describe_release` has told of it."""
    from gitrelease.core.deployment_log import deployment_log

    there = where_it_was(world, known, found)
    return deployment_log(told, there.journal.events(), way_back=_way_back(there, found), moment=zoned)


def _way_back(world: World, found: Release) -> str:
    """Say what to type to go back from a release, or to it where it is not live."""
    from gitrelease.release.going_back import target_of_rollback

    known, within = world.records(), world.within
    if known.live is None:
        return "no release is live by the refs; put that right first: gitrelease recover"
    if known.live.number != found.number:
        return f"gitrelease rollback{within} {found.name} (to this one; {world.group} serves {known.live.name})"
    target = target_of_rollback(world, known, None)
    return f"gitrelease rollback{within} (to {target.name})" if target else "there is no older release that is not bad"


def _print_log(told: dict[str, Any], log: tuple[Section, ...], form: Form | None, *, as_json: bool) -> None:
    import msgspec

    from gitrelease.core.deployment_log import as_markdown, as_text

    if as_json:
        print_json({**told, "log": msgspec.to_builtins(log)})
    else:
        say((as_markdown if form is Form.MARKDOWN else as_text)(log))


def _lines(told: dict[str, Any]) -> list[str]:
    from gitrelease.core.render import diff_lines
    from gitrelease.core.state import state_lines

    out: list[str] = [
        Told(
            f"{told['release']}  {told['outcome'].replace('_', ' ')}  {one_line(told['summary'], 200)}", told["outcome"]
        ),
        f"commit    {told['commit']}" + (f" (source {told['source']})" if told["source"] != told["commit"] else ""),
        f"released  {zoned(told['at'])}, {ago(time.time() - told['at'])} ago,"
        f" by {one_line(told['by'], 80)}, {told['trigger']}"
        + (f", live after {told['seconds']:.1f} s" if told["seconds"] else ""),
        f"previous  {told['previous'] or 'none'}",
    ]
    if told["groups"] != [PRODUCTION]:
        serves = f"; served by {', '.join(told['served_by'])} now" if told["served_by"] else ""
        out.append(f"in        {' then '.join(told['groups'])}{serves}")
    if told["reason"]:
        out.append(f"reason    {one_line(told['reason'], 300)}")
    if told["bad"]:
        out.append(Told(f"bad       {one_line(told['bad'], 300)}", "bad"))
    if told["diff"]:
        out += diff_lines(told["diff"])
    out += list(_replay_lines(told["replay"])) if told["replay"] else []
    out += [
        Told(f"check     {check['name']}: {check['status']} {one_line(check['detail'], 100)}".rstrip(), check["status"])
        for check in told["checks"]
    ]
    if told["state"]:
        out += [f"before    {line}" for line in state_lines(told["state"])]
    return out


def _replay_lines(replay: dict[str, Any]) -> Iterator[str]:
    """Yield what the release did to the numbers of the sample documents, a line a value."""
    yield f"replay    {replay['documents']} documents, {replay['signs']} label counts differ"
    for sign, what, state in (("-", "lost", "removed"), ("~", "changed", "changed"), ("+", "gained", "added")):
        for item in replay[what]:
            values = " -> ".join(one_line(item[side]["value"], 40) for side in ("old", "new") if item[side])
            yield Told(f"  {sign} {one_line(item['metric'], 40)} {values}  {one_line(item['document'], 60)}", state)
    for item in replay["unread"]:
        yield Told(f"  not compared: {one_line(item['document'], 60)} {one_line(item['why'], 120)}", "warned")
