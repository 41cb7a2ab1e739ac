"""How a change is let through that needs a person's word: by a push option, one that names the commit, a command."""

from __future__ import annotations

import pytest

from tests.checkout import Clone, Ended, Production


def said(ended: Ended) -> str:
    return ended.words


@pytest.fixture
def changed(production: Production) -> tuple[Clone, str]:
    """A developer with a change that needs approval, and its commit."""
    developer = production.clone()
    developer.replace("server.py", 'VERSION = "one"', 'VERSION = "two"')
    return developer, developer.commit("A version")


def approval_of(production: Production) -> str:
    return production.git("tag", "--list", "release/2", "--format=%(contents:trailers:key=Approval,valueonly)")


@pytest.mark.parametrize("option", ["aprove", "approve=", "approve=0123456789", "ci.skip"])
def test_an_option_that_approves_nothing_is_named(
    production: Production, changed: tuple[Clone, str], option: str
) -> None:
    developer, commit = changed

    pushed = developer.push("-o", option, "origin", "deploy")

    assert pushed.code != 0
    told = "approves nothing: what is pushed is" if option.startswith("approve=") else f"no push option '{option}'"
    assert told in said(pushed)
    assert f"-o approve={commit[:10]}" in said(pushed)
    assert production.status()["live"]["release"] == "release/1"


def test_the_option_that_it_says_lets_it_through_and_is_recorded(
    production: Production, changed: tuple[Clone, str]
) -> None:
    developer, commit = changed

    pushed = developer.push("-o", f"approve={commit[:10]}", "origin", "deploy")

    assert pushed.code == 0, pushed.said
    assert approval_of(production) == "commit"
    assert "Better" not in pushed.said


def test_the_plain_option_counts_is_recorded_as_such_and_names_the_better_form(
    production: Production, changed: tuple[Clone, str]
) -> None:
    developer, commit = changed
    developer.git("config", "push.pushOption", "approve")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert approval_of(production) == "push option"
    assert f"Better: -o approve={commit[:10]}" in said(pushed)


def test_where_the_commit_is_asked_for_the_plain_option_does_not_count(
    production: Production, changed: tuple[Clone, str]
) -> None:
    developer, commit = changed
    file = production.home / "host.toml"
    file.write_text(file.read_text() + '\n[policy.major]\napproval = "commit"\n')

    refused = developer.push("-o", "approve", "origin", "deploy")
    pushed = developer.push("-o", "approve", "-o", f"approve={commit}", "origin", "deploy")

    assert refused.code != 0
    assert "policy.major.approval is commit" in said(refused)
    assert pushed.code == 0, pushed.said
    assert approval_of(production) == "commit"


def test_a_command_is_recorded_as_one(production: Production, changed: tuple[Clone, str]) -> None:
    developer, commit = changed
    production.git("fetch", "--quiet", str(developer.root), "deploy")

    deployed = production.gitrelease("deploy", commit, "--approve")

    assert deployed.code == 0, deployed.said
    assert approval_of(production) == "command"
