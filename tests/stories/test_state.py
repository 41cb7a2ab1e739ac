"""How things stood before a release is kept with it, for as long as it is, and never stops one."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import SETTINGS, Clone, Production, until
from tests.stories.test_groups import Grouped

FACTS = {"host", "memory", "disks", "processes", "others", "ports", "git", "versions", "app"}


def states(production: Production) -> dict[str, str]:
    """Return the refs of what was kept, each with the object it names."""
    listed = production.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/gitrelease/state")
    return dict(line.split() for line in listed.splitlines())


def state(production: Production, release: str) -> dict[str, Any]:
    found: dict[str, Any] = production.gitrelease("show", release, "--json").json["state"]
    return found


@pytest.fixture
def two(production: Production) -> Production:
    """A production with release/2 live and good."""
    developer = production.clone()
    developer.commit_term("second")
    pushed = developer.push()
    assert pushed.code == 0, pushed.said
    production.await_idle()
    return production


def test_the_facts_that_the_guide_collects_by_hand_are_kept_with_every_release(two: Production) -> None:
    first, second = state(two, "release/1"), state(two, "release/2")
    facts = second["facts"]

    assert set(first["facts"]) == set(facts) == FACTS
    assert first["missing"] == second["missing"] == {}
    assert len(facts["host"]["load"]) == 3
    assert 0 < facts["memory"]["available_mb"] <= facts["memory"]["total_mb"]
    assert facts["disks"][0]["free_mb"] > 0
    assert [row["role"] for row in facts["processes"]] == ["agent", "front", "live release/1 primary"]
    assert facts["processes"][0]["pid"] == two.agent_pid()
    assert "server.py" in facts["processes"][2]["command"]
    assert {"role": "primary", "address": "127.0.0.1", "port": two.port, "open": True} in facts["ports"]["ours"]
    assert facts["others"]["all"] > 0
    assert facts["git"]["branch"] == "deploy"
    assert facts["git"]["live"] == "release/1"
    assert facts["git"]["head"] == two.git("rev-parse", "release/1^{commit}")
    assert [row["subject"] for row in facts["git"]["commits"]] == ["The app"]
    assert facts["versions"]["git"] == two.git("version").removeprefix("git version ")
    assert facts["app"]["packages"]["msgspec"]
    assert "before    deploy at" in two.gitrelease("show", "release/2").out


def test_of_other_processes_only_numbers_are_kept(two: Production) -> None:
    kept = two.git("cat-file", "blob", "refs/gitrelease/state/2")

    commands = [row["command"] for row in json.loads(kept)["facts"]["processes"]]
    assert all("gitrelease." in command or "server.py" in command for command in commands)
    assert not any("-m pytest" in command or "bin/pytest" in command for command in commands)
    assert set(json.loads(kept)["facts"]["others"]) == {"all", "of_this_user"}


def test_edits_are_in_it_and_secrets_are_not(two: Production) -> None:
    two.write("README.md", "edited\n")
    developer = two.clone("other")
    developer.write("notes.md", "x")
    developer.commit("API_TOKEN=hunter2hunter2 \x1b[31mred")
    developer.commit_term("third")
    developer.push()
    two.await_idle()
    developer.commit_term("fourth")
    developer.push()
    two.await_idle()

    kept = two.git("cat-file", "blob", "refs/gitrelease/state/4")

    assert json.loads(two.git("cat-file", "blob", "refs/gitrelease/state/3"))["facts"]["git"]["dirty"] == ["README.md"]
    assert "hunter2" not in kept
    assert "API_TOKEN=***" in kept
    assert "\\u001b" not in kept


# -- as long as the release --------------------------------------------------------------------------------------------


def test_the_intent_in_the_journal_names_it(two: Production) -> None:
    lines = (two.home / "journal.jsonl").read_text().splitlines()
    intents = [event for event in map(json.loads, lines) if event["event"] == "promoting"]

    assert [intent["state"] for intent in intents] == list(states(two).values())


def test_a_promotion_that_is_killed_after_its_refs_moved_has_its_state(checkout: Production) -> None:
    checkout.init()
    up = checkout.gitrelease("up", env={"GITRELEASE_FAULT": "refs: done"})
    assert up.code != 0
    assert set(states(checkout)) == {"refs/gitrelease/state/1"}

    checkout.up()

    assert set(state(checkout, "1")["facts"]) == FACTS


def test_a_promotion_that_is_killed_before_its_refs_moved_has_none(checkout: Production) -> None:
    checkout.init()

    up = checkout.gitrelease("up", env={"GITRELEASE_FAULT": "refs: before"})

    assert up.code != 0
    assert states(checkout) == {}
    checkout.up()  # what is left of the first one goes on, or ends
    assert set(states(checkout)) == {"refs/gitrelease/state/1"}


def test_prune_drops_it_with_the_release(two: Production) -> None:
    developer = two.clone("other")
    for term in ("third", "fourth"):
        developer.commit_term(term)
        assert developer.push().code == 0
        two.await_idle()

    two.gitrelease("prune", "--keep", "1")

    tags = two.git("tag", "--list", "release/*").split()
    assert tags == ["release/3", "release/4"]
    assert set(states(two)) == {f"refs/gitrelease/state/{tag.removeprefix('release/')}" for tag in tags}


def test_recover_keeps_it_and_names_it_again_where_its_ref_was_lost(two: Production) -> None:
    before = states(two)
    assert two.gitrelease("recover").code == 0
    kept = states(two)
    two.git("update-ref", "-d", "refs/gitrelease/state/2")

    ended = two.gitrelease("recover")

    assert kept == before
    assert states(two) == before
    assert "how things stood is named again, before release/2" in ended.words


@pytest.mark.long
def test_recover_drops_one_whose_object_is_gone_and_the_release_stays(two: Production) -> None:
    name = states(two)["refs/gitrelease/state/2"]
    (two.root / ".git" / "objects" / name[:2] / name[2:]).unlink()

    ended = two.gitrelease("recover")
    shown = two.gitrelease("show", "2", "--log")

    assert ended.code == 0, ended.said
    assert set(states(two)) == {"refs/gitrelease/state/1"}
    assert two.live() == "release/2"
    assert "State before: was not kept" in shown.out


@pytest.mark.long
def test_uninstall_takes_it_back(two: Production) -> None:
    two.gitrelease("down")

    assert two.gitrelease("uninstall").code == 0

    assert states(two) == {}
    assert two.git("tag", "--list", "release/*").split() == ["release/1", "release/2"]


@pytest.mark.long
def test_a_release_that_is_carried_on_has_how_things_stood_before_production_got_it(tmp_path: Path) -> None:
    grouped = Grouped(tmp_path, SETTINGS)
    try:
        grouped.branch_with("two")
        grouped.deploy("next", "--to", "test", "--approve")
        grouped.await_proved()
        first = states(grouped.production)["refs/gitrelease/state/2"]
        grouped.deploy("release/2", "--approve")
        kept = states(grouped.production)
        facts = state(grouped.production, "release/2")["facts"]
        grouped.production.git("update-ref", "-d", "refs/gitrelease/state/2")
        grouped.production.gitrelease("recover")

        assert kept["refs/gitrelease/state/2"] != first
        assert {row["role"] for row in facts["processes"]} >= {
            "live release/1 primary", "front of test", "live release/2 test-1 of test", "live release/2 test-2 of test",
        }  # fmt: skip
        assert {row["port"] for row in facts["ports"]["ours"]} >= {grouped.production.port, *grouped.ports.values()}
        assert states(grouped.production) == kept
    finally:
        grouped.production.clear_away()


# -- nothing that goes wrong with it stops a release -------------------------------------------------------------------


def interpreter(folder: Path, when_asked: str) -> Path:
    """Make a Python that does `when_asked`, a line of shell, when it is asked for its packages."""
    path = folder / "python"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *inside/packages.py) {when_asked};; esac\nexec {shlex.quote(sys.executable)} "$@"\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def with_python(checkout: Production, python: Path) -> Clone:
    ended = checkout.gitrelease("init", "--port", str(checkout.port), "--python", str(python))
    assert ended.code == 0, ended.said
    checkout.up()
    checkout.await_idle()
    return checkout.clone()


def test_a_fact_that_cannot_be_found_out_says_why_and_the_release_goes_on(checkout: Production, tmp_path: Path) -> None:
    developer = with_python(checkout, interpreter(tmp_path, "echo no packages today >&2; exit 3"))
    developer.commit_term("margin")

    assert developer.push().code == 0

    kept = state(checkout, "release/2")
    assert set(kept["facts"]) == FACTS - {"app"}
    assert "ended with 3: no packages today" in kept["missing"]["app"]
    assert "no packages today" in checkout.gitrelease("show", "2").out


@pytest.mark.long
def test_a_fact_that_takes_its_time_is_not_waited_for(checkout: Production, tmp_path: Path) -> None:
    developer = with_python(checkout, interpreter(tmp_path, "exec sleep 4"))
    developer.commit_term("margin")

    begun = time.monotonic()
    pushed = developer.push()
    spent = time.monotonic() - begun

    assert pushed.code == 0, pushed.said
    assert spent < 3.5
    kept = state(checkout, "release/2")
    assert set(kept["facts"]) == FACTS - {"app"}
    assert "not found out by the time" in kept["missing"]["app"]


@pytest.mark.long
def test_a_release_of_a_number_that_was_used_before_has_its_own_state(two: Production) -> None:
    before = states(two)["refs/gitrelease/state/2"]
    two.gitrelease("rollback")
    two.await_idle()
    for ref in ("refs/tags/release/2", "refs/gitrelease/bad/2"):
        two.git("update-ref", "-d", ref)
    developer = two.clone("other")
    developer.commit_term("another")

    assert developer.push().code == 0

    until(lambda: two.live() == "release/2")
    assert states(two)["refs/gitrelease/state/2"] != before
