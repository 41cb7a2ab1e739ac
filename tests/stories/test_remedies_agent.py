"""An agent that ends, hangs or cannot be reached while it is asked: what is told then is typed."""

from __future__ import annotations

import os
import signal

import pytest

from gitrelease.edges.faults import FAULT
from tests.checkout import Production
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
    assert "where it is not done yet, type it again" in cut_off.said
    status = production.type(cut_off.said, "gitrelease status")

    assert f"live      release/{2 if done else 3}" in status.out
    if not done:
        again = production.gitrelease("rollback")
        assert again.code == 0, again.said
    production.up().await_idle()
    assert production.live() == "release/2"
    assert production.answer() == "one revenue of release/2 profit"


@typed("commands.client.silent: gitrelease recover", "commands.client.Client.without_agent: gitrelease recover")
@pytest.mark.parametrize("hangs", [True, False])
def test_an_agent_that_nobody_can_ask_is_replaced_while_users_are_served(production: Production, hangs: bool) -> None:
    agent, backend = production.agent_pid(), production.backend_pid()
    if hangs:
        os.kill(agent, signal.SIGSTOP)
    else:
        (production.home / "run" / "agent.sock").unlink()

    refused = production.gitrelease("snapshot")
    assert ("has not answered for 10 s" if hangs else "cannot be reached") in refused.said
    mended = production.type(refused.said, "gitrelease recover")

    assert mended.code == 0, mended.said
    assert ends(agent)
    assert production.agent_pid() != agent
    assert production.backend_pid() == backend
    assert production.live() == "release/1"
    assert production.gitrelease("snapshot").code == 0
