"""How are checks run in the app's own interpreter? As processes of their own, by file path, with a deadline."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

import gitrelease
from gitrelease.core.outcome import Check
from gitrelease.core.reading import ReadAs
from gitrelease.core.replay import Answer
from gitrelease.edges import process_table, processes
from gitrelease.edges.backends import environment
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.probes import Endpoint
from gitrelease.edges.process_table import Identity

_PACKAGE = Path(gitrelease.__file__).parent
CONTRACT = _PACKAGE / "inside" / "contract.py"
SESSION = _PACKAGE / "inside" / "session.py"
MOVE_TRIAL = _PACKAGE / "inside" / "move_trial.py"
IMPORTS = _PACKAGE / "inside" / "imports.py"
BACKTRACKING = _PACKAGE / "inside" / "backtracking.py"
OWN_CHECKS = "gitrelease_checks.py"
T = TypeVar("T")
STARVED = 0.5  # of the time: what could compute and is given a processor for less of it is held up by others
CHECKED = "GITRELEASE_CHECK"  # in the environment of whatever a check starts


@dataclass
class Inside:
    """A process in the app's interpreter; its results are files in `folder`."""

    identity: Identity
    folder: Path
    handle: int  # a pidfd
    started: float  # monotonic

    def read(self, name: str) -> bytes:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).read_bytes()
        return b""

    def wait(self, deadline: float, cancel: Cancel) -> bool:
        """Wait until it has ended; False when `deadline` (monotonic) came first."""
        return bool(cancel.wait([self.handle], deadline - time.monotonic()))


@contextlib.contextmanager
def _running(python: Path, arguments: Sequence[str], *, home: Path, cwd: Path, folder: Path) -> Iterator[Inside]:
    env = {**environment(python, home), CHECKED: str(folder)}
    child = processes.spawn([str(python), *arguments], cwd=cwd, log=folder / "output", env=env)
    identity = process_table.identify(child.pid)
    handle = os.pidfd_open(child.pid)
    try:
        yield Inside(identity=identity, folder=folder, handle=handle, started=time.monotonic())
    finally:
        os.close(handle)
        processes.stop(identity, grace=0.0)
        child.wait()


@contextlib.contextmanager
def contract(
    python: Path, *, home: Path, slot: Path, spec: Mapping[str, Any], replay: Mapping[str, Any] | None
) -> Iterator[Inside]:
    """Run the contract of the app in `slot`, as `spec` has it (see `inside/contract.py`); read `contract_results`.

    With `replay`, the sample documents go through the app at the end; read `replay_results`.
    """
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        folder = Path(scratch)
        if spec.get("own"):
            (folder / OWN_CHECKS).write_text(spec["own"], encoding="utf-8")
            spec = {**spec, "own": str(folder / OWN_CHECKS)}
        if replay is not None:
            replay = {**replay, "result": str(folder / "replay")}
        written = {**spec, "replay": replay, "result": str(folder / "results")}
        _write_spec(folder, written)
        arguments = [str(CONTRACT), str(folder / "spec.json")]
        try:
            with _running(python, arguments, home=home, cwd=slot, folder=folder) as running:
                _give_way(running, by=10)
                yield running
        finally:
            if spec.get("own"):
                # A check that starts a process in a session of its own leaves the group that ends with it.
                for stray in process_table.marked(CHECKED, str(folder)):
                    processes.stop(stray, grace=0.0)


def _write_spec(folder: Path, spec: Mapping[str, Any]) -> None:
    # As ASCII: a pattern may hold half of a surrogate pair, which is no UTF-8.
    (folder / "spec.json").write_text(json.dumps(spec), encoding="ascii")


def _give_way(running: Inside, *, by: int) -> None:
    """On a busy host the app's own start goes first: it takes longer, so the checks have the slack.

    Where Linux groups processes by session (`sched_autogroup_enabled`, sched(7)), each is a group of its own, and this
    changes nothing between them.
    """
    with contextlib.suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, running.identity.pid, by)


class Said(NamedTuple):
    """What a contract said: its checks, what is to be known of the app (schema, field, type), and the places of the
    checks that memory was too short for.
    """

    checks: tuple[Check, ...]
    facts: dict[str, dict[str, str]]
    short: frozenset[int] = frozenset()


