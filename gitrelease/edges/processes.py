"""How are processes started, recognised and ended? Only our own are ever signalled.

A process is known by its pid and its creation time, recorded at its start: a recycled pid is a stranger.
This module alone imports psutil.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

_TOLERANCE = 0.05  # psutil derives creation times from clock ticks


class Identity(msgspec.Struct, frozen=True):
    """A process for good: `started` is its creation time in seconds since 1970."""

    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """Return the living process, None when it has ended or another has its pid."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < _TOLERANCE
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    @property
    def alive(self) -> bool:
        return self.process() is not None


class Usage(msgspec.Struct, frozen=True):
    """What a process uses: percent of one core since its start, resident megabytes, seconds since its start."""

    cpu_percent: float
    memory_mb: float
    uptime_s: float


def identify(pid: int) -> Identity:
    """Return the identity of a running process; `ProcessLookupError` when there is none."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(pid) from error


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, its output appended to `log`, nothing on its standard input."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )


def how_ended(identity: Identity) -> str:
    """Say how a child of ours that has just ended did so: `it exited with code 3`, `it was killed by SIGKILL`."""
    try:
        ended = os.waitid(os.P_PID, identity.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        ended = None
    if ended is None:
        return "it ended"
    if ended.si_code == os.CLD_EXITED:
        return f"it exited with code {ended.si_status}"
    return f"it was killed by {signal.Signals(ended.si_status).name}"


def wait_end(identity: Identity, timeout: float) -> bool:
    """Wait until the process has ended; False when it has not after `timeout` seconds."""
    if not identity.alive:
        return True
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], max(timeout, 0))[0])
    finally:
        os.close(handle)


def stop(identity: Identity, *, grace: float) -> None:
    """End a process and its group: TERM, `grace` seconds, KILL. A stranger with its pid is left alone."""
    if identity.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, signal.SIGTERM)
        wait_end(identity, grace)
    _reap(identity)
    kill_group(identity)
    wait_end(identity, 5.0)
    _reap(identity)


def _reap(identity: Identity) -> None:
    """Let go of a child of ours that has ended; init reaps what an earlier agent started."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(identity.pid, os.WNOHANG)


def kill_group(identity: Identity) -> None:
    """Send KILL to every living process of the group that `identity` leads (it was started as a leader)."""
    try:
        os.killpg(identity.pid, 0)
    except ProcessLookupError:
        return  # nobody is left: not worth a look at every process of the host
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            # A member is no older than its leader: an older process cannot be one of ours.
            if os.getpgid(process.pid) == identity.pid and process.create_time() >= identity.started - _TOLERANCE:
                process.kill()


def usage(identity: Identity, *, now: float) -> Usage | None:
    """Return what the process uses, None when it is gone."""
    process = identity.process()
    if process is None:
        return None
    try:
        with process.oneshot():
            times = process.cpu_times()
            uptime = max(now - identity.started, 0.001)
            return Usage(
                cpu_percent=round(100 * (times.user + times.system) / uptime, 1),
                memory_mb=round(process.memory_info().rss / 1_048_576, 1),
                uptime_s=round(uptime, 1),
            )
    except psutil.NoSuchProcess:
        return None


def available_mb() -> float:
    """Return how many megabytes of memory new processes can have without swapping."""
    return float(psutil.virtual_memory().available) / 1_048_576


def port_owner(port: int) -> str | None:
    """Say who listens on TCP `port` (`pid 4711: python -m http.server`), None when nobody is found."""
    with contextlib.suppress(psutil.AccessDenied):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return _describe(connection.pid) if connection.pid else "a process of another user"
    return None


def _describe(pid: int) -> str:
    try:
        command = " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        command = ""
    return f"pid {pid}: {command[:120]}" if command else f"pid {pid}"


def listens(identity: Identity, port: int) -> bool:
    """Is it this process, or one of its group, that listens on `port`?"""
    leader = identity.process()
    if leader is None:
        return False
    with contextlib.suppress(psutil.Error):
        return _has_listener(leader, port) or any(
            _has_listener(child, port) for child in leader.children(recursive=True)
        )
    return False


def _has_listener(process: psutil.Process, port: int) -> bool:
    connections = process.net_connections(kind="tcp")
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def marked(variable: str, value: str) -> list[Identity]:
    """Return the processes of this user that were started with `variable` set to `value`."""
    found: list[Identity] = []
    wanted = os.fsencode(f"{variable}={value}")
    for process in psutil.process_iter():
        # Another user's environment cannot be read, and is none of ours.
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if wanted in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                found.append(Identity(process.pid, process.create_time()))
    return found


def descends(identity: Identity, ancestors: set[int]) -> bool:
    """Was the process started by one of `ancestors`?"""
    try:
        return any(parent.pid in ancestors for parent in psutil.Process(identity.pid).parents())
    except psutil.NoSuchProcess:
        return False
