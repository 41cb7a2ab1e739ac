"""Patterns that take ever longer over the wrong text are found, and harmless ones are left alone."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitrelease.core.contents import patterns_of
from gitrelease.edges import inside
from gitrelease.edges.cancel import Cancel
from gitrelease.inside import backtracking
from gitrelease.profiles.findoc.regions import REGIONS

SAMPLE = Path(backtracking.__file__).parents[1] / "demo" / "app" / "FinDocPipeline.py"


def judged(folder: Path, *patterns: str, seconds: float = 2.0) -> list[dict[str, str]]:
    """Judge patterns as a release does: in a process of their own."""
    spec = {"patterns": [["p", one] for one in patterns], "seconds": seconds, "result": str(folder / "results")}
    (folder / "spec.json").write_text(json.dumps(spec))
    subprocess.run([sys.executable, backtracking.__file__, str(folder / "spec.json")], check=True, timeout=60)
    lines = [json.loads(line) for line in (folder / "results").read_text().splitlines()]
    return [line for line in lines if "verdict" in line]


@pytest.mark.parametrize(
    ("pattern", "growth"),
    [
        (r"(?:(?:\w+\s*)+)+:\s*([\d,\.]+)$", "exponentially"),
        (r"(a+)+$", "exponentially"),
        (r"(a|a)*b", "exponentially"),
        (r"(x+x+)+y", "exponentially"),
        (r"([\d,\.]+)+\s*million", "exponentially"),
        (r"(?:revenue|sales)(?:[\s:]*)*x", "exponentially"),
        (r"\s*\s*\s*:", "with the power"),
        (r".*.*.*=", "with the power"),
        (r"(\d*)(\d*)(\d*)(\d*)x", "with the power"),  # from too short to tell to far too long in one doubling
        (r"total(?:\s+\w+\s*)*:\s*(\d+)", "exponentially"),  # two blanks between two words, again and again
        (r"(?:[a-c]x?|[c-e]x?)*y", "exponentially"),  # what both branches take
    ],
)
def test_a_pattern_that_explodes_is_found_with_a_text_that_shows_it(tmp_path, pattern, growth):
    (verdict,) = judged(tmp_path, pattern)

    assert verdict["verdict"] == "slow"
    assert growth in verdict["growth"]
    text = eval(verdict["input"])  # noqa: S307 - the promise is that it is a Python expression for a text
    assert isinstance(text, str)
    assert re.compile(pattern)


def test_what_is_cut_off_is_judged_by_the_doubling_before_it_wherever_the_host_was_disturbed():
    compiled, pump = re.compile(r"\s*\s*\s*:"), backtracking.Pump("", " ", "!")
    signal.signal(signal.SIGVTALRM, backtracking.late)
    half = next(times for times in range(64, 1024, 16) if backtracking.spent(compiled, pump.text(times)) > 0.2)

    steep, times, _ = backtracking.confirmed(compiled, pump, 2 * half, 0.001, math.inf)  # 0.001: hardly measured

    assert steep > backtracking.STEEP
    assert times == half


@pytest.mark.parametrize(
    "pattern",
    [
        r"revenue[:\s]+[\$£€]?([\d,\.]+)\s*(million|billion|m|b)?",
        r"\s*x",
        r".*x",
        r"[\d,]*\d(?:\.\d+)?",
        r"(?:(?:a{1,3}){1,3}){1,3}b",
        r"net income",
        "",
    ],
)
def test_a_harmless_pattern_is_fine(tmp_path, pattern):
    (verdict,) = judged(tmp_path, pattern)

    assert verdict["verdict"] == "fine", verdict


def test_the_patterns_of_the_sample_app_are_fine(tmp_path):
    patterns = [pattern for _, pattern in patterns_of(SAMPLE.read_bytes(), REGIONS)]

    assert {verdict["verdict"] for verdict in judged(tmp_path, *patterns)} == {"fine"}


def test_half_of_a_surrogate_pair_is_judged_like_any_character(tmp_path):
    (verdict,) = judged(tmp_path, "(\ud800+)+x")

    assert (verdict["verdict"], verdict["growth"]) == ("slow", "exponentially")


@pytest.mark.parametrize("pattern", ["(", "(?P<x", "(" * 500 + ")" * 500 + "("], ids=["open", "cut", "deep"])
def test_what_does_not_compile_is_left_to_others(tmp_path, pattern):
    (verdict,) = judged(tmp_path, pattern)

    assert verdict["verdict"] == "invalid"


def test_a_pattern_of_a_hundred_kilobytes_ends_in_its_time(tmp_path):
    huge = "|".join(rf"word{number}\s+(\d+)" for number in range(6000))

    (verdict,) = judged(tmp_path, huge, seconds=1.0)

    assert verdict["verdict"] == "fine"


def test_what_the_host_gives_no_time_is_not_judged(tmp_path):
    patterns = [("total", r"(a+)+$")]
    with inside.backtracking(
        Path(sys.executable), home=tmp_path, cwd=tmp_path, patterns=patterns, seconds=2
    ) as running:
        results = running.folder / "results"
        deadline = time.monotonic() + 20
        while not results.exists() or not results.read_bytes():
            assert time.monotonic() < deadline
        os.kill(running.identity.pid, signal.SIGSTOP)
        finished = running.wait(time.monotonic() + 1.0, Cancel())

        (check,) = inside.backtracking_results(running, finished=finished)

    assert (check.name, check.status) == ("backtracking total", "unknown")
    assert "could not be timed: the host is busy" in check.detail
