"""The app's interpreter is gone while production serves: that is the host's fault, said once, and no release's."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from tests.checkout import Ended, Place, Production, reserved_port, until
from tests.remedies import typed


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


def lose(production: Production, python: Python, *, times: int = 1) -> None:
    """Take the interpreter away and end what it runs; wait until it was tried in vain so many times."""
    python.move_away()
    production.kill(production.backend_pid())
    until(lambda: len(tries(production)) >= times, f"try {times}")


def refused_for_it(ended: Ended, python: Python) -> None:
    """It says that the interpreter is gone; release/2 stays."""
    assert (ended.code, ended.json["release"]) == (5, "release/2")
    assert f"{python.path} cannot be started (No such file or directory): set app.python" in ended.json["reason"]


def test_a_missing_interpreter_is_named_once_and_tried_less_and_less_often(two: Production, python: Python) -> None:
    lose(two, python, times=3)

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


def test_a_release_whose_interpreter_was_gone_comes_up_again_by_itself_and_is_not_bad(
    two: Production, python: Python
) -> None:
    lose(two, python, times=3)

    python.put_back()

    until(lambda: two.state()["instances"][0]["health"] == "healthy", "the instance is back")
    until(lambda: two.state()["person_needed"] is None, "nobody is needed any more")
    assert "second" in two.answer()
    assert two.live() == "release/2"
    state = two.status()
    assert (state["last_good"], state["quarantined"]) == ("release/2", [])
    emergencies = two.gitrelease("history", "--json").json["emergencies"]
    assert len(emergencies) == 1
    assert emergencies[0]["ended"]

    two.kill(two.backend_pid())  # its second end, whatever could not be started between them
    until(lambda: two.state()["instances"][0]["restarts"] == 2, "the instance is back once more")
    assert two.live() == "release/2"


def test_an_interpreter_that_is_set_meanwhile_is_heard_by_the_next_try(two: Production, python: Python) -> None:
    lose(two, python)

    settings = two.home / "host.toml"
    settings.write_text(settings.read_text().replace(str(python.path), sys.executable))

    assert tomllib.loads(settings.read_text())["app"]["python"] == sys.executable
    until(lambda: two.state()["instances"][0]["health"] == "healthy", "the instance is back")
    ended = two.gitrelease("restart")
    assert ended.code == 0, ended.said


@typed("agent.bringup._serve: gitrelease up")
def test_up_goes_back_from_no_release_that_could_not_be_started(two: Production, python: Python) -> None:
    two.kill(two.agent_pid())
    two.kill(two.backend_pid())
    python.move_away()

    ended = two.gitrelease("up", "--json")

    assert (ended.code, ended.json["release"]) == (5, "release/2")
    assert f"release/2 does not start: start: {python.path} cannot be started" in ended.json["reason"]
    python.put_back()
    up = two.type(ended.json["hint"], "gitrelease up")
    assert up.code == 0, up.said
    assert two.live() == "release/2"
    assert "second" in two.answer()


def test_recover_names_the_interpreter_where_an_instance_cannot_be_started(two: Production, python: Python) -> None:
    two.gitrelease("down")
    two.others = {"second": Place(reserved_port())}
    two.set_instances()
    two.up()
    lose(two, python)

    ended = two.gitrelease("recover", "--json")

    refused_for_it(ended, python)
    assert ended.json["hint"] == "Mend that, then: gitrelease recover"
    assert two.status()["quarantined"] == []
    python.put_back()
    assert two.gitrelease("recover").code == 0
    assert "second" in two.answer()


def test_recover_names_the_interpreter_where_nothing_can_be_started(two: Production, python: Python) -> None:
    lose(two, python)

    ended = two.gitrelease("recover", "--json")

    refused_for_it(ended, python)
