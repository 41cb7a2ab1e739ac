"""Pulls, commits, resets and edits are released by themselves, or put back with the reason."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitrelease.edges.faults import FAULT, SIGNAL, TRACE
from tests.checkout import SERVER, Production, until
from tests.remedies import typed


def pull(production: Production, *how: str) -> None:
    production.git("pull", "--quiet", *how, "../developer", "deploy")


def test_a_fast_forward_pull_is_released(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_term("pulled")

    pull(production, "--ff-only")

    production.await_live("release/2")
    assert production.git("rev-parse", "release/2^{commit}") == commit
    assert "Trigger: pull" in production.git("cat-file", "-p", "release/2")
    until(lambda: "pulled" in production.answer())


def test_a_pull_that_merges_is_released(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("theirs")
    production.write("NOTES.md", "ours\n")
    production.commit("Note")

    pull(production, "--no-rebase", "--no-edit")

    production.await_live("release/2")
    assert "theirs" in production.answer()


@pytest.mark.long
def test_a_pull_that_rebases_is_released(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("theirs")
    production.write("NOTES.md", "ours\n")
    production.commit("Note")

    pull(production, "--rebase")

    production.await_live("release/2")
    assert production.git("status", "--porcelain") == ""


def test_a_commit_in_the_checkout_is_released(production: Production) -> None:
    commit = production.commit_term("committed")

    production.await_live("release/2")

    assert production.git("rev-parse", "release/2^{commit}") == commit
    assert production.git("rev-parse", "deploy") == commit


def test_a_pulled_commit_that_does_not_start_is_put_back(production: Production) -> None:
    developer = production.clone()
    developer.replace("server.py", '"revenue",', '"revenue" / 0,')
    bad = developer.commit("Divide")
    before = production.git("rev-parse", "deploy")

    pull(production, "--ff-only")

    until(lambda: production.git("rev-parse", "deploy") == before, "the branch is back")
    until(lambda: production.git("status", "--porcelain") == "")
    assert '"revenue" / 0' not in production.read("server.py")
    assert production.answer().startswith("one")
    assert production.git("rev-parse", f"refs/gitrelease/kept/{bad}") == bad
    assert bad in [item["commit"] for item in production.status()["quarantined"]]


@typed("core.decide.approval_hint: gitrelease deploy {commit} --approve")
def test_a_pulled_major_change_waits_for_approval(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_version("two")

    pull(production, "--ff-only")

    waiting = until(lambda: production.state()["waiting"])
    assert [(item["commit"], item["trigger"], item["kind"]) for item in waiting] == [(commit, "pull", "major")]
    assert production.answer().startswith("one")
    approved = production.type(production.gitrelease("status").said, f"gitrelease deploy {commit[:10]} --approve")
    assert approved.code == 0, approved.said
    assert production.answer().startswith("two")
    assert production.status()["waiting"] == []


@typed("core.decide.approval_hint: gitrelease deploy {commit} --approve")
def test_an_edit_that_waits_is_approved_as_status_says(production: Production) -> None:
    production.replace("server.py", 'VERSION = "one"', 'VERSION = "two"')
    (waiting,) = until(lambda: production.state()["waiting"])

    said = production.gitrelease("status").said
    approved = production.type(said, f"gitrelease deploy {waiting['commit'][:10]} --approve")

    assert approved.code == 0, approved.said
    assert production.answer().startswith("two")
    production.await_idle()
    assert production.git("status", "--porcelain") == ""


def test_an_edit_that_waits_and_is_committed_is_approved_as_that_commit(production: Production) -> None:
    production.replace("server.py", 'VERSION = "one"', 'VERSION = "two"')
    until(lambda: production.state()["waiting"])
    commit = production.commit("Two, after all")

    approved = production.gitrelease("deploy", "--approve")

    assert approved.code == 0, approved.said
    assert production.git("rev-parse", "deploy") == commit
    assert production.answer().startswith("two")
    assert production.status()["waiting"] == []


@typed("release.promotion.promote: gitrelease status")
def test_an_edit_whose_branch_moves_while_it_is_approved_says_where_to(production: Production, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists():\n    time.sleep(0.05)\n"
    production.replace("server.py", 'VERSION = "one"', f'VERSION = "two"\n{wait}')
    (waiting,) = until(lambda: production.state()["waiting"])
    gate.unlink()

    with ThreadPoolExecutor() as pool:
        deploy = pool.submit(production.gitrelease, "deploy", waiting["commit"], "--approve")
        until(lambda: (lock := production.state()["lock"]) and lock["doing"] == "deploy", "it is staged")
        production.git("commit", "--quiet", "--allow-empty", "-m", "Somebody else's")
        gate.touch()
        ended = deploy.result()

    head = production.git("rev-parse", "--short=10", "deploy")
    assert ended.code == 3
    assert f"the branch has moved to {head} meanwhile" in ended.words
    assert "fatal" not in ended.said
    assert production.answer().startswith("one")
    until(lambda: production.state()["waiting"], "what is at the branch now waits")
    assert "needs approval" in " ".join(production.type(ended.said, "gitrelease status").out.split())


def test_an_edit_becomes_a_commit_and_a_release(production: Production) -> None:
    before = production.git("rev-parse", "deploy")

    production.replace("server.py", '"profit",', '"profit", "edited",')

    production.await_live("release/2")
    until(lambda: production.git("status", "--porcelain") == "")
    assert "edited" in production.answer()
    assert production.git("rev-parse", "deploy~1") == before
    assert production.git("log", "-1", "--format=%s", "deploy") == "Edit server.py on the production host"
    assert "Edited-By:" in production.git("log", "-1", "--format=%b", "deploy")


@pytest.mark.long
def test_an_edit_of_a_file_whose_name_is_no_utf8_is_released_with_the_others(checkout: Production) -> None:
    odd = checkout.root / os.fsdecode(b"bad\xff.py")
    odd.write_text("A = 1\n")
    checkout.commit("Odd")
    checkout.init().up()
    checkout.await_idle()

    odd.write_text("A = 2  # see\n")
    checkout.replace("server.py", '"profit",', '"profit", "edited",')

    until(lambda: checkout.state()["waiting"])
    assert checkout.gitrelease("deploy", "--approve").code == 0
    assert "edited" in checkout.answer()
    assert checkout.git("status", "--porcelain") == ""


def test_an_edit_in_a_directory_that_came_with_a_release_is_noticed(production: Production) -> None:
    developer = production.clone()
    developer.write("lib/words.py", "A = 1\n")
    developer.commit("A library")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    production.await_idle()

    production.write("lib/words.py", "A = 2\n")

    waiting = until(lambda: production.state()["waiting"])
    assert [item["trigger"] for item in waiting] == ["edit"]


@pytest.mark.long
def test_an_edit_in_a_directory_that_went_and_came_again_is_noticed(production: Production) -> None:
    developer = production.clone()
    developer.write("lib/words.py", "A = 1\n")
    developer.commit("A library")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    production.await_idle()
    assert production.gitrelease("rollback").code == 0
    until(lambda: not (production.root / "lib").exists())
    assert production.gitrelease("deploy", "release/2", "--approve").code == 0
    production.await_idle()

    production.write("lib/words.py", "A = 2\n")

    waiting = until(lambda: production.state()["waiting"])
    assert [item["trigger"] for item in waiting] == ["edit"]


def test_an_atomic_save_is_one_release(production: Production) -> None:
    changed = production.read("server.py").replace('"profit",', '"profit", "saved",')
    production.write(".server.py.swp", changed)
    (production.root / ".server.py.swp").rename(production.root / "server.py")

    production.await_live("release/2")
    production.await_idle()

    assert production.live() == "release/2"
    assert [row["outcome"] for row in production.gitrelease("history", "--json").json["attempts"]] == ["released"] * 2


@pytest.mark.long
def test_a_burst_of_saves_is_one_release(production: Production) -> None:
    text = production.read("server.py")
    for number in range(20):
        production.write("server.py", text.replace('"profit",', f'"profit", "burst {number}",'))

    production.await_live("release/2")
    production.await_idle()

    assert production.live() == "release/2"
    assert "burst 19" in production.answer()


@typed("core.remedy.TAKE_BACK: git checkout HEAD -- FILE")
def test_an_edit_that_does_not_start_is_left_alone_and_never_served(production: Production) -> None:
    production.replace("server.py", "TERMS = [", "TERMS = undefined + [")

    attempt = until(
        lambda: [a for a in production.gitrelease("history", "--json").json["attempts"] if a["outcome"] == "refused"]
    )[0]

    assert attempt["trigger"] == "edit"
    assert "undefined" in production.read("server.py")
    assert production.answer().startswith("one")
    assert production.status()["checkout"]["dirty"] == ["server.py"]
    assert production.status()["checkout"]["in_sync"] is False
    assert production.type(production.agent_log(), "git checkout HEAD -- FILE", FILE="server.py").code == 0
    production.await_idle()
    assert production.status()["checkout"]["in_sync"] is True
    assert production.live() == "release/1"


def test_a_comment_is_committed_and_makes_no_release(production: Production) -> None:
    before = production.git("rev-parse", "deploy")

    production.replace("server.py", "TERMS = [", "# what we look for\nTERMS = [")

    until(lambda: production.git("rev-parse", "deploy") != before, "the comment is committed")
    production.await_idle()
    assert production.live() == "release/1"
    assert production.status()["checkout"]["in_sync"] is True


def test_files_in_the_middle_of_a_merge_are_no_edit(production: Production) -> None:
    developer = production.clone()
    developer.replace("server.py", '"profit"', '"their profit"')
    developer.commit("Theirs")
    production.replace("server.py", '"profit"', '"our profit"')
    production.commit("Ours")
    production.await_live("release/2")
    production.await_idle()

    subprocess.run(
        ["git", "pull", "-q", "--no-rebase", "../developer", "deploy"],
        cwd=production.root,
        check=False,
        capture_output=True,
    )
    assert "<<<<<<<" in production.read("server.py")
    production.replace("server.py", "=======", "=======\n")
    production.gitrelease("status")
    production.write("server.py", production.read("server.py").replace("<<<<<<< HEAD", "<<<<<<< HEAD "))

    assert production.live() == "release/2"
    assert "our profit" in production.answer()


def test_files_follow_later_when_somebody_holds_the_index(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_term("pushed")
    lock = production.root / ".git" / "index.lock"
    lock.touch()

    pushed = developer.push()
    served = production.answer()
    lock.unlink()
    production.gitrelease("deploy")

    assert pushed.code == 0, pushed.said
    assert "pushed" in served
    until(lambda: production.git("status", "--porcelain") == "", "the files follow")
    assert '"pushed"' in production.read("server.py")
    assert production.git("rev-parse", "deploy") == commit


def test_an_edit_is_released_that_was_looked_at_while_somebody_s_git_was_just_ending(
    production: Production, tmp_path: Path
) -> None:
    lock = production.root / ".git" / "index.lock"  # `git status` holds it for a moment, an editor's too
    production.kill(production.agent_pid())
    trace = tmp_path / "trace"
    faults = {FAULT: "inbox: git is at work", SIGNAL: "STOP", TRACE: str(trace)}
    assert production.gitrelease("up", env=faults).code == 0
    agent = production.agent_pid()
    for _ in range(2):  # what else makes a new agent look is over then
        looks = _looks(trace)
        (production.home / "poke").touch()
        until(lambda looks=looks: _looks(trace) > looks, "the agent looks")
    lock.touch()
    production.replace("server.py", '"revenue",', '"revenue", "edited",')
    until(lambda: Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()[0] == "T", "the agent looks")
    lock.unlink()
    os.kill(agent, signal.SIGCONT)

    production.await_live("release/2")
    assert "edited" in production.answer()


@pytest.mark.parametrize("name", ["server.py", "schema.json"])
@pytest.mark.parametrize("point", ["refs: before", "files: before"])
def test_an_edit_that_is_saved_just_as_the_one_before_goes_live_stays_and_is_released_next(
    checkout: Production, point: str, name: str
) -> None:
    checkout.write(".gitignore", "schema.json\n")
    checkout.commit("The schema is ignored")
    checkout.write("schema.json", '{"page": {"type": "integer"}}')
    checkout.init().up().await_idle()
    checkout.kill(checkout.agent_pid())
    assert checkout.gitrelease("up", env={FAULT: point, SIGNAL: "STOP"}).code == 0
    agent = checkout.agent_pid()
    first, second = EDITS[name]
    checkout.write(name, first)
    until(
        lambda: Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it is about to be live"
    )

    checkout.write(name, second)
    os.kill(agent, signal.SIGCONT)

    checkout.await_live("release/3")
    checkout.await_idle()
    assert checkout.read(name) == second
    assert checkout.git("show", f"release/3:{name}") == second.strip()
    assert checkout.git("tag", "--list", "backup/*") == ""


EDITS = {
    "server.py": [SERVER.replace('"profit",', f'"profit", {words},') for words in ('"edited"', '"edited", "again"')],
    "schema.json": ['{"page": {"type": "integer"}, "a": {}}', '{"page": {"type": "integer"}, "a": {}, "b": {}}'],
}


def _looks(trace: Path) -> int:
    return trace.read_text().count("inbox: looked") if trace.exists() else 0


def test_a_deploy_that_changes_nothing_that_runs_is_none_the_worse_for_a_held_index(production: Production) -> None:
    (production.root / "notes.md").write_text("a document\n")
    production.git("add", "notes.md")
    tree = production.git("write-tree")
    production.git("reset", "--quiet", "--hard")
    commit = production.git("commit-tree", tree, "-p", "HEAD", "-m", "Document")
    lock = production.root / ".git" / "index.lock"
    lock.touch()
    production.git("update-ref", "refs/heads/deploy", commit)

    ended = production.gitrelease("deploy")
    lock.unlink()
    production.gitrelease("deploy")

    assert ended.code == 0, ended.said
    until((production.root / "notes.md").exists, "the files follow")
    until(lambda: production.git("status", "--porcelain") == "", "the index follows")


def test_a_commit_made_while_a_push_is_promoted_stays_on_the_branch(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("pushed")
    hook = production.root / ".git" / "hooks" / "post-receive.chained"
    hook.write_text("#!/bin/sh\nunset GIT_DIR; cd .. && git commit --quiet --allow-empty -m 'On top'\n")
    hook.chmod(0o755)

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert production.git("log", "-1", "--format=%s", "deploy") == "On top"
    assert "pushed" in production.answer()


@pytest.mark.long
def test_files_that_a_lock_kept_back_follow_when_it_is_gone(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("late")
    lock = production.root / ".git" / "index.lock"
    lock.touch()

    assert developer.push().code == 0
    assert "late" in production.answer()
    assert "late" not in production.read("server.py")
    until(lambda: "the work tree follows later" in production.agent_log())
    until(lambda: "release/2 came through its soak" in production.agent_log(), "nothing else is to be done")
    lock.unlink()

    until(lambda: "late" in production.read("server.py"), "the files follow")
    assert production.git("status", "--porcelain") == ""
