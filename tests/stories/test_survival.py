"""Agent, front and backends killed one by one: production comes back, nothing is doubled."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gitrelease.agent.bringup import close_all
from gitrelease.agent.duty import Duty
from gitrelease.agent.turn import Holder, Turn
from gitrelease.edges import backends, process_table, wire
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.front import FrontControl
from gitrelease.release import production as serving_side
from gitrelease.world import open_world
from tests.checkout import PATIENCE, Production, until
from tests.remedies import typed


class Office:
    """What duty needs of an agent, around the production that really runs."""

    def __init__(self, production: serving_side.Production) -> None:
        self.turn = Turn()
        self._production = production

    def serving(self) -> serving_side.Production:
        return self._production

    def end_if_homeless(self) -> bool:
        return False

    @contextlib.contextmanager
    def has_turn(self, *, owner: str, pid: int, doing: str, cancel: Cancel, wait: float) -> Iterator[Holder]:
        holder = self.turn.take(owner=owner, pid=pid, doing=doing, cancel=cancel, wait=wait)
        yield holder
        self.turn.give_back(holder)


def marked(production: Production) -> list[int]:
    """Return the pids of everything that runs for this production, the agent aside."""
    return sorted(identity.pid for identity in process_table.marked(backends.MARK, str(production.home)))


def test_a_killed_backend_answers_again_and_requests_are_held_meanwhile(production: Production) -> None:
    pid = production.backend_pid()

    production.kill(pid)
    answer = production.answer()

    assert answer == "one revenue profit"
    until(lambda: production.backend_pid() != pid)
    until(lambda: production.state()["instances"][0]["restarts"] == 1)


@typed("agent.duty._way_on: gitrelease status")
def test_what_ends_again_and_again_calls_for_a_person_once_and_is_started_less_often(production: Production) -> None:
    for ends in range(1, 5):
        production.kill(production.backend_pid())
        until(lambda ends=ends: production.state()["instances"][0]["restarts"] == ends, "it is started again")

    log = production.agent_log()
    assert log.count("a person is needed") == 1
    assert "gitrelease rollback" not in log  # there is nothing to go back to
    assert "ended three times within five minutes" in production.type(log, "gitrelease status").out
    production.kill(production.backend_pid())
    until(lambda: production.state()["instances"][0]["health"] == "down", "it is not started at once")
    until(lambda: production.state()["instances"][0]["restarts"] == 5, "it is started all the same")
    assert production.answer() == "one revenue profit"


def test_a_killed_front_comes_back_with_its_backlog(production: Production) -> None:
    front = production.front_pid()
    answers: list[str] = []

    production.kill(front)
    users = [threading.Thread(target=lambda: answers.append(production.answer())) for _ in range(10)]
    for user in users:
        user.start()
    for user in users:
        user.join()

    assert answers == ["one revenue profit"] * 10
    assert production.front_pid() != front


def test_a_killed_agent_is_started_by_the_next_command_and_adopts_what_runs(production: Production) -> None:
    front, backend = production.front_pid(), production.backend_pid()
    running = marked(production)
    agent = production.agent_pid()

    production.kill(agent)
    during = production.answer()
    ended = production.gitrelease("restart")

    assert during == "one revenue profit"
    assert ended.code == 0, ended.said
    assert production.front_pid() == front
    assert production.agent_pid() != agent
    assert backend in running


def test_up_says_what_is_live_whether_it_or_the_agent_that_it_started_brought_it_up(production: Production) -> None:
    production.kill(production.agent_pid())

    said = [production.gitrelease("up").out for _ in range(2)]

    assert said == ["up: release/1 is live\n"] * 2


def test_a_killed_agent_doubles_nothing(production: Production) -> None:
    before = marked(production)

    production.kill(production.agent_pid())
    production.gitrelease("deploy")

    assert marked(production) == before


def test_a_pull_starts_an_agent_that_was_killed(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("pulled")
    production.kill(production.agent_pid())

    production.git("pull", "--quiet", "--ff-only", "../developer", "deploy")

    production.await_live("release/2")
    assert "pulled" in production.answer()


def test_status_tells_what_the_disk_tells_without_an_agent(production: Production) -> None:
    production.kill(production.agent_pid())

    status = production.status()

    assert status["agent"]["running"] is False
    assert status["live"]["release"] == "release/1"
    assert status["instances"][0]["health"] == "healthy"


def test_down_ends_every_process_and_up_brings_the_live_release_back(production: Production) -> None:
    production.commit_term("second")
    production.await_live("release/2")

    down = production.gitrelease("down")
    after_down = marked(production)
    up = production.gitrelease("up")

    assert down.code == 0, down.said
    assert after_down == []
    assert up.code == 0, up.said
    assert production.live() == "release/2"
    assert "second" in production.answer()


def test_restart_replaces_the_process_and_keeps_the_release(production: Production) -> None:
    pid = production.backend_pid()

    ended = production.gitrelease("restart", "--json")

    assert ended.code == 0, ended.said
    assert production.backend_pid() != pid
    assert production.live() == "release/1"
    assert production.answer() == "one revenue profit"


def test_an_agent_of_another_version_makes_way_for_the_installed_one(production: Production) -> None:
    backend, agent = production.backend_pid(), production.agent_pid()
    answers = []

    with wire.connect(production.home / "run" / "agent.sock") as channel:
        channel.send({"protocol": 1, "version": "0.0.0", "verb": "ping", "arguments": {}})
        answers.append(channel.receive())

    assert answers == [{"end": {"again": True}}]
    until(lambda: "another version is installed now" in production.agent_log())
    until(lambda: production.agent_log().count(f"agent {agent} serves") == 2, "the same process serves again")
    until(lambda: production.state()["agent"]["running"])
    assert production.backend_pid() == backend


def test_up_serves_an_older_release_when_the_live_one_does_not_start_any_more(checkout: Production) -> None:
    needed = checkout.root.parent / "needed"
    needed.touch()
    checkout.init().up()
    checkout.await_idle()
    checkout.replace("server.py", 'if __name__ == "__main__":\n', f'open("{needed}")\nif __name__ == "__main__":\n')
    commit = checkout.commit("Need a file")
    until(lambda: checkout.state()["waiting"])
    assert checkout.gitrelease("deploy", commit, "--approve").code == 0
    checkout.await_idle()
    checkout.gitrelease("down")
    needed.unlink()

    ended = checkout.gitrelease("up")

    assert ended.code == 4
    assert "release/1 is live again" in ended.words
    assert checkout.answer() == "one revenue profit"


def test_a_front_that_hangs_is_replaced_in_the_middle_of_a_release(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("through")
    front = production.front_pid()
    os.kill(front, signal.SIGSTOP)

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert production.live() == "release/2"
    assert production.front_pid() != front
    assert "through" in production.answer()


BUSY = """\
import os
import pathlib

