"""The front as an HTTP proxy beside HAProxy 2.6 in http mode with a cookie: one thread each, nginx behind both.

Part of `python -m tests.benchmarks.front`; needs wrk, nginx and haproxy. Each pair is measured in turn, the ratio that
counts is the median of those of the pairs. `before`: the Python of another checkout, whose front, of TCP, is a third.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import re
import select
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from gitrelease.edges import front as fronts
from gitrelease.edges import process_table
from gitrelease.edges.front import FrontControl
from tests.checkout import until
from tests.edges.page_client import new_session

SIZE = 200_000_000  # bytes of a body
RATE = 500  # requests a second
KEPT = 8  # connections, each way
PAGES = 1_000
UPGRADE = (
    b"GET /_stcore/stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Protocol: streamlit, x\r\nCookie: _streamlit_xsrf=2|00000000|c0ffee|1\r\n\r\n"
)
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
FRAME = b"\x82\x40" + bytes(64)

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log; user root;
events {{ worker_connections 8192; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/www; }}
}}
"""
HAPROXY = """
global
  maxconn 4000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend get
  bind 127.0.0.1:{get}
  default_backend nginx
frontend put
  bind 127.0.0.1:{put}
  default_backend reader
backend nginx
  cookie SERVER insert indirect nocache
  server one 127.0.0.1:{nginx} cookie one
backend reader
  cookie SERVER insert indirect nocache
  server one 127.0.0.1:{reader} cookie one
"""
BEFORE = """
import sys
from pathlib import Path
from gitrelease.edges import front as fronts
folder, target = Path(sys.argv[1]), int(sys.argv[2])
listener = fronts.listen("127.0.0.1", 0, owner_of=lambda port: None)
child = fronts.start({"primary": listener}, control=folder / "b.sock", log=folder / "before.log", hold=30)
fronts.FrontControl(folder / "b.sock").switch("primary", "127.0.0.1", target, "one")
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
child.kill()
child.wait()
"""

Row = dict[str, object]
Ports = dict[str, int]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(argv: list[str], port: int) -> Iterator[None]:
    """Run a server until its port answers, and end it after that."""
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), argv[0])
        yield
    finally:
        child.terminate()
        child.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def process(target: Callable[[Connection], None]) -> Iterator[int]:
    """Run a server of ours in a process; it sends its port."""
    mine, its = multiprocessing.Pipe()
    child = multiprocessing.Process(target=target, args=(its,), daemon=True)
    child.start()
    try:
        yield mine.recv()
    finally:
        child.kill()
        child.join()


def read_bodies(port: Connection) -> None:
    """Read what is uploaded, as fast as it comes; with `hash` in the target, answer with its digest."""
    buffer = memoryview(bytearray(1_000_000))
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port.send(listener.getsockname()[1])
        while True:
            client, _ = listener.accept()
            with client, contextlib.suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(1)
                left, digest = SIZE, hashlib.sha256()
                while left and (size := client.recv_into(buffer)):
                    left -= size
                    if b"hash" in head[:20]:
                        digest.update(buffer[:size])
                client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 64\r\n\r\n")
                client.sendall(digest.hexdigest().encode())


