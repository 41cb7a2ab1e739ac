"""A rollback brings the last good release back: traffic, branch and files, and loses nothing."""

from __future__ import annotations

import contextlib
import http.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.checkout import Production, until
from tests.remedies import typed


def release(production: Production, *terms: str) -> None:
    """Release one term after the other by commits in the checkout."""
    for term in terms:
        before = production.live()
        production.commit_term(term)
        until(lambda before=before: production.live() != before, f"{term} goes live")
        production.await_idle()


@typed("release.going_back.go_back: gitrelease history{within}")
def test_a_rollback_serves_the_release_before(production: Production) -> None:
    release(production, "bad term")

    ended = production.gitrelease("rollback", "--json", "-m", "wrong term")

    assert ended.code == 0
    assert {key: ended.json[key] for key in ("outcome", "release", "previous", "reason")} == {
        "outcome": "rolled_back", "release": "release/1", "previous": "release/2", "reason": "wrong term",
    }  # fmt: skip
    assert "bad term" not in production.answer()
    history = production.type(ended.json["hint"], "gitrelease history").out
    assert "wrong term" in history


def test_branch_and_files_follow_a_rollback(production: Production) -> None:
    first = production.git("rev-parse", "deploy")
    release(production, "bad term")
    second = production.git("rev-parse", "deploy")

    production.gitrelease("rollback")

    assert production.git("symbolic-ref", "--short", "HEAD") == "deploy"
    assert production.git("rev-parse", "deploy") == first
    assert production.git("status", "--porcelain") == ""
    assert "bad term" not in production.read("server.py")
    assert production.git("rev-parse", f"refs/gitrelease/kept/{second}") == second


def test_a_warm_rollback_starts_no_process(production: Production) -> None:
    pid = production.backend_pid()
    release(production, "bad term")

    production.gitrelease("rollback")

    assert production.backend_pid() == pid


def test_a_cold_rollback_checks_the_tag_out_in_a_slot(production: Production) -> None:
    release(production, "bad term")
    standby = production.backend("standby")["identity"]["pid"]
    production.kill(standby)

    ended = production.gitrelease("rollback")

    assert ended.code == 0, ended.said
    assert "bad term" not in production.answer()
    assert production.backend_pid() != standby


def test_rolling_back_twice_goes_one_further_back_and_never_to_a_bad_release(production: Production) -> None:
    release(production, "second", "third")

    production.gitrelease("rollback")
    once = production.live()
    production.gitrelease("rollback")

    assert (once, production.live()) == ("release/2", "release/1")
    history = production.gitrelease("history", "--json").json["releases"]
    assert [row["outcome"] for row in history] == ["rolled_back", "rolled_back", "good"]


@typed("release.going_back._others: gitrelease history{within}")
def test_the_first_release_has_nothing_to_go_back_to(production: Production) -> None:
    ended = production.gitrelease("rollback")

    assert ended.code == 3
    assert "no older release" in ended.words
    assert "release/1" in production.type(ended.said, "gitrelease history").out


def test_a_named_release_is_gone_back_to(production: Production) -> None:
    release(production, "second", "third")

    ended = production.gitrelease("rollback", "release/1")

    assert ended.code == 0, ended.said
    assert production.answer() == "one revenue profit"


@typed("core.history.no_release: gitrelease history")
def test_an_unknown_release_is_refused_with_where_to_look(production: Production) -> None:
    ended = production.gitrelease("rollback", "release/99")

    assert ended.code == 2
    assert "release/99" in ended.said
    assert "release/1" in production.type(ended.said, "gitrelease history").out


def test_uncommitted_work_is_kept_before_a_rollback_replaces_it(production: Production) -> None:
    release(production, "second")
    production.replace("server.py", "TERMS = [", "TERMS = undefined + [")
    until(lambda: production.state()["checkout"]["dirty"])
    production.write("untracked.txt", "mine\n")

    ended = production.gitrelease("rollback")

    assert ended.code == 0, ended.said
    backup = production.git("tag", "--list", "backup/*")
    assert backup in ended.said
    assert "undefined" in production.git("show", f"{backup}:server.py")
    assert production.git("show", f"{backup}:untracked.txt") == "mine"
    assert "undefined" not in production.read("server.py")


