"""A branch that goes back by other means than a rollback: what is live stays until somebody has said yes."""

from __future__ import annotations

import pytest

from tests.checkout import Production, until
from tests.remedies import typed

LATER = "2026-01-06T12:00:00 +0000"


@pytest.fixture
def two(production: Production) -> Production:
    """A production with two releases."""
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    return production


def waits(production: Production) -> str:
    """Wait until something waits for approval; return why."""
    waiting = until(lambda: production.status()["waiting"], "it waits")
    assert production.live() == "release/2"
    assert "second" in production.answer()
    return str(waiting[0])


def test_a_branch_that_is_reset_is_noticed_without_any_hook_and_waits_for_approval(two: Production) -> None:
    two.git("reset", "--quiet", "--hard", "HEAD~1")

    assert "the branch went back: what release/2 has brought is not in" in waits(two)
    approved = two.gitrelease("deploy", "--approve")

    assert approved.code == 0, approved.said
    assert two.live() == "release/3"
    assert "second" not in two.answer()


def test_a_deploy_of_the_branch_that_went_back_asks_and_one_that_names_the_commit_does_not(two: Production) -> None:
    two.git("reset", "--quiet", "--hard", "HEAD~1")
    waits(two)

    asked = two.gitrelease("deploy")
    assert asked.code != 0
    assert "the branch went back" in asked.words
    named = two.gitrelease("deploy", "HEAD")

    assert named.code == 0, named.said
    assert "second" not in two.answer()


@typed("release.preparing._how_to_approve: git merge --ff-only {source}")
def test_a_branch_that_comes_back_has_nothing_to_approve(two: Production) -> None:
    head = two.git("rev-parse", "HEAD")
    two.git("reset", "--quiet", "--hard", "HEAD~1")
    waits(two)

    merged = two.type(two.gitrelease("status").said, f"git merge --ff-only {head[:10]}")

    assert (merged.code, two.git("rev-parse", "deploy")) == (0, head), merged.said
    until(lambda: not two.status()["waiting"], "nothing waits")
    two.await_idle()
    assert two.live() == "release/2"
    assert two.git("status", "--porcelain") == ""


def test_what_comes_on_top_of_a_branch_that_went_back_waits_as_well(two: Production) -> None:
    two.git("reset", "--quiet", "--hard", "HEAD~1")
    waits(two)
    for term in ("third", "fourth"):
        commit = two.commit_term(term)
        until(lambda commit=commit: commit[:8] in str(two.status()["waiting"]), f"{term} waits")
        assert "the branch went back" in waits(two)
    two.replace("server.py", "fourth", "edited")
    until(lambda: "edit" in str(two.status()["waiting"]), "the edit waits")

    assert "edited" not in two.answer()


@typed("release.preparing._how_to_approve: git fetch REMOTE tag {name} && git merge {source}")
def test_a_push_to_a_branch_that_went_back_says_what_it_leaves_out(two: Production) -> None:
    live = two.git("rev-parse", "--short=10", "HEAD")
    two.git("reset", "--quiet", "--hard", "HEAD~1")
    waits(two)
    developer = two.clone()
    developer.replace("server.py", '"profit",\n', '"profit",\n    "third",\n')
    developer.commit("Know third")

    pushed = developer.push()

    assert pushed.code != 0
    said = pushed.words
    assert "the branch went back: what release/2 has brought is not in" in said
    assert "second" in two.answer()
    told = f"git fetch REMOTE tag release/2 && git merge {live}"
    merged = developer.type(pushed.said, told, REMOTE="origin")
    assert merged.code == 0, merged.said
    assert developer.push().code == 0
    assert {"second", "third"} <= set(two.answer().split())


def test_a_push_that_brings_back_what_the_branch_has_lost_is_released(two: Production) -> None:
    developer = two.clone()
    two.git("reset", "--quiet", "--hard", "HEAD~1")
    waits(two)
    developer.commit_term("third")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert two.live() == "release/3"
    assert {"second", "third"} <= set(two.answer().split())


def test_a_commit_that_is_amended_is_released_as_ever(two: Production) -> None:
    two.replace("server.py", "second", "better")
    two.git("commit", "--quiet", "--all", "--amend", "-m", "Know better")

    two.await_live("release/3")

    assert "better" in two.answer()


