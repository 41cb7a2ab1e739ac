"""How does a command run that the host wants run on an event? With a deadline, in a group that ends with it."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line
from gitrelease.edges.environment import LOCAL_VARIABLES
from gitrelease.edges.home import open_log
from gitrelease.edges.housekeeping import rotate
from gitrelease.edges.process_table import identify
from gitrelease.edges.processes import kill_group

MOST_OUTPUT = 1 << 20  # bytes of one run that are kept
_CHUNK = 65_536
_TAIL = 0.2  # seconds in which what a command wrote last is read


def run(argv: Sequence[str], *, variables: Mapping[str, str], cwd: Path, log: Path, most_log: int, limit: float) -> str:
    """Run `argv` and say what went wrong, nothing where it ended with 0; its output is appended to `log`.

    It has `limit` seconds. Whatever it has started and left in its group is ended after it.
    """
    rotate(log, most=most_log)
    kept = {name: value for name, value in os.environ.items() if name not in LOCAL_VARIABLES}
    with open_log(log) as file:
        file.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {one_line(redacted(' '.join(argv)), 500)}\n".encode())
        try:
            child = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env={**kept, **variables},
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
            ended = _copy(child, handle, file, limit)
        finally:
            kill_group(identity)
            child.wait()
            os.close(handle)
            if child.stdout is not None:
                child.stdout.close()
    if not ended:
        return f"it was ended after {limit:g} s"
    return f"it ended with {child.returncode}" if child.returncode else ""


def _copy(child: subprocess.Popen[bytes], handle: int, file: IO[bytes], limit: float) -> bool:
    """Copy the output of `child` until it ends, the first of it only; False when it has not after `limit` seconds.

    Who left the group may hold the other end of the pipe for ever: its own end counts, not that of its output.
    """
    assert child.stdout is not None  # noqa: S101  # it was asked for
    output, left = child.stdout.fileno(), MOST_OUTPUT
    os.set_blocking(output, False)
    poll = select.poll()
    poll.register(output, select.POLLIN)
    poll.register(handle, select.POLLIN)
    deadline, ended = time.monotonic() + limit, False
    while (wait := deadline - time.monotonic()) > 0:
        ready = [number for number, _ in poll.poll(wait * 1000)]
        if not ready:
            break
        if handle in ready and not ended:
            ended = True
            poll.unregister(handle)
            deadline = time.monotonic() + _TAIL
        if output in ready:
            chunk = os.read(output, _CHUNK)
            if not chunk:
                poll.unregister(output)
                if ended:
                    break
            file.write(chunk[:left])
            if len(chunk) > left >= 0:
                file.write(b"\n(the rest is left out)\n" if left else b"")
            left = max(left - len(chunk), 0)
        elif ended:
            break
    return ended
