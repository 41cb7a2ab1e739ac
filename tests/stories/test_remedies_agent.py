"""What the agent, the front and the command line tell people to type is typed, in the state in which it is said."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gitrelease import __version__
from gitrelease.agent.background import guarded
from gitrelease.core.outcome import Outcome
from gitrelease.edges import wire
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.home import Home, short_name
from tests.checkout import PATIENCE, SETTINGS, Clone, Production, until
from tests.remedies import typed
from tests.stories.test_disconnect import Gate, commit_behind
from tests.stories.test_foreground import Service

COMMAND = (sys.executable, "-m", "gitrelease")


class Deploying:
    """A `gitrelease deploy` of a candidate that does not come up before the gate opens."""

    def __init__(self, production: Production, developer: Clone) -> None:
        self.gate = Gate(production.root.parent / "candidate.gate")
        commit_behind(developer, self.gate)
        developer.push("origin", "HEAD:refs/heads/next")
        command = [*COMMAND, "-C", str(production.root), "deploy", "next", "--approve"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.gate.await_arrival()

    def ends(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said

    def clear_away(self) -> None:
        self.gate.open()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def two(checkout: Production) -> Production:
    """A production with release/2 live and good; a candidate has a minute to come up."""
    checkout.write("gitrelease.toml", SETTINGS.replace('start = "5s"', 'start = "60s"'))
    checkout.commit("Patience")
    checkout.init().up()
    checkout.await_idle()
    checkout.commit_term("second")
    checkout.await_live("release/2")
    checkout.await_idle()
    return checkout


@pytest.fixture
def deploying(two: Production) -> Iterator[Deploying]:
    deploying = Deploying(two, two.clone())
    yield deploying
    deploying.clear_away()


# -- who has the turn --------------------------------------------------------------------------------------------------


@typed(
    "agent.turn.Turn.busy: gitrelease status",
    "agent.turn.Turn.busy: gitrelease rollback",
    "agent.desk.Desk._answer: gitrelease status",
)
def test_who_finds_a_release_under_way_sees_it_and_goes_back_before_it(two: Production, deploying: Deploying) -> None:
    busy = two.gitrelease("deploy")

    seen = two.type(busy.said, "gitrelease status")
    back = two.type(busy.said, "gitrelease rollback")

    assert "another release is under way: deploy by" in busy.words
    assert "deploy by" in seen.out
    assert back.code == 0, back.said
    assert two.live() == "release/1"
    assert two.answer() == "one revenue profit"
    code, said = deploying.ends()
    assert code == 3
    assert "cancelled: " in said
    assert "live      release/1" in two.type(said, "gitrelease status").out


@typed("agent.agent.Agent.make_way: gitrelease status")
def test_an_agent_in_the_foreground_waits_for_what_is_under_way(two: Production, deploying: Deploying) -> None:
    early = Service(two)
    assert early.process.wait(timeout=PATIENCE) == 6
    said = early.log.read_text()

    assert "deploy by" in two.type(said, "gitrelease status").out
    deploying.gate.open()
    assert deploying.ends()[0] == 0
    assert "deploy by" not in two.type(said, "gitrelease status").out
    service = Service(two)
    until(lambda: two.state()["agent"]["pid"] == service.process.pid, "it takes over")
    assert two.live() == "release/3"
    assert service.end() == 0


# -- up and down -------------------------------------------------------------------------------------------------------


@typed("agent.agent.Agent.take_down: gitrelease up")
def test_production_that_was_taken_down_is_started_again_as_is_said(production: Production) -> None:
    down = production.gitrelease("down")

    up = production.type(down.said, "gitrelease up")

    assert up.code == 0, up.said
    assert production.live() == "release/1"
    assert production.answer() == "one revenue profit"


@typed("agent.agent.Agent.serving: gitrelease up")
def test_production_that_did_not_come_up_by_itself_does_once_its_port_is_free(production: Production) -> None:
    production.kill(production.agent_pid())
    production.kill(production.front_pid())
    with socket.create_server(("127.0.0.1", production.port)):
        refused = production.gitrelease("deploy")

    up = production.type(refused.said, "gitrelease up")

    assert f"production is not up: port {production.port} is taken by" in refused.words
    assert up.code == 0, up.said
    assert production.answer() == "one revenue profit"


@typed("agent.bringup._serve: gitrelease status")
def test_an_agent_that_has_come_up_by_itself_says_where_that_is_seen(production: Production) -> None:
    production.kill(production.agent_pid())
    production.gitrelease("deploy")

    seen = production.type(production.agent_log(), "gitrelease status")

    assert "live      release/1" in seen.out
    assert "healthy" in seen.out


@typed("agent.agent._MORE_WATCHES: gitrelease down && gitrelease up")
def test_edits_are_noticed_again_after_the_host_allowed_watches(checkout: Production) -> None:
    checkout.init()
    none = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    up = ["unshare", "--user", "--map-root-user", "sh", "-c", none, "sh", *COMMAND, "-C", str(checkout.root), "up"]
    if shutil.which("unshare") is None or subprocess.run([*up[:5], none, "sh", "true"], check=False).returncode:
        pytest.skip("needs a namespace of its own")
    ran = subprocess.run(up, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "edits on this host are not noticed by themselves" in ran.stdout + ran.stderr

    again = checkout.type(ran.stdout + ran.stderr, "gitrelease down && gitrelease up")

    assert again.code == 0, again.said
    assert "not noticed" not in again.words
    checkout.replace("server.py", '"revenue",\n', '"revenue",\n    "edited",\n')
    checkout.await_live("release/2")
    assert checkout.answer() == "one revenue edited profit"


@typed("agent.agent.Agent.end_if_homeless: gitrelease recover")
def test_an_agent_whose_home_is_gone_ends_and_recover_brings_all_back(checkout: Production) -> None:
    checkout.init()
    service = Service(checkout)
    until(lambda: checkout.live() == "release/1" and not checkout.busy(), "release/1 is good")
    shutil.rmtree(checkout.home)
    assert service.process.wait(timeout=PATIENCE) == 1
    assert checkout.answer() == "one revenue profit"

    recovered = checkout.type(service.log.read_text(), "gitrelease recover")

    assert recovered.code == 0, recovered.said
    assert checkout.live() == "release/1"
    assert checkout.answer() == "one revenue profit"
    assert checkout.status()["agent"]["running"]


# -- a person is needed ------------------------------------------------------------------------------------------------


def kill_three_times(production: Production) -> None:
    for _ in range(3):
        pid = production.backend_pid()
        production.kill(pid)
        until(lambda pid=pid: production.backend_pid() != pid, "another one serves")


@typed("agent.duty._way_on: gitrelease rollback {name}{within}")
def test_who_is_called_after_production_went_back_once_goes_back_further_as_is_said(two: Production) -> None:
    two.commit_term("third")
    two.await_live("release/3")
    two.await_idle()
    kill_three_times(two)
    two.await_live("release/2")
    two.await_idle()
    kill_three_times(two)
    until(lambda: two.state()["person_needed"], "a person is needed")

    back = two.type(two.agent_log(), "gitrelease rollback release/1")

    assert back.code == 0, back.said
    assert two.answer() == "one revenue profit"
    assert two.state()["person_needed"] is None


@typed("agent.inbox._look: gitrelease rollback", "agent.inbox._look: gitrelease restart")
@pytest.mark.parametrize(
    ("command", "live"), [("gitrelease rollback", "release/1"), ("gitrelease restart", "release/2")]
)
def test_what_is_live_by_its_tag_and_does_not_come_up_is_left_or_mended_as_is_said(
    production: Production, command: str, live: str
) -> None:
    needed = production.root.parent / "needed"
    needed.touch()
    developer = production.clone()
    developer.replace("server.py", "TERMS = [", f'open("{needed}").close()\nTERMS = [')
    developer.commit_version("two")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    assert production.gitrelease("rollback").code == 0
    production.await_idle()
    needed.unlink()
    production.git("update-ref", "refs/gitrelease/live", production.git("rev-parse", "release/2"))
    (production.home / "poke").touch()
    until(lambda: "does not come up" in (production.state()["person_needed"] or ""), "a person is called")
    if command == "gitrelease restart":
        needed.touch()

    ended = production.type(production.agent_log(), command)

    assert ended.code == 0, ended.said
    production.await_idle()
    assert production.live() == live
    assert production.answer().startswith("one" if live == "release/1" else "two")
    assert production.state()["person_needed"] is None


@typed("agent.background.guarded: gitrelease status")
def test_background_work_that_fails_leaves_production_as_it_is(
    production: Production, caplog: pytest.LogCaptureFixture
) -> None:
    def work(_: Cancel) -> Outcome | None:
        raise ValueError("nobody has thought of this")

    with caplog.at_level(logging.INFO, "gitrelease.agent"):
        guarded("tidying up", work)
    seen = production.type(caplog.messages[0], "gitrelease status")

    assert seen.code == 0, seen.said
    assert "live      release/1" in seen.out


# -- of two versions ---------------------------------------------------------------------------------------------------


@typed("agent.desk.Desk._answer: gitrelease down && gitrelease up")
def test_an_agent_that_does_not_know_a_command_is_replaced_as_is_said(production: Production) -> None:
    agent = production.agent_pid()
    with wire.connect(production.home / "run" / "agent.sock") as channel:
        channel.send({"protocol": 1, "version": __version__, "verb": "levitate", "arguments": {}})
        end = channel.receive()["end"]
    assert end["error"] == f"agent {__version__} knows no 'levitate'"

    replaced = production.type(end["hint"], "gitrelease down && gitrelease up")

    assert replaced.code == 0, replaced.said
    assert production.agent_pid() != agent
    assert production.answer() == "one revenue profit"


@typed("front.control._OTHER_VERSION: gitrelease down", "front.control._OTHER_VERSION: gitrelease up")
def test_a_front_that_does_not_understand_is_replaced_as_is_said(production: Production) -> None:
    before = (production.front_pid(), production.agent_pid())
    control = Home(production.root / ".git").front_socket
    with socket.socket(socket.AF_UNIX) as asking, short_name(control) as name:
        asking.connect(name)
        asking.sendall(b'{"verb": "levitate"}\n')
        answer = json.loads(asking.makefile().readline())

    down = production.type(answer["hint"], "gitrelease down")
    up = production.type(answer["hint"], "gitrelease up")

    assert "not understood" in answer["error"]
    assert (down.code, up.code) == (0, 0), down.said + up.said
    assert not {production.front_pid(), production.agent_pid()} & {*before}
    assert production.answer() == "one revenue profit"


# -- what was mistyped -------------------------------------------------------------------------------------------------


@typed("candidate.commit_of: git log --oneline --all")
def test_a_commit_that_is_not_there_can_be_looked_up_as_is_said(production: Production) -> None:
    commit = production.commit_term("second")
    production.await_live("release/2")
    wrong = production.gitrelease("check", "nowhere")

    listed = production.type(wrong.said, "git log --oneline --all")

    assert "there is no commit 'nowhere' here" in wrong.words
    name = next(line.split()[0] for line in listed.out.splitlines() if line.endswith("Know second"))
    assert commit.startswith(name)
    assert production.gitrelease("check", name).code == 0


@typed("cli._run: gitrelease --help")
def test_a_command_line_that_is_not_understood_leads_to_what_is(production: Production) -> None:
    wrong = production.gitrelease("levitate", "--json")

    helped = production.type(wrong.json["hint"], "gitrelease --help")

    assert wrong.json["error"] == "the command line was not understood"
    assert helped.code == 0
    assert "rollback" in helped.out
