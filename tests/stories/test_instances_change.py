"""Instances and groups that are renamed, removed, added or moved while they serve; an agent that is killed meanwhile.

The settings of the host count when production comes up: after `down` and `up`, and when a new agent takes over.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.core.errors import Exit
from gitrelease.edges.faults import FAULT
from tests.checkout import Place, Production, make_several, reserved_port, until
from tests.remedies import typed
from tests.stories.test_killed import ends
from tests.stories.test_killed_several import Grouped, grouped_on
from tests.whole import Users, assert_whole, expected, live_of, running


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Grouped]:
    production = make_several(tmp_path).up()
    yield grouped_on(production)
    production.clear_away()


def changed(production: Production) -> None:
    """Remove `second`, give `other` another name, add `third`, and let nobody be in the group `test` any more."""
    kept = production.others
    production.others = {"another": kept["other"], "third": Place(reserved_port())}
    production.set_instances()


def refused(port: int) -> bool:
    """Does nobody listen there?"""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) != 0


POINTS = ("up: a new front answers, not written down", "up: two fronts accept", "spread: each answers",
          "up: one instance switched, the next not", "up: production serves, the groups not yet")  # fmt: skip


@pytest.mark.parametrize("point", ["", *POINTS])
def test_who_stays_is_served_while_others_come_and_go(work: Grouped, point: str) -> None:
    production, before = work.production, work.production.others
    changed(production)
    with Users(production) as first, Users(production, before["other"].port) as renamed:
        production.kill(production.agent_pid())
        if point:
            killed = production.gitrelease("up", env={FAULT: point})
            assert killed.code != 0, f"{point}: the agent did not come by"
            assert ends(production.agent_pid()), point
        came = production.gitrelease("up")
        assert came.code == 0, came.said + production.agent_log()
        production.await_idle()
        first.came(expected(production, live_of("production")))

    assert first.failed == renamed.failed == []
    assert_whole(production, point)
    assert refused(before["second"].port)
    assert running(production, "test") == set()
    assert {row["name"] for row in production.status()["instances"]} == set(production.places)


@pytest.mark.long
def test_a_group_that_is_named_again_serves_what_it_did(work: Grouped) -> None:
    production, before = work.production, work.production.others
    served = production.git("rev-parse", live_of("test"))
    changed(production)
    production.kill(production.agent_pid())
    assert production.gitrelease("up").code == 0

    production.others = before
    production.set_instances()
    production.kill(production.agent_pid())
    assert production.gitrelease("up").code == 0

    production.await_idle()
    assert production.git("rev-parse", live_of("test")) == served
    assert_whole(production)


def test_down_ends_a_group_that_no_instance_names_any_more_and_uninstall_forgets_it(work: Grouped) -> None:
    production = work.production
    changed(production)
    work.released()  # from now on the settings of the new instances count for what is judged

    name = production.git("cat-file", "-p", "refs/gitrelease/live-test").split("tag ")[1].split("\n")[0]
    still = production.gitrelease("show", name, "--json").json["served_by"]
    status = production.gitrelease("status").out
    assert production.gitrelease("down").code == 0

    assert "test" in still
    assert "test" not in production.gitrelease("show", name, "--json").json["served_by"]
    assert "no instance names test any more; end it: gitrelease down && gitrelease up" in status
    assert not production.marked()
    assert production.gitrelease("uninstall").code == 0
    assert len(production.git("worktree", "list").splitlines()) == 1


@pytest.mark.long
def test_a_port_that_another_has_leaves_all_as_it_is(work: Grouped) -> None:
    production, before = work.production, work.production.others
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        production.others = {**before, "second": Place(stranger.getsockname()[1])}
        production.set_instances()
        with Users(production) as first, Users(production, before["second"].port) as second:
            production.kill(production.agent_pid())
            taken = production.gitrelease("up")
            first.came(expected(production, live_of("production")))
            second.came(expected(production, live_of("production")))
    production.others = before
    production.set_instances()
    mended = production.gitrelease("up")

    assert taken.code != 0
    assert f"port {stranger_port(taken.said)} is taken by" in taken.words
    assert first.failed == second.failed == []
    assert mended.code == 0, mended.said
    production.await_idle()
    assert_whole(production)


@typed("agent.bringup._listen: gitrelease down && gitrelease up")
@pytest.mark.long
def test_a_port_that_a_group_still_has_is_told_with_what_lets_them_change_places(work: Grouped) -> None:
    production, before = work.production, work.production.others
    moved = before["test-1"].port
    production.others = {**before, "test-1": Place(moved)}
    production.set_instances()
    with Users(production) as first, Users(production, moved) as tester:
        production.kill(production.agent_pid())
        taken = production.gitrelease("up")
        first.came(expected(production, live_of("production")))
        tester.came(expected(production, live_of("test")))
    changed = production.type(taken.said, "gitrelease down && gitrelease up")

    assert taken.code != 0
    assert changed.code == 0, changed.said
    assert production.answer(port=moved) == expected(production, live_of("production"))
    assert f"port {moved} is set for production, and the front of test has it" in taken.words
    assert "End that process" not in taken.words
    assert first.failed == tester.failed == []
    production.await_idle()
    assert_whole(production)


def stranger_port(said: str) -> str:
    return said.partition("port ")[2].partition(" ")[0]


@pytest.mark.long
def test_a_port_of_a_group_that_another_has_is_told_and_stops_nobody_else(work: Grouped) -> None:
    production, before = work.production, work.production.others
    assert production.gitrelease("down").code == 0
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        production.others = {**before, "test-2": Place(port, "other.py", "test")}
        production.set_instances()
        came = production.gitrelease("up")

        assert came.code == 0, came.said
        assert f"group test does not come up: port {port} is taken by" in came.words
        assert production.answer() == expected(production, live_of("production"))
        assert refused(before["test-1"].port)


@typed("agent.groups.Groups.chosen: gitrelease down && gitrelease up")
@pytest.mark.long
def test_an_instance_that_is_set_and_was_not_started_is_told_apart_and_started_as_is_said(work: Grouped) -> None:
    production = work.production
    changed(production)
    work.released()

    ended = production.gitrelease("restart", "third")

    assert ended.code != 0
    assert "production was started without an instance 'third'" in ended.words
    started = production.type(ended.said, "gitrelease down && gitrelease up")
    assert started.code == 0, started.said
    assert production.answer(port=production.others["third"].port) == production.answer()
    assert production.gitrelease("restart", "third").code == 0


DOWN = ("down: not wanted, all serve", "down: the groups are")


@pytest.mark.parametrize("point", DOWN)
def test_a_down_that_is_killed_is_brought_to_its_end_by_the_next(work: Grouped, point: str) -> None:
    production = work.production
    production.kill(production.agent_pid())
    assert production.gitrelease("up", env={FAULT: point}).code == 0
    agent = production.agent_pid()

    cut_off = production.gitrelease("down")
    assert ends(agent)
    too_early = production.gitrelease("uninstall")
    again = production.gitrelease("down")

    assert "the agent ended before it had answered" in cut_off.err
    assert "See what is live: gitrelease status; where it is not done yet, type it again" in cut_off.err
    assert too_early.code == Exit.REFUSED, too_early.said
    assert "gitrelease down" in too_early.words
    assert again.code == 0, again.said
    assert not production.marked()
    until(lambda: refused(production.port), "nobody listens")
    with pytest.raises((OSError, http.client.HTTPException)):
        production.answer()
    assert production.gitrelease("up").code == 0
    production.await_idle()
    assert_whole(production)
