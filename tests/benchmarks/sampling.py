"""What does the agent cost with nine instances? By hand: `python -m tests.benchmarks.sampling [--seconds 120]`.

A production checkout with nine light servers, idle. The agent's own processor time and memory are read from the kernel
at the begin and at the end: once as it is, with a sample every 30 s, once with a sample every second, which tells
what one costs. Then two weeks of samples are written, read and held against each other.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import psutil

from gitrelease.core.samples import Sample
from gitrelease.edges import samples
from gitrelease.edges.backends import free_port
from tests.checkout import SERVER, SETTINGS, Production, make_checkout, until
from tests.hermetic import be_hermetic

INSTANCES = 9
TWO_WEEKS = 14 * 86_400
EVERY = 30

Row = dict[str, object]


def nine(folder: Path) -> Production:
    """Make a production checkout with nine light instances."""
    settings = SETTINGS.replace('"server.py", "{port}"', '"{script}", "{port}"')
    production = make_checkout(folder, {"server.py": SERVER, "gitrelease.toml": settings, "README.md": "The app\n"})
    production.init()
    host = production.home / "host.toml"
    app = host.read_text().split("[[instance]]")[0]
    tables = [f'[[instance]]\nname = "instance-{number}"\nport = {free_port()}\n' for number in range(INSTANCES)]
    host.write_text(app + "\n".join(tables))
    return production


def measure(production: Production, *, every: str, seconds: float) -> Row:
    """Let the agent sample `every` so often, and return what it used in `seconds`."""
    host = production.home / "host.toml"
    text = host.read_text().partition("[monitor]")[0].rstrip()
    host.write_text(f'{text}\n\n[monitor]\nevery = "{every}"\n')
    production.up()
    production.await_idle()
    agent = psutil.Process(production.agent_pid())
    until(lambda: samples.releases(production.home / "samples.db") or every != "1s", "the first sample")
    before, begun = agent.cpu_times(), time.monotonic()
    most = 0.0
    pause = threading.Event()
    while time.monotonic() < begun + seconds:
        most = max(most, agent.memory_info().rss / 1_048_576)
        pause.wait(1)
    after, spent = agent.cpu_times(), time.monotonic() - begun
    production.gitrelease("down")
    used = after.user + after.system - before.user - before.system
    return {"a sample every": every, "cpu %": round(100 * used / spent, 2), "memory MB": round(most, 1)}


def two_weeks(folder: Path) -> list[Row]:
    """Write two weeks of samples of nine instances; return how large that is and how long looks at it take."""
    path = folder / "samples.db"
    history = samples.History(path)
    begun = time.perf_counter()
    for hour in range(TWO_WEEKS // 3600):
        history.add(
            Sample(
                at=hour * 3600.0 + second, instance=f"instance-{number}", release=1 + hour // 168,
                backend="0123456789-0", pid=1, running=True, cpu_percent=4.2, memory_mb=285.3, threads=12, sessions=3,
                restarts=0, answer_ms=3.4, error_lines=0,
            )
            for second in range(0, 3600, EVERY) for number in range(INSTANCES)
        )  # fmt: skip
    wrote = time.perf_counter() - begun
    history.trim(since=0, most=64 << 20)
    history.close()
    rows: list[Row] = [{"what": "file, MB", "figure": round(path.stat().st_size / 1_048_576, 1)}]
    rows.append({"what": "all of it written, s", "figure": round(wrote, 1)})
    for what, work in (
        ("an hour of one instance, ms", lambda: samples.read(path, TWO_WEEKS - 3600, TWO_WEEKS, "instance-0")),
        ("an hour of all, ms", lambda: samples.read(path, TWO_WEEKS - 3600, TWO_WEEKS)),
        ("two weeks of one instance, ms", lambda: samples.read(path, 0, TWO_WEEKS, "instance-0")),
        ("two weeks of all, ms", lambda: samples.read(path, 0, TWO_WEEKS)),
        ("one release summed up, ms", lambda: samples.usage(path, 1, [f"instance-{n}" for n in range(INSTANCES)])),
    ):
        begun = time.perf_counter()
        work()
        rows.append({"what": what, "figure": round(1000 * (time.perf_counter() - begun), 1)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    be_hermetic()
    with tempfile.TemporaryDirectory(prefix="gitrelease-benchmark-") as name:
        folder = Path(name)
        production = nine(folder)
        try:
            agent = [measure(production, every=every, seconds=options.seconds) for every in ("30s", "1s", "1h")]
        finally:
            production.clear_away()
        kept = two_weeks(folder)
    if options.json:
        print(json.dumps({"agent": agent, "kept": kept}, indent=2))
        return
    for row in agent:
        print(f"a sample every {row['a sample every']:<4} CPU {row['cpu %']:>5} %   memory {row['memory MB']:>5} MB")
    for row in kept:
        print(f"{row['what']:<32} {row['figure']:>8}")


if __name__ == "__main__":
    main()
