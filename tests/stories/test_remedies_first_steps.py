"""What is typed first: each command that is told before there is a release, typed where it is told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import SERVER, SETTINGS, Clone, Production, make_checkout, reserved_port
from tests.remedies import typed


@pytest.fixture
def spaced(tmp_path: Path) -> Iterator[Production]:
    """A checkout below a folder with a blank and a quote in its name, which says itself where users find it."""
    folder = tmp_path / "it's ours"
    folder.mkdir()
    port = reserved_port()
    place = f'\n[[instance]]\nname = "primary"\nport = {port}\n'
    made = make_checkout(folder, {"server.py": SERVER, "gitrelease.toml": SETTINGS + place, "README.md": "The app\n"})
    made.port = port
    yield made
    made.clear_away()


@typed(
    "edges.home.not_set_up: gitrelease -C {root} init",
    "commands.init.run: gitrelease up",
    "commands.init.run: gitrelease status",
)
@pytest.mark.parametrize("verb", ["status", "up", "show release/1", "logs"])
def test_a_checkout_that_is_not_set_up_is_led_to_its_first_release(spaced: Production, verb: str) -> None:
    ended = spaced.gitrelease(*verb.split())
    assert ended.code == 2
    assert "is not set up for releases yet" in ended.words

    init = f"gitrelease -C {shlex.quote(str(spaced.root))} init"
    made = spaced.type(ended.said, init)
    assert made.code == 0, made.said
    started = spaced.type(made.said, "gitrelease up")
    assert started.code == 0, started.said

    assert spaced.live() == "release/1"
    assert spaced.answer() == "one revenue profit"
    again = spaced.type(ended.said, init)
    assert "nothing was changed" in again.words
    status = spaced.type(again.said, "gitrelease status")
    assert "live      release/1" in status.out
    assert f"127.0.0.1:{spaced.port} healthy" in status.out


@typed("commands.client.not_up: gitrelease up")
@pytest.mark.parametrize("down", [False, True])
def test_what_needs_production_that_is_not_up_says_how_it_is_started(checkout: Production, down: bool) -> None:
    checkout.init()
    if down:
        checkout.up().await_idle()
        assert checkout.gitrelease("down").code == 0

    ended = checkout.gitrelease("restart")
    assert ended.code == 3
    assert ("production is down" if down else "production was never started") in ended.words
    started = checkout.type(ended.said, "gitrelease up")

    assert started.code == 0, started.said
    assert checkout.live() == "release/1"
    assert checkout.answer() == "one revenue profit"
    checkout.await_idle()
    assert checkout.gitrelease("restart").code == 0


@typed("commands.hook._before_first_up: gitrelease up", "commands.history._first: gitrelease up")
def test_what_was_pushed_before_the_first_up_is_released_by_it(checkout: Production) -> None:
    checkout.init()
    developer = checkout.clone()
    developer.commit_term("pushed")

    pushed = developer.push()
    none = checkout.gitrelease("history")

    assert pushed.code == 0, pushed.said
    assert none.out == "no releases yet; release what is checked out: gitrelease up\n"
    assert "release it: gitrelease up on the host" in pushed.words
    for said in (pushed.said, none.said):
        started = checkout.type(said, "gitrelease up")
        assert started.code == 0, started.said
        assert checkout.live() == "release/1"
        assert "pushed" in checkout.answer()


@typed("commands.diff.live_commit: gitrelease diff A B", "commands.diff.live_commit: gitrelease up")
def test_a_difference_to_what_is_live_before_anything_is(checkout: Production) -> None:
    checkout.commit_term("margin")
    ended = checkout.init().gitrelease("diff")
    assert ended.code == 2
    assert "nothing is live yet" in ended.words

    named = checkout.type(ended.said, "gitrelease diff A B", A="HEAD~1", B="HEAD")
    started = checkout.type(ended.said, "gitrelease up")

    assert named.code == 0, named.said
    assert "margin" in named.out
    assert started.code == 0, started.said
    assert checkout.live() == "release/1"
    assert checkout.gitrelease("diff").code == 0


def test_a_difference_in_a_clone_is_told_between_two_commits(checkout: Production) -> None:
    """No production checkout is needed for it, and none should be made of a developer's clone."""
    checkout.commit_term("margin")
    developer = checkout.clone()
    production = Production(developer.root, 0)

    ended = production.gitrelease("diff")

    assert ended.code == 2
    assert "gitrelease up" not in ended.words
    named = Clone(developer.root).type(ended.said, "gitrelease diff A B", A="HEAD~1", B="HEAD")
    assert "margin" in named.out
