"""How does production stand? The object that `status --json` prints, from refs, disk and processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gitrelease.agent import instances, sessions
from gitrelease.core.errors import SettingsError
from gitrelease.core.history import release_name
from gitrelease.core.kinds import Kind
from gitrelease.core.memory import Memory
from gitrelease.edges import leftovers, records, variables
from gitrelease.edges import settings as settings_files
from gitrelease.edges.front import FrontControl
from gitrelease.edges.git import GitError
from gitrelease.edges.records import Records
from gitrelease.release.past import emergency_row
from gitrelease.release.production import Production
from gitrelease.release.running import read_running
from gitrelease.world import World

if TYPE_CHECKING:
    from gitrelease.agent.inbox import Inbox
    from gitrelease.agent.turn import Holder


def status(
    world: World,
    production: Production | None,
    holder: Holder | None,
    inbox: Inbox | None,
    *,
    agent: int | None,
    groups: Sequence[Production] = (),
) -> dict[str, Any]:
    """Return the status object; `agent` is the pid of the agent that answers.

    Without `production` (no agent, or not up) it tells what the disk tells.
    """
    if production is not None:
        world = production.world
    known = world.records()
    running = production.running if production is not None else read_running(world.home.processes)
    soak = production.soak if production is not None else None
    live = known.live
    memory = production.memory if production is not None else world.journal.memory()
    # What still runs of a group that no instance names any more is told as well.
    beside = [
        there for there in world.beside() if there.group in world.settings.groups or there.home.processes.exists()
    ]
    return {
        "schema": 1,
        "branch": world.settings.app.branch,
        "live": None
        if live is None
        else {
            "release": live.name,
            "commit": live.commit,
            "kind": live.kind.value,
            "since": memory.live_since or live.at,
            "summary": live.summary,
        },
        "last_good": known.good.name if known.good else None,
        "standby": f"release/{running.standby.number}" if running.standby else None,
        "soaking": None
        if soak is None
        else {
            "release": f"release/{soak.number}",
            "seconds_left": round(max(soak.until - time.monotonic(), 0), 1),
        },
        "checkout": checkout_state(world, known),
        "instances": instances.rows((world, *beside), (production, *groups) if production is not None else groups),
        "sessions": [
            row
            for one, there in ((running, world), *((read_running(one.home.processes), one) for one in beside))
            for row in sessions.rows(FrontControl(there.home.front_socket), one, group=there.group, now=time.time())
        ],
        "groups": [_group(there, groups) for there in beside],
        "agent": {"running": agent is not None, "pid": agent},
        "lock": None
        if holder is None
        else {"owner": holder.owner, "pid": holder.pid, "since": holder.since, "doing": holder.doing},
        "frozen": _frozen(known),
        "inbox": {"trouble": inbox.trouble if inbox else "", "pending": inbox.pending if inbox else ""},
        "refused_edits": list(inbox.refused.values()) if inbox else [],
        "person_needed": memory.stopped,
        "settings": world.wrong,
        "start": _start(memory),
        "hooks": {"elsewhere": memory.hooks_elsewhere},
        "variables": _variables(world),
        "files": {
            "written": sorted(production.written) if production is not None else [],
            "kept": sum(leftovers.count(one.leftovers) for one in world.home.every()),
        },
        "notify": {"wrong": settings_files.told_wrong(world.home.settings)},
        "emergency": emergency_row(memory.emergency) if memory.emergency else None,
        "drill": _drill(memory),
        "quarantined": _quarantined(known),
        "waiting": [
            {
                "commit": waiting.candidate.known_as,
                "trigger": waiting.candidate.trigger,
                "kind": waiting.kind.value,
                "since": waiting.since,
                "reason": waiting.why,
                "hint": waiting.hint,
                "frozen": waiting.frozen,
            }
            for waiting in (tuple(inbox.waiting.values()) if inbox else ())
        ],
    }


def _start(memory: Memory) -> dict[str, Any]:
    """Say whether a new process of the live release is known to start; `tried` is None until that has been tried."""
    tried = memory.start_tried
    return {
        "in_doubt": memory.start_in_doubt is not None,
        "tried": tried.ok if tried is not None else None,
        "reason": tried.reason if tried is not None else "",
    }


def _variables(world: World) -> dict[str, Any]:
    """Name the app's variables, and say where they were recorded; values stay where they are."""
    try:
        found = variables.recorded(world.home.root)
    except SettingsError as error:
        return {"names": [], "source": None, "at": None, "wrong": error.message}
    if found is None:
        return {"names": [], "source": None, "at": None, "wrong": ""}
    return {"names": sorted(found.all), "source": found.source, "at": found.at, "wrong": ""}