_CHECK, _ANSWER, _ENTRY = ReadAs(Check), ReadAs(Answer), ReadAs(dict[str, Any])


def contract_results(running: Inside, *, finished: bool) -> Said:
    """Return what the contract said so far; a check that never came back has failed, and is named."""
    checks: list[Check] = []
    facts: dict[str, dict[str, str]] = {}
    short: set[int] = set()
    begun: str | None = None
    for entry in _entries(running):
        if "started" in entry:
            begun = entry["started"]
        elif "facts" in entry:
            facts |= entry["facts"]
        else:
            if entry.pop("out_of_memory", False):
                short.add(len(checks))
            checks.append(_CHECK.convert(entry))
            begun = None
    if begun is not None or not checks:
        name = begun or "contract"
        held_up = None if finished else _held_up(running, name)
        checks.append(held_up or _never_returned(running, name, finished=finished))
    return Said(tuple(_with_output(check, running) for check in checks), facts, frozenset(short))


def replay_results(running: Inside) -> dict[str, Answer]:
    """Return what each sample document gave; of one that was cut off, nothing."""
    answers = _lines(running, "replay", _ANSWER)
    return {answer.document: answer for answer in answers}


def _entries(running: Inside) -> Iterator[dict[str, Any]]:
    return _lines(running, "results", _ENTRY)


def _lines(running: Inside, name: str, kind: ReadAs[T]) -> Iterator[T]:
    """Yield the lines of a file of results; what the app or a check wrote in between is no result."""
    # Cut off at its deadline, the process may have been in the middle of a line: that one is no result either.
    for line in running.read(name).split(b"\n")[:-1]:
        with contextlib.suppress(msgspec.DecodeError):
            yield kind.decode(line)


def _never_returned(running: Inside, name: str, *, finished: bool) -> Check:
    spent = time.monotonic() - running.started
    what = "ended the process" if finished else f"did not return within {spent:.0f} s"
    return Check(
        name=name, kind="major", status="failed", detail=f"{what}{_tail(running.read('output'))}", seconds=spent
    )


def _held_up(running: Inside, name: str) -> Check | None:
    """Return that a check could not be done: it waited for a processor most of the time. None where it did not."""
    waited = time.monotonic() - running.started
    held_up = process_table.held_up(running.identity)
    if held_up < (1 - STARVED) * waited:
        return None
    had = f"in {waited:.0f} s it waited {held_up:.0f} s for a processor"
    detail = f"did not return: the host is busy, {had}; when it is less so, try the same again"
    return Check(name=name, kind="major", status="unknown", detail=detail, seconds=waited)


def _starved(running: Inside, name: str) -> Check | None:
    """Return that a check which only computes could not be done: others had the processors. None where it had time."""
    waited = time.monotonic() - running.started
    spent = process_table.activity(running.identity).spent
    if spent > STARVED * waited:
        return None
    had = f"it had {spent:.1f} s of a processor in {waited:.0f} s"
    detail = f"could not be timed: the host is busy, {had}; when it is less so, try the same again"
    return Check(name=name, kind="major", status="unknown", detail=detail, seconds=waited)


def _with_output(check: Check, running: Inside) -> Check:
    """Add what was printed to what a failed check of the repository's own said."""
    printed = _tail(running.read("output")) if check.status == "failed" and check.name.startswith("check_") else ""
    return msgspec.structs.replace(check, detail=f"{check.detail}; printed{printed}") if printed else check


