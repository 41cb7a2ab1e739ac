"""Capacity of the host for one more release: disk and memory. Asked before a candidate is staged.

A rollback is never refused for lack of room; what gives way to it is in `drain.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from gitrelease.core.decide import again_hint
from gitrelease.core.outcome import Check
from gitrelease.edges import housekeeping, process_table
from gitrelease.edges.backends import Backend
from gitrelease.release.production import Production
from gitrelease.world import World

_BLOCK = 4096  # bytes that a small file takes at least
_FEW_FILES = 64  # that must stay: refs, tag and commit objects, logs
_MB = 1 << 20


def lacking(
    production: Production, commit: str, *, world: World | None = None, instances: int | None = None
) -> Check | None:
    """Return the check that says what a slot and the backends for `commit` lack, with numbers; None when both fit.

    There is a backend for each of the instances, or for as many `instances` as are given; `world` has the limits,
    where they were read anew.
    """
    world = world or production.world
    problem = on_disk(world, commit) or in_memory(production, instances, world)
    return Check(name="room", kind="major", status="unknown", detail=problem) if problem else None


def hint(trigger: str) -> str:
    """Say what the one whose candidate did not fit can do."""
    make = "Make room (df -h; df -i; free -m); drop old releases: gitrelease prune"
    return f"{make}; {again_hint(trigger)}"


def on_disk(world: World, commit: str) -> str:
    """Say what the file system lacks for a slot with `commit`; nothing where it fits."""
    left, reserve = housekeeping.room_at(world.home.root), world.settings.limits.disk_mb * _MB
    size, files = world.git.size_of(commit)
    needed = size + files * _BLOCK
    if left.free < needed + reserve:
        return (
            f"the disk has {_in_mb(left.free)} MB left; a slot for this release takes {_in_mb(needed)} MB,"
            f" and {_in_mb(reserve)} MB must stay free ({world.limit_told('disk_mb')})"
        )
    if left.files is not None and left.files < files + _FEW_FILES:
        return f"the disk has room for {left.files} more files; a slot takes {files} and {_FEW_FILES} must stay free"
    return ""


def in_memory(production: Production, instances: int | None = None, world: World | None = None) -> str:
    """Say what the host lacks for the backends of one more release, or for `instances` of them; nothing if they fit."""
    several = len(production.instances)
    count = instances or several
    needed = needed_mb(production, world) * count / several
    have = process_table.available_mb()
    waiting = _waiting_mb(production) if have < needed else 0.0
    if have + waiting >= needed:
        return ""
    gain = f", {waiting:.0f} more if what only waits were ended" if waiting else ""
    told = (world or production.world).limit_told("memory_mb")
    wanted = "one more backend is" if count == 1 else f"{count} more backends are"
    return f"{wanted} reckoned to need {needed:.0f} MB of memory; {have:.0f} are available{gain} ({told})"


def _in_mb(size: int) -> str:
    return f"{size / _MB:.0f}" if size >= 10 * _MB else f"{size / _MB:.1f}"


def fits_one_more(production: Production) -> bool:
    """Is there memory for the backends of one more release?"""
    return process_table.available_mb() >= needed_mb(production)


def needed_mb(production: Production, world: World | None = None) -> float:
    """Return how many megabytes of memory the backends of one more release are reckoned to need."""
    live = production.running.live
    needed = float((world or production.world).settings.limits.memory_mb) * len(production.instances)
    return needed or (_used_mb(live.backends) if live is not None else 0.0)


def _waiting_mb(production: Production) -> float:
    """Return how many megabytes the backends have that do not serve: the standby and those on their way out."""
    live = production.running.live
    return _used_mb(backend for backend in production.running.backends() if live is None or not live.runs(backend))


def _used_mb(measured: Iterable[Backend]) -> float:
    usages = (process_table.usage(backend.identity) for backend in measured)
    return sum(used.memory_mb for used in usages if used)