@pytest.fixture
def later(two: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed after the two releases has another date, as it has outside of tests."""
    monkeypatch.setenv("GIT_AUTHOR_DATE", LATER)


def third(two: Production) -> None:
    """Release one more term, at another place."""
    two.replace("server.py", '"profit",\n', '"profit",\n    "third",\n')
    two.commit("Know third")
    two.await_live("release/3")
    two.await_idle()


@pytest.mark.parametrize("date", [LATER, ""], ids=["", "of the same second"])
def test_a_rebase_that_drops_a_released_commit_and_keeps_another_waits(
    two: Production, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    if date:
        monkeypatch.setenv("GIT_AUTHOR_DATE", date)  # else all have the same one, in tests
    dropped = two.git("rev-parse", "HEAD")
    third(two)

    two.git("rebase", "--quiet", "--onto", "HEAD~2", "HEAD~1")
    waiting = until(lambda: two.status()["waiting"], "it waits")

    assert f"the branch went back: {dropped[:10]} (Know second), which is in release/3, is not in" in str(waiting)
    assert two.live() == "release/3"
    assert "second" in two.answer()
    assert two.gitrelease("deploy", "--approve").code == 0
    assert two.answer() == "one revenue profit third"


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r"])
def test_a_dropped_commit_is_named_whatever_ends_of_lines_its_subject_has(
    production: Production, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Git ends a subject where a line is empty; what else ends a line for Python stands in it."""
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "second",\n')
    production.commit(f"Know{end}second")
    production.await_live("release/2")
    production.await_idle()
    dropped = production.git("rev-parse", "HEAD")
    monkeypatch.setenv("GIT_AUTHOR_DATE", LATER)
    third(production)

    production.git("rebase", "--quiet", "--onto", "HEAD~2", "HEAD~1")
    waiting = until(lambda: production.status()["waiting"], "it waits")

    assert f"the branch went back: {dropped[:10]} (Know second), which is in release/3, is not in" in str(waiting)
    assert production.live() == "release/3"


@typed("release.preparing._how_to_approve: git merge {source}")
@pytest.mark.usefixtures("later")
def test_a_branch_that_is_set_to_another_one_which_lacks_what_is_live_waits(two: Production) -> None:
    """As after `git fetch` and `git reset --hard` to a central branch that somebody has pushed over."""
    central = two.clone("central")
    central.git("reset", "--quiet", "--hard", "HEAD~1")
    central.replace("server.py", '"profit",\n', '"profit",\n    "third",\n')
    central.commit("Know third")
    live = two.git("rev-parse", "HEAD")

    two.git("fetch", "--quiet", str(central.root), "deploy")
    two.git("reset", "--quiet", "--hard", "FETCH_HEAD")

    assert "(Know second), which is in release/2, is not in" in waits(two)
    merged = two.type(two.gitrelease("status").said, f"git merge {live[:10]}")
    assert merged.code == 0, merged.said
    two.await_live("release/3")
    assert two.answer() == "one revenue second profit third"


@pytest.mark.usefixtures("later")
def test_commits_that_are_rebased_are_released_as_ever(two: Production) -> None:
    third(two)
    other = two.clone("other")
    other.git("reset", "--quiet", "--hard", "HEAD~2")
    other.write("README.md", "Words\n")
    other.commit("Words")

    two.git("fetch", "--quiet", str(other.root), "deploy")
    two.git("rebase", "--quiet", "FETCH_HEAD")

    assert two.git("log", "-1", "--format=%s", "HEAD~2") == "Words"
    until(lambda: two.status()["checkout"]["in_sync"] and not two.busy(), "it is seen")
    assert not two.status()["waiting"]
    two.replace("server.py", "third", "better")
    two.await_live("release/4")
    assert two.answer() == "one revenue second profit better"


def test_a_commit_whose_message_is_amended_is_in_the_place_of_what_is_live(two: Production) -> None:
    two.git("commit", "--quiet", "--amend", "-m", "Another word")
    two.await_idle()
    developer = two.clone()
    developer.commit_term("third")

    pushed = developer.push()
    two.await_idle()
    two.replace("server.py", "third", "edited")

    assert pushed.code == 0, pushed.said
    two.await_live("release/4")
    assert "edited" in two.answer()


def test_what_comes_on_top_waits_for_an_agent_that_was_started_meanwhile_too(two: Production) -> None:
    two.git("reset", "--quiet", "--hard", "HEAD~1")
    waits(two)
    two.gitrelease("down")
    commit = two.commit_term("third")

    two.up()

    until(lambda: commit[:8] in str(two.status()["waiting"]), "it waits")
    assert "the branch went back" in waits(two)


def test_a_branch_that_loses_only_documents_needs_nobody(two: Production) -> None:
    two.write("README.md", "more words\n")
    two.commit()
    two.await_idle()

    two.git("reset", "--quiet", "--hard", "HEAD~1")
    two.await_idle()

    assert not two.status()["waiting"]
    assert two.live() == "release/2"


@typed(
    "edges.checkout.Checkout.require_no_rebase: git rebase --continue",
    "edges.checkout.Checkout.require_no_rebase: git rebase --abort",
)
@pytest.mark.parametrize("how", ["--continue", "--abort"])
@pytest.mark.parametrize("up", [True, False], ids=["up", "before the first up"])
def test_a_push_during_a_rebase_of_the_branch_is_refused_and_taken_when_that_has_ended(
    checkout: Production, up: bool, how: str
) -> None:
    checkout.init()
    if up:
        checkout.up()
        checkout.await_idle()
    checkout.git("-c", "sequence.editor=sed -i 1s/pick/edit/", "rebase", "--quiet", "-i", "--root")
    developer = checkout.clone()
    developer.git("checkout", "--quiet", "-B", "deploy", "origin/deploy")
    developer.commit_term("pushed")

    refused = developer.push()
    ended = checkout.type(refused.said, f"git rebase {how}")
    taken = developer.push()

    assert refused.code != 0
    assert "deploy is being rebased on the production host" in refused.words
    assert ended.code == 0, ended.said
    assert taken.code == 0, taken.said


def test_a_pull_from_a_repository_that_was_set_back_waits_for_approval(two: Production) -> None:
    central = two.clone("central")
    central.git("reset", "--quiet", "--hard", "HEAD^")

    two.git("fetch", "--quiet", str(central.root), "deploy")
    two.git("reset", "--quiet", "--hard", "FETCH_HEAD")

    assert "the branch went back: what release/2 has brought is not in" in waits(two)


def test_a_push_during_a_bisect_of_the_branch_is_released(two: Production) -> None:
    """HEAD is away from the branch meanwhile, and its end does not move that."""
    two.git("bisect", "start", "deploy", "deploy^")
    developer = two.clone()
    developer.git("checkout", "--quiet", "-B", "deploy", "origin/deploy")
    developer.commit_term("pushed")

    pushed = developer.push()
    two.git("bisect", "reset")

    assert pushed.code == 0, pushed.said
    assert two.live() == "release/3"
    assert "pushed" in two.answer()
    until(lambda: two.status()["checkout"]["in_sync"], "the files follow")
    assert "pushed" in two.read("server.py")
    assert two.live() == "release/3"
