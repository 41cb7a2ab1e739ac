"""Is the app, started with its companion, as it is without?"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.edges import companions
from tests.edges.companions import COMPANION, PROGRAM, answers, argv, free_port, wait_for, with_companion

LAUNCHED = Path(__file__).with_name("launched")
# Our modules in the app's process: one package, under a name of its own.
PARTS = """
    arrivals carry cookie_secret departures disk_cache endpoint frames garbage holding hooks identity launch libraries
    loop media memory notices parcel plain resending start state uploads
"""
OURS = ["_gitrelease_companion", *(f"_gitrelease_companion.{part}" for part in PARTS.split())]


@contextlib.contextmanager
def serving(command: Sequence[str], port: int, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = cwd / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_for(lambda: answers(port), log)
        yield process
    finally:
        process.kill()
        process.wait()


def report_of_one_that_asked_nobody(command: Sequence[str], port: int, slot: Path) -> dict:
    told = report_of(command, port, slot)
    for _ in range(5):
        if told["asked"]:
            told = report_of(command, port, slot)
    return told


def report_of(command: Sequence[str], port: int, slot: Path) -> dict:
    with serving(command, port, slot):
        probe = Path(COMPANION).with_name("session.py")
        done = subprocess.run(
            [sys.executable, probe, "127.0.0.1", str(port), "20"], capture_output=True, timeout=60, check=False
        )
        assert json.loads(done.stdout)["ok"], done.stdout
    report = slot / "report.json"
    told = json.loads(report.read_text())
    report.unlink()
    return told


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    folder = tmp_path / "slot"
    folder.mkdir()
    for source in LAUNCHED.glob("*.py"):
        shutil.copy(source, folder)
    (folder / "data.txt").write_text("beside the script")
    return folder


def companion_for(command: Sequence[str], slot: Path) -> list[str]:
    return with_companion(command, path=slot.parent / "c.socket", slot=slot, canonical=slot.parent / "checkout")


@pytest.mark.parametrize("start", [[str(PROGRAM)], ["-m", "streamlit"]], ids=["bin/streamlit", "-m streamlit"])
def test_what_an_app_sees_of_its_start_is_the_same_in_every_field(slot, start):
    port = free_port()
    python = str(PROGRAM.with_name("python"))
    plain = [*start, *argv(slot, "app.py", port)[1:]]

    without = report_of_one_that_asked_nobody([python, *plain], port, slot)
    ours = with_companion(
        [python, *plain], path=slot.parent / "c.socket", slot=slot, canonical=slot.parent / "checkout"
    )
    told = report_of_one_that_asked_nobody([*ours[:9], *plain], port, slot)

    assert told.pop("ours") == OURS
    without.pop("ours")
    for field, value in without.items():
        assert told[field] == value, field
    assert set(told) == set(without)
    assert without["after chdir"] == "beside the script\n"
    assert without["child"]["mp_main"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["run", "missing.py"], 2, id="a script that is not there"),
        pytest.param(["nonsense"], 2, id="a command that is not there"),
        pytest.param(["--version"], 0, id="a command that ends"),
    ],
)
def test_exit_codes_and_output_are_those_of_the_program(slot, arguments, code):
    plain = run([str(PROGRAM), *arguments], slot)
    ours = run(companion_for([str(PROGRAM), *arguments], slot), slot)

    assert plain.returncode == ours.returncode == code
    assert ours.stdout == plain.stdout
    assert ours.stderr == plain.stderr


def run(command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_a_program_that_fails_is_told_as_the_interpreter_tells_it(slot, tmp_path):
    program = tmp_path / "program"
    program.write_text("def inner():\n    raise ValueError('broken')\n\ninner()\n")
    command = [sys.executable, str(program), "run"]
    ours = companion_for([str(PROGRAM), "run"], slot)

    plain, told = run(command, slot), run([*ours[:9], str(program), "run"], slot)

    assert (told.returncode, told.stderr) == (plain.returncode, plain.stderr)
    assert told.returncode == 1


def test_a_program_that_is_no_python_is_started_as_it_is(slot, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nif [ x ]; then echo started $1; exit 7; fi\n")
    program.chmod(0o755)
    ours = companion_for([str(PROGRAM), "run"], slot)

    told = run([*ours[:9], str(program), "run"], slot)

    assert (told.returncode, told.stdout) == (7, "started run\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda one: one.name)
def test_a_signal_ends_the_app_as_ever(slot, number):
    codes = []
    for wrap in (list, lambda command: companion_for(command, slot)):
        port = free_port()
        with serving(wrap(argv(slot, "app.py", port)), port, slot) as process:
            os.kill(process.pid, number)
            codes.append(process.wait(companions.PATIENCE))

    assert codes[0] == codes[1]


def test_an_app_is_served_when_its_companion_cannot_start_and_one_line_says_so(slot, tmp_path):
    port = free_port()
    command = argv(slot, "app.py", port)
    ours = with_companion(command, path=tmp_path / "nowhere" / "c.socket", slot=slot, canonical=tmp_path / "checkout")

    told = report_of(ours, port, slot)

    assert told["argv"] == [str(slot / "app.py")]
    lines = [line for line in (slot / "log").read_text().splitlines() if "gitrelease" in line]
    assert len(lines) == 1
    assert "the app is served without it" in lines[0]
    assert "FileNotFoundError" in lines[0]


FORKS = """
import os, streamlit as st
pid = os.fork()
if not pid:
    ends = []
    for number in os.listdir("/proc/self/fd"):
        try:
            ends.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass
    ours = [line.split()[6] for line in open("/proc/net/unix") if "c.socket" in line]
    open("held", "w").write(repr([one for one in ours if f"socket:[{one}]" in ends]))
    open("known", "w").write(str(len(ours)))
    os._exit(0)
os.waitpid(pid, 0)
open("report.json", "w").write("{}")
"""


def test_a_forked_child_does_not_hold_the_socket(slot):
    (slot / "app.py").write_text(FORKS)
    port = free_port()

    report_of(companion_for(argv(slot, "app.py", port), slot), port, slot)

    assert (slot / "held").read_text() == "[]"
    assert (slot / "known").read_text() != "0"
