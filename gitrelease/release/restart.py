"""How are the processes of the live release replaced without a gap? It is staged once more, then switched to."""

from __future__ import annotations

import time

from gitrelease.checks.staging import Report, Unfit, stage_again
from gitrelease.core.history import Release, nothing_live
from gitrelease.core.outcome import Outcome
from gitrelease.core.pages import moving_pages
from gitrelease.edges.backends import backend_name
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.release.cold_start import shown
from gitrelease.release.drain import make_room
from gitrelease.release.pages import open_pages
from gitrelease.release.production import Fate, Production
from gitrelease.release.promotion import serves, take_effect
from gitrelease.release.running import Serving, Worker
from gitrelease.release.spread import brought_up


def restart(production: Production, *, instance: str | None, cancel: Cancel, report: Report) -> Outcome:
    """Start the live release in another slot, send new connections there, let the old process end."""
    begun = time.monotonic()
    live = production.world.records().live
    if live is None:
        raise nothing_live()
    production.world = production.world.judged_by(live.commit)  # what was set on the host may be why it is asked for
    before, opened = production.running.live, open_pages(production)
    serving = serve(production, live, only=instance, cancel=cancel, report=report)
    if isinstance(serving, Unfit):
        return Outcome(
            outcome="refused",
            release=live.name,
            kind=live.kind,
            reason=f"a new process does not come up: {serving.reason}",
            hint=f"{live.name} goes on in its old process; what the new one printed is in {production.world.home.logs}",
            checks=serving.checks,
        )
    if production.world.is_production:
        production.world.keep_host()
    replaced = [one.id for one in before.backends if not serving.runs(one)] if before is not None else []
    pages = moving_pages(sum(opened.get(name, 0) for name in replaced))
    return Outcome(
        outcome="released",
        release=live.name,
        previous=live.name,
        kind=live.kind,
        reason=f"{live.name} runs in {_told(serving, instance)}{f'; {pages}' if pages else ''}",
        seconds=round(time.monotonic() - begun, 3),
    )


def _told(serving: Serving, only: str | None) -> str:
    pids = [worker.backend.identity.pid for name, worker in serving.workers.items() if only in (None, name)]
    return f"a new process, pid {pids[0]}" if len(pids) == 1 else f"new processes, pids {', '.join(map(str, pids))}"


def serve(
    production: Production, release: Release, *, only: str | None = None, cancel: Cancel, report: Report
) -> Serving | Unfit:
    """Start `release` once more and send new connections there; it takes effect where another one was served.

    With `only`, one instance gets a new process, and the others go on in theirs.
    """
    make_room(production, report)
    before = production.running.live
    if only is None or before is None or before.number != release.number:
        serving = brought_up(production, production.world, release, cancel=cancel, report=report)
    else:
        serving = _with_a_new(production, before, release, only, cancel=cancel, report=report)
    if isinstance(serving, Unfit):
        return serving
    passing("restart: started")
    try:
        production.switch(serving, then=Fate.REPLACED, now=time.time())
    except BaseException:
        new = [one for one in serving.backends if not (before and before.runs(one))]
        if not any(serves(production, one) for one in new):
            production.end_all(new)
        raise
    if before is None or before.number != release.number:
        soak = production.world.settings.policy[release.kind].soak_seconds
        take_effect(production, production.world.records(), release, soak=soak)
    shown(production, release.number)
    return serving


def _with_a_new(
    production: Production, before: Serving, release: Release, name: str, *, cancel: Cancel, report: Report
) -> Serving | Unfit:
    """Start a new process for one instance of the live release."""
    instance = next(one for one in production.instances if one.name == name)
    staged = stage_again(
        production.world, release, cancel=cancel, report=report, name=backend_name(release.commit), instance=instance
    )
    return staged if isinstance(staged, Unfit) else before.with_workers({name: Worker.from_now(staged.backend)})
