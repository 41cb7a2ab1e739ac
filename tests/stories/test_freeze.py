"""While production is frozen nothing is released by itself; a person in a shell goes on."""

from __future__ import annotations

import subprocess

import pytest

from tests.checkout import PATIENCE, Production, until
from tests.remedies import typed


@typed(
    "core.decide.thaw_hint: gitrelease unfreeze",
    "core.decide._all_the_same: git push REMOTE {commit}:refs/heads/NAME",
    "core.decide._all_the_same: gitrelease deploy NAME",
)
def test_a_push_to_a_frozen_production_is_refused_with_who_until_when_and_why(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_term("too early")
    frozen = production.gitrelease("freeze", "-m", "quarter end", "--until", "2h", "--json")

    pushed = developer.push()

    said = pushed.words
    assert frozen.code == 0
    assert pushed.code != 0
    assert f"frozen by {frozen.json['by']} until " in said
    assert "quarter end" in said
    assert production.live() == "release/1"
    assert production.status()["frozen"]["until"] == frozen.json["until"]

    aside = developer.type(pushed.said, f"git push REMOTE {commit[:10]}:refs/heads/NAME", REMOTE="origin")
    assert (aside.code, production.live()) == (0, "release/1"), aside.said
    deployed = production.type(pushed.said, "gitrelease deploy NAME")
    assert (deployed.code, production.live()) == (0, "release/2"), deployed.said
    assert "too early" in production.answer()
    assert production.git("rev-parse", "deploy") == commit
    assert production.status()["frozen"]

    developer.commit_term("in time")
    again = developer.push()
    assert again.code != 0
    assert production.type(again.said, "gitrelease unfreeze").code == 0
    assert developer.push().code == 0
    assert "in time" in production.answer()


@typed("core.decide.thaw_hint: gitrelease unfreeze", "commands.freeze.run: gitrelease unfreeze")
def test_what_was_committed_during_a_freeze_waits_and_is_released_when_it_ends(production: Production) -> None:
    production.gitrelease("freeze", "-m", "audit")
    commit = production.commit_term("patience")
    # Its file may be seen before it is committed: an edit waits for a moment then.
    until(lambda: [one["trigger"] for one in production.state()["waiting"]] == ["branch"], "the commit waits")
    waiting = production.status()["waiting"]

    ended = production.type(production.gitrelease("status").said, "gitrelease unfreeze")

    assert [(one["commit"], one["trigger"], one["frozen"]) for one in waiting] == [(commit, "branch", True)]
    assert "audit" in ended.out
    production.await_live("release/2")
    assert production.status()["frozen"] is None
    assert "patience" in production.answer()
    again = production.gitrelease("freeze", "-m", "once more")
    assert production.type(again.out, "gitrelease unfreeze").code == 0
    assert production.status()["frozen"] is None


def test_a_freeze_ends_by_itself_and_lets_go_what_waited(production: Production) -> None:
    production.gitrelease("freeze", "--until", "3s")
    production.commit_term("later")
    until(lambda: production.state()["waiting"])

    production.await_live("release/2")

    assert production.status()["waiting"] == []


@pytest.mark.long
def test_an_edit_during_a_freeze_stays_on_disk_and_waits(production: Production) -> None:
    production.gitrelease("freeze")
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "edited",\n')

    until(lambda: production.state()["waiting"])

    assert '"edited"' in production.read("server.py")
    production.gitrelease("unfreeze")
    production.await_live("release/2")


@typed("core.decide._all_the_same: gitrelease deploy {commit}")
def test_a_freeze_binds_no_person_and_no_documents(production: Production) -> None:
    developer = production.clone()
    production.gitrelease("freeze")
    developer.write("README.md", "Words only\n")
    developer.commit("Words")

    words = developer.push()
    commit = production.commit_term("by hand")
    until(lambda: production.state()["waiting"])
    deployed = production.type(production.gitrelease("status").said, f"gitrelease deploy {commit[:10]}")
    back = production.gitrelease("rollback")

    assert words.code == 0, words.said
    assert deployed.code == 0, deployed.said
    assert back.code == 0, back.said
    assert production.live() == "release/1"


@pytest.mark.long
def test_a_freeze_outlives_the_agent(production: Production) -> None:
    production.gitrelease("freeze")
    production.kill(production.agent_pid())

    production.commit_term("woken")

    until(lambda: production.state()["waiting"])
    assert production.live() == "release/1"


@pytest.mark.long
def test_an_end_that_is_no_moment_is_refused_with_what_is_accepted(production: Production) -> None:
    ended = production.gitrelease("freeze", "--until", "monday")

    assert ended.code == 2
    assert "--until monday" in ended.words
    assert "18:30" in ended.said
    assert production.status()["frozen"] is None


def test_what_is_being_staged_is_cut_off_by_a_freeze(checkout: Production) -> None:
    """A push that was accepted a moment later would go live in a frozen production."""
    checkout.replace("gitrelease.toml", 'start = "5s"', 'start = "60s"')
    checkout.commit("Patience")
    checkout.init().up()
    checkout.await_idle()
    go = checkout.root.parent / "go"
    developer = checkout.clone()
    waits = f"import os\n\nwhile not os.path.exists('{go}'):\n    pass\n"
    developer.replace("server.py", "import sys\n", f"import sys\n{waits}")
    developer.commit("Wait for a file")
    command = ["git", "push", "-o", "approve", "origin", "deploy"]
    with subprocess.Popen(
        command, cwd=developer.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as push:
        until(lambda: (checkout.state()["lock"] or {}).get("doing") == "push", "the push is staged")

        frozen = checkout.gitrelease("freeze", "-m", "audit")
        said, _ = push.communicate(timeout=PATIENCE)
        go.touch()

    assert frozen.code == 0, frozen.said
    assert push.returncode != 0
    assert "froze production" in said
    checkout.await_idle()
    assert checkout.live() == "release/1"
