"""What may clients ask of the agent, and what do they get? One connection, one request, one answer.

Progress goes out as it happens; the last message holds the outcome. A client that goes away cancels what it
asked for, as long as nothing has been switched; a rollback is finished all the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import socket
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from gitrelease import __version__
from gitrelease.agent.background import log
from gitrelease.agent.chores import Chores
from gitrelease.agent.looks import Looks
from gitrelease.agent.request import Request, cancelled_when_gone
from gitrelease.agent.turn import AGENT, ROLLBACK, SHORT_WAIT, URGENT_WAIT
from gitrelease.candidate import Candidate, carried, commit_of, of_branch, of_release
from gitrelease.core.errors import Cancelled, Exit, ReleaseError, of_host
from gitrelease.core.events import Recovered
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.history import release_number
from gitrelease.core.outcome import Outcome
from gitrelease.core.text import one_line
from gitrelease.edges import wire
from gitrelease.edges.git import GitError
from gitrelease.edges.home import for_sudo, user_name
from gitrelease.edges.housekeeping import is_full
from gitrelease.edges.records import Records
from gitrelease.release.branch import settle
from gitrelease.release.execute import record
from gitrelease.release.going_back import go_back, no_target, target_of_rollback
from gitrelease.release.preparing import Prepared, prepare
from gitrelease.release.production import Production
from gitrelease.release.promotion import promote
from gitrelease.release.restart import restart
from gitrelease.release.takeback import take_back, target_of_part

if TYPE_CHECKING:
    from gitrelease.agent.agent import Agent

_WRITE_LIMIT = 5.0  # seconds: a client that does not read must not hold up a release


class Desk:
    """Serves clients, each in a thread of its own."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._verbs: dict[str, Callable[[Request], msgspec.Struct | dict[str, Any]]] = {
            "up": self._up,
            "down": self._down,
            "make-way": self._make_way,
            "deploy": self._deploy,
            "rollback": self._rollback,
            "restart": self._restart,
            "push-stage": self._push_stage,
            "push-promote": self._push_promote,
            **Chores(agent).verbs,
            **Looks(agent).verbs,
        }

    def serve(self, connection: socket.socket) -> None:
        """Answer one client, then close."""
        connection.settimeout(_WRITE_LIMIT)
        channel = wire.Channel(connection)
        try:
            with contextlib.suppress(OSError, ValueError):
                message = channel.receive()
                if message is not None:
                    request = Request(channel, message)
                    with contextlib.closing(request.cancel):
                        end = self._answer(request)
                    channel.send({"end": end})
        finally:
            channel.close()
        if self._agent.leaving:
            self._agent.stop()

    def _answer(self, request: Request) -> dict[str, Any]:
        if request.uid != os.getuid():
            owner = user_name(os.getuid())
            return _error(
                f"the agent belongs to {owner}",
                f"Run it as {owner}: sudo -u {for_sudo(os.getuid())} gitrelease …",
                Exit.USAGE,
            )
        if request.version != __version__ and self._agent.renew():
            return {"again": True}
        verb = self._verbs.get(request.verb)
        if verb is None:
            return _error(
                f"agent {__version__} knows no {request.verb!r}",
                "Restart it: gitrelease down && gitrelease up",
                Exit.USAGE,
            )
        try:
            answer = verb(request)
        except GitError as error:
            home = self._agent.world.home.root
            full = of_host(OSError(errno.ENOSPC, error.message), str(home)) if is_full(home) else None
            return _error((full or error).message, (full or error).hint, error.code)
        except ReleaseError as error:
            return _error(error.message, error.hint, error.code)
        except Cancelled as cancelled:
            return _error(
                f"cancelled: {cancelled}", "Nothing more is changed; see what serves: gitrelease status", Exit.REFUSED
            )
        except Exception as error:  # noqa: BLE001  # the handler for bugs: saved, named, and the agent goes on
            known = of_host(error, str(self._agent.world.home.root)) if isinstance(error, OSError) else None
            log.error("%s failed: %s", request.verb, error, exc_info=known is None)
            if known is not None:
                return _error(known.message, known.hint, known.code)
            what = traceback.format_exc(limit=-1).strip().splitlines()[-1]
            return _error(
                f"{request.verb} failed unexpectedly: {what}",
                f"The traceback is in {self._log_file}",
                Exit.UNEXPECTED,
            )
        return answer if isinstance(answer, dict) else _as_dict(answer)

    @property
    def _log_file(self) -> str:
        return str(self._agent.world.home.agent_log)

    # -- verbs -----------------------------------------------------------------------------------------------

    def _up(self, request: Request) -> Outcome:
        agent = self._agent
        try:
            return agent.up(
                cancel=request.cancel, report=request.report, owner=request.by, pid=request.pid,
                recovering=request.flag("recovering"),
            )  # fmt: skip
        finally:
            if agent.production is None and agent.turn.holder is None:
                agent.leaving = True  # it did not come up: nothing to look after

    def _down(self, request: Request) -> Outcome:
        outcome = self._agent.take_down(owner=request.by, pid=request.pid, cancel=request.cancel)
        self._agent.leaving = True
        return outcome

    def _make_way(self, _: Request) -> dict[str, Any]:
        self._agent.make_way()
        return {}

    def _deploy(self, request: Request) -> Outcome:
        production = self._agent.serving()
        group = request.text("group")
        if group not in (None, PRODUCTION):
            return self._deploy_to(str(group), request)
        revision = request.text("revision")
        commit = self._revision(revision)
        # What a person asks for goes before what the agent has found by itself, but for its way back.
        self._agent.turn.hurry(f"{request.by} deploys", only=AGENT, sparing=(ROLLBACK,))
        with (
            cancelled_when_gone(request),
            self._agent.has_turn(
                owner=request.by, pid=request.pid, doing="deploy", cancel=request.cancel, wait=SHORT_WAIT
            ),
        ):
            known = production.world.records()
            candidate = self._candidate(commit, known, request)
            prepared = prepare(
                production, known, candidate, approval="command" if request.flag("approve") else "",
                explicit=revision is not None, by_hand=True, cancel=request.cancel, report=request.report,
            )  # fmt: skip
            if isinstance(prepared, Outcome) and prepared.outcome != "unchanged":
                return prepared
            self._agent.inbox.forget(candidate.key)
            if isinstance(prepared, Prepared):
                return promote(production, prepared, report=request.report)
            hint = settle(production, candidate) or self._of_refused_edit()
            return msgspec.structs.replace(prepared, hint=hint) if hint else prepared

    def _of_refused_edit(self) -> str:
        """Say that something lies on disk which nobody has released; nothing where that is not so."""
        refused = next(iter(self._agent.inbox.refused.values()), "")
        return f"An edit on disk is refused: {one_line(refused, 200)}; see: gitrelease status" if refused else ""

    def _deploy_to(self, group: str, request: Request) -> Outcome:
        """Release to another group than production; what was released before is carried there as it is."""
        agent, main = self._agent, self._agent.serving()
        commit = self._revision(request.text("revision"))
        with (
            cancelled_when_gone(request),
            agent.has_turn(owner=request.by, pid=request.pid, doing="deploy", cancel=request.cancel, wait=SHORT_WAIT),
        ):
            main.world = main.world.judged_by(main.world.live_ref)  # a group that was set a moment ago is one as well
            production = agent.groups.serving(main.world, group, report=request.report, by=request.by)
            try:
                known = production.world.records()
                candidate = carried(production.world, commit, known) or of_branch(
                    production.world, commit, live=main.world.records().live, trigger="shell", by="", at=time.time()
                )
                prepared = prepare(
                    production, known, dataclasses.replace(candidate, by=request.by, reason=request.reason),
                    explicit=True, by_hand=True, cancel=request.cancel, report=request.report,
                )  # fmt: skip
                if isinstance(prepared, Outcome):
                    return _within(production, prepared)
                return _within(production, promote(production, prepared, report=request.report))
            finally:
                agent.groups.drop_if_empty(group)

    def _candidate(self, commit: str, known: Records, request: Request) -> Candidate:
        """Return what a group has had, else what waits under that commit, else what a release served, else the commit.

        The commit: as it would be served.
        """
        world = self._agent.serving().world
        waiting = self._agent.inbox.find(commit)
        if waiting is not None and waiting.trigger == "edit":  # it comes with what lies on disk
            return dataclasses.replace(waiting, by=request.by, reason=request.reason)
        candidate = (
            carried(world, commit, known, only_elsewhere=True)
            or waiting
            or of_release(world, commit, known, at=time.time())
            or of_branch(world, commit, live=known.live, trigger="shell", by=request.by, at=time.time())
        )
        return dataclasses.replace(candidate, by=request.by, reason=request.reason)

    def _revision(self, revision: str | None) -> str:
        """Return the commit that `deploy` means: a named one, one that waits for approval, else the branch."""
        world = self._agent.serving().world
        if revision is None:
            waiting = self._agent.inbox.last(world)
            return waiting.commit if waiting else world.git.ref(world.settings.branch_ref) or ""
        return commit_of(world, revision)

    def _rollback(self, request: Request) -> Outcome:
        production = self._agent.groups.released_to(self._agent.serving(), request.text("group"))
        name, only = request.text("release"), request.text("only")
        # Whoever is only staging gives way: production is going back, now.
        self._agent.turn.hurry(f"{request.by} rolls production back")
        with self._agent.has_turn(
            owner=request.by,
            pid=request.pid,
            doing=ROLLBACK if only is None else f"{ROLLBACK} --only {only}",
            cancel=request.cancel,
            wait=URGENT_WAIT,
        ):
            known = production.world.records()
            world = production.world
            target = (
                target_of_part(world, known, name, only)
                if only
                else target_of_rollback(world, known, name, production.memory)
            )
            if target is None:
                raise no_target(world, name)
            if only is not None:
                outcome = take_back(
                    production, known, target, only, reason=request.reason, by=request.by,
                    cancel=request.cancel, report=request.report,
                )  # fmt: skip
            else:
                outcome = go_back(
                    production, known, target, reason=request.reason, by=request.by, automatic=False,
                    cancel=request.cancel, report=request.report,
                )  # fmt: skip
            return _within(production, outcome)

    def _restart(self, request: Request) -> Outcome:
        main = self._agent.serving()  # an agent that is just coming up is waited for
        self._agent.turn.hurry(f"{request.by} restarts", only=AGENT, sparing=(ROLLBACK,))
        with self._agent.has_turn(
            owner=request.by, pid=request.pid, doing="restart", cancel=request.cancel, wait=SHORT_WAIT
        ):
            done: list[Outcome] = []
            for production, only in self._agent.groups.chosen(main, request.text("instance")):
                outcome = restart(production, instance=only, cancel=request.cancel, report=request.report)
                done.append(_within(production, outcome))
                if outcome.outcome != "released":
                    return done[-1]
                if only is None and production.memory.stopped is not None:
                    number = release_number(outcome.release or "") or 0
                    record(production, Recovered(at=time.time(), number=number, by=request.by, reason="restarted"))
            first, *others = done
            reason = "; ".join([first.reason, *(f"in {one.group} {one.reason}" for one in others)])
            return msgspec.structs.replace(first, reason=reason)

    def _push_stage(self, request: Request) -> Outcome:
        with cancelled_when_gone(request):
            return self._agent.pushes.stage(
                old=str(request.arguments["old"]),
                new=str(request.arguments["new"]),
                approval=request.text("approval") or "",
                receive_pack=int(request.arguments["receive_pack"]),
                by=request.by,
                cancel=request.cancel,
                report=request.report,
            )

    def _push_promote(self, request: Request) -> Outcome:
        return self._agent.pushes.promote(
            int(request.arguments["receive_pack"]),
            commit=request.text("new") or "",
            approval=request.text("approval") or "",
            by=request.by,
            cancel=request.cancel,
            report=request.report,
        )


def _within(production: Production, outcome: Outcome) -> Outcome:
    """Return the outcome with the group of instances that it is about."""
    return msgspec.structs.replace(outcome, group=production.world.group)


def _error(message: str, hint: str, code: Exit) -> dict[str, Any]:
    return {"error": message, "hint": hint, "code": int(code)}


def _as_dict(answer: msgspec.Struct) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(answer)
    if isinstance(answer, Outcome):
        built["code"] = int(answer.exit_code)
    return built
