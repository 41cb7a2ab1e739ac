"""How are checks run in the app's own interpreter? As processes of their own, by file path, with a deadline."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import gitrelease
from gitrelease.core.outcome import Check
from gitrelease.edges import processes
from gitrelease.edges.backends import environment
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.processes import Identity

_PACKAGE = Path(gitrelease.__file__).parent
CONTRACT = _PACKAGE / "inside" / "contract.py"
SESSION = _PACKAGE / "inside" / "session.py"
FINDOC_CHECKS = _PACKAGE / "profiles" / "findoc" / "contract.py"


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
    child = processes.spawn([str(python), *arguments], cwd=cwd, log=folder / "output", env=environment(python, home))
    identity = processes.identify(child.pid)
    handle = os.pidfd_open(child.pid)
    try:
        yield Inside(identity=identity, folder=folder, handle=handle, started=time.monotonic())
    finally:
        os.close(handle)
        processes.stop(identity, grace=0.0)
        child.wait()


@contextlib.contextmanager
def contract(
    python: Path,
    *,
    home: Path,
    slot: Path,
    script: str,
    classes: Sequence[str],
    checks: Path | None,
    patterns: Sequence[Sequence[str]],
) -> Iterator[Inside]:
    """Run the contract of the app in `slot`; read what it said with `contract_results`."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        folder = Path(scratch)
        spec = {
            "script": str(slot / script),
            "classes": list(classes),
            "checks": str(checks) if checks else None,
            "patterns": [list(pattern) for pattern in patterns],
            "result": str(folder / "results"),
        }
        (folder / "spec.json").write_bytes(msgspec.json.encode(spec))
        arguments = [str(CONTRACT), str(folder / "spec.json")]
        with _running(python, arguments, home=home, cwd=slot, folder=folder) as running:
            # On a busy host the app's own start goes first: it takes longer, so the contract has the slack.
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, running.identity.pid, 10)
            yield running


def contract_results(running: Inside, *, finished: bool) -> tuple[Check, ...]:
    """Return what the contract said so far; a check that never came back has failed, and is named."""
    checks: list[Check] = []
    begun: str | None = None
    # Cut off at its deadline, the process may have been in the middle of a line: that one is no result.
    for line in running.read("results").split(b"\n")[:-1]:
        entry: dict[str, Any] = msgspec.json.decode(line)
        if "started" in entry:
            begun = entry["started"]
        else:
            checks.append(msgspec.convert(entry, Check))
            begun = None
    if begun is not None or not checks:
        spent = time.monotonic() - running.started
        what = "ended the process" if finished else f"did not return within {spent:.0f} s"
        tail = _tail(running.read("output"))
        checks.append(
            Check(name=begun or "contract", kind="major", status="failed", detail=f"{what}{tail}", seconds=spent)
        )
    return tuple(checks)


@contextlib.contextmanager
def session(python: Path, *, home: Path, port: int, deadline: float, cwd: Path) -> Iterator[Inside]:
    """Open one real session with the backend on `port`; `deadline` is in seconds from now."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        arguments = [str(SESSION), "127.0.0.1", str(port), f"{deadline:.3f}"]
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


def _tail(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""
