"""The app's interpreter is gone while production serves: that is the host's fault, said once, and no release's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.checkout import Production, until


class Python:
    """The interpreter of the app, which can be moved away."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "venv" / "bin" / "python"
        self.path.parent.mkdir(parents=True)
        self.put_back()

    def move_away(self) -> None:
        self.path.unlink()

    def put_back(self) -> None:
        self.path.symlink_to(sys.executable)


@pytest.fixture
def python(tmp_path: Path) -> Python:
    return Python(tmp_path)


@pytest.fixture
def two(checkout: Production, python: Python) -> Production:
    """A production with release/2 live and good, run by an interpreter of its own; release/1 stands by."""
    ended = checkout.gitrelease("init", "--port", str(checkout.port), "--python", str(python.path))
    assert ended.code == 0, ended.said
    checkout.up()
    checkout.await_idle()
    checkout.commit_term("second")
    checkout.await_live("release/2")
    checkout.await_idle()
    return checkout


def tries(production: Production) -> list[str]:
    """Return what the agent has logged of starts that failed."""
    return [line for line in production.agent_log().splitlines() if "does not start again: " in line and "try" in line]


def test_a_missing_interpreter_is_named_once_and_tried_less_and_less_often(two: Production, python: Python) -> None:
    python.move_away()
    two.kill(two.backend_pid())
    until(lambda: len(tries(two)) >= 3, "a third try")

    first, second, third = tries(two)[:3]
    assert f"{python.path} cannot be started (No such file or directory)" in first
    assert "set app.python in .git/gitrelease/host.toml; the next try is in 1 s" in first
    assert "the next try is in 2 s" in second
    assert "the next try is in 4 s" in third
    assert two.agent_log().count("a person is needed") == 1
    state = two.state()
    assert (state["instances"][0]["health"], state["instances"][0]["pid"]) == ("down", None)
    why = f"release/2 does not start again: {python.path} cannot be started (No such file or directory)"
    assert state["person_needed"] == why
    assert "down" in two.gitrelease("status").out
