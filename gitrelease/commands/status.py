"""`gitrelease status`: how does production stand?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import (
    AGENT_ANSWER,
    Client,
    client_for,
    end_or_raise,
    print_json,
    silent,
)
from gitrelease.commands.options import Json, ending
from gitrelease.core.groups import ALL, PRODUCTION
from gitrelease.core.moments import since, when
from gitrelease.core.pages import in_minutes
from gitrelease.core.remedy import OF_IGNORED, TAKE_BACK
from gitrelease.core.signs import Told
from gitrelease.core.text import ago, counted, one_line, quoted, short
from gitrelease.core.variables import told
from gitrelease.edges import wire
from gitrelease.edges.terminal import say

_BAD_SHOWN = 3
_START = "start it: gitrelease up"


def register(app: typer.Typer) -> None:
    app.command("status", short_help="What is live, good, soaking, edited, waiting.")(ending(run))


def run(
    context: typer.Context,
    instance: Annotated[
        str | None, typer.Argument(metavar="[INSTANCE|GROUP|all]", show_default=False, autocompletion=offers.instances)
    ] = None,
    as_json: Json = False,
) -> int:
    """What is live, good, standing by, soaking, edited, locked; every instance, or only those that are named."""
    state = read_status(client_for(context.obj))
    only = instance is not None and instance != ALL
    if only:
        state = _narrowed(state, str(instance))
    if as_json:
        print_json(state)
    else:
        say([*_instances(state), *_groups(state)] if only else lines(state))
    return 0


def _narrowed(state: dict[str, Any], word: str) -> dict[str, Any]:
    """Return the status object with the instances alone that a name or a group means, and their groups."""
    rows = [row for row in state["instances"] if word in (row["name"], row["group"])]
    if not rows:
        from gitrelease.release.selection import no_instance

        groups = list(dict.fromkeys(row["group"] for row in state["instances"]))
        raise no_instance(word, [row["name"] for row in state["instances"]], groups)
    within = {row["group"] for row in rows}
    return {**state, "instances": rows, "groups": [one for one in state["groups"] if one["name"] in within]}


def read_status(client: Client) -> dict[str, Any]:
    """Return the status object, from the agent, or from refs and disk where there is none; `ReleaseError`."""
    try:
        return end_or_raise(wire.ask(client.home.agent_socket, "status", {}, lambda _: None, timeout=AGENT_ANSWER))
    except TimeoutError as error:
        raise silent() from error
    except (wire.NoAgent, wire.AgentGone):
        from gitrelease.agent import status
        from gitrelease.world import open_world

        return status.status(open_world(client.root, kept=True), None, None, None, agent=None)


def lines(state: dict[str, Any]) -> list[str]:
    """Return the status as a person reads it: the live release first, then what is out of the ordinary."""
    now = time.time()
    live = state["live"]
    if live is None:
        out: list[str] = ["live      nothing yet; release what is checked out: gitrelease up"]
    else:
        out = list(_down(state))
        what = f"live      {live['release']} ({short(live['commit'])}), {live['kind']}, {since(live['since'], now)}"
        out += [Told(what, "live"), f"          {one_line(live['summary'], 300)}"]
    if state["soaking"]:
        left = f"soaking   {state['soaking']['release']}, {state['soaking']['seconds_left']:.0f} s left"
        out.append(Told(left, "soaking"))
    standby = f"; {state['standby']} stands by" if state["standby"] else ""
    good = state["last_good"]
    out.append(Told(f"good      {good or 'none yet'}{standby}", "good" if good else "unknown"))
    out += [*_instances(state), *_sessions(state), *_groups(state), *_unusual(state, now), *_waiting(state)]
    if not state["agent"]["running"]:
        out.append(Told(f"agent     not running; {_START}", "warning"))
    return out


def _down(state: dict[str, Any]) -> Iterator[str]:
    """Say first of all that nobody is served, where that is so."""
    if all(row["health"] == "down" for row in state["instances"] if row["group"] == PRODUCTION):
        mend = "read why: gitrelease doctor, and what the app says: gitrelease logs; mend it, then: gitrelease restart"
        remedy = mend if state["agent"]["running"] else _START
        yield Told(f"down      nobody is served; {remedy}", "problem")


def _instances(state: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each instance."""
    for row in state["instances"]:
        usage = (
            f"cpu {row['cpu_percent']:.0f} %, {row['memory_mb']:.0f} MB, up {ago(row['uptime_s'])}"
            if row["pid"]
            else ""
        )
        restarts = f", {counted(row['restarts'], 'restart')}" if row["restarts"] else ""
        process = f", pid {row['pid']}, {usage}{restarts}" if usage else ""
        busy = ", at work and waited for (limits.busy)" if row.get("at_work") else ""
        line = f"instance  {row['name']} {row['url']} {row['health']}{busy}{_elsewhere(row)}{process}"
        yield Told(line, row["health"])


