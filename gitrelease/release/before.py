"""How did things stand before a release? What a person would write down by hand, collected while it is staged.

Nobody waits for it: it is collected in threads, and what is not there in time is missing. No failure of it stops a
release: a fact that could not be found out says why.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gitrelease import __version__
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.redaction import redacted
from gitrelease.core.state import TOO_LATE, State, bounded, encoded
from gitrelease.edges import host, interpreter, process_table
from gitrelease.edges.backends import Backend
from gitrelease.edges.git import Git, GitError
from gitrelease.edges.process_table import Identity
from gitrelease.edges.records import Records
from gitrelease.release.production import Production
from gitrelease.release.running import Running, read_running

log = logging.getLogger("gitrelease.agent")

_PATIENCE = 0.2  # seconds that a release which was staged faster than that waits
_COMMITS = 10  # of the branch
_PACKAGES = 100
_FIELDS = {"1": 8, "u": 10}  # of an entry of git's status, before its path
_git_versions: dict[int, str] = {}

Facts = dict[str, Callable[[Production, Records], Any]]


class Before(threading.Thread):
    """Collects the facts of the tables below, and writes them to a blob."""

    def __init__(self, production: Production, known: Records) -> None:
        super().__init__(name="state", daemon=True)
        self._production, self._known = production, known
        self._at = time.time()
        self._facts: dict[str, Any] = {}
        self._missing: dict[str, str] = {}
        self._blob = ""
        with contextlib.suppress(RuntimeError):  # no more threads: all of it is missing then
            self.start()

    def run(self) -> None:
        # Beside the rest, not after it: on a busy host the candidate was staged before that had even begun.
        slow = threading.Thread(target=self._collect, args=(SLOW,), name="state: slow", daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads: those are missing then
            slow.start()
        self._collect(QUICK)
        if slow.ident is not None:
            slow.join()
        self._blob = self._written()

    def _collect(self, facts: Facts) -> None:
        for name, found in facts.items():
            try:
                self._facts[name] = bounded(found(self._production, self._known))
            except Exception as error:  # noqa: BLE001  # whatever it is: the fact says it, and the release goes on
                self._missing[name] = f"{type(error).__name__}: {error}"

    def blob(self) -> str:
        """Return the id of the blob that holds the state; empty where not even that could be written."""
        if self.is_alive():
            self.join(_PATIENCE)
        return self._blob or self._written()

    def _written(self) -> str:
        found, missing = dict(self._facts), dict(self._missing)  # they are still being collected
        facts = {name: found[name] for name in FACTS if name in found}
        late = {name: TOO_LATE for name in FACTS if name not in found}
        state = State(at=self._at, facts=facts, missing={**late, **missing})
        try:
            return self._production.world.git.write_blob(encoded(state))
        except (GitError, OSError) as error:
            log.warning("how things stood before the release is not kept: %s", error)
            return ""


def _processes(production: Production, _: Records) -> list[dict[str, Any]]:
    """Tell of our own processes, each with its command line."""
    return [
        {
            "role": role,
            "pid": identity.pid,
            "cpu_percent": used.cpu_percent,
            "memory_mb": used.memory_mb,
            "uptime_s": used.uptime_s,
            # As a whole: an option and its secret are two words.
            "command": redacted(" ".join(process_table.arguments(identity))),
        }
        for role, identity in _ours(production)
        if (used := process_table.usage(identity)) is not None
    ]


def _ours(production: Production) -> Iterator[tuple[str, Identity]]:
    yield "agent", process_table.identify(os.getpid())
    for group, running in _runnings(production):
        if running.front is not None:
            yield _named("front", group), running.front
        for role, backend in _backends(running):
            yield _named(role, group), backend.identity


def _runnings(production: Production) -> Iterator[tuple[str, Running]]:
    """Yield what runs for each group of instances; of the others, as they have it written down."""
    world = production.world
    for group in world.settings.groups:
        here = group == world.group
        yield group, production.running if here else read_running(world.of_group(group).home.processes)


def _named(role: str, group: str) -> str:
    return role if group == PRODUCTION else f"{role} of {group}"


def _backends(running: Running) -> Iterator[tuple[str, Backend]]:
    for what, serving in (("live", running.live), ("standby", running.standby)):
        for name, worker in serving.workers.items() if serving is not None else ():
            yield f"{what} release/{serving.number if serving else 0} {name}", worker.backend
    for leaving in running.leaving:
        yield "leaving", leaving.backend


def _others(production: Production, _: Records) -> dict[str, int]:
    return host.processes(identity.pid for _, identity in _ours(production))


def _ports(production: Production, _: Records) -> dict[str, Any]:
    """Tell who of ours listens where, and how many other ports are taken."""
    others = (one for one in production.world.settings.instances if one.group != production.world.group)
    instances = (*production.instances, *others)
    ours = [{"role": one.name, "address": one.address, "port": one.port} for one in instances]
    ours += [
        {"role": _named(role, group), "address": "127.0.0.1", "port": backend.port}
        for group, running in _runnings(production)
        for role, backend in _backends(running)
    ]
    listened = host.listening()
    known = {row["port"] for row in ours}
    return {
        "ours": [{**row, "open": row["port"] in listened} for row in ours],
        "others": len(listened - known),
    }


def _disks(production: Production, _: Records) -> list[dict[str, Any]]:
    world = production.world
    return host.disks((world.git.root, world.home.root, Path("/tmp")))  # noqa: S108  # looked at, not written to


def _git(production: Production, known: Records) -> dict[str, Any]:
    """Tell where branch and head are, what is edited, and what was committed last."""
    git = production.world.git
    told = git.text("status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=normal")
    entries = [entry for entry in told.split("\0") if entry]
    # "# branch.oid …", "1 .M N... … PATH", "u UU … PATH", "? PATH"; see git-status(1).
    headers = dict(entry[2:].split(" ", 1) for entry in entries if entry.startswith("# "))
    head = headers["branch.oid"]
    dirty = [entry.split(" ", _FIELDS[entry[0]])[-1] for entry in entries if entry[0] in _FIELDS]
    return {
        "branch": headers["branch.head"],
        "head": head,
        "live": known.live.name if known.live else None,
        "last_good": known.good.name if known.good else None,
        "dirty": dirty,
        "untracked": sum(entry.startswith("? ") for entry in entries),
        "commits": _commits(git, head),
    }


def _commits(git: Git, head: str) -> list[dict[str, Any]]:
    listed = git.lines("log", f"-{_COMMITS}", "--format=%H%x00%ct%x00%an%x00%s", head, "--")
    rows = (line.split("\0") for line in listed)
    return [{"commit": commit, "at": int(at), "by": by, "subject": subject} for commit, at, by, subject in rows]


def _versions(production: Production, _: Records) -> dict[str, str]:
    return {
        "gitrelease": __version__,
        "python": host.python_version(),
        "git": _git_version(production.world.git),
        "kernel": host.system()["kernel"],
    }


def _git_version(git: Git) -> str:
    """Return the version of git, asked again when another one is installed."""
    found = shutil.which("git")
    stamp = Path(found).stat().st_mtime_ns if found else 0
    if stamp not in _git_versions:
        _git_versions[stamp] = git.text("version").removeprefix("git version ")
    return _git_versions[stamp]


def _app(production: Production, _: Records) -> dict[str, Any]:
    """Tell which Python runs the app, and with which packages."""
    world = production.world
    found = interpreter.describe(world.python, world.home.root)
    packages = dict(sorted(found.packages.items(), key=lambda item: item[0].lower())[:_PACKAGES])
    return {
        "python": found.python,
        "interpreter": str(world.python),
        "streamlit": next((found.packages[name] for name in found.packages if name.lower() == "streamlit"), None),
        "packages": packages,
        "more_packages": len(found.packages) - len(packages),
    }


# The cheap ones first: the others may come too late.
QUICK: Facts = {
    "host": lambda *_: host.system(),
    "memory": lambda *_: process_table.memory_mb(),
    "disks": _disks,
    "processes": _processes,
    "others": _others,
    "ports": _ports,
    "git": _git,
    "versions": _versions,
}
SLOW: Facts = {"app": _app}  # an interpreter has to be started
FACTS: Facts = {**QUICK, **SLOW}
