"""How does each instance stand? The rows of `status --json`; all are asked at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gitrelease.core.health import at_work
from gitrelease.core.settings import Instance
from gitrelease.edges import probes, process_table
from gitrelease.edges.backends import Backend
from gitrelease.release.production import Production
from gitrelease.release.running import Running, read_running
from gitrelease.world import World

_PATIENCE = 1.0  # seconds in which an instance has to answer
_AT_ONCE = 32


def rows(worlds: Sequence[World], productions: Sequence[Production]) -> list[dict[str, Any]]:
    """Return a row for each instance of the groups `worlds`; `productions` are those that are looked after.

    Some that hang take as long as one: whoever asks how production stands waits for an answer.
    """
    asked = [one for world in worlds for one in _of(world, productions)]
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="instance") as beside:
        return list(beside.map(_Asked.row, asked))


def _of(world: World, productions: Sequence[Production]) -> Iterator[_Asked]:
    watched = next((one for one in productions if one.world.group == world.group), None)
    running = watched.running if watched is not None else read_running(world.home.processes)
    for instance in watched.instances if watched is not None else world.instances:
        yield _Asked(world, instance, running, watched)


@dataclass(frozen=True)
class _Asked:
    world: World
    instance: Instance
    running: Running
    watched: Production | None  # whose production starts an instance again when its process has ended

    def row(self) -> dict[str, Any]:
        instance, live = self.instance, self.running.live
        host = instance.address if instance.address not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104  # shown, not bound
        row: dict[str, Any] = {
            "name": instance.name,
            "group": instance.group,
            "url": f"http://{host}:{instance.port}",
            "port": instance.port,
            "pid": None,
            "release": None,
            "health": "down",
            "at_work": False,
            "cpu_percent": 0.0,
            "memory_mb": 0.0,
            "uptime_s": 0.0,
            "restarts": 0,
        }
        worker = live.workers.get(instance.name) if live is not None else None
        if live is None or worker is None:
            return row
        backend = worker.backend
        row["url"] = f"{backend.endpoint.scheme}://{host}:{instance.port}{backend.base}"
        used = process_table.usage(backend.identity)
        # Without the front nobody gets there, whoever answers on the port.
        reached = self.running.front is not None and self.running.front.alive
        well, busy = self._answers(backend) if reached and used is not None else (False, False)
        starting = self.watched is not None and backend.id not in self.watched.outages
        row |= {
            "pid": backend.identity.pid if used is not None else None,
            "release": f"release/{live.number}",
            "health": "healthy" if well else "unhealthy" if used else "starting" if starting else "down",
            "at_work": busy,
            "restarts": worker.restarts,
        }
        if used is not None:
            row |= {"cpu_percent": used.cpu_percent, "memory_mb": used.memory_mb, "uptime_s": used.uptime_s}
        return row

    def _answers(self, backend: Backend) -> tuple[bool, bool]:
        """Is it well, and if not, is it at work, so that the supervisor waits for it? Not while its release soaks."""
        before, asked = process_table.activity(backend.identity), time.monotonic()
        well = probes.healthy(self.world.settings.app, backend.endpoint, timeout=_PATIENCE)[0]
        if well or self.watched is None or self.watched.soak is not None:
            return well, False
        now = process_table.activity(backend.identity)
        return False, at_work(now.spent - before.spent, time.monotonic() - asked, runnable=now.runnable)
