"""What was taken back does not come back in somebody's next push without a word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.checkout import Clone, Ended, Production, until


def said(ended: Ended) -> str:
    return ended.words


@pytest.fixture
def pulled(production: Production) -> tuple[Production, Clone]:
    """A production that went back from a term, and a colleague who has pulled that term before."""
    developer = production.clone()
    developer.commit_term("doubled")
    assert developer.push().code == 0
    production.await_idle()
    colleague = production.clone("colleague")
    assert production.gitrelease("rollback", "-m", "the numbers doubled").code == 0
    return production, colleague


def test_a_colleagues_push_on_top_of_what_was_taken_back_waits(pulled: tuple[Production, Clone]) -> None:
    production, colleague = pulled
    colleague.commit_term("unrelated")

    pushed = colleague.push()

    assert pushed.code != 0
    assert "it brings back what was taken back with release/2 (the numbers doubled): terms: doubled" in said(pushed)
    assert "Returns: release/2" in said(pushed)
    assert production.status()["live"]["release"] == "release/1"


@pytest.mark.parametrize("options", [("-o", "approve"), ()], ids=["approved", "a trailer in one of its commits"])
def test_it_goes_live_when_somebody_says_that_it_is_wanted(
    pulled: tuple[Production, Clone], options: tuple[str, ...]
) -> None:
    production, colleague = pulled
    colleague.commit_term("unrelated")
    if not options:
        colleague.commit("It was right after all\n\nReturns: release/2")
        colleague.commit_term("one more")

    pushed = colleague.push(*options, "origin", "deploy")

    assert pushed.code == 0, pushed.said
    production.await_live("release/3")


def test_a_fix_on_top_is_asked_for_nothing(pulled: tuple[Production, Clone]) -> None:
    production, colleague = pulled
    colleague.replace("server.py", '"doubled"', '"halved"')
    colleague.commit("The right term")

    pushed = colleague.push()

    assert pushed.code == 0, pushed.said
    production.await_live("release/3")


def test_what_is_there_anyway_does_not_come_back(pulled: tuple[Production, Clone]) -> None:
    production, colleague = pulled
    colleague.commit_term("unrelated")
    assert colleague.push("-o", "approve", "origin", "deploy").code == 0
    production.await_idle()
    colleague.commit_term("one more")

    pushed = colleague.push()

    assert pushed.code == 0, pushed.said


PATTERNS = """
[[region]]
name = "patterns"
kind = "pattern"
assign = "PATTERNS"

[policy.pattern]
soak = "300ms"
"""


def test_a_pattern_that_was_taken_back_is_named_and_comes_back_where_a_commit_says_so(checkout: Production) -> None:
    checkout.replace("server.py", 'VERSION = "one"\n', 'VERSION = "one"\nPATTERNS = {"eps": [r"eps (\\d+)"]}\n')
    checkout.write("gitrelease.toml", checkout.read("gitrelease.toml") + PATTERNS)
    checkout.commit("Patterns")
    checkout.init().up().await_idle()
    developer = checkout.clone()
    developer.replace("server.py", '{"eps"', '{"margin": [r"margin (\\d+)"], "eps"')
    developer.commit("A pattern")
    assert developer.push().code == 0
    checkout.await_idle()
    assert checkout.gitrelease("rollback", "-m", "it finds years").code == 0
    developer.commit_term("unrelated")

    refused = developer.push()
    developer.commit("It was right\n\nReturns: release/2")
    returned = developer.push()

    assert refused.code != 0
    assert "taken back with release/2 (it finds years): patterns: margin" in said(refused)
    assert returned.code == 0, returned.said


def test_a_field_of_the_schema_that_was_taken_back_is_named(checkout: Production) -> None:
    checkout.write("schema.json", '{"page": {"type": "integer"}}')
    checkout.commit("A schema")
    checkout.init().up().await_idle()
    developer = checkout.clone()
    developer.write("schema.json", '{"page": {"type": "integer"}, "text": {"type": "string"}}')
    developer.commit("A field")
    assert developer.push().code == 0
    checkout.await_idle()
    assert checkout.gitrelease("rollback", "-m", "nobody reads it").code == 0
    developer.commit_term("unrelated")

    refused = developer.push()

    assert refused.code != 0
    assert "taken back with release/2 (nobody reads it): " in said(refused)
    assert "text" in said(refused).partition("nobody reads it")[2]


def test_code_that_was_taken_back_is_named_with_its_lines(production: Production) -> None:
    developer = production.clone()
    developer.replace("server.py", 'VERSION = "one"', 'VERSION = "wrong"')
    developer.commit("A version")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    production.await_idle()
    assert production.gitrelease("rollback", "-m", "wrong version").code == 0
    developer.commit_term("unrelated")

    pushed = developer.push()

    assert pushed.code != 0
    assert "taken back with release/2 (wrong version): server.py, lines" in said(pushed)


def test_what_a_part_was_taken_back_of_waits_as_well(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("doubled")
    developer.replace("server.py", "do_GET(self):", "do_GET(self):  # as before")
    developer.commit("and code")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    production.await_idle()
    assert production.gitrelease("rollback", "--only", "dictionary", "-m", "the numbers doubled").code == 0
    production.await_idle()
    developer.git("pull", "--quiet", "--no-rebase", "-s", "ours", "origin", "deploy")

    pushed = developer.push()

    assert pushed.code != 0
    assert "it brings back what was taken back with release/2" in said(pushed)
    assert "terms: doubled" in said(pushed)


def _pull(production: Production, colleague: Clone) -> None:
    production.git("pull", "--quiet", "--ff-only", str(colleague.root), "deploy")


def _reset(production: Production, colleague: Clone) -> None:
    production.git("fetch", "--quiet", str(colleague.root), "deploy")
    production.git("reset", "--quiet", "--hard", "FETCH_HEAD")


@pytest.mark.parametrize("bring", [_pull, _reset])
def test_it_waits_however_the_branch_gets_there(
    pulled: tuple[Production, Clone], bring: Callable[[Production, Clone], None]
) -> None:
    production, colleague = pulled
    colleague.commit_term("unrelated")

    bring(production, colleague)
    waiting = until(lambda: production.status()["waiting"], "it waits")

    assert "taken back with release/2" in waiting[0]["reason"]
    assert production.status()["live"]["release"] == "release/1"


def test_a_deploy_that_names_it_is_asked_for_nothing(pulled: tuple[Production, Clone]) -> None:
    production, _ = pulled

    deployed = production.gitrelease("deploy", "release/2")

    assert deployed.code == 0, deployed.said
    assert production.status()["live"]["commit"] == production.git("rev-parse", "release/2^{commit}")
