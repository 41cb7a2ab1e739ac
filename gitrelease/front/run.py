"""Starts the front, on sockets that listen already; the agent runs it as

python -m gitrelease.front --control PATH --hold SECONDS --sessions PATH --listen NAME=FD …
                           [--target NAME=HOST:PORT:BACKEND … [--protocol NAME=http|tcp …]] [--ready FD]

It says a line to the descriptor `--ready`, and closes it, when it answers on its control socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path

from gitrelease.front.accept import Acceptor, capacity
from gitrelease.front.control import Control
from gitrelease.front.hold import InstanceProxy, Shared
from gitrelease.front.poll import Poller
from gitrelease.front.session_file import SessionFile
from gitrelease.front.sessions import Sessions
from gitrelease.front.targets import Target
from gitrelease.front.upstream import Upstreams

LAST_SECONDS = 1.0  # for open connections, when a signal tells it to stop
_MOST_DESCRIPTORS = 65_536


@dataclass
class Orders:
    """The command line."""

    control: Path = Path("front.sock")
    hold: float = 30.0
    listeners: dict[str, socket.socket] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    ready: int | None = None
    sessions: Path | None = None


def read(arguments: list[str]) -> Orders:
    """Read the command line; only the agent writes one, so what is wrong with it is a bug and may raise."""
    orders = Orders()
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        name, _, rest = value.partition("=")
        match option:
            case "--control":
                orders.control = Path(value)
            case "--hold":
                orders.hold = float(value)
            case "--listen":
                orders.listeners[name] = socket.socket(fileno=int(rest))
            case "--target":
                orders.targets[name] = Target.parse(rest)
            case "--protocol":
                orders.targets[name] = replace(orders.targets[name], protocol=rest)
            case "--sessions":
                orders.sessions = Path(value)
            case "--ready":
                orders.ready = int(value)
            case _:
                raise SystemExit(f"the front knows no option {option}")
    return orders


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


def raise_limit() -> int:
    """Allow as many open files as the host lets us, within reason; return how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A hard limit of "infinity" is -1 here.
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


async def run(orders: Orders) -> None:
    """Serve until told to stop."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[float] = loop.create_future()

    def stop(seconds: float) -> None:
        if not told.done():
            told.set_result(seconds)

    limit = capacity(raise_limit())
    poller = Poller()
    sessions = SessionFile(orders.sessions).read() if orders.sessions is not None else Sessions()
    shared = Shared(poller, Upstreams(poller, capacity=limit), sessions)
    proxies = {name: InstanceProxy(name, shared, hold=orders.hold) for name in orders.listeners}
    for name, target in orders.targets.items():
        proxies[name].switch(target)
    acceptor = Acceptor(orders.listeners, proxies, capacity=limit)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, LAST_SECONDS)
    answering = asyncio.create_task(Control(acceptor, stop).serve(listen_for_agent(orders.control)))
    acceptor.open()
    if orders.ready is not None:
        with contextlib.suppress(BrokenPipeError):  # an agent that was killed meanwhile adopts us later
            os.write(orders.ready, b"ready\n")
        os.close(orders.ready)
    left = await acceptor.end(await told)
    if left:
        logging.getLogger(__name__).warning("%d connections were still open at the end", left)
    answering.cancel()


def main(arguments: list[str]) -> None:
    logging.basicConfig(format="%(asctime)s %(message)s")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(run(read(arguments)))
