"""What is done when something that serves does not any more? Asked by the supervisor, at any hour."""

from __future__ import annotations

import dataclasses
import os
import time

from gitrelease.agent.background import guarded, log, log_outcome, to_log
from gitrelease.agent.emergency import call_for_a_person, up_again
from gitrelease.agent.office import Office
from gitrelease.agent.turn import AGENT, DOWN, ROLLBACK, URGENT_WAIT
from gitrelease.checks.probing import taken_port
from gitrelease.core.errors import ReleaseError
from gitrelease.core.events import HooksElsewhere, Proved, SoakFailed, Stopped
from gitrelease.core.health import CRASHES_ALLOWED, crashed_too_often, pause_after, recent
from gitrelease.core.history import Release, release_name
from gitrelease.core.outcome import Outcome
from gitrelease.core.settings import seconds
from gitrelease.edges import backends, probes, variables
from gitrelease.edges.backends import Backend
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.edges.git import GitError, RefUpdate
from gitrelease.edges.hooks_path import HooksPath
from gitrelease.edges.slots import Slot
from gitrelease.release.cold_start import shown
from gitrelease.release.execute import record
from gitrelease.release.going_back import go_back, target_of_rollback
from gitrelease.release.production import Fate, Outage, Production
from gitrelease.release.promotion import serves
from gitrelease.release.running import Worker
from gitrelease.world import World

AGAIN = 5.0  # seconds
ALONE = 2  # starts of a backend may fail in a row; then a person is needed


