"""How are the running processes of the live release replaced without a gap? By staging it once more."""

from __future__ import annotations

import time
from collections.abc import Callable

from gitrelease.core.errors import ReleaseError
from gitrelease.core.outcome import Outcome
from gitrelease.edges import records
from gitrelease.edges.cancel import Cancel
from gitrelease.production import Fate, Production, Serving
from gitrelease.staging import Report, Unfit, stage_again


def restart(
    production: Production,
    *,
    instance: str | None,
    name: Callable[[str], str],
    cancel: Cancel,
    report: Report,
) -> Outcome:
    """Start the live release in another slot, send new connections there, let the old process end."""
    begun = time.monotonic()
    world = production.world
    names = [known.name for known in world.settings.instances]
    if instance is not None and instance not in names:
        raise ReleaseError(f"there is no instance {instance!r}", hint=f"There is: {', '.join(names)}")
    live = records.read(world.git).live
    if live is None:
        raise ReleaseError("nothing is live yet", hint="Release what is checked out: gitrelease up")
    staged = stage_again(world, live, cancel=cancel, report=report, name=name(live.commit))
    if isinstance(staged, Unfit):
        return Outcome(
            outcome="refused",
            release=live.name,
            kind=live.kind,
            reason=f"a new process does not come up: {staged.reason}",
            hint=f"{live.name} goes on in its old process; what the new one printed is in {world.home.logs}",
            checks=staged.checks,
        )
    production.switch(Serving(live.number, staged.backend), then=Fate.LEAVES, now=time.time())
    report(
        "restart",
        f"{live.name} has a new process, pid {staged.backend.identity.pid}",
        time.monotonic() - begun,
    )
    return Outcome(
        outcome="released", release=live.name, previous=live.name, kind=live.kind, reason="restarted",
        seconds=round(time.monotonic() - begun, 3),
    )  # fmt: skip
