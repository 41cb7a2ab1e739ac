"""Which processes are there, whose are they, what do they use and hold? Looked at only, never signalled.

A process is known by its pid, the moment of its start and the boot that it was in: a recycled pid is a stranger.
The moment is the kernel's, on a clock that nobody sets: after a step of the wall clock psutil's creation times, which
are built on it, make every process look like another. This module alone imports psutil.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line

_TICKS = os.sysconf("SC_CLK_TCK")  # per second
TICK = 1 / _TICKS  # seconds; the kernel tells moments no finer than that
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


def identify(pid: int) -> Identity:
    """Return the identity of a running process; `ProcessLookupError` when there is none."""
    try:
        words = _words(Path(f"/proc/{pid}/stat"))
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(pid) from error
    return Identity(pid, int(words[19]), _boot())


def _words(stat: Path) -> list[bytes]:
    """Return the words of a line of the kernel's from the third on; the name before may hold anything.

    See proc_pid_stat(5).
    """
    return stat.read_bytes().rpartition(b")")[2].split()


@functools.cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Member(NamedTuple):
    """A living process as the kernel's table has it; `resident_mb` counts pages that it shares as well."""

    pid: int
    parent: int
    group: int
    session: int
    started: int  # in the kernel's ticks since boot
    resident_mb: float
    threads: int = 1
    spent: float = 0.0  # seconds of processor time, its own
    inherited: float = 0.0  # likewise, of its children that have ended

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started, _boot())

    def age(self, now: float) -> float:
        """Return the seconds since its start; `now` is in seconds since the host's."""
        return now - self.started / _TICKS

    def own_mb(self) -> float:
        """Return its memory in megabytes, of shared pages its part only; 0 when it is gone."""
        return self._summed(b"Pss:")

    def private_mb(self) -> float:
        """Return the memory in megabytes that no other process has; 0 when it is gone."""
        return self._summed(b"Private_")

    def _summed(self, label: bytes) -> float:
        """Add up the lines of its memory that begin with `label`."""
        # Another user's cannot be read.
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{self.pid}/smaps_rollup").read_bytes().splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith(label)) / 1024
        return 0.0


def table() -> Iterator[Member]:
    """Yield the living processes of this host."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = _words(folder / "stat")
                # A leader that has ended is a zombie as long as its other threads run.
                if words[0] not in (b"Z", b"X") or (words[0] == b"Z" and int(words[17]) > 1):
                    resident = int(words[21]) * _PAGE / 1_048_576
                    parent, group, session, threads, started = (int(words[at]) for at in (1, 2, 3, 17, 19))
                    spent, inherited = (sum(map(int, words[at : at + 2])) / _TICKS for at in (11, 13))
                    yield Member(int(folder.name), parent, group, session, started, resident, threads, spent, inherited)


class Tree:
    """A process with all that came from it: its session, its descendants, whoever carries its mark in the environment.

    A daemon has left session and parents; the mark it keeps. One look reads a line of every process of the host, and
    the environment of each once.
    """

    def __init__(self, leader: Identity, variable: str, value: str) -> None:
        self._leader = leader
        self._mark = os.fsencode(f"{variable}={value}")
        self._marked: dict[tuple[int, int], bool] = {}

    def members(self, among: Iterable[Member] | None = None) -> list[Member]:
        """Return those that live just now, the oldest first; `among` is the table, where it was read already."""
        leader, found = self._leader, dict[int, Member]()
        # None is older than the leader, nor a child than its parent.
        listed = [one for one in (table() if among is None else among) if one.started >= leader.started]
        self._marked = {key: self._marked[key] for one in listed if (key := (one.pid, one.started)) in self._marked}
        for one in sorted(listed, key=lambda one: one.started):
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


def started_with(identity: Identity, variable: str) -> str | None:
    """Return what `variable` was set to when a process was started; None where it was not, or cannot be seen."""
    prefix = os.fsencode(f"{variable}=")
    with contextlib.suppress(OSError):
        for setting in Path(f"/proc/{identity.pid}/environ").read_bytes().split(b"\0"):
            if setting.startswith(prefix):
                return os.fsdecode(setting[len(prefix) :])
    return None


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


def has_open_below(folder: Path) -> bool:
    """Has a process of this user a file below `folder` open or mapped, or does it work there?"""
    mapped = os.fsencode(folder) + b"/"
    for process in psutil.process_iter():
        # Another user's cannot be read, and are none of ours.
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            place = Path(f"/proc/{process.pid}")
            if any(_names(handle, folder) for handle in (place / "cwd", *(place / "fd").iterdir())):
                return True
            if mapped in (place / "maps").read_bytes():
                return True
    return False


def runs_from(identity: Identity, folder: Path, control: Path) -> bool:
    """Does the process work in `folder`, hold a file in it open, or is it the front that `control` steers?

    Never one at a terminal: all of ours are started without one, so that one is a person's.
    """
    place = Path(f"/proc/{identity.pid}")
    # Another user's cannot be read, and is none of ours.
    with contextlib.suppress(OSError):
        if int(_words(place / "stat")[4]) != 0:
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


class Program(NamedTuple):
    """A running program: where it works, with which command line, and what its environment was when it was started."""

    pid: int
    parent: int
    folder: Path
    arguments: tuple[str, ...]
    variables: dict[str, str]


def programs(name: str) -> list[Program]:
    """Return what runs of `name`: of `git`, and so `git-receive-pack`. They are to be told, never to be signalled."""
    return [found for one in _named(name) if (found := _program(one)) is not None]


def program(pid: int) -> Program | None:
    """Return a running program, None when it has ended or is another user's."""
    with contextlib.suppress(psutil.Error):
        return _program(psutil.Process(pid))
    return None


