"""What the front costs; run by hand: `python -m tests.benchmarks.front [--json] [--seconds 10] [--part PART]`.

A small HTTP backend in a process of its own, users on loopback, 200 new connections a second: the same requests
straight to the backend and through the front, taking turns, so that both meet the same noise. Then switches,
10,000 requests, a pause in which nobody asks anything, and one in which users are held. Takes about half a minute.
Then, in `front_http.py`, the front as an HTTP proxy beside HAProxy, in pairs; and in `front_crowd.py` what others get
while one client opens more sessions than the front remembers. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import multiprocessing
import platform
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from gitrelease.edges import front as fronts
from gitrelease.edges import process_table
from gitrelease.edges.front import FrontControl
from tests.benchmarks import front_crowd, front_http
from tests.checkout import until
from tests.hermetic import be_hermetic

RATE = 200  # new connections a second
REQUESTS = 10_000
SWITCHES = 500
HELD = 300
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" + b"x" * 1000

Row = dict[str, object]


def answer_for_ever(port: Connection) -> None:
    """Be an HTTP server that is as fast as Python allows."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port.send(listener.getsockname()[1])
        while True:
            user, _ = listener.accept()
            with user, contextlib.suppress(OSError):
                if user.recv(4096):
                    user.sendall(ANSWER)


@contextlib.contextmanager
def backend() -> Iterator[int]:
    """Start the server and give its port."""
    mine, its = multiprocessing.Pipe()
    process = multiprocessing.Process(target=answer_for_ever, args=(its,), daemon=True)
    process.start()
    try:
        yield mine.recv()
    finally:
        process.kill()
        process.join()


def ask(port: int) -> float:
    """Ask once on a new connection; return the milliseconds to the end of the whole answer."""
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as user:
        user.sendall(REQUEST)
        received = 0
        while data := user.recv(65_536):
            received += len(data)
    if received != len(ANSWER):
        raise AssertionError(f"{received} of {len(ANSWER)} bytes arrived")
    return (time.perf_counter() - begun) * 1000


def ask_both(direct: int, through: int, seconds: float) -> tuple[list[float], list[float]]:
    """Ask 200 times a second, straight and through the front by turns; return the milliseconds of each."""
    pause = threading.Event()
    begun = time.perf_counter()
    with ThreadPoolExecutor(16) as users:
        asked = []
        for number in range(int(RATE * seconds)):
            pause.wait(max(0.0, begun + number / RATE - time.perf_counter()))
            asked.append(users.submit(ask, through if number % 2 else direct))
        times = [one.result() for one in asked]
    return times[0::2], times[1::2]


def percentile(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]


def latency(port: int, through: int, seconds: float) -> Iterator[Row]:
    straight, spliced = ask_both(port, through, seconds)
    for percent, target in ((50, "<= 1 ms"), (99, "")):
        before, after = percentile(straight, percent), percentile(spliced, percent)
        yield row(f"added at p{percent}, {RATE}/s", after - before, "ms", target, f"{before:.2f} -> {after:.2f} ms")


def switches(control: FrontControl, ports: tuple[int, int]) -> Iterator[Row]:
    inside, outside = [], []
    for number in range(SWITCHES):
        begun = time.perf_counter()
        inside.append(control.switch("primary", "127.0.0.1", ports[number % 2], f"backend {number % 2}") / 1000)
        outside.append((time.perf_counter() - begun) * 1000)
    yield row("switch, in the front, median", statistics.median(inside), "ms", "<= 1 ms", f"max {max(inside):.3f}")
    yield row("switch, as the agent sees it, median", statistics.median(outside), "ms", "", f"max {max(outside):.3f}")


