"""`python -m gitrelease.front --control PATH --hold SECONDS NAME=FD …`: run the front on inherited sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from gitrelease.front.control import Control
from gitrelease.front.splice import Splicer
from gitrelease.front.targets import Targets

LAST_SECONDS = 1.0  # for open connections, once it has been told to stop
BACKLOG = 4096


def listen_for_agent(path: Path) -> socket.socket:
    """Listen on the control socket, for its owner only; the short name is for the limit of 107 bytes."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    old = os.umask(0o177)
    try:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.umask(old)
        os.close(folder)
    server.listen(16)
    server.setblocking(False)
    return server


async def run(control: Path, hold: float, listeners: dict[str, socket.socket]) -> None:
    """Serve until told to stop."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    targets = Targets()
    splicer = Splicer(targets, hold=hold)
    servers = [
        await loop.create_server(splicer.user(name), sock=listener, backlog=BACKLOG)
        for name, listener in listeners.items()
    ]
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    serving = asyncio.ensure_future(Control(splicer, listeners, told.set).serve(listen_for_agent(control)))
    await told.wait()
    for server in servers:
        server.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while any(count.open for count in targets.counts.values()):
                await asyncio.sleep(0.02)
    serving.cancel()


def main(arguments: list[str]) -> None:
    """Read the command line, which only the agent writes."""
    _, control, _, hold, *named = arguments
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    listeners: dict[str, socket.socket] = {}
    for argument in named:
        name, _, descriptor = argument.rpartition("=")
        listeners[name] = socket.socket(fileno=int(descriptor))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(run(Path(control), float(hold), listeners))


if __name__ == "__main__":
    main(sys.argv[1:])
