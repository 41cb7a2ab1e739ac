"""HEAD on no branch: what is said is typed to the letter; HEAD is on the deploy branch then, no branch has moved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.checkout import Production
from tests.remedies import typed


def bisect(production: Production) -> None:
    production.git("bisect", "start", "HEAD", "HEAD~2")


def stop_rebase(production: Production) -> None:
    production.git("-c", "sequence.editor=sed -i 1s/pick/edit/", "rebase", "--quiet", "-i", "HEAD~2")


def detach(production: Production) -> None:
    production.git("checkout", "--quiet", "HEAD~1")


def commit_elsewhere(production: Production) -> None:
    detach(production)
    production.commit_term("elsewhere")


STATES = [
    pytest.param(bisect, ["git bisect reset"], id="a bisect"),
    pytest.param(stop_rebase, ["git rebase --continue"], id="a rebase"),
    pytest.param(stop_rebase, ["git rebase --abort"], id="a rebase that is given up"),
    pytest.param(detach, ["git checkout deploy"], id="an older commit"),
    pytest.param(commit_elsewhere, ["git branch work-{commit}", "git checkout deploy"], id="commits of its own"),
]


@typed(
    "edges.checkout.detached_head: git bisect reset",
    "edges.checkout.detached_head: git rebase --continue",
    "edges.checkout.detached_head: git rebase --abort",
    "edges.checkout.detached_head: git checkout {branch}",
    "edges.checkout.detached_head: git branch work-{commit}",
)
@pytest.mark.parametrize(("leave", "remedy"), STATES)
@pytest.mark.parametrize("asked", ["init", "doctor"])
def test_what_is_said_brings_head_to_the_branch_and_moves_none(
    checkout: Production, leave: Callable[[Production], None], remedy: list[str], asked: str
) -> None:
    for term in ("one more", "and another"):
        checkout.commit_term(term)
    if asked == "doctor":
        checkout.init()
    branch = checkout.git("rev-parse", "deploy")
    leave(checkout)
    left = checkout.git("rev-parse", "HEAD")

    said = checkout.gitrelease(asked).said
    assert "HEAD is detached at" in said
    for command in remedy:
        ended = checkout.type(said, command.format(commit=left[:10]))
        assert ended.code == 0, ended.said

    assert checkout.git("symbolic-ref", "HEAD") == "refs/heads/deploy"
    assert checkout.git("rev-parse", "deploy") == branch
    assert checkout.git("for-each-ref", "--contains", left, "refs/heads")
    assert "HEAD is detached" not in checkout.gitrelease("doctor").said


@typed("edges.checkout.no_branch: git checkout -b {branch}")
def test_where_there_is_no_deploy_branch_it_is_made_at_head(checkout: Production) -> None:
    checkout.git("branch", "-m", "deploy", "main")
    detach_at = checkout.git("rev-parse", "HEAD")
    checkout.git("checkout", "--quiet", "--detach")

    said = checkout.gitrelease("init").said
    assert checkout.type(said, "git checkout -b deploy").code == 0

    assert checkout.git("rev-parse", "deploy") == detach_at
    assert checkout.init().gitrelease("status").code == 0
