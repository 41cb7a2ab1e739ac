"""Somebody breaks the host's settings while production runs: what is under way, and the way back, come to their end."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ordinary
from tests.checkout import Production, until
from tests.remedies import typed


def no_toml(file: Path) -> None:
    file.write_text("[app\n")


def unknown_key(file: Path) -> None:
    file.write_text(file.read_text() + "\n[limits]\nlingr = '1s'\n")


def gone(file: Path) -> None:
    file.unlink()


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("broken", [no_toml, unknown_key, gone, folder])
def test_a_release_and_the_way_back_go_on_with_what_was_read_last(
    production: Production, broken: Callable[[Path], None]
) -> None:
    developer = production.clone()
    developer.commit_term("margin")
    broken(production.home / "host.toml")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert "soaking for 0.3 s" in pushed.words
    production.await_idle()
    assert production.git("rev-parse", "refs/gitrelease/good") == production.git("rev-parse", "release/2")
    back = production.gitrelease("rollback")
    assert back.code == 0, back.said
    assert production.answer() == "one revenue profit"
    assert "settings of the host cannot be read, those that were read last hold on" in production.agent_log()


def test_a_release_that_fails_its_soak_goes_back_by_itself_without_the_settings(checkout: Production) -> None:
    checkout.replace("gitrelease.toml", '[policy.dictionary]\nsoak = "300ms"', '[policy.dictionary]\nsoak = "60s"')
    checkout.commit("Longer soak")
    checkout.init().up()
    checkout.await_idle()
    checkout.commit_term("margin")
    checkout.await_live("release/2")
    no_toml(checkout.home / "host.toml")

    checkout.kill(checkout.backend_pid())

    checkout.await_live("release/1")
    until(lambda: checkout.answer() == "one revenue profit", "release/1 is served")
    assert "automatic" in (checkout.home / "journal.jsonl").read_text()
    assert "host.toml is not TOML" in checkout.gitrelease("status").said


@typed("world.LAST_HOLDS: gitrelease recover")
def test_status_says_that_the_next_up_fails_and_what_to_type(production: Production) -> None:
    file = production.home / "host.toml"
    assert production.status()["settings"] == {"wrong": None}

    no_toml(file)

    for state in (production.status(), production.gitrelease("status", "--json").json):
        assert state["settings"]["wrong"].startswith(f"{file} is not TOML")
    said = production.gitrelease("status").out
    assert f"settings  {file} is not TOML" in said
    assert "no up works: mend it, or bring that back: gitrelease recover" in said
    assert "notify    " not in said

    assert production.gitrelease("down").code == 0
    assert production.gitrelease("up").code == 2
    mended = production.type(said, "gitrelease recover")

    assert mended.code == 0, mended.said
    assert production.status()["settings"] == {"wrong": None}
    assert production.answer() == "one revenue profit"
    assert production.gitrelease("up").code == 0
    assert [kept.read_text() for kept in production.home.glob("host.toml.broken-*")] == ["[app\n"]


LOOKS = (
    ("status",), ("logs",), ("history",), ("show", "release/1"), ("diff", "release/1", "HEAD"), ("regions",),
    ("rollback", "--dry-run"), ("monitor", "--for", "1s", "--every", "1s"), ("pin", "release/1"),
    ("unpin", "release/1"), ("freeze",), ("unfreeze",),
)  # fmt: skip


@pytest.mark.parametrize("broken", [no_toml, gone])
def test_what_only_looks_or_moves_refs_goes_by_what_was_read_last(
    production: Production, broken: Callable[[Path], None]
) -> None:
    production.commit_term("margin")
    production.await_live("release/2")
    production.await_idle()
    production.kill(production.agent_pid())
    file = production.home / "host.toml"
    kept = file.read_bytes()
    broken(file)

    try:
        for verb in LOOKS:
            ended = production.gitrelease(*verb)

            assert ended.code == 0, f"{verb}: {ended.said}"
            if verb not in (("freeze",), ("unfreeze",)):  # they need no settings at all
                assert "what was read last holds on" in ended.words, f"{verb}: {ended.said}"
        assert f"127.0.0.1:{production.port} healthy" in production.gitrelease("status").out
        assert production.gitrelease("up").code == 2
    finally:
        file.write_bytes(kept)  # without, no agent starts that takes production down


@typed("edges.settings.of_host: chmod u+rw {file}")
def test_settings_that_their_owner_may_not_read_are_told_with_the_remedy(checkout: Production) -> None:
    file = checkout.init().home / "host.toml"
    file.chmod(0)

    looked, refused, mended = (ordinary.run(checkout, verb) for verb in ("status", "up", "recover"))

    assert looked.code == 0
    assert "before it can be read" in looked.words
    assert "gitrelease recover" not in looked.words
    for ended in (looked, refused, mended):
        assert f"{file} cannot be read: Permission denied" in ended.words
        assert "chown" not in ended.said
    assert (refused.code, mended.code) == (2, 2)
    assert list(checkout.home.glob("host.toml.broken-*")) == []
    assert checkout.type(refused.said, f"chmod u+rw {file}").code == 0
    up = ordinary.run(checkout, "up")
    assert up.code == 0, up.said
    assert checkout.answer() == "one revenue profit"
    assert "cannot be read" not in up.words


@typed("edges.settings.written_by_init: gitrelease recover")
def test_settings_that_are_gone_are_brought_back_by_what_is_said(production: Production) -> None:
    file = production.home / "host.toml"
    before = tomllib.loads(file.read_text())
    production.gitrelease("down")
    file.unlink()

    refused = production.gitrelease("up")

    assert f"{file} is gone, or empty" in refused.words
    recovered = production.type(refused.said, "gitrelease recover")
    assert recovered.code == 0, recovered.said
    assert tomllib.loads(file.read_text()) == before
    assert production.up().answer() == "one revenue profit"
    assert production.status()["settings"] == {"wrong": None}


@typed(
    "edges.settings.of_host: mv {file} {file}.old}",
    "edges.settings.of_host: gitrelease recover",
)
def test_a_folder_in_the_place_of_the_settings_is_moved_away_and_they_are_back(production: Production) -> None:
    file = production.home / "host.toml"
    before = tomllib.loads(file.read_text())
    production.gitrelease("down")
    folder(file)
    (file / "theirs").write_text("kept\n")

    refused = production.gitrelease("up")

    assert refused.code == 2
    assert production.type(refused.said, f"mv {file} {file}.old").code == 0
    recovered = production.type(refused.said, "gitrelease recover")
    assert recovered.code == 0, recovered.said
    assert tomllib.loads(file.read_text()) == before
    assert (production.home / "host.toml.old" / "theirs").read_text() == "kept\n"
    assert production.up().answer() == "one revenue profit"


@typed(
    "edges.settings.of_host: mv {file} {file}.old}",
    "edges.settings.of_host: gitrelease init",
)
def test_a_folder_in_the_place_of_the_settings_stops_the_first_init_until_it_is_moved(checkout: Production) -> None:
    file = checkout.home / "host.toml"
    file.mkdir(parents=True)

    refused = checkout.gitrelease("init")

    assert refused.code == 2
    assert checkout.type(refused.said, f"mv {file} {file}.old").code == 0
    assert checkout.type(refused.said, "gitrelease init").code == 0
    assert checkout.init().up().answer() == "one revenue profit"
