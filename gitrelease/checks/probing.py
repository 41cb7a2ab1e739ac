"""Does a backend that has just been started serve? Its health, a real session and the script itself are asked for."""

from __future__ import annotations

import contextlib
import os
import time

from gitrelease.checks.checking import Asked
from gitrelease.core.outcome import Check
from gitrelease.core.settings import seconds
from gitrelease.edges import backends, inside, probes, process_table, processes
from gitrelease.edges.backends import Backend
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.slots import Slot
from gitrelease.world import World


def probe(
    world: World, slot: Slot, backend: Backend, cancel: Cancel, *, runs: int, asked: Asked | None
) -> tuple[Check, ...]:
    """Ask a backend that has just been started whether it serves: health, a real session, with two runs the script.

    When what is `asked` beside it settles that the candidate is unfit, nothing more is waited for.
    """
    app, limit = world.settings.app, seconds(world.settings.limits.start)
    begun = time.monotonic()
    deadline = begun + limit
    try:
        running = os.pidfd_open(backend.identity.pid)
    except ProcessLookupError:  # it has ended already, and was reaped
        return (_start_check(backend, False, processes.how_ended(backend.identity), begun),)
    try:
        if app.kind == "command":
            well, said = probes.until_healthy(app, backend.endpoint, deadline=deadline, process=running, cancel=cancel)
            if said and not well:
                said = f"{said} ({world.limit_told('start')})"
            return (_start_check(backend, well, said or processes.how_ended(backend.identity), begun),)
        with contextlib.ExitStack() as stack:
            script: probes.ScriptCheck | None = None
            if runs > 1:
                script = stack.enter_context(
                    contextlib.closing(probes.ScriptCheck(backend.endpoint, deadline=deadline))
                )
            session = stack.enter_context(
                inside.session(
                    world.python, home=world.home.root, endpoint=backend.endpoint, deadline=limit, cwd=slot.path
                )
            )
            alarms = asked.alarms if asked else ()
            ended = cancel.wait([running, session.handle, *alarms], deadline - time.monotonic())
            if asked and ended and set(ended) <= set(alarms):
                if asked.is_slow():
                    return ()
                ended = cancel.wait([running, session.handle], deadline - time.monotonic())
            if running in ended:
                return (_start_check(backend, False, processes.how_ended(backend.identity), begun),)
            if not ended:
                late = f"no finished script run within {limit:g} s ({world.limit_told('start')})"
                return (_start_check(backend, False, late, begun),)
            seen = inside.session_result(session)
            start = _start_check(backend, *probes.healthy(app, backend.endpoint), begun)
            if start.status != "passed" or script is None:
                return (start, seen)
            well, said = script.result()
        checked = Check(name="script", kind="major", status="passed" if well else "failed", detail="" if well else said)
        # What the session saw says more than the 503 of the script check: it comes first.
        return (start, seen, checked)
    finally:
        os.close(running)


def taken_port(backend: Backend) -> str | None:
    """Say who has the port of a backend instead of it: it was free when it was chosen. None where nobody has.

    What the backend itself has started, and let go, is nobody else.
    """
    port = backend.port
    if process_table.listens(backend.identity, port) or backends.is_free(port):
        return None
    if process_table.port_owner_started_with(port, backends.NAME) == backend.log:
        return None
    return f"port {port} was taken by {process_table.port_owner(port) or 'another process'}"


def _start_check(backend: Backend, well: bool, said: str, begun: float) -> Check:
    """Return what a start came to; that another process has its port says nothing of the app."""
    its_own = process_table.listens(backend.identity, backend.port) if well else False
    taken = None if its_own else taken_port(backend)
    detail = ""
    if taken:
        detail = f"{taken} before the app had it"
    elif not its_own:
        tail = backends.last_lines(backend.log)
        said = said or f"does not listen on port {backend.port}"
        detail = f"{said}; its output ends: {tail}" if tail else said
    return Check(
        name="start",
        kind="major",
        status="unknown" if taken else "failed" if detail else "passed",
        detail=detail,
        seconds=round(time.monotonic() - begun, 3),
    )