class Duty:
    """Keeps the live release up, rolls it back when it will not stay, and calls for a person when that fails."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._hooks_path: HooksPath | None = None
        self._told_hooks_path: str | None = None

    def homeless(self) -> bool:
        """Is what we keep on this host gone? Then nothing can be done for production by this agent."""
        return self._office.end_if_homeless()

    def look_at_hooks(self) -> None:
        """See whether git looks for hooks elsewhere than where ours are, and tell of it once."""
        production = self._office.serving()
        if not production.world.is_production:
            return
        if self._hooks_path is None:
            self._hooks_path = HooksPath(production.world.git)
        path = self._hooks_path.look() or ""
        if path not in (production.memory.hooks_elsewhere, self._told_hooks_path):
            self._told_hooks_path = path  # also where a full disk keeps it from being written down
            if path:
                log.error("git looks for hooks in %s, and pushes are not checked: gitrelease doctor --fix", path)
            else:
                log.info("git looks for hooks where ours are again")
            record(production, HooksElsewhere(at=time.time(), path=path))

    def look_at_variables(self) -> None:
        """Record the app's variables again from a process that serves, where they are lost."""
        production = self._office.serving()
        root, live = production.world.home.root, production.running.live
        if live is None or variables.file_of(root).exists():
            return
        if variables.take_over(root, live.first.identity.pid):
            log.warning("%s was lost; the variables of the process that serves are recorded", variables.FILE)

    def processes_ended(self) -> None:
        """Old ones are done with: what they leave is looked after."""
        self._office.poke()

    def front_ended(self) -> None:
        log.warning("the front ended; starting it again")
        guarded("the front", lambda _: self._office.serving().replace_front())

    def backend_ended(self, number: int, name: str, worker: Worker, why: str) -> None:
        """Start the live release `number` again for an instance; roll back, once, when it will not stay up."""
        production = self._office.serving()
        if not serves(production, worker.backend):
            return
        now = time.monotonic()
        outage = production.outages.get(worker.backend.id)
        if outage is not None:  # its end was counted; that nothing could be started since is not the release's doing
            if now >= outage.again:
                self._again(production, name, worker)
            return
        production.crashes.append(now)
        log.warning("%s, a backend of release/%d: %s", name, number, why)
        if crashed_too_often(production.crashes, now=now):
            self._go_back_from(number, f"release/{number} ended three times within five minutes ({why})")
        else:
            self._again(production, name, worker)

    def _again(self, production: Production, name: str, worker: Worker, *, told: bool = False) -> None:
        """Start the live release again for an instance; where that fails the next try waits, longer each time.

        Where a person was `told` already nobody is called.
        """
        backend = worker.backend

        def work(cancel: Cancel) -> Outcome | None:
            try:
                self._start_again(production, name, worker, cancel)
            except ReleaseError as error:
                return Outcome(outcome="stuck", reason=error.message, hint=error.hint)
            return None

        failed = guarded("a restart", work)
        live = production.running.live
        if live is None or not live.runs(backend) or backend.identity.alive:
            return
        outage = production.outages.setdefault(backend.id, Outage(told=told))
        outage.failed += 1
        pause = pause_after(outage.failed)
        outage.again = time.monotonic() + pause
        why, hint = (failed.reason, failed.hint) if failed is not None else ("it failed", "The line above says why")
        log.warning("%s does not start again: %s. %s; the next try is in %g s", name, why, hint, pause)
        if outage.failed >= ALONE and not outage.told:
            outage.told = True
            self._call(production, f"{release_name(live.number)} does not start again: {why}", hint)

    def _call(self, production: Production, why: str, hint: str) -> None:
        """Call for a person, once, for what nothing but the host keeps from running."""
        if production.memory.stopped != why:
            log.error("a person is needed: %s. %s", why, hint)
        call_for_a_person(self._office, why)

    def all_well(self) -> None:
        """Each instance answers, after one did not start: no person is needed for that any more."""
        production = self._office.serving()
        production.outages.clear()
        up_again(self._office, production, by="agent")

    def _start_again(self, production: Production, name: str, worker: Worker, cancel: Cancel) -> None:
        """Start the same release again for an instance; its connections are held by the front meanwhile."""
        world = production.world
        if worker.backend.id in production.outages:  # what was set meanwhile may be the remedy
            world = world.judged_by(world.live_ref)
        with production.state:
            if not serves(production, worker.backend):
                return  # what was seen to hang is not what users get any more: it stands by, or leaves
            production.front.clear(name)
        passing("again: its users wait")
        production.end(worker.backend)
        slot = _slot_of(production, worker)
        try:
            backend, well, said = _started(production, world, slot, name, worker, cancel)
            if taken := taken_port(backend):
                log.warning("%s: %s; once more on another one", name, taken)
                production.end(backend)
                backend, well, said = _started(production, world, slot, name, worker, cancel)
            if taken := taken_port(backend):  # users would get what another process says
                production.end(backend)
                raise ReleaseError(taken, hint="See who opens ports on 127.0.0.1: ss -ltnp")
        finally:
            slot.release()
        with production.state:
            live = production.running.live
            if live is None or not live.runs(worker.backend):
                production.end(backend)  # something else was promoted meanwhile
                return
            new = Worker(backend, restarts=worker.restarts + 1)  # no check has logged anything
            production.switch(live.with_workers({name: new}), then=Fate.LEAVES, now=time.time())
        if well:
            shown(production, live.number)
        else:
            log.warning("%s did not come back: %s", name, said)

    def soak_failed(self, number: int, why: str) -> None:
        log.warning("%s", why)
        production = self._office.serving()
        guarded("the journal", lambda _: record(production, SoakFailed(at=time.time(), number=number, reason=why)))
        self._go_back_from(number, why)

    def _go_back_from(self, number: int, why: str) -> None:
        """Leave release `number` by ourselves: once; the next time a person is needed."""
        production = self._office.serving()

        def work(cancel: Cancel) -> Outcome:
            office, pid = self._office, os.getpid()
            # A person who rolls back, or takes it down, knows where to: what is left to do is seen after that.
            office.turn.hurry("production goes back by itself", sparing=(ROLLBACK, DOWN))
            wait = URGENT_WAIT + seconds(production.world.settings.limits.start)
            with office.has_turn(owner=AGENT, pid=pid, doing=ROLLBACK, cancel=cancel, wait=wait):
                known = production.world.records()
                if known.live is None or known.live.number != number:
                    return Outcome(outcome="unchanged", reason=f"release/{number} is not live any more")
                if not production.world.wanted:
                    return Outcome(outcome="unchanged", reason="production was taken down")
                production.soak = None  # not before: whoever waits for the end of the soak must see this first
                target = target_of_rollback(production.world, known, None, production.memory)
                if target is None or production.memory.went_back_by_itself:
                    hint = _way_on(production.world, target)
                    return Outcome(outcome="stuck", release=known.live.name, reason=why, hint=hint)
                return go_back(
                    production, known, target, reason=why, by="agent", automatic=True, cancel=cancel, report=to_log
                )

        outcome = guarded("a rollback", work)
        if outcome is None or outcome.outcome == "stuck":
            production.soak = None
            self._stuck(*(outcome.reason, outcome.hint) if outcome else (why, "The line above says why"))
            return
        log_outcome(outcome)

    def _stuck(self, why: str, hint: str) -> None:
        """A person is needed: say so, and keep serving the best thing that answers."""
        production = self._office.serving()
        if production.memory.stopped != why:
            log.error("a person is needed: %s. %s", why, hint)
            record(production, Stopped(at=time.time(), reason=why))
        live, now = production.running.live, time.monotonic()
        more = recent(production.crashes, now=now) - CRASHES_ALLOWED
        for name, worker in live.workers.items() if live is not None else ():
            backend = worker.backend
            if backend.identity.alive or backend.id in production.outages:
                continue
            if more > 0:  # it ends again and again, and nobody has come yet
                production.outages[backend.id] = Outage(again=now + pause_after(more), told=True)
            else:
                self._again(production, name, worker, told=True)

    def soak_passed(self, number: int) -> None:
        production = self._office.serving()
        soak = production.soak
        try:
            self._proved(production, number)
        except (GitError, OSError):
            # It is good, and that cannot be written: a full disk, say. Its soak goes on until it can.
            if soak is not None and production.soak is soak:
                production.soak = dataclasses.replace(soak, until=time.monotonic() + AGAIN)
            raise
        # Last: whoever sees that nothing soaks may rely on what the refs say.
        if production.soak is soak:
            production.soak = None

    def _proved(self, production: Production, number: int) -> None:
        known = production.world.records()
        if known.live is not None and known.live.number == number:
            passing("soak: before good")
            production.world.git.update_refs(
                [RefUpdate(production.world.good_ref, known.live.tag)], reason=f"release/{number} proved good"
            )
            passing("soak: good, not recorded")
            record(production, Proved(at=time.time(), number=number))
            passing("soak: recorded")
            log.info("release/%d came through its soak", number)


