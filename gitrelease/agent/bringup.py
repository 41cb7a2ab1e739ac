"""How does production come up: from nothing, after a crash of the agent, after a reboot? And how down?

What still runs is adopted by pid and start, never doubled; what an earlier agent left half-done is
finished from the refs; the live release is started again where it is gone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

import msgspec

from gitrelease.candidate import of_branch
from gitrelease.checks.staging import Report, Unfit
from gitrelease.core.errors import ReleaseError
from gitrelease.core.events import Abandoned
from gitrelease.core.history import Release
from gitrelease.core.memory import RECENT_ATTEMPTS, Memory
from gitrelease.core.outcome import Outcome
from gitrelease.core.settings import Instance, seconds
from gitrelease.edges import backends, process_table, processes, variables
from gitrelease.edges import front as fronts
from gitrelease.edges.backends import MARK
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.edges.following import follow
from gitrelease.edges.front import FrontControl, FrontGone, Target
from gitrelease.release.cold_start import shown
from gitrelease.release.drain import forget_others
from gitrelease.release.execute import record
from gitrelease.release.going_back import go_back, target_of_rollback
from gitrelease.release.preparing import Prepared, prepare
from gitrelease.release.production import Production
from gitrelease.release.promotion import addresses, promote, take_effect
from gitrelease.release.running import Running, Serving, read_running
from gitrelease.release.spread import brought_up
from gitrelease.world import World


def bring_up(world: World, *, cancel: Cancel, report: Report, by: str) -> tuple[Production | None, Outcome]:
    """Bring production up; without a release yet, release what is checked out as `release/1`.

    Returns no production when it cannot come up; the outcome says why, and nothing is left running.
    """
    if world.is_production:
        world.checkout.require_branch()
    memory = world.journal.memory(attempts=RECENT_ATTEMPTS)
    running = _with_who_answers(world, read_running(world.home.processes))
    end_strays(world, running)
    if running.live is not None:
        variables.take_over(world.home.root, running.live.first.identity.pid)
    production = with_front(world, running, memory)
    live = world.records().live
    try:
        if live is None:
            outcome = _first_release(production, cancel=cancel, report=report, by=by)
        else:
            _bring_files(production, live)
            outcome = _serve(production, live, cancel=cancel, report=report)
            if outcome.outcome == "stuck" and not outcome.unknown:  # else the host is at fault
                outcome = _serve_an_older_one(production, outcome, cancel=cancel, report=report)
    except BaseException:
        take_down(world, production)  # half up is down
        raise
    if outcome.outcome in ("refused", "stuck"):
        take_down(world, production)
        return None, outcome
    return production, outcome


def _first_release(production: Production, *, cancel: Cancel, report: Report, by: str) -> Outcome:
    world = production.world
    head = world.git.ref(world.settings.branch_ref) or ""
    candidate = of_branch(world, head, live=None, trigger="shell", by=by, at=time.time())
    known = world.records()
    prepared = prepare(production, known, candidate, approved=True, by_hand=True, cancel=cancel, report=report)
    return promote(production, prepared, report=report) if isinstance(prepared, Prepared) else prepared


def _bring_files(production: Production, live: Release) -> None:
    """Go on with a promotion that was cut off after its refs had moved; one that was cut off before is void."""
    unfinished = production.memory.unfinished
    if unfinished is not None and unfinished.tag == live.tag:
        if production.world.is_production:
            clean = unfinished.clean
            from_disk = live.trigger == "edit" and not clean
            checkout = production.world.checkout
            follow(checkout, live.commit, live.source, at=time.time(), clean=clean, from_disk=from_disk)
    elif unfinished is not None:
        record(production, Abandoned(at=time.time(), number=unfinished.number))


def _serve(production: Production, live: Release, *, cancel: Cancel, report: Report) -> Outcome:
    """Let the front point at the live release: its running backend when there is one, else a new one."""
    begun = time.monotonic()
    world = production.world
    running = production.running
    names = [instance.name for instance in production.instances]
    standby = running.standby
    if standby is not None and not production.has_current_variables(standby):
        standby = None
    found = next(
        (
            serving.only(names)
            for serving in (running.live, standby)
            if serving and serving.number == live.number and serving.workers.keys() >= set(names)
        ),
        None,
    )
    if found is None:
        staged = brought_up(production, world, live, cancel=cancel, report=report)
        if isinstance(staged, Unfit):
            return Outcome(
                outcome="stuck",
                release=live.name,
                kind=live.kind,
                reason=f"{live.name} does not start: {staged.reason}",
                hint="Mend what it needs (interpreter, packages, files) and run: gitrelease up",
                checks=staged.checks,
            )
        found = staged
        shown(production, live.number)
    _adopt(production, found)
    take_effect(production, world.records(), live, soak=world.settings.policy[live.kind].soak_seconds)
    report("up", f"{live.name} is live on {addresses(production)}", time.monotonic() - begun)
    return Outcome(
        outcome="unchanged",
        release=live.name,
        kind=live.kind,
        reason=f"{live.name} is live",
        hint="See it: gitrelease status",
        seconds=round(time.monotonic() - begun, 3),
    )


def _serve_an_older_one(production: Production, failed: Outcome, *, cancel: Cancel, report: Report) -> Outcome:
    """The live release does not start any more: production keeps the best thing that answers."""
    known = production.world.records()
    target = target_of_rollback(production.world, known, None, production.memory)
    if target is None:
        return failed
    outcome = go_back(
        production, known, target, reason=failed.reason, by="agent", automatic=True, cancel=cancel, report=report
    )
    return failed if outcome.outcome == "stuck" else outcome


def _adopt(production: Production, serving: Serving) -> None:
    """Point the front at `serving`; a backend of another release that was live stands by."""
    running = production.running
    others = [other for other in (running.live, running.standby) if other and other != serving]
    # What runs other instances than there are now is of no use to a rollback.
    fit = [
        other for other in others if other.number != serving.number and other.workers.keys() == serving.workers.keys()
    ]
    production.give_data(serving, late=True)
    production.point(serving)
    production.running = msgspec.structs.replace(running, live=serving, standby=fit[0] if fit else None)
    production.save()
    for other in others:
        if other is not production.running.standby:
            production.end_all(backend for backend in other.backends if not serving.runs(backend))


# -- the front ---------------------------------------------------------------------------------------------------


def with_front(world: World, running: Running, memory: Memory) -> Production:
    """Adopt the running front, with its listening sockets, or start one.

    Where the settings have changed meanwhile a new one takes over: an address that both have refuses nobody, and its
    users are served as before until the live release runs for every instance. What is taken leaves all as it is.
    """
    production = Production(world, FrontControl(world.home.front_socket), running, memory)
    old: dict[str, socket.socket] = {}
    if running.front is not None:
        with contextlib.suppress(FrontGone):
            old = production.front.listeners()
        ports = {name: _port(one) for name, one in old.items()}
        if ports == {one.name: one.port for one in world.instances} and _is_of_this_version(production):
            production.listeners = old
            return production
        if not old:
            processes.stop(running.front, grace=2.0)  # it hangs
    names = {_port(listener): name for name, listener in old.items()}
    listeners: dict[str, socket.socket] = {}
    try:
        for instance in world.instances:
            kept = names.get(instance.port)
            listeners[instance.name] = old[kept] if kept is not None else _listen(world, instance)
    except ReleaseError:
        close_all({**old, **listeners})
        raise
    production.listeners = listeners
    production.start_front(_targets(running.live, {name: names.get(_port(one)) for name, one in listeners.items()}))
    if running.front is not None:
        passing("up: two fronts accept")
        processes.stop(running.front, grace=2.0)
    close_all({name: one for name, one in old.items() if one not in listeners.values()})
    return production


def _is_of_this_version(production: Production) -> bool:
    """Does the front know of pages? One that an earlier version started makes way for another."""
    try:
        forget_others(production)
    except FrontGone:
        return True  # it has just ended, and is started again
    except ReleaseError:
        return False
    return True


def _with_who_answers(world: World, running: Running) -> Running:
    """Return what runs, with the front that answers: an agent that was killed may not have written down a new one."""
    try:
        found = process_table.identify(FrontControl(world.home.front_socket).status().pid)
    except (ReleaseError, ProcessLookupError):
        return running
    if found == running.front or found not in process_table.marked(MARK, str(world.home.root)):
        return running
    return msgspec.structs.replace(running, front=found)


def _listen(world: World, instance: Instance) -> socket.socket:
    try:
        alone = len(world.settings.instances) == 1
        return fronts.listen(instance.address, instance.port, owner_of=process_table.port_owner, alone=alone)
    except ReleaseError as error:
        other = next((one for one in world.every() if instance.port in _ports(one)), None)
        if other is None:
            raise
        raise ReleaseError(
            f"port {instance.port} is set for {world.group}, and the front of {other.group} has it until that is down",
            hint="All goes on as it is; let the instances change places: gitrelease down && gitrelease up",
        ) from error


def _ports(world: World) -> set[int]:
    """Return the ports that the front of a group listens on just now."""
    try:
        listeners = FrontControl(world.home.front_socket).listeners()
    except ReleaseError:
        return set()
    ports = {_port(one) for one in listeners.values()}
    close_all(listeners)
    return ports


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _targets(live: Serving | None, before: Mapping[str, str | None]) -> dict[str, Target]:
    """Return who serves each instance until the live release does: whoever did under the name that it had `before`."""
    workers = {name: live.workers.get(known or name) for name, known in before.items()} if live is not None else {}
    running = {name: one.backend for name, one in workers.items() if one is not None and one.backend.identity.alive}
    return {name: Target("127.0.0.1", backend.port, backend.id, backend.protocol) for name, backend in running.items()}


def close_all(listeners: dict[str, socket.socket]) -> None:
    for listener in listeners.values():
        listener.close()
    listeners.clear()


# -- down ----------------------------------------------------------------------------------------------------------


def runs(world: World) -> bool:
    """Does anything of ours run for a group of instances, or is written down as if it did?"""
    return world.home.processes.exists() or bool(process_table.marked(MARK, str(world.home.root)))


def take_down(world: World, production: Production | None) -> None:
    """Stop the front, then every backend; refs and files stay as they are."""
    running = production.running if production is not None else read_running(world.home.processes)
    if production is not None:
        close_all(production.listeners)
    if running.front is not None:
        processes.stop(running.front, grace=2.0)
    for backend in running.backends():
        backends.end(backend, world.home, grace=seconds(world.settings.limits.stop))
    end_strays(world, Running())
    world.home.processes.unlink(missing_ok=True)
    world.home.sessions.unlink(missing_ok=True)


def end_strays(world: World, known: Running) -> None:
    """End processes of ours that nobody knows any more: a candidate whose agent was killed while staging.

    The mark alone says little: a shell that was opened from the app has it, and what a person starts there.
    """
    ours = {identity.pid for identity in (known.front, *(backend.identity for backend in known.backends())) if identity}
    for identity in process_table.marked(MARK, str(world.home.root)):
        if identity.pid in ours or identity.pid == os.getpid() or process_table.descends(identity, ours):
            continue
        if process_table.runs_from(identity, world.home.slots.resolve(), world.home.front_socket):
            processes.stop(identity, grace=0.5)
