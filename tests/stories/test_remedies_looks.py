"""What the commands that look, keep and drop tell people to type does what they say of it."""

from __future__ import annotations

import pytest

from tests.checkout import Production
from tests.remedies import typed
from tests.stories.test_groups import Grouped, grouped  # noqa: F401  # a fixture
from tests.stories.test_instances import answer
from tests.stories.test_keeping import release_terms, releases

# -- pin, prune, snapshot, restore -----------------------------------------------------------------------------------


@typed("commands.prune._tell: gitrelease pin RELEASE", "commands.pin.run: gitrelease unpin {name}")
def test_what_would_be_dropped_is_protected_and_let_go_as_it_is_said(production: Production) -> None:
    release_terms(production, "two", "three", "four")
    production.await_idle()

    would = production.gitrelease("prune", "--keep", "1", "--dry-run").out
    pinned = production.type(would, "gitrelease pin RELEASE", RELEASE="release/1")
    first = production.gitrelease("prune", "--keep", "1").out
    kept = releases(production)
    let_go = production.type(pinned.said, "gitrelease unpin release/1")
    second = production.gitrelease("prune", "--keep", "1").out

    assert "release/1" in would
    assert (pinned.code, let_go.code) == (0, 0)
    assert kept == ["release/1", "release/3", "release/4"]
    assert releases(production) == ["release/3", "release/4"]
    assert "gitrelease pin" not in first + second  # what is gone cannot be protected


@typed("commands.prune._drop_backup: git tag --list 'backup/*'")
def test_which_backups_there_are_is_seen_as_it_is_said(production: Production) -> None:
    production.write("notes.txt", "x\n")
    kept = production.gitrelease("snapshot", "--json").json["backup"]

    refused = production.gitrelease("prune", "--backup", "yesterday")
    listed = production.type(refused.said, "git tag --list 'backup/*'")

    assert refused.code == 2
    assert listed.out.split() == [kept]
    assert production.gitrelease("prune", "--backup", listed.out.strip()).code == 0
    assert production.git("tag", "--list", "backup/*") == ""


@typed(
    "commands.snapshot.run: gitrelease restore {backup}",
    "commands.restore.run: gitrelease status",
    "commands.restore.run: gitrelease diff --worktree",
)
@pytest.mark.parametrize("still_there", [True, False], ids=["at once", "after it was taken back"])
def test_what_was_kept_comes_back_and_is_looked_at_as_it_is_said(production: Production, still_there: bool) -> None:
    production.gitrelease("freeze")
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "kept",\n')
    production.write("notes.txt", "a note\n")
    snapshot = production.gitrelease("snapshot").out
    backup = production.git("tag", "--list", "backup/*-snapshot")
    if not still_there:
        production.git("checkout", "--", "server.py")
        (production.root / "notes.txt").unlink()

    restored = production.type(snapshot, f"gitrelease restore {backup}")
    status = production.type(restored.said, "gitrelease status")
    diff = production.type(restored.said, "gitrelease diff --worktree")

    assert restored.code == 0, restored.said
    assert '"kept"' in production.read("server.py")
    assert production.read("notes.txt") == "a note\n"
    assert "edited: server.py" in status.out
    assert "+ kept" in diff.out
    production.gitrelease("unfreeze")
    production.await_live("release/2")
    assert "kept" in production.answer()


# -- plan, show, monitor ---------------------------------------------------------------------------------------------


@typed("commands.plan.run: gitrelease deploy {commit} --approve")
def test_what_a_plan_says_is_needed_releases_what_it_was_asked_about(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_version("two")
    developer.commit_version("three")
    production.git("fetch", "--quiet", str(developer.root), "deploy")

    planned = production.gitrelease("plan", commit).out
    deployed = production.type(planned, f"gitrelease deploy {commit[:10]} --approve")

    assert deployed.code == 0, deployed.said
    assert production.git("rev-parse", "release/2^{commit}", "deploy").split() == [commit, commit]
    assert production.answer().startswith("two")


@typed(
    "commands.show._way_back: gitrelease rollback{within}",
    "commands.show._way_back: gitrelease rollback{within} {name}",
)
def test_the_way_back_that_a_log_tells_leads_where_it_says(production: Production) -> None:
    release_terms(production, "two")
    production.await_idle()

    of_live = production.gitrelease("show", "release/2", "--log").out
    back = production.type(of_live, "gitrelease rollback")
    at_first = production.live()
    of_left = production.gitrelease("show", "release/2", "--log").out
    again = production.type(of_left, "gitrelease rollback release/2")

    assert "gitrelease rollback (to release/1)" in of_live
    assert (back.code, again.code) == (0, 0), back.said + again.said
    assert (at_first, production.live()) == ("release/1", "release/2")
    assert "two" in production.answer()


@typed(
    "commands.show._way_back: gitrelease rollback{within}",
    "commands.show._way_back: gitrelease rollback{within} {name}",
)
def test_the_way_back_of_a_group_leads_where_a_log_says(grouped: Grouped) -> None:  # noqa: F811
    production = grouped.production
    for version in ("two", "three"):
        grouped.branch_with(version)
        grouped.deploy("next", "--to", "test")
        grouped.await_proved()

    of_live = production.gitrelease("show", "release/3", "--log").out
    back = production.type(of_live, "gitrelease rollback --in test")
    at_first = answer(grouped.ports["test-1"])
    of_left = production.gitrelease("show", "release/3", "--log").out
    again = production.type(of_left, "gitrelease rollback --in test release/3")

    assert "gitrelease rollback --in test (to release/2)" in of_live
    assert (back.code, again.code) == (0, 0), back.said + again.said
    assert (at_first, answer(grouped.ports["test-1"])) == ("two revenue profit", "three revenue profit")
    assert production.answer() == "one revenue profit"


@typed("commands.show._way_back: gitrelease recover")
def test_where_nothing_is_live_by_the_refs_a_log_tells_what_puts_that_right(production: Production) -> None:
    release_terms(production, "two")
    production.await_idle()
    production.git("update-ref", "-d", "refs/gitrelease/live")

    told = production.gitrelease("show", "release/1", "--log").out
    recovered = production.type(told, "gitrelease recover")

    assert recovered.code == 0, recovered.said
    assert production.live() == "release/2"
    assert "gitrelease rollback release/1 (" in production.gitrelease("show", "release/1", "--log").out


@typed("commands.show.run: gitrelease show {name} --log --format {form}")
def test_a_log_is_printed_in_the_form_that_was_asked_for_as_it_is_said(production: Production) -> None:
    refused = production.gitrelease("show", "1", "--format", "md")

    shown = production.type(refused.said, "gitrelease show release/1 --log --format md")

    assert refused.code == 2
    assert shown.out.startswith("# Deployment log\n")


@typed("commands.watching._length: gitrelease monitor --for 5s --every 1s")
@pytest.mark.parametrize("option", ["--for", "--every"])
def test_a_length_of_time_is_understood_as_the_example_has_it(production: Production, option: str) -> None:
    refused = production.gitrelease("monitor", option, "soon")

    watched = production.type(refused.said, "gitrelease monitor --for 5s --every 1s")

    assert refused.code == 2
    assert watched.code == 0, watched.said
    assert "watched for 5 s" in watched.out
