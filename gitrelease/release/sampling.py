"""What does each instance of the live release use just now?"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from gitrelease.core.samples import Sample
from gitrelease.core.settings import App
from gitrelease.edges.front import FrontControl, FrontGone
from gitrelease.edges.gauge import Gauge
from gitrelease.release.running import Running


def sample(
    gauge: Gauge, app: App, running: Running, front: FrontControl, *, only: Collection[str] | None = None
) -> list[Sample]:
    """Return a sample of each instance of the live release, or of those in `only`; none where nothing is live."""
    live = running.live
    if live is None:
        return []
    workers = {name: one for name, one in live.workers.items() if only is None or name in only}
    at, sessions = time.time(), _sessions(front)
    readings = gauge.read(app, {name: (one.backend, one.log_offset) for name, one in workers.items()})
    return [
        Sample(
            at=at,
            instance=name,
            release=live.number,
            backend=worker.backend.id,
            pid=worker.backend.identity.pid,
            running=readings[name].running,
            cpu_percent=readings[name].cpu_percent,
            memory_mb=readings[name].memory_mb,
            threads=readings[name].threads,
            sessions=None if sessions is None else sessions.get(worker.backend.id, 0),
            restarts=worker.restarts,
            answer_ms=readings[name].answer_ms,
            error_lines=readings[name].error_lines,
        )
        for name, worker in workers.items()
    ]


def _sessions(front: FrontControl) -> Mapping[str, int] | None:
    """Return the open connections of users by backend, None where the front does not tell."""
    try:
        return front.status().open
    except FrontGone:
        return None
