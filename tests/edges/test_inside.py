"""What is said of a check that did not come back: that it hangs, or that the host gave it no time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitrelease.core.outcome import Check
from gitrelease.edges import inside, process_table
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.inside import Inside
from tests.checkout import until

LIMITS = {"cpu": 60, "memory_mb": 4096, "output_mb": 64}
HANGS = "def check_hangs(app):\n    {first}\n    while True:\n        pass\n"


@contextmanager
def hanging(folder: Path, *, first: str) -> Iterator[Inside]:
    """Run a contract whose one check never comes back; it is in there when the context opens."""
    (folder / "app.py").write_text("")
    spec = {
        "script": "app.py", "classes": [], "checks": [], "patterns": {}, "change": None,
        "own": HANGS.format(first=first), "limits": LIMITS,
    }  # fmt: skip
    python = Path(sys.executable)
    with inside.contract(python, home=folder / "home", slot=folder, spec=spec, replay=None) as running:
        until(lambda: b"check_hangs" in running.read("results"), "the check is at work")
        yield running


@pytest.fixture
def crowded() -> Iterator[int]:
    """Keep one processor busy; return its number."""
    number = min(os.sched_getaffinity(0))
    pinned = f"import os\nos.sched_setaffinity(0, [{number}])\nwhile True: pass\n"
    # Each with a session of its own: those of one session may have one share of the processor together.
    busy = [subprocess.Popen([sys.executable, "-c", pinned], start_new_session=True) for _ in range(4)]
    yield number
    for one in busy:
        one.kill()
        one.wait()


def last_check(running: Inside) -> Check:
    finished = running.wait(time.monotonic(), Cancel())
    return inside.contract_results(running, finished=finished).checks[-1]


def share_of_waiting(running: Inside) -> float:
    """Return for how much of its time a process has waited for a processor."""
    return process_table.held_up(running.identity) / (time.monotonic() - running.started)


def test_a_check_that_had_the_time_and_did_not_return_has_failed(tmp_path: Path) -> None:
    with hanging(tmp_path, first="import time; time.sleep(600)") as running:
        until(lambda: share_of_waiting(running) < 0.4, "its start, on a busy host, counts for little")

        check = last_check(running)

    assert (check.name, check.status) == ("check_hangs", "failed")
    assert "did not return within" in check.detail


def test_a_check_that_the_host_gives_no_time_is_not_judged(tmp_path: Path, crowded: int) -> None:
    with hanging(tmp_path, first=f"import os; os.sched_setaffinity(0, [{crowded}])") as running:
        until(lambda: share_of_waiting(running) > 0.6, "it has waited most of the time")

        check = last_check(running)

    assert (check.name, check.status) == ("check_hangs", "unknown")
    assert "did not return: the host is busy" in check.detail
