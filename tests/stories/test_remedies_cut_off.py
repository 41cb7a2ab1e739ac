"""An agent that ends, hangs or cannot be reached while it is asked: what is told then is typed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from gitrelease.edges.faults import FAULT
from tests.checkout import Production, until
from tests.remedies import typed
from tests.stories.test_killed import ends, with_agent


@typed("commands.client.AgentEnded.__init__: gitrelease status")
@pytest.mark.parametrize(("point", "done"), [("refs: before", False), ("refs: done", True)])
def test_who_was_cut_off_sees_what_is_live_and_types_again_what_is_not_done(
    production: Production, point: str, done: bool
) -> None:
    """A rollback that has been done is not done twice: it would go back one release more."""
    for release in ("release/2", "release/3"):
        production.commit_term(f"of {release}")
        production.await_live(release)
        production.await_idle()
    agent = with_agent(production, {FAULT: point})

    cut_off = production.gitrelease("rollback")
    assert ends(agent)
    assert "where it is not done yet, type it again" in cut_off.words
    status = production.type(cut_off.said, "gitrelease status")

    assert f"live      release/{2 if done else 3}" in status.out
    if not done:
        again = production.gitrelease("rollback")
        assert again.code == 0, again.said
    production.up().await_idle()
    assert production.live() == "release/2"
    assert production.answer() == "one revenue of release/2 profit"


def test_a_push_whose_agent_ends_before_it_is_taken_is_pushed_again(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("margin")
    agent = with_agent(production, {FAULT: "stage: started"})

    cut_off = developer.push()
    assert ends(agent)
    again = developer.push()

    assert cut_off.code != 0
    assert "the push is refused: the agent ended" in cut_off.words
    assert "Push again" in cut_off.words
    assert again.code == 0, again.said
    production.await_live("release/2")


@pytest.mark.parametrize("point", ["refs: before", "record: done"])
def test_what_was_taken_before_the_agent_ended_goes_live_with_the_next_one(production: Production, point: str) -> None:
    """It is started by what follows the push, and by nobody who types something; who pushed hears what it does."""
    developer = production.clone()
    developer.commit_term("margin")
    agent = with_agent(production, {FAULT: point})

    pushed = developer.push()

    assert ends(agent)
    assert pushed.code == 0, pushed.said
    assert "it was cut off in the middle, and is taken up again" in pushed.words
    assert "release/2" in pushed.words
    assert production.live() == "release/2"
    assert "margin" in production.answer()


def meanwhile(production: Production, agent: int, *commands: str) -> None:
    """Let commands run on the host as soon as the agent has ended, before the push goes on."""
    hook = production.root / ".git" / "hooks" / "post-receive.chained"
    lines = [f'gitrelease() {{ {sys.executable} -m gitrelease -C {production.root} "$@"; }}', *commands]
    hook.write_text(
        f"#!/bin/sh\nunset GIT_DIR; while kill -0 {agent} 2>&-; do sleep 0.05; done\n" + "\n".join(lines) + "\n"
    )
    hook.chmod(0o755)


def until_it_says(words: str) -> str:
    return f"until gitrelease status | grep -q '{words}'; do sleep 0.1; done"


LOOKED_AT = ("gitrelease up", until_it_says("^waiting"))


@pytest.mark.parametrize("before", [(), LOOKED_AT], ids=["", "looked at first"])
def test_the_approval_of_a_push_outlives_the_agent_that_heard_it(
    production: Production, before: tuple[str, ...]
) -> None:
    developer = production.clone()
    commit = developer.commit_version("two")
    agent = with_agent(production, {FAULT: "refs: before"})
    meanwhile(production, agent, *before)

    pushed = developer.push("-o", f"approve={commit[:10]}", "origin", "deploy")

    assert ends(agent)
    assert pushed.code == 0, pushed.said
    assert production.live() == "release/2", pushed.said
    assert production.answer().startswith("two")
    assert production.git("cat-file", "tag", "release/2").endswith("\nApproval: commit")


def test_an_approval_is_of_one_commit_for_once(production: Production) -> None:
    """What somebody has put on top was approved by nobody, nor is what comes back later."""
    developer = production.clone()
    approved = developer.commit_version("two")
    agent = with_agent(production, {FAULT: "refs: before"})
    meanwhile(production, agent)
    pushed = developer.push("-o", "approve", "origin", "deploy")
    production.await_live("release/2")
    production.commit_version("three")
    until(lambda: production.status()["waiting"], "what was put on top waits")
    assert production.gitrelease("deploy", "--approve").code == 0
    production.await_idle()

    production.git("reset", "--quiet", "--hard", approved)

    assert pushed.code == 0, pushed.said
    waiting = until(lambda: production.status()["waiting"], "what comes back waits")
    assert waiting[0]["commit"] == approved
    assert production.live() == "release/3"


@pytest.mark.parametrize("before", [(), LOOKED_AT], ids=["", "looked at first"])
def test_who_pushed_hears_that_it_waits_with_the_next_agent(production: Production, before: tuple[str, ...]) -> None:
    developer = production.clone()
    commit = developer.commit_term("margin")
    agent = with_agent(production, {FAULT: "refs: before"})
    asked = f"printf '[policy.dictionary]\\nautomation = \"approve\"\\n' >> {production.home}/host.toml"
    meanwhile(production, agent, asked, *before)

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert "waits for approval: production untouched, production serves release/1" in pushed.words
    approve = f"gitrelease deploy {commit[:10]} --approve"
    assert f"On the host: approve it: {approve}" in pushed.words
    assert production.type(pushed.said, approve).code == 0
    production.await_live("release/2")


def test_who_pushed_hears_that_the_next_agent_has_turned_it_away(production: Production, tmp_path: Path) -> None:
    """It is not on the branch any more, so "Everything up-to-date" will not be the answer to what is pushed next."""
    developer, gone = production.clone(), tmp_path / "gone"
    developer.replace(
        "server.py",
        "import sys\n",
        f"import sys\nfrom pathlib import Path\n\nif Path({str(gone)!r}).exists():\n    sys.exit(9)\n",
    )
    developer.commit("Runs as long as the host is as it was")
    agent = with_agent(production, {FAULT: "refs: before"})
    meanwhile(production, agent, f"touch {gone}")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code == 0, pushed.said
    assert "refused: production untouched, production serves release/1" in pushed.words
    assert "start: it exited with code 9" in pushed.words
    assert production.git("rev-parse", "deploy") != developer.git("rev-parse", "HEAD")


def while_there_is(gate: Path) -> str:
    """Return lines of an app that waits at its start as long as a file is there."""
    return f"import time\nfrom pathlib import Path\n\nwhile Path({str(gate)!r}).exists():\n    time.sleep(0.05)\n"


@typed("agent.resume.not_yet: gitrelease status")
def test_who_pushed_hears_what_is_under_way_where_the_next_agent_does_not_get_at_it(
    checkout: Production, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    checkout.replace("server.py", "import sys\n", f"import sys\n{while_there_is(gate)}")
    checkout.replace("gitrelease.toml", 'start = "5s"', 'start = "20s"\nwait = "1s"')
    checkout.commit("Starts slowly where a file says so")
    checkout.init().up()
    developer = checkout.clone()
    developer.commit_term("margin")
    agent = with_agent(checkout, {FAULT: "refs: before"})
    restart = "(until gitrelease restart; do :; done) </dev/null >/dev/null 2>&1 &"
    meanwhile(checkout, agent, f"touch {gate}", restart, until_it_says("^busy *restart"))

    pushed = developer.push()
    status = checkout.type(pushed.said, "gitrelease status")
    gate.unlink()

    assert pushed.code == 0, pushed.said
    assert "taken, not live yet: another release is under way: restart by" in pushed.words
    assert "busy      restart" in status.out
    checkout.await_live("release/2")
    assert "margin" in checkout.answer()


@typed("agent.resume._found: gitrelease status")
def test_who_pushed_hears_that_somebody_has_set_the_branch_back_meanwhile(production: Production) -> None:
    developer, before = production.clone(), production.git("rev-parse", "deploy")
    developer.commit_term("margin")
    agent = with_agent(production, {FAULT: "refs: before"})
    meanwhile(production, agent, f"git -C {production.root} update-ref refs/heads/deploy {before}")

    pushed = developer.push()
    status = production.type(pushed.said, "gitrelease status")

    assert "taken, and not on the branch any more; production serves release/1" in pushed.words
    assert "live      release/1" in status.out
    assert "in sync" in status.out


@typed("commands.hook._ask: gitrelease up")
def test_who_pushed_is_told_to_start_it_where_the_next_agent_ends_as_well(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    developer = production.clone()
    developer.commit_term("margin")
    agent = with_agent(production, {FAULT: "record: done"})
    monkeypatch.setenv(FAULT, "push: asked for one that was cut off")  # what the push starts has it, too

    pushed = developer.push()
    monkeypatch.delenv(FAULT)

    assert ends(agent)
    assert "taken, and whether it is live is not known: the agent ended before it had answered" in pushed.words
    assert production.type(pushed.said, "gitrelease up").code == 0
    production.await_live("release/2")
    assert "margin" in production.answer()


def test_who_pushes_to_a_production_that_is_down_is_told_that_it_is_started_on_the_host(
    production: Production,
) -> None:
    """In the clone the same words would make a production checkout of it."""
    developer = production.clone()
    developer.commit_term("margin")
    assert production.gitrelease("down").code == 0

    refused = developer.push()
    started = production.type(refused.said, "gitrelease up")

    assert refused.code != 0
    assert "On the host: start it: gitrelease up" in refused.words
    assert started.code == 0, started.said
    assert developer.push().code == 0
    production.await_live("release/2")


@typed("commands.client.silent: gitrelease recover", "commands.client.Client.without_agent: gitrelease recover")
@pytest.mark.parametrize("hangs", [True, False])
def test_an_agent_that_nobody_can_ask_is_replaced_while_users_are_served(production: Production, hangs: bool) -> None:
    agent, backend = production.agent_pid(), production.backend_pid()
    if hangs:
        os.kill(agent, signal.SIGSTOP)
    else:
        (production.home / "run" / "agent.sock").unlink()

    refused = production.gitrelease("snapshot")
    assert ("has not answered for 10 s" if hangs else "cannot be reached") in refused.words
    mended = production.type(refused.said, "gitrelease recover")

    assert mended.code == 0, mended.said
    assert ends(agent)
    assert production.agent_pid() != agent
    assert production.backend_pid() == backend
    assert production.live() == "release/1"
    assert production.gitrelease("snapshot").code == 0
