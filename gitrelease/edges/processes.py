"""How are processes started, recognised and ended? Only our own are ever signalled.

A process is known by its pid, the moment of its start and the boot that it was in: a recycled pid is a stranger.
The moment is the kernel's, on a clock that nobody sets: after a step of the wall clock psutil's creation times, which
are built on it, make every process look like another. This module alone imports psutil.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import psutil

from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line
from gitrelease.edges.home import open_log

# A Popen that nobody holds is reaped by the next one, anywhere in this process; how it ended is lost with it.
_children: dict[int, subprocess.Popen[bytes]] = {}
_TICKS = os.sysconf("SC_CLK_TCK")  # per second
_PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes


class Identity(msgspec.Struct, frozen=True):
    """A process for good: `started` is when it did, in the kernel's ticks since the boot that `boot` names."""

    pid: int
    started: int
    boot: str

    def process(self) -> psutil.Process | None:
        """Return the living process, None when it has ended or another has its pid."""
        try:
            found = psutil.Process(self.pid)
            same = identify(self.pid) == self
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.NoSuchProcess, ProcessLookupError):
            return None

    @property
    def alive(self) -> bool:
        return self.process() is not None


class Member(NamedTuple):
    """A living process as the kernel's table has it; `resident_mb` counts pages that it shares as well."""

    pid: int
    parent: int
    session: int
    started: int  # in the kernel's ticks since boot
    resident_mb: float

    def own_mb(self) -> float:
        """Return its memory in megabytes, of shared pages its part only; 0 when it is gone."""
        # Another user's cannot be read.
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/smaps_rollup").read_bytes().splitlines():
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) / 1024
        return 0.0


class Tree:
    """A process with all that came from it: its session, its descendants, whoever carries its mark in the environment.

    A daemon has left session and parents; the mark it keeps. One look reads a line of every process of the host, and
    the environment of each once.
    """

    def __init__(self, leader: Identity, variable: str, value: str) -> None:
        self._leader = leader
        self._mark = os.fsencode(f"{variable}={value}")
        self._marked: dict[tuple[int, int], bool] = {}

    def members(self) -> list[Member]:
        """Return those that live just now, the oldest first."""
        leader, found = self._leader, dict[int, Member]()
        # None is older than the leader, nor a child than its parent.
        for one in sorted((one for one in _table() if one.started >= leader.started), key=lambda one: one.started):
            stranger = one.pid == leader.pid and one.started != leader.started
            ours = leader.pid in (one.pid, one.session) or one.parent in found or self._carries(one)
            if ours and not stranger:
                found[one.pid] = one
        return list(found.values())

    def _carries(self, one: Member) -> bool:
        key = (one.pid, one.started)
        if key not in self._marked:
            try:
                self._marked[key] = self._mark in Path(f"/proc/{one.pid}/environ").read_bytes().split(b"\0")
            except OSError:  # another user's, or gone
                self._marked[key] = False
        return self._marked[key]


def _table() -> Iterator[Member]:
    """Yield the living processes of this host."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The name, in parentheses, may hold anything; see proc_pid_stat(5).
                words = (folder / "stat").read_bytes().rpartition(b")")[2].split()
                if words[0] not in (b"Z", b"X"):
                    resident = int(words[21]) * _PAGE / 1_048_576
                    yield Member(int(folder.name), int(words[1]), int(words[3]), int(words[19]), resident)


class Usage(msgspec.Struct, frozen=True):
    """What a process uses: percent of one core since its start, resident megabytes, seconds since its start."""

    cpu_percent: float
    memory_mb: float
    uptime_s: float


def identify(pid: int) -> Identity:
    """Return the identity of a running process; `ProcessLookupError` when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(pid) from error
    # The name, in parentheses, may hold anything; the start is the 22nd word, see proc_pid_stat(5).
    return Identity(pid, int(stat.rpartition(b")")[2].split()[19]), _boot())


@functools.cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, its output appended to `log`, nothing on its standard input.

    Where nothing can be written any more the output is lost, and the process is started all the same.
    """
    with _appending(log) as output:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
    _children[child.pid] = child
    return child


def _appending(log: Path) -> IO[bytes]:
    try:
        return open_log(log)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        return Path(os.devnull).open("ab")


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


def await_any(handles: Sequence[int], timeout: float) -> bool:
    """Wait until one of `handles`, however many, is readable; False when none is after `timeout` seconds."""
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    return bool(poll.poll(max(timeout, 0) * 1000))


def wait_end(identity: Identity, timeout: float) -> bool:
    """Wait until the process has ended, with all its threads; False when it has not after `timeout` seconds.

    A zombie is not enough: its other threads may still hold what is open, a lock on a file say.
    """
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        with contextlib.suppress(ProcessLookupError):
            if identify(identity.pid) != identity:
                return True
        return await_any([handle], timeout)
    finally:
        os.close(handle)


def stop(identity: Identity, *, grace: float) -> None:
    """End a process and its group: TERM, `grace` seconds, KILL. A stranger with its pid is left alone."""
    if _signal(identity, signal.SIGTERM):
        wait_end(identity, grace)
    _reap(identity)
    kill_group(identity)
    _signal(identity, signal.SIGKILL)  # it need not lead a group
    wait_end(identity, 5.0)
    _reap(identity)


def _signal(identity: Identity, number: signal.Signals) -> bool:
    """Send a signal to that process and to no other: between look and signal its pid may be given away."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if not identity.alive:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _reap(identity: Identity) -> None:
    """Let go of a child of ours that has ended; init reaps what an earlier agent started."""
    child = _children.get(identity.pid)
    if child is not None and child.poll() is not None:
        _children.pop(identity.pid, None)


