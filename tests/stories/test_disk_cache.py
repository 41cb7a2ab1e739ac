"""What a candidate that is refused has cached on disk is shown by nobody; a release finds its own again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import Clone, Production, make_checkout
from tests.edges.companions import Visitor

APP = """
import streamlit as st

def factor():
    return 1

@st.cache_data(persist="disk", show_spinner=False)
def numbers(count):
    return [factor() * number for number in range(count)]

st.write(f"numbers {numbers(3)}")
"""
SETTINGS = """
[app]
script = "app.py"
[contract]
classes = []
[limits]
settle = "200ms"
[policy.major]
automation = "auto"
soak = "300ms"
"""


@pytest.fixture
def computing(tmp_path: Path) -> Iterator[Production]:
    """A production of an app that keeps what it computes on disk."""
    production = make_checkout(tmp_path, {"app.py": APP, "gitrelease.toml": SETTINGS, ".gitignore": "__pycache__/\n"})
    ended = production.gitrelease("init", "--port", str(production.port), "--python", sys.executable)
    assert ended.code == 0, ended.said
    production.up()
    production.await_idle()
    yield production
    production.clear_away()


def shown(production: Production) -> str:
    page = Visitor(production.port)
    text = page.run().texts[0]
    page.close()
    return text


@pytest.fixture
def developer(computing: Production) -> Clone:
    return computing.clone()


def push(developer: Clone, production: Production, factor: int, *, more: str = "") -> bool:
    developer.git("reset", "--quiet", "--hard", "origin/deploy")
    developer.write("app.py", APP.replace("return 1", f"return {factor}") + more)
    developer.commit(f"Factor {factor}")
    pushed = developer.push()
    production.await_idle()
    return pushed.code == 0


def caches(production: Production) -> int:
    return len(list((production.home / "caches").iterdir()))


def test_nobody_is_shown_what_a_refused_candidate_has_cached(computing: Production, developer: Clone) -> None:
    before = shown(computing)
    refused = not push(developer, computing, 666, more='raise RuntimeError("the page breaks at its end")\n')
    left = caches(computing)

    released = push(developer, computing, 2)

    assert refused
    assert released
    assert before == "numbers [0, 1, 2]"
    assert shown(computing) == "numbers [0, 2, 4]"
    assert (left, caches(computing)) == (1, 2)
    assert not Path(os.environ["HOME"], ".streamlit", "cache").exists()


def test_a_release_finds_what_it_has_cached_after_a_restart_and_prune_drops_what_does_not_run(
    computing: Production, developer: Clone
) -> None:
    assert shown(computing) == "numbers [0, 1, 2]"
    (kept,) = (computing.home / "caches").rglob("*.memo")
    written = kept.stat().st_mtime_ns

    checked = computing.gitrelease("check", "release/1")
    assert checked.code == 0, checked.said
    assert computing.gitrelease("restart").code == 0
    assert shown(computing) == "numbers [0, 1, 2]"
    assert kept.stat().st_mtime_ns == written
    assert caches(computing) == 1
    assert push(developer, computing, 2)
    assert push(developer, computing, 3)
    assert shown(computing) == "numbers [0, 3, 6]"
    computing.gitrelease("down")
    computing.up()
    pruned = computing.gitrelease("prune", "--keep", "1")

    assert pruned.code == 0, pruned.said
    assert caches(computing) == 1
    assert shown(computing) == "numbers [0, 3, 6]"


def test_a_rollback_finds_what_its_release_has_cached(computing: Production, developer: Clone) -> None:
    before = shown(computing)
    kept = {path: path.stat().st_mtime_ns for path in (computing.home / "caches").rglob("*.memo")}
    assert push(developer, computing, 2)
    assert shown(computing) == "numbers [0, 2, 4]"

    went = computing.gitrelease("rollback")

    assert went.code == 0, went.said
    assert len(kept) == 1
    assert shown(computing) == before == "numbers [0, 1, 2]"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert caches(computing) == 2


def test_doctor_says_that_the_cache_is_shared_where_nothing_of_ours_runs_in_the_app(computing: Production) -> None:
    separate = computing.gitrelease("doctor").said
    settings = computing.read("gitrelease.toml").replace("[app]\n", "[app]\ncompanion = false\n")

    computing.write("gitrelease.toml", settings)
    computing.await_live("release/2")
    computing.await_idle()
    assert computing.gitrelease("restart").code == 0  # what is live was started by the settings before
    shared = computing.gitrelease("doctor").said

    assert "disk cache" not in separate
    (line,) = [line for line in shared.splitlines() if "disk cache" in line]
    assert "app.companion is false" in line
    assert "is shown by every release" in line
    assert shown(computing) == "numbers [0, 1, 2]"
    assert Path(os.environ["HOME"], ".streamlit", "cache").exists()
