"""What does status say of a checkout that is not on the branch which production follows?"""

from __future__ import annotations

from tests.checkout import Production


def checkout_line(production: Production) -> str:
    return next(line for line in production.gitrelease("status").said.splitlines() if line.startswith("checkout"))


def test_another_branch_is_named_and_its_commits_are_no_edits(production: Production) -> None:
    production.git("checkout", "--quiet", "-b", "feature")
    commit = production.commit_term("elsewhere")

    line = checkout_line(production)

    assert line == f"checkout  feature at {commit[:10]}, not what is live; production follows deploy"
    assert production.status()["checkout"]["on"] == "feature"


def test_a_head_on_no_branch_is_named_with_what_is_edited_there(production: Production) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    production.git("checkout", "--quiet", "HEAD~1")
    commit = production.git("rev-parse", "HEAD")
    production.replace("server.py", "revenue", "turnover")

    line = checkout_line(production)

    assert line.startswith(f"checkout  HEAD detached at {commit[:10]}, not what is live; edited: server.py")
    assert line.endswith("; production follows deploy")
    assert production.status()["checkout"]["on"] is None