@typed(
    "core.decide._all_the_same: git push REMOTE {commit}:refs/heads/NAME",
    "core.decide._all_the_same: gitrelease deploy NAME",
)
def test_content_that_was_rolled_back_is_refused_when_pushed_again(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("bad term")
    developer.push()
    production.gitrelease("rollback", "-m", "too many hits")
    developer.write("README.md", "a document on top\n")
    commit = developer.commit("Document")

    pushed = developer.push()

    assert pushed.code != 0
    assert "taken back before: too many hits" in pushed.words
    assert production.live() == "release/1"
    aside = developer.type(pushed.said, f"git push REMOTE {commit[:10]}:refs/heads/NAME", REMOTE="origin")
    assert (aside.code, production.live()) == (0, "release/1"), aside.said
    deployed = production.type(pushed.said, "gitrelease deploy NAME")
    assert (deployed.code, production.live()) == (0, "release/3"), deployed.said
    assert "bad term" in production.answer()


@typed("core.decide._all_the_same: gitrelease deploy {commit}")
def test_content_that_was_rolled_back_is_put_back_when_it_is_merged_again(production: Production) -> None:
    release(production, "bad term")
    bad = production.git("rev-parse", "deploy")
    production.gitrelease("rollback", "-m", "too many hits")
    production.await_idle()
    before = production.git("rev-parse", "deploy")

    production.git("merge", "--quiet", "--ff-only", bad)

    until(lambda: production.git("rev-parse", "deploy") == before, "the branch is back")
    until(lambda: "taken back before: too many hits" in production.agent_log(), "it is told")
    assert production.live() == "release/1"
    deployed = production.type(production.agent_log(), f"gitrelease deploy {bad[:10]}")
    assert (deployed.code, production.live()) == (0, "release/3"), deployed.said
    assert production.git("rev-parse", "deploy") == bad


def test_a_fix_on_top_of_what_was_rolled_back_fast_forwards_and_is_released(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("bad term")
    developer.push()
    production.gitrelease("rollback")
    developer.replace("server.py", '"bad term"', '"fix"')
    developer.commit("The right term")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert production.live() == "release/3"
    assert "fix" in production.answer()


def test_deploying_by_name_overrides_a_quarantine(production: Production) -> None:
    release(production, "second")
    bad = production.git("rev-parse", "deploy")
    production.gitrelease("rollback")

    ended = production.gitrelease("deploy", bad, "--json")

    assert ended.code == 0, ended.said
    assert ended.json["release"] == "release/3"
    assert production.git("rev-parse", "deploy") == bad
    assert production.status()["quarantined"] == []


def test_edits_that_make_way_for_a_part_are_kept_and_named(checkout: Production) -> None:
    checkout.replace("gitrelease.toml", 'settle = "150ms"', 'settle = "60s"')
    checkout.commit("Edits may rest")
    checkout.init().up()
    checkout.await_idle()
    checkout.commit_term("second")
    assert checkout.gitrelease("deploy").code == 0
    checkout.replace("server.py", '"profit",', '"profit",\n    "unfinished",')

    ended = checkout.gitrelease("rollback", "--only", "dictionary")

    assert ended.code == 0
    (backup,) = checkout.git("tag", "--list", "backup/*").splitlines()
    assert f"what lay on disk is kept as {backup}" in ended.words
    assert "unfinished" in checkout.git("show", f"{backup}:server.py")
    assert "unfinished" not in checkout.read("server.py")


@pytest.mark.long
def test_a_merge_that_was_under_way_is_kept_and_given_up(production: Production) -> None:
    release(production, "second")
    production.git("checkout", "--quiet", "-b", "side")
    production.commit_term("aside")
    production.git("checkout", "--quiet", "deploy")
    production.git("merge", "--quiet", "--no-ff", "--no-commit", "side")

    ended = production.gitrelease("rollback")

    assert ended.code == 0
    (backup,) = production.git("tag", "--list", "backup/*").splitlines()
    assert backup in ended.said
    assert "aside" in production.git("show", f"{backup}:server.py")
    assert production.git("rev-parse", f"{backup}^2") == production.git("rev-parse", "side")
    assert production.git("status", "--porcelain") == ""
    production.commit("What comes next")
    assert production.git("rev-list", "--parents", "--max-count=1", "HEAD").count(" ") == 1


def test_a_dry_run_says_where_it_would_go_and_changes_nothing(production: Production) -> None:
    release(production, "second")

    ended = production.gitrelease("rollback", "--dry-run")

    assert ended.code == 0
    assert "from release/2 to release/1" in ended.words
    assert production.live() == "release/2"


def test_a_release_that_crashes_in_its_soak_is_rolled_back_by_itself(checkout: Production) -> None:
    checkout.replace("gitrelease.toml", '[policy.dictionary]\nsoak = "300ms"', '[policy.dictionary]\nsoak = "30s"')
    checkout.commit("Longer soak")
    checkout.init().up()
    checkout.await_idle()
    checkout.commit_term("fragile")
    checkout.await_live("release/2")
    until(lambda: checkout.state()["soaking"])

    checkout.kill(checkout.backend_pid())

    checkout.await_live("release/1")
    until(lambda: checkout.answer() == "one revenue profit")
    history = checkout.gitrelease("history", "--json").json["releases"]
    assert [(row["release"], row["outcome"]) for row in history] == [
        ("release/2", "rolled_back"),
        ("release/1", "good"),
    ]
    assert "failed its soak" in checkout.status()["quarantined"][0]["reason"]


GATE = """
import pathlib
import time
while pathlib.Path({gate!r}).exists():
    time.sleep(0.02)
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Return a file: while it exists no process of `soaking` comes up."""
    return tmp_path / "gate"


@pytest.fixture
def soaking(checkout: Production, gate: Path) -> Production:
    """A production whose release/2 soaks for long, and logs an error when `/fail` is asked for."""
    checkout.replace("gitrelease.toml", '[policy.dictionary]\nsoak = "300ms"', '[policy.dictionary]\nsoak = "30s"')
    checkout.replace(
        "server.py",
        'body = f"',
        'if "fragile" in TERMS and "/fail" in self.path:\n'
        '            print("Uncaught app execution\\nTraceback\\nKeyError: 7", flush=True)\n        body = f"',
    )
    checkout.replace("server.py", "import sys\n", f"import sys\n{GATE.format(gate=str(gate))}")
    checkout.commit("Longer soak")
    checkout.init().up()
    checkout.await_idle()
    checkout.commit_term("fragile")
    checkout.await_live("release/2")
    until(lambda: checkout.state()["soaking"])
    return checkout


def ask_for_failure(production: Production) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", production.port, timeout=5)) as connection:
        connection.request("GET", "/fail")
        connection.getresponse().read()


def test_an_error_in_the_output_during_the_soak_rolls_back(soaking: Production) -> None:
    ask_for_failure(soaking)

    soaking.await_live("release/1")
    assert "Uncaught app execution: KeyError: 7" in soaking.status()["quarantined"][0]["reason"]


def test_a_person_who_rolls_back_is_not_cut_off_by_production_that_goes_back_by_itself(
    soaking: Production, gate: Path
) -> None:
    gate.touch()
    soaking.kill(int(soaking.backend("standby")["identity"]["pid"]))

    with ThreadPoolExecutor(max_workers=1) as beside:
        asked = beside.submit(soaking.gitrelease, "rollback", "release/1")
        until(lambda: (soaking.status()["lock"] or {}).get("doing") == "rollback")
        ask_for_failure(soaking)
        until(lambda: "release/2 failed its soak" in soaking.agent_log())
        gate.unlink()
        back = asked.result()

    assert back.code == 0, back.said
    assert soaking.live() == "release/1"
    assert not soaking.state()["person_needed"]


@pytest.mark.long
def test_an_error_that_nobody_watched_counts_when_the_agent_is_back(soaking: Production) -> None:
    soaking.kill(soaking.agent_pid())

    ask_for_failure(soaking)
    soaking.up()

    soaking.await_live("release/1")
    assert "Uncaught app execution: KeyError: 7" in soaking.status()["quarantined"][0]["reason"]


def test_good_never_names_a_release_that_was_rolled_back(checkout: Production) -> None:
    checkout.replace("gitrelease.toml", '[policy.dictionary]\nsoak = "300ms"', '[policy.dictionary]\nsoak = "60s"')
    checkout.commit("Longer soak")
    checkout.init().up()
    checkout.await_idle()
    for release, term in (("release/2", "second"), ("release/3", "third")):
        checkout.commit_term(term)
        checkout.await_live(release)

    checkout.gitrelease("rollback")
    checkout.gitrelease("rollback")

    assert checkout.live() == "release/1"
    assert checkout.status()["last_good"] == "release/1"
