"""In which order is a checkout looked at, how long may a look take, and what does it need of those before it?"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gitrelease.core.errors import ReleaseError, of_host
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line
from gitrelease.doctor import app, files, host, pages, repository, running, telling
from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, of_error, problem, warning
from gitrelease.edges import process_table, processes

_LOOK = 10.0  # seconds for one look
_ANSWER = 30.0  # where the agent is asked
_IMPORT = 60.0  # likewise, where the app's packages are imported
_ALL = 60.0  # after so long each of those that are left has
_LEAST = 1.0  # seconds


@dataclass(frozen=True)
class Look:
    """One look; where one of `after` found a problem it makes no sense, and is left out."""

    name: str
    look: Callable[[Case], Iterator[Diagnosis]]
    after: tuple[str, ...] = ()
    seconds: float = _LOOK


_REPOSITORY = ("git", "safe.directory", "repository")
_READABLE = (*_REPOSITORY, "settings")
_PRODUCTION = (*_READABLE, "init")

LOOKS = (
    Look("git", host.git_program),
    Look("safe.directory", repository.safe_directory, ("git",)),
    Look("rights", host.rights),
    Look("repository", repository.repository, ("git", "safe.directory")),
    Look("init", repository.set_up),
    Look("settings", app.settings, _REPOSITORY),
    Look("git settings", repository.configuration, (*_REPOSITORY, "init")),
    Look("hooks", repository.hooks_installed, _PRODUCTION),
    Look("branch", repository.branch, _READABLE),
    Look("locks", repository.locks_left, ("git",)),
    Look("refs", repository.pointers, _READABLE),
    Look("ignored files", repository.files, _READABLE),
    Look("app", app.candidate, (*_READABLE, "refs")),
    Look("regions", app.regions, (*_READABLE, "refs", "app")),
    Look("interpreter", app.interpreter, _READABLE),
    Look("imports", app.imports, (*_READABLE, "interpreter"), _IMPORT),
    Look("streamlit", app.streamlit, (*_READABLE, "interpreter"), _ANSWER),
    Look("run-time files", files.run_time_files, _PRODUCTION),
    Look("files", files.beside_the_script, _PRODUCTION),
    Look("signatures", app.signatures, _PRODUCTION),
    Look("agent", running.agent, ("init",), _ANSWER),
    Look("start", running.start, ("init", "agent")),
    Look("instances", running.instances, ("init", "agent")),
    Look("variables", running.variables, ("init", "settings")),
    Look("open pages", pages.pages, (*_READABLE, "init", "agent")),
    Look("ports", running.ports, _READABLE),
    Look("slots", running.slots, _PRODUCTION),
    Look("journal", running.journal, _PRODUCTION),
    Look("receivers", telling.told, _PRODUCTION, _ANSWER),
    Look("boot", running.boot, ("init",)),
    Look("disk", host.disk),
    Look("room", host.slot, _PRODUCTION),
    Look("memory", host.memory, _PRODUCTION),
    Look("clock", host.clock, _REPOSITORY),
)


def examine(case: Case) -> Iterator[Diagnosis]:
    """Yield what each look finds; never later than its deadline, whatever hangs."""
    case.require_owner()
    begun = time.monotonic()
    ill: set[str] = set()
    left_out: list[str] = []
    for look in LOOKS:
        if ill & set(look.after):
            left_out.append(look.name)
            continue
        limit = min(look.seconds, max(_ALL - (time.monotonic() - begun), _LEAST))
        for found in _within(limit, look, case):
            if found.status == "problem":
                ill.add(look.name)
            yield found
    if left_out:
        yield warning("not looked at", ", ".join(left_out), fix="mend the above, then again: gitrelease doctor")
    _end_what_hangs()


def _within(limit: float, look: Look, case: Case) -> list[Diagnosis]:
    """Return what a look finds, or that it did not come to its end: it is left behind, and ends with this process."""
    found: list[Diagnosis] = []
    bugs: list[BaseException] = []

    def run() -> None:
        try:
            found.extend(look.look(case))
        except ReleaseError as error:
            found.append(of_error(look.name, error))
        except OSError as error:
            known = of_host(error, str(case.directory))
            said = known or ReleaseError(one_line(redacted(str(error)), 300), hint="Mend that, then: gitrelease doctor")
            found.append(of_error(look.name, said))
        except BaseException as error:  # noqa: BLE001  # handed on to the thread that waits
            bugs.append(error)

    thread = threading.Thread(target=run, name=look.name, daemon=True)
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        fix = "see what hangs: ps -ef; a disk that does not answer: dmesg"
        return [*found, problem(look.name, f"no answer within {limit:.0f} s", fix=fix)]
    if bugs:
        raise bugs[0]
    return found


def _end_what_hangs() -> None:
    """End the git or the interpreter of a look that was left behind: our own children, all of them."""
    processes.kill(one.identity for one in process_table.table() if one.parent == os.getpid())