def _way_on(world: World, target: Release | None) -> str:
    """Say what a person can do where production does not go back by itself."""
    if target is None:
        return "There is no older release to go back to. See: gitrelease status; then release what mends it"
    return f"See: gitrelease status; then: gitrelease rollback {target.name}{world.within}"


def _started(
    production: Production, world: World, slot: Slot, name: str, worker: Worker, cancel: Cancel
) -> tuple[Backend, bool, str]:
    """Start the app for instance `name` in the place of `worker`; return whether it is well, and what it said."""
    app = world.settings.app
    backend = backends.start(
        world.settings, slot, checkout=world.git.root, home=world.home,
        name=f"{worker.backend.id.partition('.')[0]}.{worker.restarts + 1}",
        instance=next(one for one in production.instances if one.name == name),
        cache=world.cache_of(slot.commit),
    )  # fmt: skip
    passing("again: started")
    deadline = time.monotonic() + seconds(world.settings.limits.start)
    handle = os.pidfd_open(backend.identity.pid)
    try:
        return backend, *probes.until_healthy(app, backend.endpoint, deadline=deadline, process=handle, cancel=cancel)
    finally:
        os.close(handle)


def _slot_of(production: Production, worker: Worker) -> Slot:
    """Return the slot that a backend ran in, which others of its release may share, or another one."""
    slots, backend = production.world.slots, worker.backend
    live = production.running.live
    others = [one for one in live.backends if one.id != backend.id and one.slot == backend.slot] if live else []
    if any(one.identity.alive for one in others):
        return slots.share(backend.slot, backend.commit)
    world = production.world
    data = world.data_of(backend.commit)
    return slots.take(backend.commit, shared=world.settings.app.shared, data=data, tried=False)
