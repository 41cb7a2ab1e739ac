"""Several instances of one release: each has a process of its own, one is judged for all, all go back together."""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.edges import process_table
from tests.checkout import SERVER, SETTINGS, Clone, make_checkout, reserved_port, until

NAMES = ("primary", "second", "enhanced", "enhanced-2", "visual")
OTHER_SCRIPT = {"enhanced": "enhanced.py", "enhanced-2": "enhanced.py", "visual": "visual.py"}
ANY_SCRIPT = SETTINGS.replace('"server.py", "{port}"', '"{script}", "{port}"')


class Several:
    """A production checkout with five instances of three scripts, and a developer."""

    def __init__(self, folder: Path) -> None:
        files = {"server.py": SERVER, "gitrelease.toml": ANY_SCRIPT, "README.md": "The app\n"}
        for name in set(OTHER_SCRIPT.values()):
            files[name] = SERVER.replace('VERSION = "one"', f'VERSION = "one of {name}"')
        self.production = make_checkout(folder, files)
        self.ports = {name: reserved_port() for name in NAMES}
        self.production.port = self.ports["primary"]
        self.production.init()
        host = self.production.home / "host.toml"
        app = host.read_text().split("[[instance]]")[0]
        tables = [
            f'[[instance]]\nname = "{name}"\nport = {port}\n'
            + (f'script = "{OTHER_SCRIPT[name]}"\n' if name in OTHER_SCRIPT else "")
            for name, port in self.ports.items()
        ]
        host.write_text(app + "\n".join(tables))
        self.production.up()
        self.production.await_idle()
        self.developer: Clone = self.production.clone()

    def answers(self) -> dict[str, str]:
        """Return what each instance answers to its users."""
        return {name: answer(port) for name, port in self.ports.items()}

    def pids(self) -> dict[str, int]:
        return {row["name"]: row["pid"] for row in self.production.status()["instances"]}


def answer(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Several]:
    made = Several(tmp_path)
    yield made
    made.production.clear_away()


def test_each_instance_runs_its_script_in_a_process_of_its_own(several: Several) -> None:
    state = several.production.status()

    assert {row["name"]: (row["port"], row["health"], row["release"]) for row in state["instances"]} == {
        name: (port, "healthy", "release/1") for name, port in several.ports.items()
    }
    assert len(set(several.pids().values())) == len(NAMES)
    assert several.answers()["visual"] == "one of visual.py revenue profit"
    assert several.answers()["second"] == "one revenue profit"


def test_status_tells_of_those_that_are_named(several: Several) -> None:
    look = several.production.gitrelease
    told = {word: look("status", word, "--json").json for word in ("visual", "production", "all")}
    shown = look("status", "visual")
    unknown = look("status", "nobody")

    assert [row["name"] for row in told["visual"]["instances"]] == ["visual"]
    assert [[row["name"] for row in told[word]["instances"]] for word in ("production", "all")] == [list(NAMES)] * 2
    assert told["visual"]["live"] == told["all"]["live"]
    (line,) = shown.out.splitlines()
    assert line.startswith(f"instance  visual http://127.0.0.1:{several.ports['visual']} healthy, pid ")
    assert unknown.code == 2
    assert "there is no instance 'nobody'" in unknown.words
    assert "There is: primary, second, enhanced, enhanced-2, visual" in unknown.words


def test_many_that_hang_are_told_as_fast_as_one(several: Several) -> None:
    hung = several.pids()
    for pid in hung.values():
        os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    state = several.production.status()
    spent = time.monotonic() - begun
    for pid in hung.values():
        os.kill(pid, signal.SIGCONT)

    assert {row["name"]: (row["pid"], row["health"]) for row in state["instances"]} == {
        name: (pid, "unhealthy") for name, pid in hung.items()
    }
    assert spent < len(hung) - 1  # each is given a second


def test_a_push_brings_every_instance_to_the_new_release_and_a_rollback_brings_all_back(several: Several) -> None:
    before, first = several.answers(), several.pids()
    several.developer.commit_term("margin")

    pushed = several.developer.push()
    after = several.answers()
    back = several.production.gitrelease("rollback")

    assert pushed.code == 0, pushed.said
    assert "margin" in after["primary"]
    assert "margin" in after["second"]
    assert back.code == 0, back.said
    assert several.answers() == before
    assert several.pids() == first  # it was warm


