"""How are the processes of the live release replaced without a gap? It is staged once more, then switched to."""

from __future__ import annotations

import time

from gitrelease.checks.staging import Report, Unfit, stage_again
from gitrelease.core.errors import ReleaseError
from gitrelease.core.history import Release
from gitrelease.core.outcome import Outcome
from gitrelease.edges import records
from gitrelease.edges.backends import backend_name
from gitrelease.edges.cancel import Cancel
from gitrelease.release.production import Fate, Production, Serving
from gitrelease.release.promotion import make_room, serves, take_effect


def restart(production: Production, *, instance: str | None, cancel: Cancel, report: Report) -> Outcome:
    """Start the live release in another slot, send new connections there, let the old process end."""
    begun = time.monotonic()
    names = list(production.listeners)
    if instance is not None and instance not in names:
        raise ReleaseError(f"there is no instance {instance!r}", hint=f"There is: {', '.join(names)}")
    live = records.read(production.world.git).live
    if live is None:
        raise ReleaseError("nothing is live yet", hint="Release what is checked out: gitrelease up")
    serving = serve(production, live, cancel=cancel, report=report)
    if isinstance(serving, Unfit):
        return Outcome(
            outcome="refused",
            release=live.name,
            kind=live.kind,
            reason=f"a new process does not come up: {serving.reason}",
            hint=f"{live.name} goes on in its old process; what the new one printed is in {production.world.home.logs}",
            checks=serving.checks,
        )
    return Outcome(
        outcome="released",
        release=live.name,
        previous=live.name,
        kind=live.kind,
        reason=f"{live.name} runs in a new process, pid {serving.backend.identity.pid}",
        seconds=round(time.monotonic() - begun, 3),
    )


def serve(production: Production, release: Release, *, cancel: Cancel, report: Report) -> Serving | Unfit:
    """Start `release` once more and send new connections there; it takes effect where another one was served."""
    make_room(production, report)
    staged = stage_again(production.world, release, cancel=cancel, report=report, name=backend_name(release.commit))
    if isinstance(staged, Unfit):
        return staged
    serving = Serving.from_now(release.number, staged.backend)
    before = production.running.live
    try:
        production.switch(serving, then=Fate.LEAVES, now=time.time())
    except BaseException:
        if not serves(production, staged.backend):
            production.end(staged.backend)
        raise
    if before is None or before.number != release.number:
        soak = production.world.settings.policy[release.kind].soak_seconds
        take_effect(production, records.read(production.world.git), release, soak=soak)
    return serving