def many_requests(front: psutil.Process, control: FrontControl, through: int) -> Iterator[Row]:
    until(lambda: not any(control.status().open.values()))
    before = front.num_fds()
    begun = time.perf_counter()
    with ThreadPoolExecutor(8) as users:
        for _ in users.map(lambda _: ask(through), range(REQUESTS)):
            pass
    rate = REQUESTS / (time.perf_counter() - begun)
    until(lambda: not any(control.status().open.values()))
    yield row(f"descriptors left after {REQUESTS} requests", front.num_fds() - before, "", "0", f"{rate:.0f}/s")
    yield row("connections failed", control.status().failed, "", "0")


def idle(front: psutil.Process, seconds: float, name: str = "CPU while nobody asks", target: str = "~0") -> Row:
    spent = sum(front.cpu_times()[:2])
    threading.Event().wait(seconds)
    return row(name, 100 * (sum(front.cpu_times()[:2]) - spent) / seconds, "%", target)


def held(front: psutil.Process, control: FrontControl, through: int) -> Row:
    """Hold users for a backend that refuses: the time in which the host should be starting it again."""
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        control.switch("primary", "127.0.0.1", silent.getsockname()[1], "refuses")
        for _ in range(HELD):
            stack.enter_context(socket.create_connection(("127.0.0.1", through)))
        until(lambda: control.status().held == HELD)
        return idle(front, 3, f"CPU while {HELD} users are held", "")


def row(name: str, value: float, unit: str, target: str = "", note: str = "") -> Row:
    return {"name": name, "value": round(value, 4), "unit": unit, "target": target, "note": note}


def measure(folder: Path, seconds: float) -> Iterator[Row]:
    listener = fronts.listen("127.0.0.1", 0, owner_of=process_table.port_owner)
    through = listener.getsockname()[1]
    control = FrontControl(folder / "front.sock")
    with listener, backend() as one, backend() as two:
        begun = time.perf_counter()
        child = fronts.start({"primary": listener}, control=folder / "front.sock", log=folder / "log", hold=30)
        try:
            yield row("start until it answers", (time.perf_counter() - begun) * 1000, "ms")
            front = psutil.Process(child.pid)
            yield row("resident at the start", front.memory_info().rss / 1e6, "MB", "<= 25 MB")
            control.switch("primary", "127.0.0.1", one, "one")
            ask_both(one, through, 1)  # warm up
            yield from latency(one, through, seconds)
            yield from switches(control, (one, two))
            yield from many_requests(front, control, through)
            memory = front.memory_full_info()
            yield row("resident after that", memory.rss / 1e6, "MB", "<= 25 MB", f"{memory.uss / 1e6:.1f} MB its own")
            yield idle(front, seconds)
            yield held(front, control, through)
        finally:
            child.kill()
            child.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to ask, and how long to be idle")
    parser.add_argument(
        "--part",
        choices=("tcp", "http", "crowd"),
        action="append",
        help="this part only, and others that are named as well",
    )
    parser.add_argument("--pairs", type=int, default=7, help="how often each is measured beside HAProxy")
    parser.add_argument(
        "--before", metavar="PYTHON", help="the Python of another checkout, whose front is measured too"
    )
    wanted = parser.parse_args()
    be_hermetic()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        parts: list[Iterator[Row]] = []
        chosen = wanted.part or ("tcp", "http", "crowd")
        if "tcp" in chosen:
            parts.append(measure(Path(folder), wanted.seconds))
        if "http" in chosen:
            parts.append(
                front_http.measure(Path(folder), pairs=wanted.pairs, seconds=wanted.seconds, before=wanted.before)
            )
        if "crowd" in chosen:
            parts.append(front_crowd.measure(Path(folder), wanted.seconds))
        for found in itertools.chain.from_iterable(parts):
            rows.append(found)
            if not wanted.json:
                print(
                    f"{found['name']:<40} {found['value']:>10} {found['unit']:<3} {found['target']:<9} {found['note']}"
                )
    if wanted.json:
        print(json.dumps({"schema": 1, "python": platform.python_version(), "figures": rows}))


if __name__ == "__main__":
    main()
