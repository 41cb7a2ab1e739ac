"""`gitrelease plan`: what would a release of REV mean, check, do, need, and how long would it take?"""

from __future__ import annotations

import statistics
import textwrap
from typing import TYPE_CHECKING, Any

import typer

from gitrelease.commands.client import look_at, print_json
from gitrelease.commands.diff import describe
from gitrelease.commands.options import Json, Revision, ending
from gitrelease.core.signs import Told
from gitrelease.core.text import short
from gitrelease.edges.terminal import breaks, say

if TYPE_CHECKING:
    from gitrelease.world import World

STEPS = ("classify", "check out in a free slot", "check, start and open a session there", "tag and move the pointers",
         "switch new connections", "bring the work tree up", "soak")  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command("plan", short_help="What releasing REV would mean, check and take.")(ending(run))


def run(context: typer.Context, revision: Revision = None, as_json: Json = False) -> int:
    """Say what releasing REV (default: the head of the deploy branch) would mean and do."""
    from gitrelease.candidate import commit_of
    from gitrelease.core.render import diff_lines

    world = look_at(context.obj)
    commit = commit_of(world, revision or world.settings.app.branch)
    planned = plan(world, commit)
    if as_json:
        print_json(planned)
        return 0
    needed = f"needed: gitrelease deploy {short(commit)} --approve"
    expected = planned["expected_seconds"]
    lines = {
        "steps": "; ".join(planned["steps"]) or "none: nothing that runs has changed",
        "checks": ", ".join(planned["checks"]) or "none",
        "approval": needed if planned["approval_needed"] else "not needed",
        "time": f"about {expected:.1f} s to live, as lately" if expected else "not known yet",
    }
    if planned["quarantined"]:
        lines["bad"] = f"taken back before: {planned['quarantined']}; only deploy REV releases it again"
    states = {"bad": "bad", "approval": "waiting" if planned["approval_needed"] else "ok"}
    shown = diff_lines(planned["diff"]) if planned["diff"] else []
    for name, text in lines.items():
        told = f"{name:<10}{text}"
        first, *more = [told] if breaks() else textwrap.wrap(told, 80, subsequent_indent=" " * 10)
        shown += [Told(first, states[name]) if name in states else first, *more]
    say(shown)
    return 0


def plan(world: World, commit: str) -> dict[str, Any]:
    """Return the plan for `commit` as an object; expected seconds are the median of the last ten releases."""
    from gitrelease.candidate import of_branch
    from gitrelease.checks.baseline import read_baseline
    from gitrelease.core.kinds import Kind
    from gitrelease.core.outcome import SIGNATURE
    from gitrelease.core.settings import SETTINGS_FILE

    known = world.records()
    live = known.live
    candidate = of_branch(world, commit, live=live, trigger="shell", by="", at=0)
    change = describe(world, live.commit, candidate.commit) if live else None
    kind = Kind(change["kind"]) if change else Kind.MAJOR
    policy = world.settings.policy[kind]
    releases = kind is not Kind.NONE
    kept = read_baseline(world, live.commit) if live else None
    condemned = known.quarantined.get(candidate.key)
    lately = list(world.journal.memory().seconds.values())[-10:]
    checks = [check.name for check in kept.checks] if kept else ["contract", "start", "session", "script"]
    signed = [SIGNATURE] if world.settings.app.require_signed != "none" else []
    return {
        "from": live.commit if live else None,
        "to": candidate.commit,
        "diff": change,
        "kind": kind.value,
        "risk": policy.risk,
        "approval_needed": live is not None and policy.automation == "approve",
        "soak_seconds": policy.soak_seconds,
        "steps": list(STEPS) if releases else [],
        "checks": list(dict.fromkeys([*signed, *checks])) if releases else signed,
        "expected_seconds": round(statistics.median(lately), 1) if lately and releases else None,
        "quarantined": condemned.reason if condemned else None,
        "settings_changed": SETTINGS_FILE in world.git.changed_paths(live.commit, candidate.commit) if live else False,
    }