def kill_group(identity: Identity) -> None:
    """Send KILL to every living process of the group that `identity` leads (it was started as a leader).

    The kernel gives no pid away while a group of that number has members: a stranger with the pid of the leader
    means that nobody of ours is left.
    """
    try:
        os.killpg(identity.pid, 0)
    except (ProcessLookupError, PermissionError):
        return  # nobody of ours is left: not worth a look at every process of the host
    with contextlib.suppress(ProcessLookupError):
        if identify(identity.pid) != identity:
            return
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            # A member is no older than its leader: an older process cannot be one of ours.
            if os.getpgid(process.pid) == identity.pid and identify(process.pid).started >= identity.started:
                process.kill()


def kill(identities: Iterable[Identity]) -> None:
    """Send KILL to processes that are no group of ours any more; strangers with their pids are left alone."""
    for identity in identities:
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(identity.pid)
            try:
                if identify(identity.pid) == identity and identity.pid != os.getpid():
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def kill_marked(variable: str, value: str) -> None:
    """Send KILL to whoever was started with `variable` set to `value`, until nobody is left: they may have children."""
    deadline = time.monotonic() + 5.0
    while (left := marked(variable, value)) and time.monotonic() < deadline:
        kill(left)
        for identity in left:
            wait_end(identity, deadline - time.monotonic())


def usage(identity: Identity) -> Usage | None:
    """Return what the process uses, None when it is gone."""
    process = identity.process()
    if process is None:
        return None
    try:
        with process.oneshot():
            times = process.cpu_times()
            uptime = max(time.clock_gettime(time.CLOCK_BOOTTIME) - identity.started / _TICKS, 0.001)
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
        command = one_line(redacted(" ".join(psutil.Process(pid).cmdline())), 120)
    except psutil.Error:
        command = ""
    return f"pid {pid}: {command}" if command else f"pid {pid}"


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
                found.append(identify(process.pid))
    return found


def with_open(path: Path) -> list[Identity]:
    """Return the processes of this user that have the file `path` open."""
    wanted = path.stat()
    found: list[Identity] = []
    for process in psutil.process_iter():
        # Another user's cannot be read, and are none of ours.
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            for handle in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(handle.stat(), wanted):
                        found.append(identify(process.pid))
                        break
    return found


def runs_from(identity: Identity, folder: Path, control: Path) -> bool:
    """Does the process work in `folder`, hold a file in it open, or is it the front that `control` steers?

    Never one at a terminal: all of ours are started without one, so that one is a person's.
    """
    place = Path(f"/proc/{identity.pid}")
    # Another user's cannot be read, and is none of ours.
    with contextlib.suppress(OSError):
        if int((place / "stat").read_bytes().rpartition(b")")[2].split()[4]) != 0:
            return False
        argv = (place / "cmdline").read_bytes().split(b"\0")
        if b"gitrelease.front" in argv and os.fsencode(control) in argv:
            return True
        if (place / "cwd").readlink().is_relative_to(folder):
            return True
        return any(_names(handle, folder) for handle in (place / "fd").iterdir())
    return False


def _names(handle: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return handle.readlink().is_relative_to(folder)
    return False


def arguments(identity: Identity) -> tuple[str, ...]:
    """Return the command line of a process, empty when it is gone."""
    process = identity.process()
    try:
        return tuple(process.cmdline()) if process is not None else ()
    except psutil.Error:
        return ()


def working_in(folder: Path, program: str) -> list[int]:
    """Return the pids of the processes of `program` (`git`, and so `git-receive-pack`) that work in `folder`.

    They are to be told, never to be signalled.
    """
    found: list[int] = []
    for process in psutil.process_iter():
        # Another user's cannot be read, and are not seen.
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().partition("-")[0] == program and Path(process.cwd()).is_relative_to(folder):
                found.append(process.pid)
    return found


def descends(identity: Identity, ancestors: set[int]) -> bool:
    """Was the process started by one of `ancestors`?"""
    try:
        return any(parent.pid in ancestors for parent in psutil.Process(identity.pid).parents())
    except psutil.NoSuchProcess:
        return False
