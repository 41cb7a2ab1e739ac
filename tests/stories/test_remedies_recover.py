"""What `recover` tells people to type where it cannot go on by itself, and where others name it, does what it says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import PATIENCE, Clone, Ended, Production, until
from tests.remedies import typed
from tests.stories.test_cold_start import NEEDS
from tests.stories.test_interpreter import Python
from tests.stories.test_recover import agents


@pytest.fixture
def two(production: Production) -> Production:
    """A production with release/2 live and good."""
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    return production


def served(production: Production, release: str) -> None:
    """See that a release is live, answers, and that files and refs say so."""
    state = production.status()
    assert state["live"]["release"] == production.live() == release
    assert state["instances"][0]["health"] == "healthy"
    assert state["checkout"]["in_sync"]
    assert state["agent"]["running"]


@typed(
    "commands.recover._client: gitrelease -C DIR recover",
    "commands.recover._client: git clone URL DIR",
    "commands.recover._client: gitrelease -C DIR init",
)
def test_beside_a_checkout_it_can_be_named_or_made_as_it_is_said(two: Production, tmp_path: Path) -> None:
    beside = Production(tmp_path, two.port)
    two.git("update-ref", "-d", "refs/tags/release/1")

    refused = beside.gitrelease("recover")
    recovered = beside.type(refused.said, "gitrelease -C DIR recover", DIR=str(two.root))
    new = tmp_path / "a new one"
    cloned = beside.type(refused.said, "git clone URL DIR", URL=str(two.root), DIR=str(new))
    begun = beside.type(refused.said, "gitrelease -C DIR init", DIR=str(new))

    assert refused.code == 2
    assert recovered.code == 0, recovered.said
    served(two, "release/2")
    assert two.git("tag", "--list", "release/*").split() == ["release/1", "release/2"]
    assert (cloned.code, begun.code) == (0, 0), cloned.said + begun.said
    assert Clone(new).git("rev-parse", "HEAD") == two.git("rev-parse", "HEAD")
    assert (new / ".git" / "gitrelease" / "host.toml").exists()


def in_the_foreground(production: Production) -> subprocess.Popen[bytes]:
    """Start production as a service manager does."""
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "up", "--foreground"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@typed("commands.recover._end_agents: gitrelease recover", "commands.recover._end_agents: gitrelease down")
def test_what_a_service_manager_runs_is_recovered_in_the_steps_that_are_said(checkout: Production) -> None:
    checkout.init()
    first = in_the_foreground(checkout)
    until(lambda: checkout.live() == "release/1", "production is up")
    checkout.await_idle()
    refused = checkout.gitrelease("recover")
    first.terminate()
    assert first.wait(timeout=PATIENCE) == 0

    recovered = checkout.type(refused.said, "gitrelease recover")
    served(checkout, "release/1")
    down = checkout.type(refused.said, "gitrelease down")
    until(lambda: not checkout.marked() + agents(checkout), "nothing runs")
    second = in_the_foreground(checkout)

    assert (refused.code, recovered.code, down.code) == (3, 0, 0)
    try:
        until(lambda: checkout.status()["instances"][0]["health"] == "healthy", "production is up again")
        assert checkout.agent_pid() == second.pid
        served(checkout, "release/1")
    finally:
        second.terminate()
        assert second.wait(timeout=PATIENCE) == 0


def freeze(production: Production) -> None:
    """Let what serves hang, without an agent that would notice."""
    production.kill(production.agent_pid())
    os.kill(production.backend_pid(), signal.SIGSTOP)


@typed("commands.recover._bring_up: gitrelease recover")
def test_what_is_of_the_host_is_mended_and_recovered_as_it_is_said(checkout: Production, tmp_path: Path) -> None:
    python = Python(tmp_path)
    assert checkout.gitrelease("init", "--port", str(checkout.port), "--python", str(python.path)).code == 0
    checkout.up()
    checkout.await_idle()
    freeze(checkout)
    python.move_away()

    stuck = checkout.gitrelease("recover")
    python.put_back()
    recovered = checkout.type(stuck.said, "gitrelease recover")

    assert stuck.code == 5
    assert "cannot be started" in stuck.words
    assert recovered.code == 0, recovered.said
    served(checkout, "release/1")
    assert checkout.answer() == "one revenue profit"
    assert checkout.status()["quarantined"] == []


@typed("commands.recover._bring_up: gitrelease rollback RELEASE")
def test_where_the_nearest_release_does_not_start_either_another_one_is_named_as_it_is_said(
    production: Production, tmp_path: Path
) -> None:
    installed = tmp_path / "thelib"
    installed.write_text("1")
    production.replace("server.py", "import sys\n", f"import sys\n{NEEDS.format(place=str(installed), fits='1')}")
    assert production.gitrelease("deploy", production.commit("It needs thelib"), "--approve").code == 0
    production.await_idle()
    production.commit_term("third")
    production.await_live("release/3")
    production.await_idle()
    standby = int(production.backend("standby")["identity"]["pid"])
    freeze(production)
    production.kill(standby)
    installed.write_text("2")

    stuck = production.gitrelease("recover")
    back = production.type(stuck.said, "gitrelease rollback RELEASE", RELEASE="release/1")

    assert stuck.code == 5, stuck.said
    assert back.code == 0, back.said
    served(production, "release/1")
    assert production.answer() == "one revenue profit"


@typed(
    "recovery.heads._last_of: git fetch --update-head-ok URL BRANCH:BRANCH",
    "recovery.heads._last_of: gitrelease recover",
)
def test_a_branch_that_nothing_tells_of_comes_from_another_repository_as_it_is_said(two: Production) -> None:
    developer = two.clone()
    head = two.git("rev-parse", "HEAD")
    for ref in two.git("for-each-ref", "--format=%(refname)").split():
        two.git("update-ref", "-d", ref)
    shutil.rmtree(two.root / ".git" / "logs")

    refused = two.gitrelease("recover")
    branch = {"BRANCH:BRANCH": "deploy:deploy"}
    fetched = two.type(refused.said, "git fetch --update-head-ok URL BRANCH:BRANCH", URL=str(developer.root), **branch)
    recovered = two.type(refused.said, "gitrelease recover")

    assert refused.code == 2, refused.said
    assert fetched.code == 0, fetched.said
    assert recovered.code == 0, recovered.said
    assert two.git("rev-parse", "deploy") == head
    served(two, "release/2")


def given(production: Production, release: str, ended: Ended) -> None:
    assert ended.code == 0, ended.said
    served(production, release)


@typed("recovery.house._unknown: gitrelease recover --port PORT --python PATH")
def test_settings_that_nothing_tells_are_said_as_it_is_asked(two: Production) -> None:
    """As an earlier version leaves it, which kept no settings."""
    two.git("update-ref", "-d", "refs/gitrelease/host")
    (two.home / "host.toml").write_text("x [[\n")

    refused = two.gitrelease("recover")
    recovered = two.type(
        refused.said, "gitrelease recover --port PORT --python PATH", PORT=str(two.port), PATH=sys.executable
    )

    assert refused.code == 2
    given(two, "release/2", recovered)
    assert f"port = {two.port}" in (two.home / "host.toml").read_text()
    assert "second" in two.answer()


@typed("edges.variables.ANEW: gitrelease up --variables", "commands.up.run: gitrelease restart")
def test_variables_that_nobody_can_read_are_recorded_and_taken_up_as_it_is_said(checkout: Production) -> None:
    checkout.init()
    assert checkout.gitrelease("up", env={"DB_PASSWORD": "first"}).code == 0
    checkout.await_idle()
    checkout.gitrelease("down")
    (checkout.home / "variables.json").write_text("{")

    recovered = checkout.gitrelease("recover")
    recorded = checkout.type(recovered.said, "gitrelease up --variables", env={"DB_PASSWORD": "second"})
    restarted = checkout.type(recorded.said, "gitrelease restart")

    assert "could not be read and is kept as variables.json.broken-" in recovered.words
    given(checkout, "release/1", recorded)
    given(checkout, "release/1", restarted)
    assert b"DB_PASSWORD=second" in Path(f"/proc/{checkout.backend_pid()}/environ").read_bytes().split(b"\0")


@typed("edges.variables.ANEW: gitrelease up --variables")
def test_an_app_that_does_not_start_without_its_variables_comes_up_as_it_is_said(checkout: Production) -> None:
    checkout.replace("server.py", "import sys\n", "import os\nimport sys\n\nos.environ['DB_PASSWORD']\n")
    checkout.commit("It needs a password")
    checkout.init()
    assert checkout.gitrelease("up", env={"DB_PASSWORD": "first"}).code == 0
    checkout.await_idle()
    checkout.gitrelease("down")
    (checkout.home / "variables.json").write_text("{")

    recovered = checkout.gitrelease("recover")
    recorded = checkout.type(recovered.said, "gitrelease up --variables", env={"DB_PASSWORD": "second"})

    assert recovered.code == 5, recovered.said
    given(checkout, "release/1", recorded)
    assert checkout.answer() == "one revenue profit"
    assert checkout.status()["person_needed"] is None
