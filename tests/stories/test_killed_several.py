"""The agent is killed at every step of what concerns several instances, and groups of them; production stays whole.

The works and points of `test_killed.py` that differ when there are three instances of two scripts, and a group beside
production with two more. Users ask on every port. `python -m tests.benchmarks.kills` takes every point of every work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitrelease.edges.faults import FAULT, SIGNAL
from tests.checkout import PATIENCE, Production, make_several, until
from tests.stories.test_killed import BACK, RELEASE, SERVE, SOAK, STAGE, Work, kill_at, passed, stands, with_agent
from tests.whole import Everybody, assert_whole, expected_everywhere, live_of

SPREAD = ("spread: one more started", "spread: each answers")
SWITCH = "traffic: written down, not switched"
NEXT = "traffic: one instance switched, the next not"
RETIRED = "retire: forgotten, not ended"


def several(points: tuple[str, ...]) -> tuple[str, ...]:
    """Return the points of a work for one instance as they are for several: others are started, and switched."""
    found: list[str] = []
    for point in points:
        found += [point] + [*SPREAD] * (point == STAGE[-1]) + [NEXT] * (point == SWITCH)
    return tuple(found)


def of_group(points: tuple[str, ...]) -> tuple[str, ...]:
    """Return the points of a work for several instances as they are for a group, which no file follows."""
    return tuple(point for point in several(points) if point != "files: written, not noted")


GROUP_FIRST = "group: its front waits for a release"
POINTS = {
    "deploy": several((*STAGE, *RELEASE, *SOAK)),
    "rollback": several(BACK),
    "cold rollback": several((*STAGE, *BACK)),
    "failed soak": several(BACK),
    "restart all": (*several(STAGE), "restart: started", SWITCH, NEXT, RETIRED),
    "restart one": (*STAGE, "restart: started", SWITCH, NEXT, RETIRED),
    "backend ends": ("again: its users wait", "again: started", SWITCH, NEXT),
    "group first": (GROUP_FIRST, *of_group((*STAGE, *RELEASE, *SOAK))),
    "group refused": (GROUP_FIRST, *STAGE, "group: nobody looks after it, not down"),
    "group deploy": of_group((*STAGE, *RELEASE, *SOAK)),
    "carry on": several((*STAGE, *RELEASE, *SOAK)),
    "group rollback": of_group(BACK),
    "group cold rollback": of_group((*STAGE, *BACK)),
    "group failed soak": of_group(BACK),
    "group restart": (*several(STAGE), "restart: started", SWITCH, NEXT, RETIRED),
}  # fmt: skip


class Grouped(Work):
    """A production with three instances of two scripts, and a group `test` with two more that serves something."""

    def next(self) -> str:
        """Bring a new term to the production repository, not to its branch; return its commit."""
        return self.brought(self.term())

    def given(self, commit: str) -> str:
        """Release a commit to the group, and let it prove good there; return the release."""
        ended = self.production.gitrelease("deploy", commit, "--to", "test", "--json")
        assert ended.code == 0, ended.said
        self.production.await_idle()
        return str(ended.json["release"])

    def restart_all(self) -> Callable[[], object]:
        return lambda: self.production.gitrelease("restart", "production")

    def restart_one(self) -> Callable[[], object]:
        return lambda: self.production.gitrelease("restart", "other")

    def backend_ends(self) -> Callable[[], object]:
        return lambda: os.kill(int(self.production.backend("live", "other")["identity"]["pid"]), signal.SIGKILL)

    def empty(self) -> None:
        """Let the group serve nothing, as before its first release."""
        production = self.production
        assert production.gitrelease("down").code == 0
        for ref in (live_of("test"), "refs/gitrelease/good-test"):
            production.git("update-ref", "-d", ref)
        assert production.gitrelease("up").code == 0
        production.await_idle()

    def group_first(self) -> Callable[[], object]:
        self.empty()
        commit = self.next()
        return lambda: self.production.gitrelease("deploy", commit, "--to", "test")

    def group_refused(self) -> Callable[[], object]:
        self.empty()
        self.term()
        self.developer.replace("server.py", "import sys\n", "import sys\n\nsys.exit(3)\n")
        commit = self.brought(self.developer.commit("Broken"))
        return lambda: self.production.gitrelease("deploy", commit, "--to", "test")

    def group_deploy(self) -> Callable[[], object]:
        commit = self.next()
        return lambda: self.production.gitrelease("deploy", commit, "--to", "test")

    def carry_on(self) -> Callable[[], object]:
        release = self.given(self.next())
        return lambda: self.production.gitrelease("deploy", release)

    def group_rollback(self) -> Callable[[], object]:
        self.given(self.next())
        return lambda: self.production.gitrelease("rollback", "--in", "test")

    def group_cold_rollback(self) -> Callable[[], object]:
        self.given(self.next())
        self.production.kill(int(self.production.backend("standby", "test-1")["identity"]["pid"]))
        return lambda: self.production.gitrelease("rollback", "--in", "test")

    def failed_soak(self) -> Callable[[], object]:
        return self._ends_when_told("--approve")

    def group_failed_soak(self) -> Callable[[], object]:
        return self._ends_when_told("--to", "test")

    def _ends_when_told(self, *arguments: str) -> Callable[[], object]:
        """A release whose second script ends as soon as it is told to, by a file, in a soak that is long."""
        self.term()
        end = self.production.root.parent / f"end{self.count}"
        if 'soak = "300ms"' in self.developer.read("gitrelease.toml"):
            self.developer.replace("gitrelease.toml", '[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "60s"')
        wait = (
            "    import os, threading, time\n"
            "    def end():\n"
            f"        while not os.path.exists('{end}'):\n"
            "            time.sleep(0.05)\n"
            "        os._exit(3)\n"
            "    threading.Thread(target=end, daemon=True).start()\n"
        )
        start = 'if __name__ == "__main__":\n'
        text = self.developer.read("other.py")
        self.developer.write("other.py", text.partition(start)[0] + start + wait + SERVE)
        commit = self.brought(self.developer.commit("Ends when told to"))
        ended = self.production.gitrelease("deploy", commit, *arguments)
        assert ended.code == 0, ended.said
        return end.touch

    def group_restart(self) -> Callable[[], object]:
        return lambda: self.production.gitrelease("restart", "test")


def grouped_on(production: Production) -> Grouped:
    """Return what can be done to a production with two good releases, whose group serves a third."""
    production.await_idle()
    production.git("config", "receive.denyCurrentBranch", "updateInstead")
    made = Grouped(production)
    made.released()
    made.given(made.next())
    production.write("notes.txt", "a note that is in no commit\n")
    return made


@pytest.fixture
def grouped(tmp_path: Path) -> Iterator[Grouped]:
    production = make_several(tmp_path).up()
    yield grouped_on(production)
    production.clear_away()


# What is killed here is where the works differ in kind from those for one instance.
HERE = {
    "deploy": (*SPREAD, NEXT),
    "rollback": (NEXT,),
    "restart all": (NEXT, RETIRED),
    "restart one": ("restart: started",),
    "backend ends": ("again: its users wait", "again: started"),
    "group first": (GROUP_FIRST, "stage: started", "intent: done", "refs: done"),
    "group refused": ("group: nobody looks after it, not down",),
    "group deploy": ("refs: before", "refs: done", NEXT, "soak: good, not recorded"),
    "carry on": ("refs: before", "refs: done", NEXT),
    "group rollback": ("refs: done", NEXT),
}


@pytest.mark.parametrize("name", HERE)
def test_an_agent_that_is_killed_leaves_every_instance_whole(grouped: Grouped, name: str) -> None:
    for point in HERE[name]:
        kill_at(grouped, name, point)


@pytest.mark.parametrize("name", POINTS)
def test_these_are_the_points_that_the_work_passes(grouped: Grouped, name: str, tmp_path: Path) -> None:
    assert passed(grouped, name, POINTS[name], tmp_path / "trace") == list(POINTS[name])


# -- others are killed while the agent stands in the middle of a restart ---------------------------------------


@pytest.mark.parametrize("point", ["restart: started", NEXT])
@pytest.mark.parametrize("victim", ["test-1", "test-2", "second", "front of test", "front"])
def test_whoever_is_killed_in_the_middle_of_a_restart_refuses_nobody(grouped: Grouped, victim: str, point: str) -> None:
    production = grouped.production
    agent = with_agent(production, {FAULT: point, SIGNAL: "STOP"})
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "restart", "test"]
    expected = expected_everywhere(production)
    with Everybody(production) as users:
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        until(lambda: stands(agent), f"the agent stands at {point}")
        os.kill(_pid(production, victim), signal.SIGKILL)
        os.kill(agent, signal.SIGCONT)
        said, _ = client.communicate(timeout=PATIENCE)
        assert client.returncode == 0, said
        production.await_idle()
        for name, asking in users.of.items():
            asking.came(expected[name])
    # Who was inside what was killed is cut off, a user of each instance at most; nobody else is, and nobody is refused.
    inside = {"front": ("primary", "second", "other"), "front of test": ("test-1", "test-2")}.get(victim, (victim,))
    for name, asking in users.of.items():
        assert len(asking.failed) <= (name in inside), f"{name}: {asking.failed}"
        assert not [failed for failed in asking.failed if "Refused" in failed]
        assert set(asking.answers) == {expected[name]}
    assert_whole(production, f"{victim} at {point}")


def _pid(production: Production, victim: str) -> int:
    if victim in production.places:
        return int(production.backend("live", victim)["identity"]["pid"])
    group = "test" if victim == "front of test" else "production"
    return int(production.processes(group)["front"]["pid"])


def test_who_is_cut_off_while_the_other_instances_start_is_in_the_history(grouped: Grouped) -> None:
    production = grouped.production
    commit = grouped.next()
    agent = with_agent(production, {FAULT: "spread: one more started", SIGNAL: "STOP"})
    client = subprocess.Popen(
        [sys.executable, "-m", "gitrelease", "-C", str(production.root), "deploy", commit],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: stands(agent), "the agent stands in the middle of the start of the others")
    client.kill()
    client.wait()
    os.kill(agent, signal.SIGCONT)
    production.await_idle()

    attempts = production.gitrelease("history", "--json").json["attempts"]
    assert [(one["commit"], one["outcome"]) for one in attempts][:1] == [(commit, "refused")]
    assert attempts[0]["reason"].startswith("cut off: ")
    assert_whole(production, "cut off while the others start")
