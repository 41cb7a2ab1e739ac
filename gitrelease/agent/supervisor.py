"""Does what serves still serve? Keeps front and backends alive, and judges a release while it soaks."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitrelease.agent.background import guarded, log
from gitrelease.core.health import SOAK_MARKERS, at_work, unhealthy
from gitrelease.core.redaction import redacted
from gitrelease.core.settings import seconds
from gitrelease.core.text import one_line
from gitrelease.edges import probes
from gitrelease.edges.process_table import Identity, activity
from gitrelease.edges.processes import await_any
from gitrelease.release import app_files, cold_start
from gitrelease.release.drain import Drainer
from gitrelease.release.production import Production
from gitrelease.release.promotion import serves
from gitrelease.release.running import Serving, Worker
from gitrelease.release.upkeep import rotate_logs

TICK = 2.0  # seconds between two looks at a quiet production
TICK_SOAKING = 0.5
SHORTEST_TICK = 0.02
DESCRIPTORS = 8  # that a look at production needs at once
UPKEEP = 5.0  # seconds between two looks at the size of the logs
FILES = 60.0  # likewise, at what the app writes beside its script


class OnDuty(Protocol):
    """What the supervisor asks of the agent when something is wrong."""

    def homeless(self) -> bool: ...

    def look_at_variables(self) -> None: ...

    def look_at_hooks(self) -> None: ...

    def processes_ended(self) -> None: ...

    def front_ended(self) -> None: ...

    def backend_ended(self, number: int, name: str, worker: Worker, why: str) -> None: ...

    def soak_failed(self, number: int, why: str) -> None: ...

    def soak_passed(self, number: int) -> None: ...

    def all_well(self) -> None: ...


@dataclass
class Unanswered:
    """A backend that has not answered for some time."""

    since: float  # monotonic
    spent: float  # seconds of a processor until then
    times: int = 0  # in a row
    told: bool = False


class Supervisor(threading.Thread):
    """Looks at the live release until `stop`; wakes at once when one of its processes ends."""

    def __init__(self, production: Production, duty: OnDuty) -> None:
        super().__init__(name="supervisor", daemon=True)
        self._production = production
        self._duty = duty
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = False
        self._unanswered: dict[str, Unanswered] = {}  # by the backend's id
        self._front_failures = 0
        self._upkeep_at = 0.0  # monotonic
        self._files_at = time.monotonic() + FILES
        self._drainer = Drainer(production)

    def stop(self) -> None:
        self._stopping = True
        self.look()

    def look(self) -> None:
        """Have a look now: something has changed."""
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        while not self._stopping:
            guarded("the supervisor", lambda _: self._await_event())
            if not self._stopping:
                guarded("the supervisor", lambda _: self._look())

    def _await_event(self) -> None:
        production = self._production
        busy = production.soak is not None or production.running.leaving
        tick = TICK_SOAKING if busy else TICK
        if production.soak is not None:  # its end is a moment, not a tick
            tick = min(tick, max(production.soak.until - time.monotonic(), SHORTEST_TICK))
        try:
            with _handles(production.running.front, *_live_identities(production)) as handles:
                await_any([*handles, self._wake], tick)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            await_any([self._wake], tick)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)

    def _look(self) -> None:
        _require_descriptors()
        if self._duty.homeless():
            return
        production = self._production
        front, live = production.running.front, production.running.live
        self._front_failures = 0 if front is not None and production.front.answers() else self._front_failures + 1
        if front is not None and (not front.alive or unhealthy(self._front_failures)):
            self._front_failures = 0
            self._duty.front_ended()
        if live is None:
            return
        guarded("the app's variables", lambda _: self._duty.look_at_variables())
        wrong = {name: why for name, worker in live.workers.items() if (why := self._wrong_with(worker))}
        for name, why in wrong.items():
            self._end_of_backend(live, name, why)
        if not wrong:
            known = {backend.id for backend in live.backends}
            self._unanswered = {name: one for name, one in self._unanswered.items() if name in known}
            self._judge_soak(live)
        # Also while an instance does not start: that may last.
        leaving = production.running.leaving
        self._drainer.look(time.time())
        if len(production.running.leaving) < len(leaving):
            self._duty.processes_ended()
        if time.monotonic() >= self._upkeep_at:
            self._upkeep_at = time.monotonic() + UPKEEP
            rotate_logs(production)
            guarded("core.hooksPath", lambda _: self._duty.look_at_hooks())
        if time.monotonic() >= self._files_at:
            self._files_at = time.monotonic() + FILES
            guarded("files of the app", lambda _: app_files.look(production))
            guarded("a cold start", lambda _: cold_start.try_once_more(production))
        if not wrong and not self._unanswered and _was_down(production):
            self._duty.all_well()

    def _wrong_with(self, worker: Worker) -> str:
        """Say why a backend does not serve any more; nothing where it does, as far as can be told yet."""
        backend = worker.backend
        if not backend.identity.alive:
            return "it ended by itself"
        asked = time.monotonic()
        well, said = probes.healthy(self._production.world.settings.app, backend.endpoint)
        if well:
            self._unanswered.pop(backend.id, None)
            return ""
        missed = self._unanswered.setdefault(backend.id, Unanswered(asked, activity(backend.identity).spent))
        missed.times += 1
        if not unhealthy(missed.times) or self._is_waited_for(missed, worker):
            return ""
        del self._unanswered[backend.id]
        return f"it does not answer ({said})"

    def _is_waited_for(self, missed: Unanswered, worker: Worker) -> bool:
        """Is it at work, so that whoever has a page there loses nothing by waiting? In its soak a release is not."""
        production, elapsed = self._production, time.monotonic() - missed.since
        patience = seconds(production.world.settings.limits.busy)
        now = activity(worker.backend.identity)
        if (
            production.soak is not None
            or elapsed >= patience
            or not at_work(now.spent - missed.spent, elapsed, runnable=now.runnable)
        ):
            return False
        if not missed.told:
            missed.told = True
            log.warning(
                "%s does not answer and is at work: it is waited for, %g s at most (limits.busy)",
                worker.backend.id, patience,
            )  # fmt: skip
        return True

    def _end_of_backend(self, live: Serving, name: str, why: str) -> None:
        soak = self._production.soak
        if soak is not None and soak.number == live.number:
            self._duty.soak_failed(live.number, f"release/{live.number} failed its soak: {self._where(name)}{why}")
        else:
            self._duty.backend_ended(live.number, name, live.workers[name], why)

    def _where(self, name: str) -> str:
        """Name the instance where there are several."""
        return f"{name}: " if len(self._production.instances) > 1 else ""

    def _judge_soak(self, live: Serving) -> None:
        soak = self._production.soak
        if soak is None or soak.number != live.number:
            return
        for name, worker in live.workers.items():
            watch = soak.watch(worker)
            error, watch.log_offset = first_error(Path(worker.backend.log), watch.log_offset)
            beyond = self._production.measure(soak, name, worker)
            if beyond or error:
                why = f"release/{live.number} failed its soak: {self._where(name)}{beyond or error}"
                self._duty.soak_failed(live.number, why)
                if beyond and not serves(self._production, worker.backend):
                    self._production.end(worker.backend)  # not when its connections have ended: it grows meanwhile
                return
        if time.monotonic() >= soak.until:
            self._duty.soak_passed(live.number)


def _require_descriptors() -> None:
    """Raise `OSError` when this process can open no more files: whom it cannot ask, it must not take for dead."""
    opened: list[int] = []
    try:
        for _ in range(DESCRIPTORS):
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def first_error(log: Path, offset: int) -> tuple[str, int]:
    """Return the first error marker in what `log` got since `offset`, with what follows it, and the new offset."""
    try:
        with log.open("rb") as file:
            if os.fstat(file.fileno()).st_size < offset:
                offset = 0  # somebody has emptied it: all of it is new
            file.seek(offset)
            added = file.read()
    except FileNotFoundError:
        return "", offset
    text = added.decode(errors="replace")
    for marker in SOAK_MARKERS:
        found = text.find(marker)
        if found >= 0:
            lines = [line for line in text[found:].splitlines() if line.strip()]
            last = next((line for line in lines[1:] if not line.startswith((" ", "Traceback"))), "")
            return one_line(redacted(f"{marker}: {last}" if last else marker), 300), offset + len(added)
    # A marker may be cut in two by the end of what is written so far: look at the tail again.
    return "", offset + max(len(added) - max(map(len, SOAK_MARKERS)), 0)


def _was_down(production: Production) -> bool:
    """Had an instance not come up until now, as far as anybody knows?"""
    on = production.memory.emergency
    return bool(production.outages) or (on is not None and on.down)


def _live_identities(production: Production) -> list[Identity]:
    live = production.running.live
    return [backend.identity for backend in live.backends] if live else []


@contextlib.contextmanager
def _handles(*identities: Identity | None) -> Iterator[list[int]]:
    """Open pidfds of the processes, which become readable when one ends."""
    handles: list[int] = []
    try:
        for identity in identities:
            if identity is not None and identity.alive:
                with contextlib.suppress(ProcessLookupError):
                    handles.append(os.pidfd_open(identity.pid))
        yield handles
    finally:
        for handle in handles:
            os.close(handle)
