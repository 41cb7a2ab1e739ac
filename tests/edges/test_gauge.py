"""What backends use is measured over their processes: CPU between two looks, memory with the children."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.core.settings import App
from gitrelease.edges import gauge as gauges
from gitrelease.edges import process_table, processes
from gitrelease.edges.backends import NAME, Backend, free_port
from gitrelease.edges.gauge import Gauge
from gitrelease.edges.process_table import Member
from tests.checkout import until

APP = App(kind="command", command=("x",))
SERVER = """
import http.server, os, subprocess, sys, threading
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *arguments): pass
{extra}
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
BURN = "while True: pass"


class Started:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.backends: list[Backend] = []

    def __call__(self, extra: str = "") -> Backend:
        name, port = f"b{len(self.backends)}", free_port()
        log = self._folder / f"{name}.log"
        child = processes.spawn(
            [sys.executable, "-c", SERVER.format(extra=extra), str(port)],
            cwd=self._folder, log=log, env={NAME: str(log), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        backend = Backend(
            id=name, commit="c", slot="a", port=port, identity=process_table.identify(child.pid), log=str(log)
        )
        self.backends.append(backend)
        return backend


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path)
    yield started
    for backend in started.backends:
        processes.stop(backend.identity, grace=0.1)
        processes.kill_marked(NAME, backend.log)


def answered(gauge: Gauge, backend: Backend):
    return until(lambda: (found := gauge.read(APP, {"x": (backend, 0)})["x"]).answer_ms is not None and found)


def test_an_idle_backend_answers_and_uses_next_to_nothing(start):
    gauge, backend = Gauge(), start()

    first = gauge.read(APP, {"x": (backend, 0)})["x"]
    answered(gauge, backend)
    last = gauge.read(APP, {"x": (backend, 0)})["x"]

    assert first.cpu_percent is None
    assert last.running
    assert 5 < last.memory_mb < 100
    assert last.threads == 1
    assert last.answer_ms is not None


def test_the_cpu_of_a_child_counts_while_it_runs_and_once_when_it_has_ended(start):
    burn = f"child = subprocess.Popen([sys.executable, '-c', {BURN!r}])"
    ending = "threading.Timer(0.6, lambda: (child.kill(), child.wait())).start()"
    gauge, backend = Gauge(), start(f"{burn}\n{ending}")
    answered(gauge, backend)
    members = process_table.Tree(backend.identity, NAME, backend.log).members

    begun = gauge.read(APP, {"x": (backend, 0)})["x"]
    until(lambda: len(members()) == 1, "the child has ended")
    after = gauge.read(APP, {"x": (backend, 0)})["x"]
    until(lambda: gauge.read(APP, {"x": (backend, 0)})["x"].cpu_percent < 30, "nothing is counted twice")

    assert begun.cpu_percent is not None
    assert 10 < after.cpu_percent < 130


def test_what_a_child_has_spent_counts_once_though_its_parent_inherits_it():
    def member(pid, *, spent, inherited=0.0):
        return (pid, 1), Member(pid, 1, 1, 1, 1, 9.0, spent=spent, inherited=inherited)

    before = dict([member(1, spent=1.0), member(2, spent=10.0, inherited=2.0), member(3, spent=5.0)])
    now = dict([member(1, spent=1.5, inherited=12.25), member(3, spent=5.25), member(4, spent=0.125)])

    assert gauges.spent_between(before, now) == 0.5 + 0.25 + 0.25 + 0.125


def test_the_memory_of_children_counts_and_what_they_share_does_not(start):
    ballast = "ballast = b'x' * (60 << 20)\n"
    forks = "for _ in range(3):\n    if os.fork() == 0:\n        threading.Event().wait()\n"
    gauge = Gauge()
    alone, forked = start(ballast), start(ballast + forks)
    answered(gauge, alone)
    answered(gauge, forked)

    found = gauge.read(APP, {"alone": (alone, 0), "forked": (forked, 0)})

    assert found["alone"].memory_mb > 60
    assert found["forked"].memory_mb < found["alone"].memory_mb + 40


def test_a_backend_that_comes_later_is_measured_from_its_start_and_one_that_ended_does_not_run(start):
    gauge, first = Gauge(), start()
    gauge.read(APP, {"x": (first, 0)})
    second = start(f"threading.Thread(target=lambda: exec({BURN!r}), daemon=True).start()")
    until(lambda: (used := process_table.usage(second.identity)) and used.uptime_s * used.cpu_percent > 20)

    new = gauge.read(APP, {"x": (second, 0)})["x"]
    processes.stop(second.identity, grace=0.1)
    ended = gauge.read(APP, {"x": (second, 0)})["x"]

    assert new.cpu_percent > 5
    assert not ended.running
    assert ended.cpu_percent is None
    assert ended.answer_ms is None


def test_error_lines_count_once_and_those_from_before_the_first_look_not_at_all(start):
    gauge, backend = Gauge(), start()
    log = Path(backend.log)
    append(log, b"ERROR from before\n")
    first = gauge.read(APP, {"x": (backend, 0)})["x"]

    append(log, b"ERROR one\nfine\nERR")
    second = gauge.read(APP, {"x": (backend, 0)})["x"]
    append(log, b"OR two\n" + b"\x00\xff" * 10_000)
    third = gauge.read(APP, {"x": (backend, 0)})["x"]

    assert [one.error_lines for one in (first, second, third)] == [0, 1, 1]


def test_output_beyond_all_bounds_is_looked_at_in_part(start):
    gauge, backend = Gauge(), start()
    log = Path(backend.log)
    gauge.read(APP, {"x": (backend, 0)})
    append(log, b"ERROR passed over\n" + b"x" * (10 << 20) + b"\nERROR seen\n" + b"y" * gauges.MOST_OUTPUT)

    begun = time.thread_time()
    found = gauge.read(APP, {"x": (backend, 0)})["x"]

    assert found.error_lines == 0
    assert time.thread_time() - begun < 1
    append(log, b"\nERROR seen\n")
    assert gauge.read(APP, {"x": (backend, 0)})["x"].error_lines == 1


def append(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)
