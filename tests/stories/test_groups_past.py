"""What groups of instances have had: told by `history` and `show`, and bounded by `prune`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import SETTINGS
from tests.remedies import typed
from tests.stories.test_groups import Grouped
from tests.whole import Users, assert_whole, live_of, refs


@pytest.fixture
def grouped(tmp_path: Path) -> Iterator[Grouped]:
    made = Grouped(tmp_path, SETTINGS)
    yield made
    made.production.clear_away()


def give(grouped: Grouped, version: str) -> None:
    """Release a version to the group `test`, and let it prove good there."""
    grouped.branch_with(version)
    grouped.deploy("next", "--to", "test")
    grouped.await_proved()
    grouped.production.await_idle()


@pytest.mark.long
def test_history_tells_what_a_group_has_had_and_what_was_tried_there(grouped: Grouped) -> None:
    production = grouped.production
    give(grouped, "two")
    grouped.developer.replace("server.py", "import sys\n", "import sys\n\nsys.exit(3)\n")
    broken = grouped.developer.commit("broken")
    grouped.developer.push("origin", "HEAD:refs/heads/next")
    production.gitrelease("deploy", "next", "--to", "test")

    there = production.gitrelease("history", "--in", "test", "--json").json
    here = production.gitrelease("history", "--json").json

    assert there["group"] == "test"
    assert [(row["release"], row["outcome"], row["groups"]) for row in there["releases"]] == [
        ("release/2", "good", ["test"])
    ]
    assert next((row["commit"], row["outcome"]) for row in there["attempts"]) == (broken, "refused")
    assert [row["release"] for row in here["releases"]] == ["release/1"]
    assert broken not in [row["commit"] for row in here["attempts"]]
    assert "it exited with code 3" in production.gitrelease("history", "--in", "test").out


def test_a_group_goes_back_the_way_it_came(grouped: Grouped) -> None:
    """Between two numbers is what production had meanwhile; an older release may have come after a newer one."""
    production = grouped.production
    give(grouped, "two")
    production.commit_term("here")
    production.await_live("release/3")
    production.await_idle()
    give(grouped, "four")

    pruned = production.gitrelease("prune", "--keep", "1", "--json").json
    tried = production.gitrelease("rollback", "--in", "test", "--dry-run").out
    back = production.gitrelease("rollback", "--in", "test")
    first = production.gitrelease("deploy", "release/1", "--to", "test")
    again = production.gitrelease("rollback", "--in", "test", "--json")

    assert "would go back from release/4 to release/2" in tried
    assert "release/2" not in pruned["dropped"]
    assert "rolled back in test: release/2 is live again" in back.out
    assert "undo with: gitrelease rollback --in test" in first.words
    assert again.json["release"] == "release/2"
    assert production.live() == "release/3"
    assert grouped.group()["live"] == "release/2"


def test_history_says_where_a_release_has_been(grouped: Grouped) -> None:
    production = grouped.production
    give(grouped, "two")
    grouped.deploy("release/2", "--approve")
    production.await_idle()

    told = production.gitrelease("history").out.splitlines()
    sheet = production.gitrelease("history", "--format", "csv").out
    page = production.gitrelease("history", "--format", "md").out

    assert told[0].endswith(", in test then production")
    assert told[2].startswith("release/1 ")
    assert "production" not in told[2]
    rows = {row["release"]: row["groups"] for row in csv.DictReader(io.StringIO(sheet, newline="")) if row["release"]}
    assert rows == {"release/2": "test production", "release/1": "production"}
    assert "| release/2, in test then production |" in page


def test_show_tells_in_which_groups_a_release_was_and_is(grouped: Grouped) -> None:
    production = grouped.production
    give(grouped, "two")

    told = production.gitrelease("show", "release/2").out
    log = production.gitrelease("show", "release/2", "--log").out
    row = production.gitrelease("show", "release/2", "--json").json
    grouped.deploy("release/2", "--approve")
    production.await_idle()

    assert "in        test; served by test now" in told
    assert (row["groups"], row["served_by"], row["outcome"]) == (["test"], ["test"], "good")
    assert "gitrelease rollback --in test (to release/1)" in log
    assert (
        "in        test then production; served by production, test now"
        in production.gitrelease("show", "release/2").out
    )


@typed("commands.history._first: gitrelease deploy REV --to {group}")
def test_a_group_that_has_had_nothing_says_what_to_type(grouped: Grouped) -> None:
    none = grouped.production.gitrelease("history", "--in", "test").out
    assert none == "no releases yet; give it one: gitrelease deploy REV --to test\n"
    grouped.branch_with("two")

    given = grouped.production.type(none, "gitrelease deploy REV --to test", REV="next")

    assert given.code == 0, given.said
    assert "release/2" in grouped.production.gitrelease("history", "--in", "test").out
    assert (grouped.group()["live"], grouped.production.live()) == ("release/2", "release/1")
    assert "there is no group 'nowhere'" in grouped.production.gitrelease("history", "--in", "nowhere").said


@pytest.mark.long
def test_prune_drops_what_only_a_group_has_had_but_nothing_that_it_needs(grouped: Grouped) -> None:
    production = grouped.production
    for version in ("two", "three", "four", "five", "six"):
        give(grouped, version)
    assert production.gitrelease("rollback", "--in", "test").code == 0  # release/6 is bad, release/5 serves
    grouped.deploy("release/6", "--to", "test")
    assert production.gitrelease("pin", "release/2").code == 0
    before = grouped.group()["live"]

    dry = production.gitrelease("prune", "--keep", "1", "--dry-run", "--json").json
    ended = production.gitrelease("prune", "--keep", "1", "--json").json

    assert before == "release/6"
    assert dry["dropped"] == ended["dropped"] == ["release/3", "release/4"]
    left = refs(production)
    for number in (3, 4):
        names = (
            f"refs/tags/release/{number}",
            f"refs/gitrelease/only/test/{number}",
            f"refs/gitrelease/state/{number}",
        )
        assert not set(names) & set(left)
    assert "refs/gitrelease/only/test/5" in left  # where a rollback would go
    assert [row["release"] for row in production.gitrelease("history", "--in", "test", "--json").json["releases"]] == [
        "release/6", "release/5", "release/2",
    ]  # fmt: skip
    back = production.gitrelease("rollback", "--in", "test", "--json").json
    assert back["release"] == "release/5"


def test_prune_keeps_what_a_group_still_serves_of_productions_releases(grouped: Grouped) -> None:
    production = grouped.production
    grouped.deploy("release/1", "--to", "test")
    for term in ("margin", "ebit", "cash", "debt"):
        production.commit_term(term)
        production.await_live(f"release/{('margin', 'ebit', 'cash', 'debt').index(term) + 2}")
        production.await_idle()

    ended = production.gitrelease("prune", "--keep", "1", "--json").json

    assert ended["dropped"] == ["release/2", "release/3"]
    assert production.git("rev-parse", "refs/tags/release/1") == production.git(
        "rev-parse", "refs/gitrelease/live-test"
    )


@pytest.mark.long
def test_a_number_is_given_once_also_where_only_a_group_had_it(grouped: Grouped) -> None:
    production = grouped.production
    for version in ("two", "three", "four"):
        give(grouped, version)
    assert production.gitrelease("prune", "--keep", "1").code == 0

    production.commit_term("margin")

    production.await_live("release/5")


def test_recover_puts_back_what_says_what_a_group_has_had_and_serves(grouped: Grouped) -> None:
    production = grouped.production
    give(grouped, "two")
    give(grouped, "three")
    before = production.git("for-each-ref")
    for ref in ("live-test", "good-test", "only/test/2"):
        production.git("update-ref", "-d", f"refs/gitrelease/{ref}")
    production.git("tag", "-d", "release/3")
    with (production.home_of("test") / "journal.jsonl").open("ab") as journal:
        journal.write(b"\xff no event\n")

    ended = production.gitrelease("recover")

    assert ended.code == 0, ended.said
    assert production.git("for-each-ref") == before
    assert "nothing was live in test by the refs; release/3 is again" in ended.words
    assert "dropped 1 line of the journal" in ended.words
    production.await_idle()
    assert_whole(production)


@typed("agent.groups.Groups.up: gitrelease recover", "agent.groups.Groups.serving: gitrelease recover")
@pytest.mark.long
@pytest.mark.parametrize("asked", [("up",), ("deploy", "next", "--to", "test")], ids=["up", "deploy"])
def test_a_group_whose_pointer_was_deleted_serves_on_and_recover_puts_it_back(
    grouped: Grouped, asked: tuple[str, ...]
) -> None:
    production = grouped.production
    give(grouped, "two")
    served_there = production.git("rev-parse", live_of("test"))
    with Users(production, grouped.ports["test-1"]) as served:
        production.git("update-ref", "-d", live_of("test"))
        production.kill(production.agent_pid())
        came = production.gitrelease("up")
        told = production.gitrelease(*asked)
        recovered = production.type(told.said, "gitrelease recover")
        served.came("two revenue profit")

    assert (came.code, told.code == 0) == (0, asked == ("up",))
    assert "does not say any more what group test serves" in told.words
    assert recovered.code == 0, recovered.said
    assert production.git("rev-parse", live_of("test")) == served_there
    assert served.failed == []
    assert production.gitrelease("restart", "test").code == 0  # it is looked after again
    production.await_idle()
    assert_whole(production)