def _group(world: World, groups: Sequence[Production]) -> dict[str, Any]:
    """Tell what another group than production serves."""
    known = world.records()
    running = next((one for one in groups if one.world.group == world.group), None)
    soak = running.soak if running is not None else None
    memory = running.memory if running is not None else world.journal.memory(attempts=1)
    return {
        "name": world.group,
        "live": known.live.name if known.live else None,
        "last_good": known.good.name if known.good else None,
        "soaking": soak is not None,
        "set": bool(world.instances),
        "start": _start(memory),
        "person_needed": memory.stopped,
        "emergency": emergency_row(memory.emergency) if memory.emergency else None,
    }


def _frozen(known: Records) -> dict[str, Any] | None:
    frozen = known.frozen
    if frozen is None or not frozen.holds(time.time()):
        return None
    return {"by": frozen.by, "reason": frozen.reason, "since": frozen.since, "until": frozen.until, "told": frozen.told}


def _quarantined(known: Records) -> list[dict[str, Any]]:
    """Tell what content went bad, the newest last; where it was a release, the same note marks that bad."""
    releases = {note: release_name(number) for number, note in known.bad.ids.items()}
    return [
        {"commit": item.commit, "reason": item.reason, "release": releases.get(item.note)}
        for item in sorted(known.quarantined.every(), key=lambda item: (item.at, item.number))
    ]


def _drill(memory: Memory) -> dict[str, Any] | None:
    """Tell of the last rehearsal of a rollback, and when one last worked."""
    last, well = memory.drilled, memory.drilled_well
    if last is None:
        return None
    told = {"at": last.at, "release": release_name(last.number), "ok": last.ok, "seconds": last.seconds}
    return {**told, "reason": last.reason, "last_worked": well.at if well else None}


def checkout_state(world: World, known: Records) -> dict[str, Any]:
    """Say where HEAD is, which managed files differ from what was written last, and whether it is what is live."""
    try:
        disk = world.checkout.disk_tree()
    except (GitError, OSError):
        return _state_without_writing(world, known)  # a full disk: how production stands must be seen all the same
    on_branch = world.checkout.on_branch()
    # On another branch, or on none, nothing is released: what is edited there is so against its own commit.
    base = (known.checkout or (known.live.commit if known.live else None)) if on_branch else world.git.resolve("HEAD")
    dirty = world.checkout.edited_paths(base, disk) if base else ()
    if known.live is None:  # what no commit has was carried into no release yet: nobody has edited it
        dirty = tuple(path for path in dirty if path != world.settings.app.schema or not world.checkout.carries())
    return {
        "head": world.git.resolve("HEAD"),
        "on": _short(world.git.head_ref()),
        "dirty": list(dirty),
        "in_sync": _in_sync(world, known, disk),
        "git_at_work": world.checkout.git_is_at_work() or world.home.recovering.exists(),
    }


def _state_without_writing(world: World, known: Records) -> dict[str, Any]:
    """Say the same as far as it can be told without writing an object: files that differ from the index."""
    head = world.git.resolve("HEAD")
    dirty = world.checkout.modified_paths()
    return {
        "head": head,
        "on": _short(world.git.head_ref()),
        "dirty": list(dirty),
        "in_sync": known.live is not None and head == known.live.source and not dirty,
        "git_at_work": world.checkout.git_is_at_work() or world.home.recovering.exists(),
    }


def _short(ref: str | None) -> str | None:
    """Return the name of the branch that HEAD is on, None where it is on none."""
    return ref.removeprefix("refs/heads/") if ref is not None else None


def _in_sync(world: World, known: Records, disk: str) -> bool:
    """Is what would run from the work tree what is live?"""
    if known.live is None:
        return False
    if records.content_key(world.git, disk) == records.content_key(world.git, known.live.commit):
        return True
    # Rarely asked, and classifying is much to import for who has no agent to ask.
    from gitrelease.candidate import difference

    return difference(world, known.live.commit, disk).kind is Kind.NONE