GATE = pathlib.Path({gate!r})


class Busy(Answer):
    def do_GET(self):
        while GATE.exists() and GATE.read_text() in ("", str(os.getpid())):
            pass
        super().do_GET()


Answer = Busy

"""


def make_busy(checkout: Production, gate: Path, patience: str) -> int:
    """Let production serve an app that works and answers nobody as long as the gate is there; return its pid.

    Where the gate has a pid in it, only the process of that pid is at work.
    """
    main = 'if __name__ == "__main__":\n'
    checkout.replace("server.py", main, BUSY.format(gate=str(gate)) + main)
    checkout.replace("gitrelease.toml", 'start = "5s"', f'start = "5s"\nbusy = "{patience}"')
    checkout.commit("Busy where a file says so")
    checkout.init().up().await_idle()
    gate.touch()
    return checkout.backend_pid()


def test_a_backend_that_answers_nobody_and_is_at_work_is_waited_for(checkout: Production, tmp_path: Path) -> None:
    """What people have entered there would be gone."""
    gate = tmp_path / "gate"
    backend = make_busy(checkout, gate, "60s")
    until(lambda: "does not answer and is at work" in checkout.agent_log(), "it is seen")
    said, diagnosed = checkout.gitrelease("status").said, checkout.gitrelease("doctor").said

    gate.unlink()

    assert checkout.answer() == "one revenue profit"
    until(lambda: checkout.status()["instances"][0]["health"] == "healthy", "it is seen to be well")
    assert checkout.backend_pid() == backend
    assert "unhealthy, at work and waited for (limits.busy)" in said
    assert "answers nobody and is at work: it is waited for" in diagnosed
    assert checkout.status()["instances"][0]["at_work"] is False


@typed("doctor.running.instances: gitrelease restart {name}")
def test_who_does_not_want_to_wait_for_a_backend_at_work_starts_another(checkout: Production, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    backend = make_busy(checkout, gate, "60s")
    gate.write_text(str(backend))
    until(lambda: checkout.status()["instances"][0]["at_work"], "it is seen")

    restarted = checkout.type(checkout.gitrelease("doctor").said, "gitrelease restart primary")

    assert restarted.code == 0, restarted.said
    assert checkout.backend_pid() != backend
    assert checkout.answer() == "one revenue profit"
    assert checkout.live() == "release/1"


def test_a_backend_is_not_waited_for_longer_than_the_host_says(checkout: Production, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    backend = make_busy(checkout, gate, "1s")

    until(lambda: checkout.backend_pid() != backend, "it is started again")

    gate.unlink()
    assert checkout.answer() == "one revenue profit"


def test_a_backend_that_does_nothing_and_answers_nobody_is_started_again(production: Production) -> None:
    backend = production.backend_pid()

    os.kill(backend, signal.SIGSTOP)

    until(lambda: production.backend_pid() != backend, "it is started again")
    assert production.answer() == "one revenue profit"
    assert "is at work" not in production.agent_log()


@pytest.mark.long
def test_a_backend_that_was_seen_to_hang_and_is_not_live_any_more_is_left_alone(production: Production) -> None:
    production.commit_term("two")
    production.await_live("release/2")
    production.await_idle()
    world = open_world(production.root)
    running = serving_side.read_running(world.home.processes)
    seen = running.standby
    assert seen is not None
    beside = serving_side.Production(world, FrontControl(world.home.front_socket), running, world.journal.memory())
    beside.listeners = beside.front.listeners()
    pids = marked(production)

    # The look of a supervisor takes seconds; a rollback in between is a tenth of one.
    Duty(Office(beside)).backend_ended(seen.number, "primary", seen.workers["primary"], "it does not answer")
    close_all(beside.listeners)

    assert "two" in production.answer()
    assert seen.alive
    assert marked(production) == pids
    assert beside.crashes == []


@pytest.mark.long
def test_a_front_that_hangs_while_the_agent_is_away_is_replaced_by_up(production: Production) -> None:
    front = production.front_pid()
    production.kill(production.agent_pid())
    os.kill(front, signal.SIGSTOP)

    ended = production.gitrelease("up")

    until(lambda: production.front_pid() != front)
    assert ended.code == 0, ended.said
    assert production.answer() == "one revenue profit"


def test_a_commit_starts_an_agent_whose_pid_a_stranger_has(production: Production) -> None:
    agent = production.agent_pid()
    started = (production.home / "run" / "agent.pid").read_text().split()[1]
    production.kill(agent)
    (production.home / "run" / "agent.pid").write_text(f"{os.getpid()} {started}\n")

    production.commit_term("woken")

    production.await_live("release/2")
    assert production.agent_pid() not in (agent, os.getpid())


@pytest.mark.long
def test_a_commit_starts_an_agent_that_ended_in_good_order(production: Production) -> None:
    agent = production.agent_pid()
    handle = os.pidfd_open(agent)
    os.kill(agent, signal.SIGTERM)
    select.select([handle], [], [], PATIENCE)
    os.close(handle)
    until(lambda: not (production.home / "run" / "agent.pid").exists())

    production.commit_term("woken")

    production.await_live("release/2")
    assert production.agent_pid() != agent


@pytest.mark.long
def test_a_hundred_requests_leave_no_descriptor_behind_in_the_agent(production: Production) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{production.agent_pid()}/fd").iterdir()))

    def ask() -> None:
        wire.ask(production.home / "run" / "agent.sock", "status", {}, lambda _: None)

    ask()
    before = descriptors()

    for _ in range(100):
        ask()

    until(lambda: descriptors() <= before + 1)


SLOW = "time.sleep(60)"


def start_of_check(production: Production) -> subprocess.Popen[bytes]:
    """Start a `check` of an app that never answers, and return when it waits for it."""
    production.replace("server.py", "import sys", f"import sys\nimport time\n\n{SLOW}")
    checked = production.commit("Slow")
    production.git("reset", "--quiet", "--hard", "HEAD^")
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "check", checked]
    check = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: checked_apps(production), "the check has started the app")
    return check


def checked_apps(production: Production) -> list[int]:
    """Return the apps that run in the slot for checks; git runs there, too."""
    slot = str(production.home / "slots" / "check")
    found = psutil.process_iter(["pid", "cwd", "cmdline"])
    return [one.pid for one in found if one.info["cwd"] == slot and "server.py" in (one.info["cmdline"] or ())]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_check_that_is_told_to_end_leaves_nothing_behind(checkout: Production, number: signal.Signals) -> None:
    checkout.replace("gitrelease.toml", 'start = "5s"', 'start = "60s"')
    checkout.commit("Patience")
    checkout.init()
    check = start_of_check(checkout)

    check.send_signal(number)

    check.wait(timeout=PATIENCE)
    assert checked_apps(checkout) == []


def test_what_a_killed_check_left_behind_makes_way_for_the_next(checkout: Production) -> None:
    checkout.replace("gitrelease.toml", 'start = "5s"', 'start = "60s"')
    checkout.commit("Patience")
    checkout.init()
    check = start_of_check(checkout)
    check.kill()
    check.wait()
    assert checked_apps(checkout)

    ended = checkout.gitrelease("check")

    assert ended.code == 0, ended.said
    assert checked_apps(checkout) == []
