"""Documents go through the app in processes of their own: none keeps the others from it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gitrelease.inside import replaying

PROGRAM = """
import json, os, sys, time
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import replaying

def run(paths):
    gave = []
    for path in paths:
        if path.name == "endless":
            while True:
                pass
        if path.name == "asleep":
            time.sleep(600)
        if path.name == "fatal":
            os._exit(3)
        if path.name == "bad":
            return "KeyError: bad"
        gave.append({"metrics": [path.name, "x" * 100_000]})
    return gave

batches = [[Path(name) for name in batch] for batch in json.loads(sys.argv[2])]
limits = replaying.Limits(float(sys.argv[3]), time.monotonic() + float(sys.argv[4]))
for path, gave in replaying.answers(run, batches, limits):
    print(json.dumps([path.name, gave]), flush=True)
print("children", len(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()))
"""


def answers(*batches: list[str], each: float = 2.0, most: float = 60.0) -> dict[str, dict[str, Any]]:
    """Return what each document gave; nothing is left running."""
    folder = str(Path(replaying.__file__).parent)
    command = [sys.executable, "-c", PROGRAM, folder, json.dumps(batches), str(each), str(most)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    *lines, last = ran.stdout.splitlines()
    assert last == "children 0"
    told = [json.loads(line) for line in lines]
    assert len(told) == sum(map(len, batches))
    return dict(told)


def gave(name: str) -> dict[str, Any]:
    return {"metrics": [name, "x" * 100_000]}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("endless", "took longer than 2 s"),
        ("asleep", "took longer than 2 s"),
        ("fatal", "ended the process (exit 3)"),
        ("bad", "KeyError: bad"),
    ],
)
def test_a_document_that_gives_nothing_is_named_and_those_beside_it_are_read(name, why):
    assert answers(["one", name, "two"], ["three"]) == {
        "one": gave("one"),
        name: {"failed": why},
        "two": gave("two"),
        "three": gave("three"),
    }


def test_what_is_not_done_in_time_is_named_and_nothing_waits_for_it():
    began = time.monotonic()

    told = answers(["one"], *([f"{number}", "asleep"] for number in range(9)), each=60, most=1.5)

    assert time.monotonic() - began < 30
    assert told["one"] == gave("one")
    assert told["asleep"] == told["8"] == {"skipped": "there was no time left for it"}


def test_nothing_to_read_gives_nothing():
    assert answers() == {}
