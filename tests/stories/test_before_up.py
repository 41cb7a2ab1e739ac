"""What is pushed before production was ever started: the files follow, and nothing of it is taken for an edit."""

from __future__ import annotations

import pytest

from tests.checkout import Production, until

CHECKOUT = "refs/gitrelease/checkout"


def expect_settled(production: Production, *, releases: int) -> None:
    """See that production is up with so many releases, and that it finds nothing more to do."""
    production.await_idle()
    assert len(production.gitrelease("history", "--json").json["releases"]) == releases
    assert production.git("status", "--porcelain") == ""
    assert production.git("diff", "--stat", CHECKOUT, "--") == ""


def test_a_push_that_takes_back_a_commit_of_the_host_brings_the_files_back_too(checkout: Production) -> None:
    before = checkout.init().read("server.py")
    checkout.commit_term("of the host")
    developer = checkout.clone()
    developer.git("revert", "--no-edit", "HEAD")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert "taken; production was never started" in pushed.words
    assert checkout.read("server.py") == before
    assert checkout.git("rev-parse", CHECKOUT) == checkout.git("rev-parse", "HEAD")
    checkout.up()
    expect_settled(checkout, releases=1)


def test_a_push_on_top_of_a_commit_of_the_host_that_does_not_run_is_released_like_any_other(
    checkout: Production,
) -> None:
    checkout.init()
    checkout.write("server.py", "this does not run\n")
    checkout.commit("Broken on the host")
    developer = checkout.clone()
    developer.git("revert", "--no-edit", "HEAD")
    assert developer.push().code == 0
    checkout.up()
    developer.commit_term("after that")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    until(lambda: checkout.live() == "release/2")
    expect_settled(checkout, releases=2)


def test_what_was_edited_on_the_host_and_committed_by_nobody_is_kept_when_a_push_replaces_it(
    checkout: Production,
) -> None:
    checkout.init()
    checkout.commit_term("of the host")
    developer = checkout.clone()
    developer.git("revert", "--no-edit", "HEAD")
    checkout.replace("server.py", "of the host", "of nobody")
    edited = checkout.read("server.py")

    assert developer.push().code == 0

    backup = checkout.git("tag", "--list", "backup/*")
    kept = checkout.read("server.py") if not backup else checkout.git("show", f"{backup}:server.py") + "\n"
    assert kept == edited


def test_a_push_while_the_checkout_is_on_another_branch_leaves_its_files(checkout: Production) -> None:
    checkout.init()
    checkout.commit_term("of the host")
    checkout.git("checkout", "--quiet", "-b", "elsewhere")
    checkout.commit_term("elsewhere")
    developer = checkout.clone()
    developer.git("checkout", "--quiet", "deploy")
    developer.git("revert", "--no-edit", "HEAD")

    assert developer.push().code == 0

    assert "elsewhere" in checkout.read("server.py")
    checkout.git("checkout", "--quiet", "deploy")
    checkout.up()
    expect_settled(checkout, releases=1)
    assert "of the host" not in checkout.answer()


@pytest.mark.parametrize("option", ["aprove", "approve=0123456789"])
def test_an_unknown_push_option_is_named_before_the_first_up_too(checkout: Production, option: str) -> None:
    checkout.init()
    developer = checkout.clone()
    developer.commit_version("two")

    pushed = developer.push("-o", option, "origin", "deploy")

    assert pushed.code == 0, pushed.said
    assert ("there is no push option 'aprove'" if option == "aprove" else "approves nothing") in pushed.words
    assert "taken; production was never started" in pushed.words
    assert list((checkout.home / "push").iterdir()) == []


def test_a_push_before_the_first_up_says_what_became_of_it_where_host_settings_are_broken(checkout: Production) -> None:
    settings = checkout.init().home / "host.toml"
    written = settings.read_text()
    settings.write_text("[app\n")
    developer = checkout.clone()
    commit = developer.commit_term("second")
    before = checkout.git("rev-parse", "deploy")

    refused = developer.push()
    unmoved = checkout.git("rev-parse", "deploy")
    settings.write_text(written)
    taken = developer.push()

    assert refused.code != 0
    assert "the push is refused: " in refused.words
    assert "host.toml" in refused.words
    assert unmoved == before
    assert "taken; production was never started" in taken.words
    assert checkout.git("rev-parse", "deploy") == commit


def test_a_push_before_the_first_up_that_was_taken_before_host_settings_broke_says_so(checkout: Production) -> None:
    settings = checkout.init().home / "host.toml"
    (checkout.root / ".git" / "hooks" / "reference-transaction").write_text(
        f'#!/bin/sh\nif [ "$1" = committed ]; then echo "[app" > {settings}; fi\n'
    )
    (checkout.root / ".git" / "hooks" / "reference-transaction").chmod(0o755)
    developer = checkout.clone()
    commit = developer.commit_term("second")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert "taken, not live yet: " in pushed.words
    assert checkout.git("rev-parse", "deploy") == commit
