"""What would keep a release from being recorded refuses the push, as long as it can be refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitrelease.agent.inbox import pause_after
from tests.checkout import Production, until
from tests.locks import fresh_lock, keep_fresh
from tests.receivers import hook
from tests.remedies import typed


def _lock(name: str) -> Callable[[Production], Callable[[], None]]:
    def lock(production: Production) -> Callable[[], None]:
        path = production.root / ".git" / f"{name}.lock"
        fresh_lock(path)
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
        (_lock("refs/gitrelease/tags/release/2"), "refs/gitrelease/tags/release/2.lock"),
        (_lock("refs/gitrelease/state/2"), "refs/gitrelease/state/2.lock"),
        (_lock("refs/heads/deploy"), "refs/heads/deploy.lock"),
        (_no_journal, "journal.jsonl"),
    ],
    ids=[
        "its tag is locked",
        "what is live is locked",
        "the copy of its tag is locked",
        "how things stood is locked",
        "the branch is locked",
        "the journal cannot be written",
    ],
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
@pytest.mark.parametrize("ref", ["refs/gitrelease/live", "refs/gitrelease/state/2"])
def test_what_was_taken_and_cannot_go_live_is_told_and_goes_live_when_it_can(production: Production, ref: str) -> None:
    with hook() as receiver:
        with (production.home / "host.toml").open("a") as settings:
            settings.write(f'\n[notify]\nurls = ["{receiver.url}"]\n')
        mend = _lock(ref)(production)
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
            said = receiver.body("not live yet")
            ours = f"gitrelease -C {production.root}"
            assert f"{ref}.lock" in production.type(said, f"{ours} doctor").said
            recovered = production.type(said, f"{ours} recover")
            assert f"removed {ref}.lock" in recovered.words
        finally:
            mend()

    production.await_live("release/2")
    until(lambda: not production.status()["inbox"]["trouble"], "it is over")
    assert "not live yet" not in production.gitrelease("history").out


@typed(
    "agent.pushes._not_live_yet: gitrelease doctor",
    "agent.pushes._not_live_yet: gitrelease recover",
    "agent.pushes._not_live_yet: gitrelease status",
)
def test_a_push_that_cannot_be_recorded_any_more_when_its_branch_has_moved_is_taken_and_not_live_yet(
    production: Production,
) -> None:
    """What could be proved was; somebody's git takes a lock in the moment in which the branch moves."""
    developer = production.clone()
    commit = developer.commit_term("second")
    lock = production.root / ".git/refs/gitrelease/state/2.lock"
    with hook() as receiver:
        with (production.home / "host.toml").open("a") as settings:
            settings.write(f'\n[notify]\nurls = ["{receiver.url}"]\n')
        when_the_branch_moves(production, f"touch {lock}")
        at_work = keep_fresh(lock)

        pushed = developer.push()

        assert pushed.code == 0, pushed.said  # git has taken it
        assert production.git("rev-parse", "deploy") == commit
        assert "taken, not live yet: " in pushed.words
        assert "refused" not in pushed.words
        assert "production untouched" not in pushed.words
        assert "type it again" not in pushed.words  # everything would be up to date
        until(lambda: production.status()["inbox"]["pending"] == commit, "it is tried once more, and told")
        assert production.agent_log().count("WARNING the inbox: ") <= 3, "it is tried with pauses"
        assert f"{commit[:10]} was taken and is not live yet: " in production.type(pushed.said, "gitrelease status").out
        told = production.gitrelease("history", "--json").json["attempts"]
        assert [(one["commit"], one["outcome"]) for one in told if one["outcome"] != "released"] == [
            (commit, "pending")
        ]
        until(receiver.titles, "whoever is notified hears of it")
        assert receiver.titles()[0].startswith("level 2: a change was taken and is not live yet")
        assert "refs/gitrelease/state/2.lock" in production.type(pushed.said, "gitrelease doctor").said
        at_work.set()
        assert "removed refs/gitrelease/state/2.lock" in production.type(pushed.said, "gitrelease recover").said

    production.await_live("release/2")
    assert production.git("rev-parse", "deploy") == commit
    until(lambda: not production.status()["inbox"]["trouble"], "it is over")


def when_the_branch_moves(production: Production, command: str) -> None:
    """Let a command run once, as soon as git has the locks for the next move of the branch by a push."""
    script = production.root / ".git/hooks/reference-transaction"
    script.write_text(
        "#!/bin/sh\n"
        '[ "$1" = prepared ] || exit 0\n'
        f'while read -r old new ref; do [ "$ref" != refs/heads/deploy ] || {{ {command}; rm -f "$0"; }}; done\n'
    )
    script.chmod(0o755)


@pytest.mark.parametrize("ref", ["refs/heads/deploy", "refs/gitrelease/state/2"])
def test_an_edit_that_cannot_be_recorded_is_tried_with_pauses_and_goes_live_when_it_can(
    production: Production, ref: str
) -> None:
    mend = _lock(ref)(production)
    try:
        production.replace("server.py", '"profit",', '"profit", "edited",')
        until(lambda: production.status()["inbox"]["trouble"], "it is told")
        assert f"{ref}.lock" in production.status()["inbox"]["trouble"]
        assert production.agent_log().count("INFO stage slot") == 1
        assert "superseded" not in production.gitrelease("history").out
    finally:
        mend()

    production.await_live("release/2")
    assert "edited" in production.answer()


def test_the_pause_doubles_from_ten_seconds_up_to_ten_minutes() -> None:
    assert [pause_after(failed) for failed in range(1, 9)] == [10, 20, 40, 80, 160, 320, 600, 600]
    assert pause_after(10_000) == 600


@typed("doctor.repository._stops_git: git config --{scope} --unset-all {key}")
@pytest.mark.parametrize("scope", ["local", "global"])
def test_a_setting_that_git_stops_at_is_told_and_named_with_what_takes_it_out(
    production: Production, scope: str
) -> None:
    """Git then makes no commit of an edit, and no tag."""
    production.git("config", f"--{scope}", "gpg.format", "nonsense")

    production.replace("server.py", '"revenue",\n', '"revenue",\n    "edited",\n')

    until(lambda: "an edit on disk, not live yet: " in production.gitrelease("history").out, "it is told")
    doctor = production.gitrelease("doctor")
    assert "gpg.format" in doctor.words
    assert production.type(doctor.said, f"git config --{scope} --unset-all gpg.format").code == 0
    production.await_live("release/2")
    assert "edited" in production.answer()