def serve_pages(port: Connection) -> None:
    """Take websockets; after a line on the pipe send each a frame a second."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        port.send(listener.getsockname()[1])
        clients: list[socket.socket] = []
        talks = False
        following = 0.0
        while True:
            ready, _, _ = select.select([listener, port], [], [], 0.05)
            if port in ready:
                port.recv()
                talks, following = True, time.monotonic()
            if listener in ready:
                client, _ = listener.accept()
                client.recv(4096)
                client.sendall(SWITCHING + new_session(f"{len(clients):036}"))
                clients.append(client)
            if talks and time.monotonic() >= following:
                following += 1
                for client in clients:
                    client.sendall(FRAME)


def wrk(port: int, seconds: int, *headers: str) -> float:
    """Return the requests a second that `wrk` gets answered over 50 connections."""
    argv = ["wrk", "-t1", "-c50", f"-d{seconds}s", *(part for one in headers for part in ("-H", one))]
    said = subprocess.run([*argv, f"http://127.0.0.1:{port}/small"], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise AssertionError(said)
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None:
        raise AssertionError(said)
    return float(found[1])


def download(port: int) -> float:
    """Return the bytes a second of one download, all of which must arrive."""
    buffer = memoryview(bytearray(1_000_000))
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = 0
        while size := client.recv_into(buffer):
            received += size
    if not SIZE < received < SIZE + 2_000:
        raise AssertionError(f"{received} bytes arrived")
    return SIZE / (time.perf_counter() - begun)


def upload(port: int, content: bytes, target: str = "/") -> tuple[float, str]:
    """Return the bytes a second of one upload until its answer, and that."""
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(f"PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        client.sendall(content)
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < 64:
            more = client.recv(4096)
            if not more:
                raise AssertionError(answer)
            answer += more
    return SIZE / (time.perf_counter() - begun), answer[-64:].decode()


def paced(ports: tuple[int, int], seconds: float) -> tuple[list[float], list[float]]:
    """Ask 500 times a second straight and as often through, over kept connections; return milliseconds of each."""
    request = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
    pause = threading.Event()
    times: tuple[list[float], list[float]] = ([], [])
    with contextlib.ExitStack() as stack:
        clients = [
            [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(KEPT)] for port in ports
        ]
        begun = time.perf_counter()
        for number in range(int(2 * RATE * seconds)):
            pause.wait(max(0.0, begun + number / (2 * RATE) - time.perf_counter()))
            client = clients[number % 2][number // 2 % KEPT]
            asked = time.perf_counter()
            client.sendall(request)
            received = b""
            while not received.endswith(b"x" * 1000):
                received += client.recv(4096)
            times[number % 2].append((time.perf_counter() - asked) * 1000)
    return times


def compare(
    name: str, pairs: int, run: Callable[[int], float], ports: Ports, unit: str, scale: float, bound: str
) -> Iterator[Row]:
    """Measure `haproxy` and each of the others in turn, and yield the medians of the ratios."""
    found: dict[str, list[float]] = {who: [] for who in ports}
    for _ in range(pairs):
        for who, port in ports.items():
            found[who].append(run(port) / scale)
    for who in ports:
        if who == "haproxy":
            continue
        ratio = statistics.median(ours / its for ours, its in zip(found[who], found["haproxy"], strict=True))
        medians = f"{statistics.median(found[who]):.0f} / {statistics.median(found['haproxy']):.0f} {unit}"
        yield row(f"{name}, {who} / haproxy", ratio, "", bound if who == "front" else "", medians)


def row(name: str, value: float, unit: str, target: str = "", note: str = "") -> Row:
    return {"name": name, "value": round(value, 4), "unit": unit, "target": target, "note": note}


def measure(folder: Path, *, pairs: int, seconds: float, before: str | None) -> Iterator[Row]:
    (folder / "www").mkdir()
    (folder / "www/small").write_bytes(b"x" * 1000)
    content = os.urandom(SIZE)
    (folder / "www/big").write_bytes(content)
    nginx, get, put = free_port(), free_port(), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=nginx))
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], nginx))
        reader = stack.enter_context(process(read_bodies))
        (folder / "haproxy.cfg").write_text(HAPROXY.format(get=get, put=put, nginx=nginx, reader=reader))
        stack.enter_context(running(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], get))
        _, control, ports = stack.enter_context(started(folder, ("get", "put", "page")))
        control.switch("get", "127.0.0.1", nginx, "nginx", "http")
        control.switch("put", "127.0.0.1", reader, "reader", "http")
        both = {"haproxy": get, "front": ports["get"]}
        if before is not None:
            both["before"] = stack.enter_context(front_before(before, folder, nginx))
        each = max(1, round(seconds / 3))
        wrk(ports["get"], 1)
        yield from compare(
            "new connections", pairs, lambda port: wrk(port, each, "Connection: close"), both, "/s", 1, ">= 0.4"
        )
        yield from compare("kept connections", pairs, lambda port: wrk(port, each), both, "/s", 1, ">= 0.4")
        yield from compare("download of 200 MB", pairs, download, both, "MB/s", 1e6, ">= 0.8")
        uploads = {"haproxy": put, "front": ports["put"]}
        yield from compare(
            "upload of 200 MB", pairs, lambda port: upload(port, content)[0], uploads, "MB/s", 1e6, ">= 0.8"
        )
        same = upload(ports["put"], content, "/hash")[1] == hashlib.sha256(content).hexdigest()
        yield row("uploads that arrived changed", 0 if same else 1, "", "0")
        straight, through = paced((nginx, ports["get"]), seconds)
        added = statistics.median(through) - statistics.median(straight)
        note = f"{statistics.median(straight):.3f} -> {statistics.median(through):.3f} ms"
        yield row(f"added at p50, {RATE}/s, kept", added, "ms", "<= 0.5 ms", note)
    yield from pages(folder, seconds)


@contextlib.contextmanager
def started(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[psutil.Process, FrontControl, Ports]]:
    listeners = {name: fronts.listen("127.0.0.1", 0, owner_of=process_table.port_owner) for name in names}
    child = fronts.start(listeners, control=folder / "http.sock", log=folder / "http.log", hold=30)
    try:
        ports = {name: one.getsockname()[1] for name, one in listeners.items()}
        yield psutil.Process(child.pid), FrontControl(folder / "http.sock"), ports
    finally:
        child.kill()
        child.wait()
        for one in listeners.values():
            one.close()


@contextlib.contextmanager
def front_before(python: str, folder: Path, target: int) -> Iterator[int]:
    argv = [python, "-c", BEFORE, str(folder), str(target)]
    # Not from here, where this checkout would be imported.
    child = subprocess.Popen(argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield int(child.stdout.readline()) if child.stdout else 0
    finally:
        child.communicate("")


def pages(folder: Path, seconds: float) -> Iterator[Row]:
    """Open a thousand websockets, be still, and then let each get a frame a second."""
    mine, its = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve_pages, args=(its,), daemon=True)
    server.start()
    try:
        with started(folder, ("page",)) as (front, control, ports), contextlib.ExitStack() as stack:
            yield row("resident at the start", front.memory_info().rss / 1e6, "MB")
            yield row("CPU while nobody asks", cpu(front, seconds), "%", "< 0.5 %")
            control.switch("page", "127.0.0.1", mine.recv(), "pages", "http")
            clients = []
            for _ in range(PAGES):
                clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", ports["page"]))))
                clients[-1].sendall(UPGRADE)
            for client in clients:
                if not client.recv(4096).startswith(b"HTTP/1.1 101"):
                    raise AssertionError("a websocket was refused")
            until(lambda: len(control.sessions("pages")) == PAGES, "each names its session")
            yield row("resident, 1,000 idle websockets", front.memory_info().rss / 1e6, "MB", "<= 30 MB")
            yield row("CPU, 1,000 idle websockets", cpu(front, seconds), "%", "< 0.5 %")
            mine.send("talk")
            over = threading.Event()
            received = [0]
            drain = threading.Thread(target=read_all, args=(clients, over, received))
            drain.start()
            busy = cpu(front, seconds)
            over.set()
            drain.join()
            each = received[0] / len(FRAME) / PAGES / seconds
            note = f"{busy:.1f} % CPU, {each:.2f} frames a second each"
            yield row("resident, a frame a second each", front.memory_info().rss / 1e6, "MB", "<= 60 MB", note)
    finally:
        server.kill()
        server.join()


def read_all(clients: list[socket.socket], over: threading.Event, received: list[int]) -> None:
    poll = select.epoll()
    for client in clients:
        poll.register(client.fileno(), select.EPOLLIN)
    while not over.is_set():
        for number, _ in poll.poll(0.1):
            received[0] += len(os.read(number, 4096))
    poll.close()


def cpu(front: psutil.Process, seconds: float) -> float:
    spent = sum(front.cpu_times()[:2])
    threading.Event().wait(seconds)
    return float(100 * (sum(front.cpu_times()[:2]) - spent) / seconds)
