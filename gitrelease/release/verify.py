"""Does what users get really serve? The running backend is asked as a candidate is, and once through the front."""

from __future__ import annotations

import time
from itertools import chain

import msgspec

from gitrelease.checks.probing import probe
from gitrelease.core.outcome import Check
from gitrelease.edges import probes
from gitrelease.edges.backends import Backend
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.probes import Endpoint
from gitrelease.edges.slots import Slot
from gitrelease.release.production import Production

PATIENCE = 10.0  # seconds for an answer through the front


def verify(production: Production, cancel: Cancel) -> tuple[Check, ...]:
    """Return what the live backend says to health, a real session, and a request on each public port."""
    live = production.running.live
    if live is None:
        return (Check(name="start", kind="major", status="failed", detail="nothing is being served"),)
    asked = (_asked(production, name, worker.backend, cancel) for name, worker in live.workers.items())
    tls = {name: worker.backend.tls for name, worker in live.workers.items()}
    through = (_through_front(production, name, tls.get(name, False)) for name in production.listeners)
    return (*chain.from_iterable(asked), *through)


def _asked(production: Production, name: str, backend: Backend, cancel: Cancel) -> tuple[Check, ...]:
    world = production.world
    slot = Slot(name=backend.slot, path=world.slots.folder / backend.slot, commit=backend.commit, lock=-1)
    checks = tuple(_served(check) for check in probe(world, slot, backend, cancel, runs=1, asked=None))
    if len(production.instances) == 1:
        return checks
    return tuple(msgspec.structs.replace(check, name=f"{name}: {check.name}") for check in checks)


def _served(check: Check) -> Check:
    """Another process on its port says nothing of a candidate, and all of what users get."""
    not_its_own = check.name == "start" and check.status == "unknown"
    return msgspec.structs.replace(check, status="failed") if not_its_own else check


def _through_front(production: Production, name: str, tls: bool) -> Check:
    begun = time.monotonic()
    address, port = production.listeners[name].getsockname()[:2]
    status, said = probes.ask(Endpoint(port, tls=tls), "/", timeout=PATIENCE, host=_reachable(address))
    return Check(
        name=f"port {port}",
        kind="major",
        status="passed" if status else "failed",
        detail="" if status else f"no answer through the front: {said}",
        seconds=round(time.monotonic() - begun, 3),
    )


def _reachable(address: str) -> str:
    """Return where a listener of this address can be asked from this host."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)  # noqa: S104
