"""How does a command run that the host wants run on an event? With a deadline, in a group that ends with it."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.home import write_all
from gitrelease.edges.housekeeping import rotate
from gitrelease.edges.process_table import identify
from gitrelease.edges.processes import appending, kill_group

MOST_OUTPUT = 1 << 20  # bytes of one run that are kept
_CHUNK = 65_536
_TAIL = 0.2  # seconds in which what a command wrote last is read


def run(
    argv: Sequence[str],
    *,
    variables: Mapping[str, str],
    cwd: Path,
    log: Path,
    most_log: int,
    limit: float,
    cancel: Cancel,
) -> str:
    """Run `argv` and say what went wrong, nothing where it ended with 0; its output is appended to `log`.

    It gets `variables` and nothing of this process. It has `limit` seconds; whatever it has started and left in its
    group is ended after it. `Cancelled` when it is cut off.
    """
    rotate(log, most=most_log)
    with appending(log) as file:
        _write(file, f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {one_line(redacted(' '.join(argv)), 500)}\n".encode())
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EAGAIN, errno.E2BIG):
                raise
            return f"it cannot be started: {error.strerror}: {one_line(argv[0], 200)}"
        identity = identify(child.pid)
        handle = os.pidfd_open(child.pid)
        try:
            ended = _copy(child, handle, file, limit, cancel)
        finally:
            kill_group(identity)
            child.wait()
            os.close(handle)
            if child.stdout is not None:
                child.stdout.close()
    if not ended:
        return f"it was ended after {limit:g} s"
    return f"it ended with {child.returncode}" if child.returncode else ""


def _copy(child: subprocess.Popen[bytes], handle: int, file: IO[bytes], limit: float, cancel: Cancel) -> bool:
    """Copy the output of `child` until it ends, the first of it only; False when it has not after `limit` seconds.

    Who left the group may hold the other end of the pipe for ever: its own end counts, not that of its output.
    """
    assert child.stdout is not None  # noqa: S101  # it was asked for
    output, left = child.stdout.fileno(), MOST_OUTPUT
    os.set_blocking(output, False)
    watched = {output, handle}
    deadline, ended = time.monotonic() + limit, False
    while watched and (wait := deadline - time.monotonic()) > 0:
        ready = cancel.wait(sorted(watched), wait)
        if handle in ready:
            ended = True
            watched.discard(handle)
            deadline = time.monotonic() + _TAIL
        if output in ready:
            chunk = os.read(output, _CHUNK)
            if not chunk:
                watched.discard(output)
            _write(file, chunk[:left])
            if 0 < left < len(chunk):
                _write(file, b"\n(the rest is left out)\n")
            left = max(left - len(chunk), 0)
    return ended


def _write(file: IO[bytes], content: bytes) -> None:
    """Write to the log; on a full disk the output is lost, and the command goes on."""
    try:
        write_all(file.fileno(), content)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