def test_an_instance_that_does_not_come_up_stops_the_release_for_all(several: Several) -> None:
    before, first = several.answers(), several.pids()
    several.developer.commit_term("margin")
    several.developer.replace("visual.py", "import sys\n", "import sys\n\nsys.exit(3)\n")
    several.developer.commit("break one script")

    pushed = several.developer.push("-o", "approve", "origin", "deploy")

    said = pushed.words
    assert pushed.code != 0
    assert "instance visual: start: it exited with code 3" in said
    assert several.answers() == before
    assert several.pids() == first
    until(lambda: len(several.production.backends()) == len(NAMES))
    assert several.production.live() == "release/1"


def test_a_candidate_without_the_script_of_an_instance_is_refused(several: Several) -> None:
    several.developer.git("rm", "--quiet", "visual.py")
    several.developer.commit("drop a script")

    pushed = several.developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code != 0
    assert "the candidate has no visual.py" in pushed.words


def test_an_instance_that_ends_is_started_again_and_the_others_go_on(several: Several) -> None:
    first = several.pids()

    several.production.kill(first["enhanced"])

    until(lambda: several.pids()["enhanced"] not in (None, first["enhanced"]), "it is started again")
    until(lambda: several.answers()["enhanced"].startswith("one of enhanced.py"), "it answers")
    now = several.pids()
    assert {name: now[name] for name in NAMES if name != "enhanced"} == {
        name: first[name] for name in NAMES if name != "enhanced"
    }


def test_one_instance_that_fails_its_soak_takes_all_back(several: Several) -> None:
    settings = ANY_SCRIPT.replace('[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "20s"')
    several.production.write("gitrelease.toml", settings)
    several.production.commit("A long soak")
    several.production.gitrelease("deploy", "--approve")
    several.production.await_idle()
    before = several.production.live()
    developer = several.production.clone("other")
    developer.replace("visual.py", 'VERSION = "one of visual.py"', 'VERSION = "two of visual.py"')
    developer.commit("two")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    assert several.answers()["visual"].startswith("two of")

    several.production.kill(several.pids()["visual"])

    until(lambda: several.production.live() == before, "it goes back")
    until(lambda: several.answers()["visual"].startswith("one of visual.py"), "all of it")
    assert "visual: it ended by itself" in several.production.status()["quarantined"][0]["reason"]


def test_memory_has_to_suffice_for_every_instance(several: Several) -> None:
    """What one backend would need is there; five times as much is not."""
    several.developer.commit_term("margin")
    several.developer.push()
    each = int(process_table.available_mb() * 0.6)
    settings = several.production.home / "host.toml"
    settings.write_text(f"{settings.read_text()}\n[limits]\nmemory_mb = {each}\n")
    several.developer.commit_term("profit margin")
    first = several.pids()

    pushed = several.developer.push()
    drill = several.production.gitrelease("drill")

    said = pushed.words
    assert pushed.code == 1
    assert f"room: 5 more backends are reckoned to need {5 * each} MB of memory" in said
    assert several.pids() == first
    assert drill.code == 0, drill.said  # it starts one


@pytest.mark.long
def test_an_instance_that_is_replaced_takes_no_other_with_it(several: Several) -> None:
    """They share a slot, and its lock."""
    first = several.pids()
    ended = several.production.gitrelease("restart", "second")
    assert ended.code == 0, ended.said

    until(lambda: len(several.production.backends()) == len(NAMES), "the old one has ended")

    assert {name for name in NAMES if several.pids()[name] != first[name]} == {"second"}
    assert all(row["restarts"] == 0 for row in several.production.status()["instances"])


def test_restart_takes_one_instance_or_all(several: Several) -> None:
    first = several.pids()

    one = several.production.gitrelease("restart", "second")
    second = several.pids()
    every = several.production.gitrelease("restart")
    third = several.pids()

    assert one.code == 0, one.said
    assert {name for name in NAMES if first[name] != second[name]} == {"second"}
    assert every.code == 0, every.said
    assert {name for name in NAMES if second[name] != third[name]} == set(NAMES)


def test_an_agent_that_was_killed_adopts_every_instance(several: Several) -> None:
    first = several.pids()
    several.production.kill(several.production.agent_pid())

    several.production.gitrelease("up")

    assert several.pids() == first
    assert several.production.status()["agent"]["running"]


@pytest.mark.long
def test_an_instance_that_ended_while_there_was_no_agent_comes_back(several: Several) -> None:
    first = several.pids()
    several.production.kill(several.production.agent_pid())
    several.production.kill(first["visual"])

    several.production.gitrelease("up")

    until(lambda: several.pids()["visual"] not in (None, first["visual"]), "it is started again")
    assert {name: pid for name, pid in several.pids().items() if name != "visual"} == {
        name: pid for name, pid in first.items() if name != "visual"
    }
    until(lambda: several.answers()["visual"].startswith("one of visual.py"), "it answers")
