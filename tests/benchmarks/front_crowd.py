"""One client that opens session after session, more than the front's table holds: what do others get meanwhile?

Part of `python -m tests.benchmarks.front`. A page of somebody else stays open all the time, and a third client asks 200
times a second; neither may notice anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

from gitrelease.front.sessions import MOST
from tests.benchmarks.front_http import SWITCHING, UPGRADE, Row, process, row, started
from tests.edges.page_client import new_session

CROWD = 25_000  # sessions; the table holds 20,000
AT_ONCE = 8
RATE = 200  # requests a second of the others
REQUEST = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def serve(port: Connection) -> None:
    """Take websockets, each with a session of its own, and answer what else is asked."""
    numbers = itertools.count()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"Upgrade: websocket" in head or b"upgrade: websocket" in head:
                    writer.write(SWITCHING + new_session(f"{next(numbers):036}"))
                    await reader.read()
                    break
                writer.write(ANSWER)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(client, "127.0.0.1", 0, backlog=1024)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def open_page(port: int) -> socket.socket:
    """Open a websocket and read until its session is named."""
    page = socket.create_connection(("127.0.0.1", port), timeout=30)
    page.sendall(UPGRADE)
    read = b""
    while len(read.partition(b"\r\n\r\n")[2]) < 38:
        more = page.recv(4096)
        if not more:
            raise AssertionError(f"a page was refused: {read!r}")
        read += more
    return page


def crowd(port: int, answer: Connection) -> None:
    """Open and close pages, several at a time, in a process of its own; tell the seconds that it took."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda _: open_page(port).close(), range(CROWD)):
            pass
    answer.send(time.perf_counter() - begun)


def ask(port: int, over: threading.Event) -> list[float]:
    """Ask over a kept connection until it is over; return the milliseconds of each."""
    took: list[float] = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        begun = time.perf_counter()
        while not over.wait(max(0.0, begun + len(took) / RATE - time.perf_counter())):
            asked = time.perf_counter()
            client.sendall(REQUEST)
            read = b""
            while not read.endswith(b"\r\n\r\nok"):
                more = client.recv(4096)
                if not more:
                    raise AssertionError(f"a request was refused: {read!r}")
                read += more
            took.append((time.perf_counter() - asked) * 1000)
    return took


def measure(folder: Path, seconds: float) -> Iterator[Row]:
    with process(serve) as backend, started(folder, ("page",)) as (front, control, ports):
        port = ports["page"]
        control.switch("page", "127.0.0.1", backend, "crowded", "http")
        with open_page(port):
            over = threading.Event()
            threading.Timer(seconds, over.set).start()
            before = ask(port, over)
            yield row("resident with one page", front.memory_info().rss / 1e6, "MB")
            mine, its = multiprocessing.Pipe()
            visitors = multiprocessing.Process(target=crowd, args=(port, its), daemon=True)
            visitors.start()
            over = threading.Event()
            took: list[float] = []

            def wait() -> None:
                took.append(mine.recv())
                over.set()

            threading.Thread(target=wait, daemon=True).start()
            during = ask(port, over)
            visitors.join()
            known = control.sessions("crowded")
            note = f"{CROWD / took[0]:.0f} sessions a second"
            yield row(f"sessions in the table after {CROWD:,}", len(known), "", f"<= {MOST:,}", note)
            yield row("open pages that are known in there", sum(one.open for one in known), "", "1")
            yield row("resident after that", front.memory_info().rss / 1e6, "MB")
            for name, at in (("p50", 49), ("p99", 98)):
                values = [statistics.quantiles(one, n=100)[at] for one in (before, during)]
                yield row(f"others' requests meanwhile, {name}", values[1], "ms", "", f"{values[0]:.2f} ms before")
