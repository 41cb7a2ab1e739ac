"""What else may be asked of the agent, beside releases? What keeps, tidies or rehearses, and changes nothing live."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from gitrelease.agent.office import Office
from gitrelease.agent.request import Request
from gitrelease.agent.turn import AGENT, LOOK, PUSH, ROLLBACK, SHORT_WAIT
from gitrelease.core.events import Recovered
from gitrelease.release.acknowledge import acknowledge
from gitrelease.release.drill import drill
from gitrelease.release.going_back import no_target, target_of_rollback
from gitrelease.release.keeping import restore, snapshot
from gitrelease.release.production import Production
from gitrelease.release.pruning import prune
from gitrelease.release.verify import verify


class Chores:
    """Answers the verbs that are no release."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.verbs: dict[str, Callable[[Request], msgspec.Struct | dict[str, Any]]] = {
            "snapshot": self._snapshot,
            "restore": self._restore,
            "prune": self._prune,
            "drill": self._drill,
            "verify": self._verify,
            "freeze": self._freeze,
            "ack": self._ack,
            "recovered": self._recovered,
        }

    @contextmanager
    def _has_turn(self, request: Request) -> Iterator[Production]:
        """Have production and its files for oneself: neither a release nor a look at the inbox comes in between."""
        production = self._office.serving()
        self._office.turn.hurry(f"{request.by} wants a {request.verb}", only=AGENT, sparing=(ROLLBACK,))
        with self._office.has_turn(
            owner=request.by, pid=request.pid, doing=request.verb, cancel=request.cancel, wait=SHORT_WAIT
        ):
            yield production

    def _snapshot(self, request: Request) -> msgspec.Struct:
        with self._has_turn(request) as production:
            return snapshot(production.world, note=request.text("note") or "")

    def _restore(self, request: Request) -> msgspec.Struct:
        with self._has_turn(request) as production:
            return restore(production.world, str(request.arguments["backup"]))

    def _prune(self, request: Request) -> msgspec.Struct:
        with self._has_turn(request) as production:
            every = {one.world.group: one for one in (part.serving() for part in self._office.parts())}
            # Those that are looked after write to their journals meanwhile: through the same lock.
            beside = [every[one.group].world if one.group in every else one for one in production.world.beside()]
            result = prune(
                production.world, beside, keep=int(request.arguments["keep"]), dry_run=request.flag("dry_run")
            )
            for one in every.values():
                one.memory = one.world.journal.memory(attempts=one.memory.most_attempts)
            return result

    def _drill(self, request: Request) -> dict[str, Any]:
        production = self._office.serving()
        name = request.text("release")
        world = production.world
        target = target_of_rollback(world, world.records(), name, production.memory)
        if target is None:
            raise no_target(world, name)
        result = drill(production, target, cancel=request.cancel, report=request.report)
        return {**msgspec.to_builtins(result), "code": int(result.exit_code)}

    def _verify(self, request: Request) -> dict[str, Any]:
        """Say whether what users get really serves: its health, a real session, the way through the front."""
        production = self._office.serving()
        checks = verify(production, request.cancel)
        return {"checks": msgspec.to_builtins(checks)}

    def _freeze(self, request: Request) -> dict[str, Any]:
        """Cut off what came by itself and is being staged: production was frozen a moment ago."""
        self._office.turn.hurry(f"{request.by} froze production", doing=(PUSH, LOOK))
        self._office.poke()
        return {}

    def _ack(self, request: Request) -> msgspec.Struct:
        books = [(part.remembered(), part.note) for part in self._office.parts()]
        return acknowledge(books, by=request.by, reason=request.reason)

    def _recovered(self, request: Request) -> dict[str, Any]:
        """Write down that `recover` came to its end, and production was verified."""
        live = self._office.serving().running.live
        number = live.number if live is not None else 0
        self._office.note(Recovered(at=time.time(), number=number, by=request.by, reason=request.reason))
        return {}
