"""How are processes started and ended? Only our own are ever signalled; `process_table.py` says which those are."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from gitrelease.edges.home import open_log
from gitrelease.edges.process_table import Identity, identify, marked, table

# A Popen that nobody holds is reaped by the next one, anywhere in this process; how it ended is lost with it.
_children: dict[int, subprocess.Popen[bytes]] = {}


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
    with appending(log) as output:
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


def appending(log: Path) -> IO[bytes]:
    """Open a log to be written at its end; where nothing can be written any more, what is written is lost."""
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


def await_any(handles: Sequence[int], timeout: float | None) -> bool:
    """Wait until one of `handles`, however many, is readable; False when none is after `timeout` seconds, if any."""
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    return bool(poll.poll(None if timeout is None else max(timeout, 0) * 1000))


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
    # A member is no older than its leader: an older process cannot be one of ours.
    members = (one for one in table() if one.group == identity.pid and one.started >= identity.started)
    kill(one.identity for one in members)


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
