"""How does a release come to run for every instance? One is judged for all; the others follow once that is fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from gitrelease.checks.probing import probe, taken_port
from gitrelease.checks.staging import Report, Unfit, stage_again
from gitrelease.core.history import Release
from gitrelease.core.outcome import Check
from gitrelease.core.settings import Instance, seconds
from gitrelease.edges import backends
from gitrelease.edges.backends import Backend, NotStarted, backend_name
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.release.production import Production
from gitrelease.release.running import Serving
from gitrelease.world import World

_AT_ONCE = 4  # that start side by side: each takes a core for a second or two


def brought_up(
    production: Production, world: World, release: Release, *, cancel: Cancel, report: Report
) -> Serving | Unfit:
    """Start what was released before, for every instance; nothing is left running where one does not come up."""
    staged = stage_again(
        world, release, cancel=cancel, report=report, name=backend_name(release.commit),
        instance=production.instances[0],
    )  # fmt: skip
    if isinstance(staged, Unfit):
        return staged
    started = spread(production, world, staged.backend, cancel=cancel, report=report)
    if isinstance(started, Check):
        why = f"{started.name}: {started.detail}"
        unknown = started.status == "unknown"
        return Unfit(staged.candidate, (*staged.checks, started), reason=why, unknown=unknown)
    return Serving.from_now(release.number, started)


def spread(
    production: Production, world: World, first: Backend, *, cancel: Cancel, report: Report
) -> dict[str, Backend] | Check:
    """Start the other instances beside `first`, which was found fit; a check that failed ends all of them."""
    begun = time.monotonic()
    one, *others = production.instances
    started = {one.name: first}
    if not others:
        return started
    failed = _start_all(production, world, first, others, started, cancel)
    if failed is not None:
        return failed
    passing("spread: each answers")
    report("spread", f"{', '.join(one.name for one in others)}: each answers a session", time.monotonic() - begun)
    return {instance.name: started[instance.name] for instance in production.instances}


def on_the_data_itself(
    production: Production, world: World, started: dict[str, Backend], *, cancel: Cancel, report: Report
) -> dict[str, Backend] | Check:
    """Start a candidate once more that has files of its copy of the app's data open: it would go on writing there.

    Last of all: from here on it has the data itself. A check that failed ends all of it.
    """
    first = started[production.instances[0].name]
    if not world.slots.files.uses_copies(first.slot):
        return started
    begun = time.monotonic()
    again: dict[str, Backend] = {}
    production.end_all(started.values())
    world.slots.files.serve(first.slot)
    failed = _start_all(production, world, first, production.instances, again, cancel)
    if failed is not None:
        return failed
    report("data", "it has some open: started once more, with the data itself", time.monotonic() - begun)
    return {instance.name: again[instance.name] for instance in production.instances}


def _start_all(
    production: Production,
    world: World,
    first: Backend,
    instances: Sequence[Instance],
    started: dict[str, Backend],
    cancel: Cancel,
) -> Check | None:
    """Start `instances` into `started` and ask each; where one fails, or all is cut off, end whatever is in there."""
    try:
        failed = _start(world, first, instances, started, cancel)
    except BaseException:
        production.end_all(started.values())
        raise
    if failed is not None:
        production.end_all(started.values())
    return failed


def _start(
    world: World, first: Backend, others: Sequence[Instance], started: dict[str, Backend], cancel: Cancel
) -> Check | None:
    """Start `others` into `started` and ask each; return the first check that failed."""
    slot = world.slots.share(first.slot, first.commit)

    def start(instance: Instance) -> Check | None:
        failed = start_on_a_port(instance)
        if failed is not None and (backend := started.get(instance.name)) and taken_port(backend):
            backends.end(backend, world.home, grace=seconds(world.settings.limits.stop))
            return start_on_a_port(instance)  # another one, this time
        return failed

    def start_on_a_port(instance: Instance) -> Check | None:
        name = f"{first.id}-{instance.name}"
        try:
            backend = backends.start(
                world.settings, slot, checkout=world.git.root, home=world.home, name=name, instance=instance,
                cache=world.cache_of(slot.commit),
            )  # fmt: skip
        except NotStarted as error:
            return Check(name=f"instance {instance.name}", kind="major", status="unknown", detail=error.message)
        started[instance.name] = backend
        passing("spread: one more started")
        return _failed(instance, probe(world, slot, backend, cancel, runs=1, asked=None))

    try:
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as beside:
            return next((check for check in list(beside.map(start, others)) if check is not None), None)
    finally:
        slot.release()


def _failed(instance: Instance, checks: Sequence[Check]) -> Check | None:
    failed = next((check for check in checks if check.status in ("failed", "unknown")), None)
    if failed is None:
        return None
    return msgspec.structs.replace(
        failed, name=f"instance {instance.name}", kind="major", detail=f"{failed.name}: {failed.detail}"
    )