def _named(name: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name().partition("-")[0] == name:
                yield process


def _program(process: psutil.Process) -> Program | None:
    # Another user's cannot be read, and are not seen.
    with contextlib.suppress(psutil.Error, OSError), process.oneshot():
        return Program(process.pid, process.ppid(), Path(process.cwd()), tuple(process.cmdline()), process.environ())
    return None


def children_of(pids: Collection[int]) -> list[Program]:
    """Return the programs that these processes have started themselves."""
    found = (program(one.pid) for one in table() if one.parent in pids)
    return [one for one in found if one is not None]


def descends(identity: Identity, ancestors: set[int]) -> bool:
    """Was the process started by one of `ancestors`?"""
    try:
        return any(parent.pid in ancestors for parent in psutil.Process(identity.pid).parents())
    except psutil.NoSuchProcess:
        return False


def arguments(identity: Identity) -> tuple[str, ...]:
    """Return the command line of a process, empty when it is gone."""
    process = identity.process()
    try:
        return tuple(process.cmdline()) if process is not None else ()
    except psutil.Error:
        return ()


class Activity(NamedTuple):
    """What a process has done: seconds of processor time since its start, and whether one of its threads runs, waits
    for a processor, or for a disk, just now.
    """

    spent: float
    runnable: bool


def activity(identity: Identity) -> Activity:
    """Return what a process has done until now; nothing when it is gone."""
    spent, runnable = 0, False
    with contextlib.suppress(OSError):  # a thread ends, or all of it
        spent = sum(map(int, _words(Path(f"/proc/{identity.pid}/stat"))[11:13]))
        for thread in Path(f"/proc/{identity.pid}/task").iterdir():
            runnable = runnable or _words(thread / "stat")[0] in (b"R", b"D")
    return Activity(spent / _TICKS, runnable)


def held_up(identity: Identity) -> float:
    """Return the seconds for which the first thread of a process could have run, and others had the processors.

    0 where the kernel does not count them, or the process is gone. See `/proc/PID/schedstat` in the kernel's
    documentation of scheduler statistics.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{identity.pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


class Usage(msgspec.Struct, frozen=True):
    """What a process uses: percent of one core since its start, resident megabytes, seconds since its start."""

    cpu_percent: float
    memory_mb: float
    uptime_s: float


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


def memory_mb() -> dict[str, int]:
    """Return how much memory and swap this host has, and how much of it is left, in megabytes."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    sizes = {
        "total_mb": memory.total, "available_mb": memory.available, "swap_total_mb": swap.total,
        "swap_free_mb": swap.free,
    }  # fmt: skip
    return {name: int(size) // 1_048_576 for name, size in sizes.items()}


def port_owner(port: int) -> str | None:
    """Say who listens on TCP `port` (`pid 4711: python -m http.server`), None when nobody is found."""
    pid = _listener(port)
    if pid is None:
        return None
    return _describe(pid) if pid else "a process of another user"


def port_owner_started_with(port: int, variable: str) -> str | None:
    """Return what `variable` was set to when the process that listens on TCP `port` was started; None as above."""
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        return started_with(identify(pid), variable) if (pid := _listener(port)) else None
    return None


def _listener(port: int) -> int | None:
    """Return the process that listens on TCP `port`: 0 where it cannot be seen whose it is, None where nobody does."""
    with contextlib.suppress(psutil.AccessDenied):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return connection.pid or 0
    return None


def _describe(pid: int) -> str:
    try:
        command = one_line(redacted(" ".join(psutil.Process(pid).cmdline())), 120)
    except psutil.Error:
        command = ""
    return f"pid {pid}: {command}" if command else f"pid {pid}"


def listens(identity: Identity, port: int) -> bool:
    """Is it this process, or one of its group, that listens on `port`?"""
    return bool(listening(identity, port))


def listening(identity: Identity, port: int) -> set[str]:
    """Return the addresses on which this process, or one of its group, listens on `port`."""
    leader = identity.process()
    if leader is None:
        return set()
    with contextlib.suppress(psutil.Error):
        return _listening(leader, port) or set().union(
            *(_listening(child, port) for child in leader.children(recursive=True))
        )
    return set()


def _listening(process: psutil.Process, port: int) -> set[str]:
    connections = process.net_connections(kind="tcp")
    return {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN and one.laddr.port == port}


def runs(*names: str) -> bool:
    """Does a process of one of these names run on the host, whoever's it is?"""
    return any(process.info["name"] in names for process in psutil.process_iter(["name"]))
