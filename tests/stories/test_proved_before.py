"""What would keep a release from being recorded refuses the push, as long as it can be refused."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from tests.checkout import Production, until
from tests.receivers import hook
from tests.remedies import typed


def _lock(name: str) -> Callable[[Production], Callable[[], None]]:
    def lock(production: Production) -> Callable[[], None]:
        path = production.root / ".git" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        later = time.time() + 3600  # nobody can say that it was left behind
        os.utime(path, (later, later))
        return lambda: path.unlink(missing_ok=True)

    return lock


def _no_journal(production: Production) -> Callable[[], None]:
    journal = production.home / "journal.jsonl"
    aside = journal.rename(journal.with_name("aside"))
    journal.mkdir()

    def mend() -> None:
        journal.rmdir()
        aside.rename(journal)

    return mend


@typed("release.preparing._unrecorded: gitrelease doctor")
@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_lock("refs/tags/release/2"), "refs/tags/release/2.lock"),
        (_lock("refs/gitrelease/live"), "refs/gitrelease/live.lock"),
        (_no_journal, "journal.jsonl"),
    ],
    ids=["its tag is locked", "what is live is locked", "the journal cannot be written"],
)
def test_a_push_that_could_not_be_recorded_is_refused_and_goes_through_when_that_is_mended(
    production: Production, spoil: Callable[[Production], Callable[[], None]], named: str
) -> None:
    developer = production.clone()
    developer.commit_term("second")
    before = production.git("rev-parse", "deploy")
    mend = spoil(production)

    refused = developer.push()
    moved = production.git("rev-parse", "deploy")
    assert named in production.type(refused.said, "gitrelease doctor").said
    mend()

    assert refused.code != 0
    assert "it could not be recorded" in refused.words
    assert moved == before
    assert production.status()["live"]["release"] == "release/1"
    assert developer.push().code == 0
    production.await_live("release/2")


@typed(
    "core.notices._NEXT: gitrelease -C {where} doctor",
    "core.notices._NEXT: gitrelease -C {where} recover",
)
def test_what_was_taken_and_cannot_go_live_is_told_and_goes_live_when_it_can(production: Production) -> None:
    with hook() as receiver:
        with (production.home / "host.toml").open("a") as settings:
            settings.write(f'\n[notify]\nurls = ["{receiver.url}"]\n')
        mend = _lock("refs/gitrelease/live")(production)
        try:
            commit = production.commit_term("second")
            until(lambda: production.status()["inbox"]["trouble"], "it is told")
            assert "what arrives cannot be looked at: " in production.gitrelease("status").out
            until(lambda: production.status()["inbox"]["pending"] == commit, "it is tried once more, and told")
            assert f"{commit[:10]} was taken and is not live yet: " in production.gitrelease("status").out
            assert production.agent_log().count("WARNING the inbox: ") == 2, (
                "it waits ten seconds, whatever its own tries do"
            )
            told = production.gitrelease("history", "--json").json["attempts"][0]
            assert (told["commit"], told["outcome"], told["over"]) == (commit, "pending", False)
            assert "taken, not live yet: " in production.gitrelease("history").out
            until(receiver.titles, "whoever is notified hears of it")
            assert receiver.titles()[0].startswith("level 2: a change was taken and is not live yet")
            said, ours = receiver.body("not live yet"), f"gitrelease -C {production.root}"
            assert "refs/gitrelease/live.lock" in production.type(said, f"{ours} doctor").said
            recovered = production.type(said, f"{ours} recover")
            assert "removed refs/gitrelease/live.lock" in recovered.said
        finally:
            mend()

    production.await_live("release/2")
    until(lambda: not production.status()["inbox"]["trouble"], "it is over")
    assert "not live yet" not in production.gitrelease("history").out
