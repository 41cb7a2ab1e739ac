"""What a group finds out about a release, and what that means for production's own way back; numbers go up.

One production for all: what each test needs, it releases.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.checkout import SETTINGS, until
from tests.stories.test_groups import Grouped
from tests.whole import assert_whole, refs


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grouped]:
    made = Grouped(tmp_path_factory.mktemp("judged"), SETTINGS)
    yield made
    made.production.clear_away()


def tried(grouped: Grouped, version: str) -> str:
    """Release a version, on top of production, to the group `test`; return the name of the release."""
    on_top(grouped)
    grouped.branch_with(version)
    grouped.deploy("next", "--to", "test")
    grouped.await_proved()
    return str(grouped.group()["live"])


def pushed(grouped: Grouped, term: str) -> str:
    """Release a term to production, on top of what it has; return the name of the release."""
    on_top(grouped)
    grouped.developer.commit_term(term)
    assert grouped.developer.push().code == 0
    grouped.production.await_idle()
    return str(grouped.production.live())


def on_top(grouped: Grouped) -> None:
    grouped.developer.git("fetch", "--quiet", "origin")
    grouped.developer.git("reset", "--quiet", "--hard", "origin/deploy")
    grouped.developer.git("push", "--quiet", "--force", "origin", "HEAD:refs/heads/next")


def back(grouped: Grouped, *arguments: str) -> str:
    return str(grouped.production.gitrelease("rollback", *arguments, "--json").json["release"])


def test_what_comes_to_a_group_again_after_it_went_bad_proves_itself_again(grouped: Grouped) -> None:
    production = grouped.production
    release = tried(grouped, "two")
    back(grouped, "--in", "test")
    mark = f"refs/gitrelease/bad/{release.removeprefix('release/')}"
    assert mark in refs(production)

    grouped.deploy(release, "--to", "test")
    grouped.await_proved()
    grouped.deploy(release, "--approve")
    production.await_idle()

    assert mark not in refs(production)
    assert (production.live(), production.status()["last_good"]) == (release, release)
    pushed(grouped, "margin")
    assert back(grouped) == release


@pytest.mark.long
def test_a_way_back_goes_to_what_was_served_before_an_older_release_of_a_group_came(grouped: Grouped) -> None:
    production = grouped.production
    older = tried(grouped, "three")
    before = pushed(grouped, "ebit")

    ended = production.gitrelease("deploy", older, "--approve", "--json").json

    assert int(ended["release"].removeprefix("release/")) > int(before.removeprefix("release/"))
    assert f"{older} is {ended['release']} here: production has had newer ones meanwhile" in ended["hint"]
    assert production.git("rev-parse", f"{older}^{{commit}}") == production.git("rev-parse", ended["release"] + "^{}")
    production.await_idle()
    assert back(grouped) == before
    assert_whole(production)


@pytest.mark.long
def test_a_group_that_leaves_a_release_of_productions_does_not_make_it_bad(grouped: Grouped) -> None:
    production = grouped.production
    release = pushed(grouped, "cash")
    grouped.deploy(release, "--to", "test")
    grouped.await_proved()

    told = production.gitrelease("rollback", "--in", "test").said

    assert f"{release} is left" in told
    assert not production.status()["quarantined"] or release not in str(production.status()["quarantined"])
    pushed(grouped, "debt")
    assert back(grouped) == release


def test_a_group_that_leaves_what_was_pushed_to_production_since_does_not_make_it_bad(grouped: Grouped) -> None:
    production = grouped.production
    release = tried(grouped, "five")
    assert grouped.developer.push("-o", "approve", "origin", "HEAD:deploy").code == 0
    production.await_idle()
    assert production.live() != release

    told = production.gitrelease("rollback", "--in", "test").said

    assert f"{release} is left" in told
    assert not [ref for ref in refs(production) if ref.endswith(f"bad/{release.removeprefix('release/')}")]
    assert "quarantine" not in production.git("for-each-ref", "--points-at", f"{release}^{{commit}}")


@pytest.mark.long
def test_a_number_is_given_once_also_where_somebody_deleted_the_tag_of_a_group(grouped: Grouped) -> None:
    production = grouped.production
    release = tried(grouped, "four")
    tag = production.git("rev-parse", release)
    production.git("tag", "--delete", release)

    assert pushed(grouped, "equity") != release
    recovered = production.gitrelease("recover")

    assert recovered.code == 0, recovered.said
    assert production.git("rev-parse", release) == tag
    until(lambda: not production.busy(), "idle")
    assert_whole(production)
