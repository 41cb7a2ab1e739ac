"""Who looks after the other groups of instances? Each is a production of its own, which no branch and no file follows.

They come up with production where they serve something; a group that does not yet is started by what is first released
to it. All of them share the turn: one release at a time.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from gitrelease.agent.background import guarded, log
from gitrelease.agent.bringup import bring_up, runs, take_down, with_front
from gitrelease.agent.duty import Duty
from gitrelease.agent.inbox import Inbox
from gitrelease.agent.office import Office
from gitrelease.agent.supervisor import Supervisor
from gitrelease.agent.telling import Telling, served_by
from gitrelease.agent.turn import Holder, Turn
from gitrelease.checks.staging import Report
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.events import Abandoned, AnyEvent
from gitrelease.core.groups import ALL, PRODUCTION
from gitrelease.core.memory import RECENT_ATTEMPTS, Memory
from gitrelease.core.outcome import Outcome
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.release.execute import record
from gitrelease.release.production import Production
from gitrelease.release.running import Running, read_running
from gitrelease.world import World


@dataclass
class _OfGroup:
    """The agent, as the duty of one group sees it."""

    agent: Office
    production: Production

    def __post_init__(self) -> None:
        self.turn: Turn = self.agent.turn
        self.inbox: Inbox = self.agent.inbox

    def serving(self) -> Production:
        return self.production

    def parts(self) -> Sequence[Office]:
        return (self,)

    def remembered(self) -> Memory:
        return self.production.memory

    def note(self, event: AnyEvent) -> None:
        record(self.production, event)

    def poke(self) -> None:
        self.agent.poke()

    def end_if_homeless(self) -> bool:
        return self.agent.end_if_homeless()

    def has_turn(
        self, *, owner: str, pid: int, doing: str, cancel: Cancel, wait: float
    ) -> AbstractContextManager[Holder]:
        return self.agent.has_turn(owner=owner, pid=pid, doing=doing, cancel=cancel, wait=wait)


class Groups:
    """The groups beside production; changed only by who has the turn."""

    def __init__(self, agent: Office) -> None:
        self._agent = agent
        self._productions: dict[str, Production] = {}
        self._offices: dict[str, _OfGroup] = {}
        self._supervisors: dict[str, Supervisor] = {}
        self._tellings: dict[str, Telling] = {}

    def up(self, world: World, *, report: Report, by: str) -> tuple[str, ...]:
        """Bring every group up that serves something and is not up; one that fails stops no other. Say which and why.

        What runs of others is ended: an agent that was killed has left it before their first release, or no instance
        names them any more. Their pointers stay, for the day on which one does.
        """
        lacking: list[str] = []
        for there in world.apart():
            if there.group in self._productions:
                continue  # it serves until production is down
            guarded(f"group {there.group}", functools.partial(_end, there, why="no instance names it any more"))
        for name in world.settings.groups[1:]:
            there = world.of_group(name)
            if name in self._productions:
                continue
            if world.git.ref(there.live_ref) is None and _serves(there):
                lacking.append(f"{_lost(there)}: gitrelease recover")
                continue
            if world.git.ref(there.live_ref) is None:
                guarded(f"group {name}", functools.partial(_end, there, why="it got no release"))
                continue
            outcome = guarded(f"group {name}", functools.partial(self._up, there, report=report, by=by))
            if name not in self._productions:
                why = outcome.reason if outcome is not None else f"see {world.home.agent_log}"
                lacking.append(f"group {name} does not come up: {why}")
        return tuple(lacking)

    def _up(self, world: World, cancel: Cancel, *, report: Report, by: str) -> Outcome:
        world.home.create()
        # What it serves says how it is judged, and not what production serves.
        try:
            production, outcome = bring_up(world.judged_by(world.live_ref), cancel=cancel, report=report, by=by)
        except ReleaseError as error:
            production, outcome = None, Outcome(outcome="stuck", reason=error.message, hint=error.hint)
        if production is None:
            log.error("group %s does not come up: %s. %s", world.group, outcome.reason, outcome.hint)
        else:
            self._look_after(production)
        return outcome

    def serving(self, world: World, name: str, *, report: Report, by: str) -> Production:
        """Return the production of a group, with a front that waits for its first release where it has none yet.

        One that did not come up with production has another try first.
        """
        there = world.of_group(name)
        if name not in self._productions and world.git.ref(there.live_ref) is None and _serves(there):
            raise ReleaseError(_lost(there), hint="Put it back: gitrelease recover", code=Exit.REFUSED)
        if name not in self._productions and world.git.ref(there.live_ref) is not None:
            guarded(f"group {name}", functools.partial(self._up, there, report=report, by=by))
        found = self._productions.get(name)
        if found is None:
            there.home.create()
            found = with_front(there, Running(), there.journal.memory(attempts=RECENT_ATTEMPTS))
            passing("group: its front waits for a release")
            self._look_after(found)
        return found

    def released_to(self, main: Production, name: str | None) -> Production:
        """Return the production of a group that serves something; the `main` one where none is named."""
        if name in (None, PRODUCTION):
            return main
        found = self._productions.get(str(name))
        if found is not None:
            return found  # as long as it runs, whether an instance names it or not
        there = main.world.of_group(str(name))  # it is one
        if main.world.git.ref(there.live_ref) is not None:
            raise ReleaseError(f"group {name} did not come up", hint="Mend what gitrelease up says, and run it again")
        hint = f"Release something there first: gitrelease deploy --to {name}"
        raise ReleaseError(f"group {name} serves nothing yet", hint=hint)

    def chosen(self, main: Production, name: str | None) -> list[tuple[Production, str | None]]:
        """Return what an instance, a group or `all` names: productions, each with its instance or as a whole."""
        if name == ALL:
            return [(one, None) for one in (main, *self.every())]
        settings = main.world.settings
        if name is None or name in settings.groups or name in self._productions:
            return [(self.released_to(main, name), None)]
        running = next((one for one in (main, *self.every()) if name in [each.name for each in one.instances]), None)
        if running is not None:
            return [(running, name)]
        instance = next((one for one in settings.instances if one.name == name), None)
        if instance is not None:
            self.released_to(main, instance.group)
            hint = "Start it again with what is set now: gitrelease down && gitrelease up"
            raise ReleaseError(f"{instance.group} was started without an instance {name!r}", hint=hint)
        names = ", ".join(one.name for one in settings.instances)
        hint = f"There is: {names}; or a group: {', '.join(settings.groups)}; or {ALL}"
        raise ReleaseError(f"there is no instance {name!r}", hint=hint)

    def _look_after(self, production: Production) -> None:
        name = production.world.group
        self._productions[name] = production
        office = self._offices[name] = _OfGroup(self._agent, production)
        self._supervisors[name] = Supervisor(production, Duty(office))
        self._supervisors[name].start()
        telling = Telling(production.world, serves=functools.partial(served_by, production), write_down=office.note)
        self._tellings[name] = telling
        telling.start()

    def drop_if_empty(self, name: str) -> None:
        """Take a group down again that got no release: its ports would keep users waiting for nothing."""
        found = self._productions.get(name)
        if found is not None and found.running.live is None:
            self._supervisors.pop(name).stop()
            self._tellings.pop(name).stop()
            del self._offices[name]
            passing("group: nobody looks after it, not down")
            take_down(found.world, self._productions.pop(name))

    def offices(self) -> tuple[Office, ...]:
        return tuple(self._offices.values())

    def every(self) -> tuple[Production, ...]:
        return tuple(self._productions.values())

    def look(self) -> None:
        for supervisor in list(self._supervisors.values()):
            supervisor.look()

    def stop(self) -> None:
        """Look after nobody any more; what runs goes on."""
        for supervisor in self._supervisors.values():
            supervisor.stop()
        for telling in self._tellings.values():
            telling.stop()

    def down(self, world: World) -> None:
        """Stop the front and every backend of every group, also of those that no instance names any more."""
        self.stop()
        for there in (*map(world.of_group, world.settings.groups[1:]), *world.apart()):
            if there.home.root.exists():
                take_down(there, self._productions.pop(there.group, None))


def _serves(world: World) -> bool:
    """Do users get something there? Where no pointer says what, a person has deleted it, and users go before that."""
    live = read_running(world.home.processes).live
    return live is not None and live.alive


def _lost(world: World) -> str:
    return f"{world.live_ref} does not say any more what group {world.group} serves"


def _end(world: World, _: Cancel, *, why: str) -> None:
    """End what runs for a group that is not looked after; a release that was cut off before any ref moved is void."""
    if runs(world):
        log.warning("group %s is taken down: %s", world.group, why)
        take_down(world, None)
    unfinished = world.journal.memory(attempts=1).unfinished
    if unfinished is not None and world.git.ref(world.live_ref) != unfinished.tag:
        world.journal.append(Abandoned(at=time.time(), number=unfinished.number))