@contextlib.contextmanager
def backtracking(
    python: Path, *, home: Path, cwd: Path, patterns: Sequence[tuple[str, str]], seconds: float
) -> Iterator[Inside]:
    """Time `patterns` (name, pattern), each for some processor `seconds`; read `backtracking_results`."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        folder = Path(scratch)
        spec = {"patterns": patterns, "seconds": seconds, "result": str(folder / "results")}
        _write_spec(folder, spec)
        arguments = [str(BACKTRACKING), str(folder / "spec.json")]
        with _running(python, arguments, home=home, cwd=cwd, folder=folder) as running:
            _give_way(running, by=5)  # by 10, four others that compute on two processors make 3 s of it 56
            yield running


def backtracking_results(running: Inside, *, finished: bool) -> tuple[Check, ...]:
    """Return a check for each pattern; one that never came back has failed, unless the host gave it no time."""
    checks: list[Check] = []
    begun: str | None = None
    for entry in _entries(running):
        if "started" in entry:
            begun = entry["started"]
            continue
        begun = None
        slow = entry["verdict"] == "slow"
        told = f"grows {entry['growth']}: {entry['seconds']:.2f} s over {entry['input']}, in {entry['pattern']}"
        checks.append(
            Check(
                name=f"backtracking {entry['name']}",
                kind="pattern",
                status="failed" if slow else "passed",
                detail=told if slow else "",
                seconds=entry["seconds"],
                absolute=True,
            )
        )
    if begun is not None:
        name = f"backtracking {begun}"
        starved = None if finished else _starved(running, name)
        checks.append(starved or _never_returned(running, name, finished=finished))
    return tuple(checks)


@contextlib.contextmanager
def imports(python: Path, *, home: Path, names: Sequence[str]) -> Iterator[Inside]:
    """Import modules by their names, nothing of the checkout in sight; read `import_results`."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        folder = Path(scratch)
        _write_spec(folder, {"names": names, "result": str(folder / "results")})
        arguments = [str(IMPORTS), str(folder / "spec.json")]
        with _running(python, arguments, home=home, cwd=folder, folder=folder) as running:
            yield running


def import_results(running: Inside, *, finished: bool) -> dict[str, str]:
    """Return by name what is wrong with an import, nothing where it went well; names that it did not get to are out."""
    found: dict[str, str] = {}
    for entry in _entries(running):
        if "started" in entry:
            found[entry["started"]] = "ended the process" if finished else "did not return in time"
        else:
            found[entry["name"]] = entry["problem"]
    return found


@contextlib.contextmanager
def session(python: Path, *, home: Path, endpoint: Endpoint, deadline: float, cwd: Path) -> Iterator[Inside]:
    """Open one real session with the backend there; `deadline` is in seconds from now."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        arguments = [str(SESSION), "127.0.0.1", str(endpoint.port), f"{deadline:.3f}", endpoint.base]
        arguments += ["tls"] if endpoint.tls else []
        with _running(python, arguments, home=home, cwd=cwd, folder=Path(scratch)) as running:
            yield running


def session_result(running: Inside) -> Check:
    """Return what the session saw; `unknown` where it could not tell."""
    spent = round(time.monotonic() - running.started, 3)
    lines = running.read("output").splitlines()
    try:
        said = msgspec.json.decode(lines[-1]) if lines else {}
    except msgspec.DecodeError:
        said = {}
    if "ok" not in said:
        detail = str(said.get("unknown") or f"the session probe gave no verdict{_tail(running.read('output'))}")
        return Check(name="session", kind="major", status="unknown", detail=detail, seconds=spent)
    return Check(
        name="session",
        kind="major",
        status="passed" if said["ok"] else "failed",
        detail=str(said.get("detail", "")),
        seconds=spent,
    )


@contextlib.contextmanager
def move_trial(
    python: Path, *, home: Path, endpoint: Endpoint, companion: str, deadline: float, cwd: Path
) -> Iterator[Inside]:
    """Move a page of the process there to itself; `deadline` is in seconds from now. Read `move_trial_result`."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        arguments = [str(MOVE_TRIAL), "127.0.0.1", str(endpoint.port), companion, f"{deadline:.3f}", endpoint.base]
        with _running(python, arguments, home=home, cwd=cwd, folder=Path(scratch)) as running:
            yield running


def move_trial_result(running: Inside) -> str:
    """Say why a page cannot be moved in this process; nothing where it was."""
    lines = running.read("output").splitlines()
    try:
        said = msgspec.json.decode(lines[-1]) if lines else {}
    except msgspec.DecodeError:
        said = {}
    if said.get("ok"):
        return ""
    return str(said.get("detail") or said.get("unknown") or "the trial gave no answer")


def _tail(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""
