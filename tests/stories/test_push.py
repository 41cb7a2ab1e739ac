"""A push is live when it returns, or refused with production untouched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.checkout import Production, until
from tests.remedies import typed


def test_a_pushed_term_is_live_when_the_push_returns(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_term("carbon footprint")

    pushed = developer.push()

    assert pushed.code == 0
    assert "release/2 is live" in pushed.words
    assert "carbon footprint" in production.answer()
    assert production.git("rev-parse", "release/2^{commit}") == commit


def test_a_push_goes_live_as_soon_as_its_branch_has_moved(production: Production) -> None:
    """Nobody has to hear of it: a pusher who is cut off after the ref has moved has released."""
    (production.root / ".git" / "hooks" / "post-receive").unlink()
    developer = production.clone()
    developer.commit_term("carbon footprint")

    assert developer.push().code == 0

    until(lambda: production.live() == "release/2")
    until(lambda: not production.state()["lock"])
    assert "carbon footprint" in production.answer()
    assert production.git("status", "--porcelain") == ""


@pytest.mark.long
def test_a_standby_makes_way_when_memory_is_short_for_one_more(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("second")
    developer.push()
    settings = production.home / "host.toml"
    settings.write_text(settings.read_text() + "\n[limits]\nmemory_mb = 99999999\n")
    first = production.backend("standby")["identity"]["pid"]

    restarted = production.gitrelease("restart")

    assert restarted.code == 0
    assert "gave up the standby of release/1" in restarted.words
    assert not Path(f"/proc/{first}").exists()


@pytest.mark.long
@typed("release.room.hint: free -m")
def test_a_release_that_memory_is_too_short_for_is_refused_and_nothing_is_given_up_for_it(
    production: Production,
) -> None:
    developer = production.clone()
    developer.commit_term("second")
    developer.push()
    settings = production.home / "host.toml"
    settings.write_text(settings.read_text() + "\n[limits]\nmemory_mb = 99999999\n")
    developer.commit_term("third")

    pushed = developer.push()
    back = production.gitrelease("rollback")

    said = pushed.words
    assert pushed.code == 1
    assert "room: one more backend is reckoned to need 99999999 MB of memory" in said
    assert "then push again" in said
    assert "Mem:" in developer.type(pushed.said, "free -m").out
    assert back.code == 0, back.said
    assert "release/1 is still warm" in back.words
    assert production.answer() == "one revenue profit"


@pytest.mark.long
def test_an_export_that_readers_understand_differently_is_warned_of(production: Production) -> None:
    developer = production.clone()
    developer.write("schema.json", '{"limit": NaN}')
    developer.commit("A limit")
    developer.push("origin", "HEAD:odd")

    checked = production.gitrelease("check", "odd", "--json")

    statuses = {check["name"]: (check["status"], check["detail"]) for check in checked.json["checks"]}
    assert statuses["schema export"] == ("warned", "schema.json: NaN is not JSON")
    assert checked.code == 0


@pytest.mark.long
def test_an_export_that_is_far_too_large_is_refused(production: Production) -> None:
    developer = production.clone()
    developer.write("schema.json", json.dumps({"text": "x" * (11 << 20)}))
    developer.commit("All of it")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code != 0
    assert "schema.json is 11 MB, 10 are the most" in pushed.words


def test_the_tag_of_a_release_reads_with_plain_git(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_term("esg score")
    developer.push()

    message = production.git("for-each-ref", "--format=%(contents)", "refs/tags/release/2")
    kind = production.git("for-each-ref", "--format=%(contents:trailers:key=Kind,valueonly)", "refs/tags/release/2")

    assert message.startswith("terms +1 (esg score)")
    assert kind == "dictionary"
    assert f"Source: {commit}" in message
    assert "Previous: release/1" in message


def test_files_and_branch_follow_a_push(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_term("liquidity")

    developer.push()

    assert production.git("rev-parse", "deploy") == commit
    assert '"liquidity"' in production.read("server.py")
    assert production.git("status", "--porcelain") == ""


@typed("core.decide.mend_hint: gitrelease check {commit}")
def test_a_deploy_that_does_not_start_is_checked_without_production(production: Production) -> None:
    developer = production.clone()
    developer.replace("server.py", 'VERSION = "one"', 'raise SystemExit("no licence")')
    commit = developer.commit("Break it")
    developer.push("origin", "HEAD:next")

    refused = production.gitrelease("deploy", "next", "--approve")
    checked = production.type(refused.said, f"gitrelease check {commit[:10]}")

    assert refused.code == checked.code == 3
    assert "no licence" in refused.words
    assert "no licence" in checked.words
    assert production.live() == "release/1"
    assert production.answer().startswith("one")


def test_a_push_that_does_not_start_is_refused_with_the_reason(production: Production) -> None:
    developer = production.clone()
    before = production.git("rev-parse", "deploy")
    developer.replace("server.py", 'VERSION = "one"', 'raise SystemExit("no licence")')
    developer.commit("Break it")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code != 0
    assert "no licence" in pushed.words
    assert "production untouched, production serves release/1" in pushed.words
    assert production.git("rev-parse", "deploy") == before
    assert production.answer().startswith("one")


@typed("core.decide.approval_hint: git push -o approve={short} REMOTE {short}:{branch}")
def test_a_major_change_goes_live_only_with_approval(production: Production) -> None:
    developer = production.clone()
    developer.git("checkout", "--quiet", "-B", "change")
    commit = developer.commit_version("two")

    without = developer.push("origin", "HEAD:deploy")
    told = f"git push -o approve={commit[:10]} REMOTE {commit[:10]}:deploy"
    with_approval = developer.type(without.said, told, REMOTE="origin")

    assert without.code != 0
    assert "needs approval" in without.words
    assert with_approval.code == 0, with_approval.said
    assert production.answer().startswith("two")


def test_a_document_advances_the_branch_and_makes_no_release(production: Production) -> None:
    developer = production.clone()
    developer.write("README.md", "Read this\n")
    commit = developer.commit("Document")
    pid = production.backend_pid()

    pushed = developer.push()

    assert pushed.code == 0
    assert production.live() == "release/1"
    assert production.git("rev-parse", "deploy") == commit
    assert production.read("README.md") == "Read this\n"
    assert production.backend_pid() == pid


@typed("agent.pushes._on_top: git pull --rebase REMOTE {branch}", "agent.pushes._refuse_at_once: gitrelease rollback")
def test_a_forced_push_is_refused_and_the_work_can_be_brought_on_top(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("one more")
    developer.push()
    developer.git("checkout", "--quiet", "--no-track", "-b", "work", "HEAD~1")
    developer.replace("server.py", '"profit",\n', '"profit",\n    "another",\n')
    developer.commit("Know another")

    pushed = developer.push("--force", "origin", "work:deploy")

    assert pushed.code != 0
    assert "forced push" in pushed.words
    assert production.live() == "release/2"
    pulled = developer.type(pushed.said, "git pull --rebase REMOTE deploy", REMOTE="origin")
    assert pulled.code == 0, pulled.said
    assert developer.push("origin", "work:deploy").code == 0
    assert production.answer() == "one revenue one more profit another"
    back = production.type(pushed.said, "gitrelease rollback")
    assert back.code == 0, back.said
    assert production.answer() == "one revenue one more profit"


@pytest.mark.long
@typed("hooks.pre-receive: gitrelease down && gitrelease uninstall")
def test_the_deploy_branch_cannot_be_deleted_by_a_push(production: Production) -> None:
    developer = production.clone()

    pushed = developer.push("origin", ":deploy")

    assert pushed.code != 0
    assert "cannot be deleted" in pushed.words
    assert production.git("rev-parse", "--verify", "deploy")
    ended = production.type(pushed.said, "gitrelease down && gitrelease uninstall")
    assert ended.code == 0, ended.said
    assert "cannot be deleted" not in developer.push("origin", ":deploy").said


@pytest.mark.long
def test_a_push_of_another_branch_releases_nothing(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("elsewhere")

    pushed = developer.push("origin", "HEAD:feature")

    assert pushed.code == 0
    assert production.live() == "release/1"
    assert "elsewhere" not in production.read("server.py")


@pytest.mark.long
def test_a_refused_atomic_push_leaves_no_trace(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("atomic")
    production.write(".git/hooks/update.chained", '#!/bin/sh\n[ "$1" != refs/heads/locked ]\n')
    (production.root / ".git/hooks/update.chained").chmod(0o755)

    pushed = developer.push("--atomic", "origin", "deploy", "HEAD:locked")

    assert pushed.code != 0
    until(lambda: production.state()["lock"] is None)
    assert production.live() == "release/1"
    assert "atomic" not in production.read("server.py")
    assert "atomic" not in production.answer()
    assert len(production.status()["instances"]) == 1


def test_a_push_cut_off_in_staging_gives_the_turn_back(production: Production) -> None:
    developer = production.clone()
    developer.replace(
        "server.py", 'if __name__ == "__main__":\n', 'if __name__ == "__main__":\n    __import__("time").sleep(60)\n'
    )
    developer.commit("Slow start")
    pushing = subprocess.Popen(
        ["git", "push", "-o", "approve", "origin", "deploy"], cwd=developer.root, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: production.state()["lock"], "the push has the turn")

    os.killpg(pushing.pid, signal.SIGKILL)
    pushing.wait()

    until(lambda: production.state()["lock"] is None, "the turn is free again")
    assert production.answer().startswith("one")
    developer.git("reset", "--quiet", "--hard", "HEAD~1")
    developer.commit_term("afterwards")
    assert developer.push().code == 0


def test_two_pushes_at_once_both_get_an_answer(production: Production) -> None:
    developers = [production.clone("ann"), production.clone("ben")]
    for developer, term in zip(developers, ("first", "second"), strict=True):
        developer.commit_term(term)

    command = ["git", "push", "origin", "deploy"]
    pushing = [
        subprocess.Popen(command, cwd=developer.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for developer in developers
    ]
    said = [push.communicate()[0] for push in pushing]

    assert sorted(push.returncode == 0 for push in pushing) == [False, True], said
    assert production.live() == "release/2"
    until(lambda: production.state()["lock"] is None, "the turn is free again")


@typed("core.remedy.TAKE_BACK: git checkout HEAD -- FILE")
@pytest.mark.parametrize("staged", [False, True], ids=["on disk", "added"])
def test_a_push_over_an_edit_on_the_host_is_refused_until_it_is_taken_back(
    production: Production, staged: bool
) -> None:
    production.replace("server.py", "TERMS = [", "TERMS = [[[")  # does not parse: it stays an edit
    if staged:
        production.git("add", "server.py")
    until(lambda: "server.py" in production.status()["checkout"]["dirty"])
    developer = production.clone()
    developer.commit_term("pushed")

    pushed = developer.push()

    assert pushed.code != 0
    assert "server.py was edited on the production host" in pushed.words
    assert "TERMS = [[[" in production.read("server.py")
    taken_back = production.type(pushed.said, "git checkout HEAD -- FILE", FILE="server.py")
    assert taken_back.code == 0, taken_back.said
    assert developer.push().code == 0
    assert production.answer() == "one revenue pushed profit"


@typed("agent.pushes._way_out: git restore --source={CHECKOUT} -W {carried}")
def test_a_push_over_an_edit_of_what_git_ignores_is_refused_until_that_is_taken_back(checkout: Production) -> None:
    checkout.write(".gitignore", "schema.json\n")
    checkout.commit("git ignores the export")
    before = '{"page": {"type": "integer"}, "text": {"type": "string"}}'
    checkout.write("schema.json", before)
    checkout.init().up()
    checkout.await_idle()
    developer = checkout.clone()
    checkout.write("schema.json", '{"page": {"type": "integer"}}')
    until(lambda: checkout.status()["waiting"], "the edit waits")
    developer.commit_term("pushed")

    pushed = developer.push()
    taken_back = checkout.type(pushed.said, "git restore --source=refs/gitrelease/checkout -W schema.json")

    assert pushed.code != 0
    assert "schema.json was edited on the production host" in pushed.words
    assert taken_back.code == 0, taken_back.said
    assert checkout.read("schema.json") == before
    assert developer.push().code == 0
    assert checkout.answer() == "one revenue pushed profit"
    assert checkout.read("schema.json") == before
    assert checkout.git("status", "--porcelain") == ""


def test_before_the_first_up_a_push_is_taken_and_releases_nothing(checkout: Production) -> None:
    checkout.init()
    developer = checkout.clone()
    developer.commit_term("early")

    pushed = developer.push()

    assert pushed.code == 0
    assert "gitrelease up" in pushed.words
    assert '"early"' in checkout.read("server.py")
    assert checkout.git("tag") == ""


def test_after_down_a_push_is_refused_with_the_remedy(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("late")
    production.gitrelease("down")

    pushed = developer.push()

    assert pushed.code != 0
    assert "gitrelease up" in pushed.words
    assert "late" not in production.read("server.py")


def test_a_push_starts_an_agent_that_was_killed(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("revived")
    production.kill(production.agent_pid())

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert "revived" in production.answer()


@typed("hooks.update: git push REMOTE {BRANCH}")
@pytest.mark.parametrize(
    "refspecs",
    [
        pytest.param([":refs/tags/release/2"], id="delete the tag of what is live"),
        pytest.param(["--force", "HEAD:refs/tags/release/2"], id="move it"),
        pytest.param([":refs/gitrelease/live"], id="delete the pointer"),
        pytest.param(["--mirror"], id="mirror"),
        pytest.param(["HEAD:refs/tags/release/7"], id="make one up"),
    ],
)
def test_a_push_does_not_change_what_was_released(production: Production, refspecs: list[str]) -> None:
    developer = production.clone()
    developer.commit_term("second")
    assert developer.push().code == 0
    before = production.git("for-each-ref", "refs/tags", "refs/gitrelease/live")
    developer.commit_version("unapproved")

    pushed = developer.push(*(["--mirror", "origin"] if refspecs == ["--mirror"] else ["origin", *refspecs]))

    assert pushed.code != 0
    assert "is a record of this production" in pushed.words
    assert production.git("for-each-ref", "refs/tags", "refs/gitrelease/live") == before
    assert production.live() == "release/2"
    assert "unapproved" not in production.answer()
    developer.type(pushed.said, "git push REMOTE deploy", REMOTE="origin")
    assert production.live() == "release/2"


@pytest.mark.long
def test_tags_that_were_deleted_on_the_host_make_nobody_the_first_release(production: Production) -> None:
    developer = production.clone()
    production.git("tag", "--delete", "release/1")
    assert production.status()["live"]["release"] == "release/1"
    developer.commit_version("unapproved")

    pushed = developer.push()

    assert pushed.code != 0
    assert "needs approval" in pushed.words


@pytest.mark.long
def test_a_lost_pointer_to_what_is_live_refuses_with_the_command_that_mends_it(production: Production) -> None:
    developer = production.clone()
    production.git("update-ref", "-d", "refs/gitrelease/live")
    developer.commit_version("unapproved")

    pushed = developer.push()

    assert pushed.code != 0
    command = "git update-ref refs/gitrelease/live $(git rev-parse release/1)"
    assert command in pushed.words
    subprocess.run(["sh", "-c", command], cwd=production.root, check=True)
    assert "needs approval" in developer.push().said


@pytest.mark.long
def test_a_name_that_is_no_utf_8_is_spelled_out(production: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    developer = production.clone()
    developer.commit_term("second")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Ren\udce9")

    pushed = developer.push()

    assert pushed.code == 0
    assert production.live() == "release/2", pushed.said
    assert production.gitrelease("history", "--json").json["releases"][0]["by"] == "Ren\\udce9"


def test_a_full_disk_is_called_one(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("second")
    journal = production.home / "journal.jsonl"
    kept = journal.rename(journal.with_suffix(".kept"))
    journal.symlink_to("/dev/full")

    pushed = developer.push()

    assert "the disk is full" in pushed.words
    assert production.answer() == "one revenue profit"
    journal.unlink()
    kept.rename(journal)
    assert production.gitrelease("deploy").code == 0
    assert production.answer() == "one revenue second profit"
