"""Who executes? One agent per production checkout: it owns the turn, the slots, the processes, the journal.

`python -m gitrelease.agent DIR` runs it. Clients talk to it over `run/agent.sock` (see `desk.py`); hooks and
watchers only poke it. It can be killed at any moment: front and backends go on, the next agent adopts them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence

import msgspec

from gitrelease.agent.background import guarded, log, log_outcome, tell_os_error, to_log
from gitrelease.agent.bringup import bring_up, take_down
from gitrelease.agent.clients import Clients
from gitrelease.agent.desk import Desk
from gitrelease.agent.duty import Duty
from gitrelease.agent.emergency import call_for_a_person, ended_unasked, up_again
from gitrelease.agent.groups import Groups
from gitrelease.agent.inbox import Inbox, reconcile
from gitrelease.agent.office import Office
from gitrelease.agent.pushes import Pushes
from gitrelease.agent.sampler import Sampler
from gitrelease.agent.supervisor import Supervisor
from gitrelease.agent.telling import Telling, served_by
from gitrelease.agent.tidying import Tidying
from gitrelease.agent.turn import DOWN, LOOK, URGENT_WAIT, Holder, Turn
from gitrelease.checks.staging import Report
from gitrelease.core.errors import Busy, Cancelled, Exit, ReleaseError
from gitrelease.core.events import AnyEvent
from gitrelease.core.history import release_name
from gitrelease.core.memory import Memory
from gitrelease.core.outcome import Outcome
from gitrelease.core.text import counted
from gitrelease.edges import hooks, wire
from gitrelease.edges import settings as settings_files
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.edges.home import AGENT_MARK, open_log, write_atomically
from gitrelease.edges.housekeeping import drop_ballast
from gitrelease.edges.process_table import identify
from gitrelease.edges.processes import await_any
from gitrelease.edges.watcher import Watcher
from gitrelease.release.execute import record
from gitrelease.release.pages import open_pages
from gitrelease.release.production import Production
from gitrelease.release.running import read_running
from gitrelease.world import World, open_world

_NOT_NOTICED = "edits on this host are not noticed by themselves"
_MORE_WATCHES = (
    "allow more watches (sysctl fs.inotify.max_user_watches fs.inotify.max_user_instances), "
    "then: gitrelease down && gitrelease up"
)
_SERVICE_MANAGER = "the service manager"  # who took production down
ARRIVAL = 60.0  # seconds in which production is adopted or started again


class Agent:
    """The agent of one production checkout."""

    def __init__(self, world: World, *, foreground: bool = False) -> None:
        """In the `foreground`, for a service manager, production goes down with the agent."""
        self.foreground = foreground
        self.world = world  # until production is up; then `production.world` holds the live settings
        self.turn = Turn()
        self.inbox = Inbox()
        self.pushes = Pushes(self)
        self.groups = Groups(self)
        self.production: Production | None = None
        self.leaving = False  # the agent ends when the answer that is under way has been given
        self._poked = threading.Event()
        self._arriving = threading.Event()  # set once an agent that was started again has production, or has given up
        self._stopping = threading.Event()
        self._supervisor: Supervisor | None = None
        self._sampler: Sampler | None = None
        self._watcher: Watcher | None = None
        self._server: socket.socket | None = None
        self._signalled: socket.socket
        self._renewing = False
        self._homeless = False
        self._not_up = ""  # why production did not come up by itself
        self._ends_with = Exit.DONE
        self._clients = Clients()
        self._tidying = Tidying(self._productions)
        self._lock: os.stat_result | None = None
        self._telling: Telling | None = None

    # -- life ------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until told to stop, and return the exit code; 0 at once when another agent serves this checkout.

        In the foreground that is an error, and so is a production that does not come up.
        """
        home = self.world.home
        home.create()
        drop_ballast(home)  # on a full disk production comes up all the same
        with open_log(home.agent_lock) as lock:
            self._lock = os.fstat(lock.fileno())
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.foreground:
                    raise served_already() from None
                return 0
            write_atomically(home.agent_pid, f"{os.getpid()} {identify(os.getpid()).started}\n".encode())
            self._server = wire.listen(home.agent_socket)
            # A signal that comes just before a call that waits is seen when that returns: a byte here lets it return.
            self._signalled, signalling = socket.socketpair()
            for end in (self._signalled, signalling):
                end.setblocking(False)
            signal.set_wakeup_fd(signalling.fileno(), warn_on_full_buffer=False)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self.stop())
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            log.info("agent %s serves %s", os.getpid(), self.world.git.root)
            self._telling = Telling(self.world, serves=self._serves, write_down=self.note)
            self._telling.start()
            threading.Thread(target=self._tend, name="inbox", daemon=True).start()
            self._accept(Desk(self), self._server)
            if self._homeless:  # front and backends go on; what is there by now may be another agent's
                self._telling.stop()
                return int(Exit.UNEXPECTED)
            if self.foreground and not self._renewing:
                self._take_down_with_us()
            self._telling.stop()
            home.agent_socket.unlink(missing_ok=True)
            home.agent_pid.unlink(missing_ok=True)
        if self._renewing:
            # Front and backends go on; the new agent adopts them.
            os.environ[AGENT_MARK] = str(home.root)
            os.execv(sys.executable, [sys.executable, "-I", "-m", "gitrelease.agent", *sys.argv[1:]])  # noqa: S606
        return int(self._ends_with)

    def _serves(self) -> str:
        """Say what users get just now; nothing where no process serves them."""
        if self.production is not None:
            return served_by(self.production)
        if not self._arriving.is_set():
            known = self.world.records().live  # front and backends go on; they are about to be adopted
            return known.name if known is not None else ""
        # It is just coming up, for the first time say: what is told of that may be told before it is done.
        live = read_running(self.world.home.processes).live
        return release_name(live.number) if live is not None else ""

    def parts(self) -> Sequence[Office]:
        """Return the office of each group of instances that is looked after, production's first."""
        return (self, *self.groups.offices())

    def remembered(self) -> Memory:
        """Return what the journal remembers, whether production is up or not."""
        return self.production.memory if self.production is not None else self.world.journal.memory(attempts=1)

    def note(self, event: AnyEvent) -> None:
        """Write an event down, whether production is up or not."""
        if self.production is not None:
            record(self.production, event)
        else:
            self.world.journal.append(event)

    def stop(self) -> None:
        """End the agent; front and backends go on."""
        self._stopping.set()
        self._poked.set()
        if self._server is not None:
            # Wakes accept(); closing alone would not.
            with contextlib.suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)

    def renew(self) -> bool:
        """Make way for the version that is installed now, if nothing is under way; True when this agent ends."""
        if self.turn.holder is None:
            log.info("another version is installed now: starting again")
            self._renewing = self.leaving = True
        return self._renewing

    def end_if_homeless(self) -> bool:
        """End when `.git/gitrelease` is not the one that we serve any more: another agent may serve that."""
        try:
            homeless = self._lock is None or not os.path.samestat(self.world.home.agent_lock.stat(), self._lock)
        except FileNotFoundError:
            homeless = True
        if homeless:
            log.error("%s is gone: this agent ends; bring it back: gitrelease recover", self.world.home.root)
            self._homeless = True
            self.stop()
        return homeless

    def make_way(self) -> None:
        """End for an agent in the foreground that comes next; front and backends go on. `Busy` when that cannot be."""
        if self.foreground:
            raise served_already()
        if self.turn.holder is not None:
            raise Busy(f"{self.turn.holder.doing} is under way", hint="Try again when it has ended: gitrelease status")
        log.info("an agent in the foreground takes over")
        self.leaving = True

    def _accept(self, desk: Desk, server: socket.socket) -> None:
        server.setblocking(False)
        while not self._stopping.is_set():
            await_any([server.fileno(), self._signalled.fileno()], None)
            try:
                connection, _ = server.accept()
            except BlockingIOError:
                with contextlib.suppress(BlockingIOError):
                    self._signalled.recv(64)
                continue
            except OSError as error:
                if self._stopping.is_set():
                    break
                # Out of descriptors, say: the next second may be better, ending would not be.
                tell_os_error("to hear a command", error, str(self.world.home.root))
                self._stopping.wait(0.2)
                continue
            self._clients.take(connection, desk.serve, stopping=self._stopping)
        server.close()
        self.groups.stop()
        for worker in (self._supervisor, self._sampler, self._watcher):
            if worker is not None:
                worker.stop()

    # -- up and down -------------------------------------------------------------------------------------------

    def up(self, *, cancel: Cancel, report: Report, owner: str, pid: int, recovering: bool = False) -> Outcome:
        """Bring production up, unless it is; the first time this makes release/1.

        Who is `recovering` it says at the end what was done.
        """
        with self.has_turn(owner=owner, pid=pid, doing="up", cancel=cancel, wait=60):
            if self._stopping.is_set():
                raise Cancelled("the agent ends")
            if self.production is not None:
                return self._up_already(self.production, report=report, by=owner)
            self.world = open_world(self.world.git.root)
            if self._telling is not None:
                self._telling.hear(self.world)
            ended = ended_unasked(self.world.home) and not recovering
            production, outcome = bring_up(self.world, cancel=cancel, report=report, by=owner)
            if production is None:
                return outcome
            self.production = production
            up_again(self, production, by=owner, ended=ended)
            home = self.world.home
            renewed = hooks.refresh(self.world.git, home, branch=self.world.settings.app.branch)
            if renewed:
                log.info("hooks of this version are installed: %s", ", ".join(renewed))
            write_atomically(home.wanted, b"")
            home.down.unlink(missing_ok=True)
            self._supervisor = Supervisor(production, Duty(self))
            self._supervisor.start()
            self._sampler = Sampler(production, self.groups.every)
            self._sampler.start()
            passing("up: production serves, the groups not yet")
            for lacking in self.groups.up(production.world, report=report, by=owner):
                outcome = msgspec.structs.replace(outcome, hint=f"{lacking}; {outcome.hint}")
            try:
                self._watcher = Watcher(production.world, self.poke, branch_moved=self.pushes.go_on)
            except OSError as error:
                # Production serves; what is not noticed by itself still is by hooks, pushes and commands.
                lacking = f"{_NOT_NOTICED}: {error.strerror or error}; {_MORE_WATCHES}"
                log.warning("%s", lacking)
                outcome = msgspec.structs.replace(outcome, hint=lacking)
            wrong = settings_files.told_wrong(home.settings)
            if wrong is not None:
                outcome = msgspec.structs.replace(outcome, hint=f"nobody is told as it was meant: {wrong}")
            self.poke()
            return outcome

    def _up_already(self, production: Production, *, report: Report, by: str) -> Outcome:
        """Bring up the groups that did not come up with production: what was in their way may be mended."""
        world = production.world
        live = world.records().live
        lacking = self.groups.up(world.judged_by(world.live_ref), report=report, by=by)
        return Outcome(
            outcome="unchanged",
            release=live.name if live else None,
            reason=f"{live.name} is live" if live else "production is up",
            hint="; ".join(lacking),
        )

    def take_down(self, *, owner: str, pid: int, cancel: Cancel) -> Outcome:
        """Stop the front and every backend; the agent ends after this."""
        self.turn.hurry(f"{owner} takes production down")
        with self.has_turn(owner=owner, pid=pid, doing=DOWN, cancel=cancel, wait=URGENT_WAIT):
            pages = sum(sum(open_pages(one).values()) for one in self._productions())
            self._go_down(owner)
        cut = f", {counted(pages, 'open page')} lost what was entered there" if pages else ""
        return Outcome(outcome="unchanged", reason=f"production is down{cut}", hint="Start it again: gitrelease up")

    def _take_down_with_us(self) -> None:
        """Stop production as this agent ends; what is under way gives way first, and nothing begins any more."""
        home = self.world.home
        # Who has typed `down` was first; that ends us, too.
        owner = home.down.read_text().strip() if home.down.exists() else _SERVICE_MANAGER
        self.turn.hurry(f"{owner} takes production down")
        try:
            self.turn.take(owner=owner, pid=os.getpid(), doing=DOWN, cancel=Cancel(), wait=URGENT_WAIT)
        except Busy as busy:
            log.warning("%s; production goes down all the same, as %s does not wait", busy.message, owner)
        self._go_down(owner)

    def _productions(self) -> tuple[Production, ...]:
        """Return production, where it is up, and what the other groups serve."""
        return (*([self.production] if self.production is not None else []), *self.groups.every())

    def _go_down(self, owner: str) -> None:
        home = self.world.home
        home.wanted.unlink(missing_ok=True)
        write_atomically(home.down, f"{owner}\n".encode())
        for worker in (self._supervisor, self._sampler):
            if worker is not None:
                worker.stop()
        passing("down: not wanted, all serve")
        self.groups.down(self.world)
        passing("down: the groups are")
        take_down(self.world, self.production)
        self.production = None

    # -- the turn ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def has_turn(self, *, owner: str, pid: int, doing: str, cancel: Cancel, wait: float) -> Iterator[Holder]:
        """Change production while the context is open."""
        holder = self.turn.take(owner=owner, pid=pid, doing=doing, cancel=cancel, wait=wait)
        try:
            yield holder
        finally:
            self.turn.give_back(holder)
            self.poke()

    def serving(self) -> Production:
        """Return production, waiting for an agent that is just starting again; `ReleaseError` when it is not up."""
        self._arriving.wait(ARRIVAL)
        if self.production is None:
            why = f": {self._not_up}" if self._not_up else ""
            raise ReleaseError(f"production is not up{why}", hint="Mend what is in its way, then: gitrelease up")
        return self.production

    # -- the inbox -----------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """Something may have arrived: have a look soon."""
        self._poked.set()
        self.groups.look()
        if self._supervisor is not None:
            self._supervisor.look()

    def _tend(self) -> None:
        """Look at the inbox whenever poked; bring production up again after a crash of the agent."""
        if self.world.home.wanted.exists():
            self._come_up()
        self._arriving.set()
        while not self._stopping.is_set():
            self._poked.wait(self.inbox.again_in)
            self._poked.clear()
            if self.production is not None and not self._stopping.is_set():
                guarded("the watcher", self._follow)
                guarded("the inbox", self._look_at_inbox)
                guarded("tidying up", lambda _: self._tidying.tidy())

    def _come_up(self) -> None:
        """Bring production up by ourselves; in the foreground the agent ends where that fails, and says how."""

        code, why = Exit.UNEXPECTED, "production did not come up: the agent's log says why"

        def up(cancel: Cancel) -> Outcome:
            nonlocal code, why
            try:
                return self.up(cancel=cancel, report=to_log, owner="agent", pid=os.getpid())
            except ReleaseError as error:
                code, why = error.code, error.message
                raise

        outcome = guarded("up", up)
        if outcome is not None:
            code, why = outcome.exit_code, outcome.reason
            log_outcome(outcome)
        if self.production is None and not self._stopping.is_set():
            self._not_up = why
            guarded("the journal", lambda _: call_for_a_person(self, why))
        if self.foreground and self.production is None and not self._stopping.is_set():
            self._ends_with = code
            self.stop()

    def _follow(self, _: Cancel) -> None:
        if self._watcher is None:
            return
        try:
            self._watcher.follow()
        except OSError as error:
            raise ReleaseError(f"{_NOT_NOTICED}: {error.strerror}", hint=_MORE_WATCHES) from error

    def _look_at_inbox(self, cancel: Cancel) -> Outcome | None:
        # A release under way pokes again when it ends: nothing is missed by not waiting here.
        try:
            holder = self.turn.take(owner="agent", pid=os.getpid(), doing=LOOK, cancel=cancel, wait=0)
        except Busy:
            return None
        try:
            self._tidying.save_files()
            outcome = reconcile(self.serving(), self.inbox, cancel=cancel, report=to_log)
        finally:
            self.turn.give_back(holder)
        if outcome is not None:
            log_outcome(outcome)
            self._poked.set()
        return outcome


def served_already() -> Busy:
    return Busy(
        "another agent serves this checkout already",
        hint="See it: gitrelease status; end it: gitrelease down",
    )