def _sessions(state: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each release that has open pages, or still runs beside the live one."""
    for row in state.get("sessions", ()):  # an agent of an earlier version, while it is busy, tells none
        if row["role"] == "live" and not row["open"]:
            continue
        release = row["release"] or "an older release"
        where = "" if row["group"] == PRODUCTION else f" in {row['group']}"
        pages = counted(row["open"], "open page") if row["open"] else "no open page"
        oldest = f", the oldest for {ago(row['oldest_s'])}" if row["open"] and row["oldest_s"] is not None else ""
        leave = ""
        if row["ends_in_s"] is not None:
            move = "it moves" if row["open"] == 1 else "they move"
            leave = f"; {move} in {in_minutes(row['ends_in_s'])} at the latest"
        yield f"pages     {release}{where} ({row['role']}): {pages}{oldest}, {row['memory_mb']:.0f} MB{leave}"


def _elsewhere(row: dict[str, Any]) -> str:
    """Say which release an instance of another group than production serves."""
    return "" if row["group"] == PRODUCTION else f", {row['group']} {row['release'] or 'nothing'}"


def _groups(state: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each group beside production."""
    for group in state["groups"]:
        if group["live"] is None:
            yield f"group     {group['name']} serves nothing yet; gitrelease deploy REV --to {group['name']}"
        else:
            soaking = ", soaking" if group["soaking"] else ""
            good = group["last_good"] or "none yet"
            yield Told(f"group     {group['name']} serves {group['live']}{soaking}; good {good}", "live")
        if not group["set"]:
            yield f"          no instance names {group['name']} any more; end it: gitrelease down && gitrelease up"
        yield from _start(group.get("start", {}), f"{group['live']} in {group['name']}", f" {quoted(group['name'])}")
        if group["person_needed"]:
            yield Told(f"PERSON    needed for {group['name']}: {one_line(group['person_needed'], 300)}", "problem")
            yield f"          {_acknowledged(group['emergency'], time.time())}"


def _unusual(state: dict[str, Any], now: float) -> Iterator[str]:
    """Yield a line for each thing that is under way or out of the ordinary."""
    if state["drill"]:
        drill = state["drill"]
        worked = f"up in {drill['seconds']:.1f} s" if drill["ok"] else f"FAILED: {one_line(drill['reason'], 120)}"
        what = f"drill     rollback to {drill['release']} rehearsed {when(drill['at'], now)}: {worked}"
        yield Told(what, "ok" if drill["ok"] else "failed")
    if state["person_needed"]:
        yield Told(f"PERSON    needed: {one_line(state['person_needed'], 300)}", "problem")
        yield f"          {_acknowledged(state['emergency'], now)}"
    settings = state.get("settings", {})  # an agent of an earlier version, while it is busy, tells none
    if settings.get("wrong"):
        yield Told(f"settings  {one_line(settings['wrong'], 400)}", "problem")
        yield f"          {settings.get('holds', '')}"
    elif state["notify"]["wrong"]:
        yield Told(f"notify    {one_line(state['notify']['wrong'], 400)}", "warning")
    if trouble := state.get("inbox", {}).get("trouble"):
        pending = state["inbox"].get("pending")
        what = f"{short(pending)} was taken and is not live yet" if pending else "what arrives cannot be looked at"
        yield Told(f"inbox     {what}: {one_line(trouble, 300)}", "problem")
        yield "          it is tried again; what is in the way: gitrelease doctor; clear it away: gitrelease recover"
    yield from _start(state.get("start", {}), "the live release", "")
    if path := state.get("hooks", {}).get("elsewhere"):
        yield Told(f"hooks     git looks for them in {one_line(path, 200)}: pushes are not checked", "problem")
        yield "          put it right: gitrelease doctor --fix"
    yield from _variables(state.get("variables", {}))
    yield from _files(state.get("files", {}))
    checkout = state["checkout"]
    sync = "in sync with live" if checkout["in_sync"] else "not what is live"
    edited = f"; edited: {one_line(', '.join(checkout['dirty']), 300)}" if checkout["dirty"] else ""
    on = checkout.get("on", state["branch"])  # an agent of an earlier version tells none
    elsewhere = f"; production follows {state['branch']}" if on != state["branch"] else ""
    where = on or "HEAD detached"
    what = f"checkout  {one_line(where, 80)} at {short(checkout['head'])}, {sync}{edited}{elsewhere}"
    yield Told(what, "edited" if edited or not checkout["in_sync"] else "ok")
    if checkout["git_at_work"]:
        yield "          git is at work there, or was cut off; when none runs any more: gitrelease recover"
    if state["lock"]:
        lock = state["lock"]
        owner = one_line(lock["owner"], 80)
        yield Told(
            f"busy      {lock['doing']} by {owner} (pid {lock['pid']}), {since(lock['since'], now)}", "under way"
        )
    if state["frozen"]:
        until = state["frozen"]["until"]
        end = f" (that is {when(until, now)})" if until else ""
        yield Told(f"frozen    {one_line(state['frozen']['told'], 300)}{end}; end it: gitrelease unfreeze", "frozen")


def _variables(recorded: dict[str, Any]) -> Iterator[str]:
    """Say what nobody has recorded who knows it: variables that are taken from a process, damaged, or lost."""
    if recorded.get("wrong"):
        yield Told(f"variables {one_line(recorded['wrong'], 300)}", "problem")
        yield "          record them in a shell that has them: gitrelease up --variables"
    elif recorded.get("source") == "nobody":
        yield Told(f"variables none are recorded: the app has {one_line(told(recorded['names']), 300)}", "problem")
        yield "          record them in a shell that has them: gitrelease up --variables; then: gitrelease restart"
    elif recorded.get("source") == "process":
        yield f"variables taken over from the process that runs: {one_line(told(recorded['names']), 300)}"
        yield "          record others, in a shell that has them: gitrelease up --variables"


def _start(start: dict[str, Any], release: str, within: str) -> Iterator[str]:
    """Say that a release may not come up again: it serves from a process of before its packages changed."""
    if start.get("in_doubt"):
        why = one_line(start["reason"], 300) or "the release that was left needs other packages; it is being tried"
        yield Told(f"start     no new process of {release} has been shown to start: {why}", "problem")
        then = f"gitrelease restart{within}"
        yield f"          before a restart or a reboot: install the packages of that release, then: {then}"


def _files(files: dict[str, Any]) -> Iterator[str]:
    """Say which files the next release will not have, and that some are kept of those before."""
    if files.get("written"):
        names = one_line(", ".join(files["written"]), 200)
        yield Told(f"files     {names}: written beside the script, not in the next release", "problem")
        yield "          what keeps them: gitrelease doctor"
    if files.get("kept"):
        yield "files     that apps wrote in slots that were used again are kept in .git/gitrelease/leftovers"


def _acknowledged(emergency: dict[str, Any] | None, now: float) -> str:
    """Say who looks after what a person is needed for."""
    found = emergency["acknowledged"] if emergency else None
    if found:
        why = f": {one_line(found['reason'], 200)}" if found["reason"] else ""
        return f"acknowledged by {one_line(found['by'], 80)} {when(found['at'], now)}{why}"
    again = ", and was called for again" if emergency and emergency["escalated"] else ""
    return f"nobody has acknowledged it yet{again}; you do: gitrelease ack"


def _waiting(state: dict[str, Any]) -> Iterator[str]:
    """Yield what came in and is not live, with what to do about it."""
    for reason in state["refused_edits"]:
        yield Told(f"refused   the edit on disk: {one_line(reason, 300)}", "refused")
        yield "          see it: gitrelease diff --worktree"
        yield f"          take it back: {TAKE_BACK},"
        yield f"          {OF_IGNORED}"
    for waiting in state["waiting"]:
        what = f"waiting   {short(waiting['commit'])} ({waiting['kind']}, {waiting['trigger']})"
        yield Told(f"{what}: {one_line(waiting['reason'], 300)}", "waiting")
        yield f"          {one_line(waiting['hint'], 300)}"
    for item in state["quarantined"][-_BAD_SHOWN:]:
        yield Told(f"bad       {item['release'] or short(item['commit'])}: {one_line(item['reason'], 100)}", "bad")
    if len(state["quarantined"]) > _BAD_SHOWN:
        yield f"          and {len(state['quarantined']) - _BAD_SHOWN} more: gitrelease status --json"
