"""After a crash or a disaster `recover` brings production back into a known state, loses nothing and says how."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.checkout import Ended, Production, make_several, until
from tests.remedies import typed


@pytest.fixture
def two(production: Production) -> Production:
    """A production with release/2 live and good."""
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    return production


def recover(production: Production, *options: str) -> Ended:
    """Recover, and see that everything that must agree does."""
    ended = production.gitrelease("recover", "--json", *options)
    assert ended.code == 0, ended.said + production.agent_log()
    live = ended.json["release"]
    assert production.live() == live
    tag = production.git("rev-parse", "refs/gitrelease/live")
    assert production.git("rev-parse", f"refs/tags/{live}") == tag
    state = production.status()
    assert state["live"]["release"] == live
    assert state["instances"][0]["health"] == "healthy"
    assert state["checkout"]["in_sync"]
    return ended


def done(ended: Ended) -> str:
    return "\n".join(ended.json["done"])


def test_where_nothing_is_wrong_nothing_is_touched(two: Production) -> None:
    before = (two.backend_pid(), two.front_pid(), two.git("for-each-ref"))

    ended = recover(two)

    assert [line for line in ended.json["done"] if "slots that nothing runs in" not in line] == []
    assert (two.backend_pid(), two.front_pid(), two.git("for-each-ref")) == before


def test_a_checkout_that_was_killed_half_way_is_made_whole_and_its_mixture_kept(two: Production) -> None:
    """What `git checkout` leaves behind when it is killed: its lock, some files of the one side, some of the other."""
    (two.root / ".git" / "index.lock").touch()
    (two.root / "server.py").write_text("half of a fi")
    (two.root / "README.md").unlink()

    ended = recover(two)

    assert "removed index.lock" in done(ended)
    backup = two.git("tag", "--list", "backup/*")
    assert f"kept as {backup}" in done(ended)
    assert two.git("show", f"{backup}:server.py") == "half of a fi"
    assert two.git("status", "--porcelain") == ""
    assert two.live() == "release/2"


@pytest.mark.long
def test_what_lies_on_disk_while_git_is_at_work_is_no_edit(two: Production) -> None:
    lock = two.root / ".git" / "index.lock"
    lock.touch()

    two.replace("server.py", '"revenue",\n', '"revenue",\n    "half",\n')

    until(lambda: two.state()["checkout"]["dirty"] == ["server.py"])
    assert "git is at work there" in two.gitrelease("status").out
    lock.unlink()
    two.await_live("release/3")  # looked at again by itself


@pytest.mark.long
def test_a_lock_of_a_git_that_is_still_at_work_is_left_alone(two: Production, tmp_path: Path) -> None:
    waits = tmp_path / "editor"
    waits.write_text("#!/bin/sh\nexec cat >/dev/null\n")
    waits.chmod(0o755)
    two.write("README.md", "Words\n")
    looking = subprocess.Popen(  # as an agent that has just ended may leave one behind
        ["git", "cat-file", "--batch"], cwd=two.root, stdin=subprocess.PIPE,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )  # fmt: skip
    holding = subprocess.Popen(
        ["git", "commit", "--all"], cwd=two.root, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, "GIT_EDITOR": str(waits)},
    )  # fmt: skip
    lock = two.root / ".git" / "index.lock"
    until(lock.exists, "git has its lock")

    ended = two.gitrelease("recover")

    assert ended.code == 3
    assert f"git is at work in the checkout (pid {holding.pid})" in ended.words
    assert lock.exists()
    for git in (holding, looking):
        assert git.stdin is not None
        git.stdin.close()
        git.wait()
    recover(two)


@pytest.mark.parametrize("ref", ["refs/tags/release/2", "refs/tags/release/1", "refs/gitrelease/live",
                                 "refs/gitrelease/good", "refs/gitrelease/checkout"])  # fmt: skip
def test_a_deleted_tag_or_pointer_is_put_back(two: Production, ref: str) -> None:
    before = two.git("for-each-ref")
    two.git("update-ref", "-d", ref)

    recover(two)

    assert two.git("for-each-ref") == before


@pytest.mark.long
def test_all_tags_and_pointers_are_rebuilt_from_the_journal(two: Production) -> None:
    before = two.git("for-each-ref")
    delete_records(two)

    ended = recover(two)

    assert "release/2 is again" in done(ended)
    assert two.git("for-each-ref") == before


def test_all_tags_and_pointers_are_rebuilt_from_the_objects_alone(two: Production) -> None:
    two.gitrelease("down")
    delete_records(two)
    (two.home / "journal.jsonl").unlink()

    recover(two)

    assert two.git("tag", "--list", "release/*").split() == ["release/1", "release/2"]
    assert two.live() == "release/2"


def delete_records(production: Production) -> None:
    refs = production.git("for-each-ref", "--format=%(refname)", "refs/tags/release", "refs/gitrelease").split()
    for ref in refs:
        production.git("update-ref", "-d", ref)


@pytest.mark.long
def test_a_release_that_was_rolled_back_is_still_bad_when_its_mark_was_deleted(two: Production) -> None:
    assert two.gitrelease("rollback", "-m", "wrong numbers").code == 0
    two.git("update-ref", "-d", "refs/gitrelease/bad/2")

    ended = recover(two)

    assert "marked release/2 bad again: wrong numbers" in done(ended)
    assert two.gitrelease("history", "--json").json["releases"][0]["outcome"] == "rolled_back"


@pytest.mark.long
def test_pruned_releases_stay_pruned(two: Production) -> None:
    two.commit_term("third")
    two.await_live("release/3")
    two.await_idle()
    assert two.gitrelease("prune", "--keep", "1", "--json").json["dropped"] == ["release/1"]

    recover(two)

    assert two.git("tag", "--list", "release/*").split() == ["release/2", "release/3"]


def test_the_work_tree_comes_back_when_all_of_it_was_deleted(two: Production) -> None:
    two.git("ls-files")
    for path in two.root.iterdir():
        if path.name != ".git":
            path.unlink()

    ended = recover(two)

    assert "files of the work tree were gone; brought back 3 files" in done(ended)
    assert two.git("status", "--porcelain") == ""
    assert two.live() == "release/2"


def test_everything_under_git_gitrelease_is_made_again(two: Production) -> None:
    """The tags and the options of init are enough; front and backends still run when their home goes."""
    shutil.rmtree(two.home)
    until(lambda: not agents(two), "the agent without a home ends")

    ended = recover(two, "--port", str(two.port))

    assert "gitrelease was gone; set up again" in done(ended)
    assert two.live() == "release/2"
    assert "second" in two.answer()
    assert len(agents(two)) == 1


def agents(production: Production) -> list[int]:
    from gitrelease.edges import process_table
    from gitrelease.edges.home import AGENT_MARK

    return [one.pid for one in process_table.marked(AGENT_MARK, str(production.home))]


@pytest.mark.parametrize("broken", [b"", b"\0" * 41, b"ref: nowhere\n"])
def test_a_head_that_a_power_cut_emptied_is_on_its_branch_again(two: Production, broken: bytes) -> None:
    (two.root / ".git" / "HEAD").write_bytes(broken)

    ended = recover(two)

    assert "HEAD could not be read" in done(ended)
    assert two.git("symbolic-ref", "HEAD") == "refs/heads/deploy"


def test_a_branch_and_pointers_that_a_power_cut_emptied_are_put_back(two: Production) -> None:
    before = two.git("for-each-ref")
    for name in ("refs/heads/deploy", "refs/gitrelease/live", "refs/tags/release/2"):
        (two.root / ".git" / name).write_bytes(b"")

    ended = recover(two)

    assert "removed refs/heads/deploy, which held no commit" in done(ended)
    assert two.git("for-each-ref") == before


def test_an_index_that_cannot_be_read_is_made_anew_and_edits_stay(two: Production) -> None:
    (two.root / ".git" / "index").write_bytes(b"DIRC no more")
    two.write("README.md", "Edited words\n")

    ended = recover(two)

    assert "the index could not be read" in done(ended)
    assert two.read("README.md") == "Edited words\n"


@pytest.mark.long
def test_a_detached_head_with_a_commit_on_it_is_brought_back_and_the_commit_kept(two: Production) -> None:
    two.gitrelease("down")
    two.git("checkout", "--quiet", "--detach")
    commit = two.commit_version("elsewhere")

    ended = recover(two)

    assert "it is on deploy again" in done(ended)
    assert two.git("rev-parse", f"refs/gitrelease/kept/{commit}") == commit
    assert two.git("status", "--porcelain") == ""
    assert two.answer().startswith("one")


def test_lines_of_the_journal_that_nobody_can_read_are_dropped_and_the_rest_stays(two: Production) -> None:
    journal = two.home / "journal.jsonl"
    before = journal.read_bytes()
    journal.write_bytes(before + b'{"event":"attempted","at":17\n\0\0\0\0')

    ended = recover(two)

    assert "dropped 2 lines of the journal" in done(ended)
    assert journal.read_bytes().startswith(before)


@pytest.mark.long
def test_settings_that_cannot_be_read_are_put_aside_and_made_anew(two: Production) -> None:
    (two.home / "host.toml").write_text("[app\nbranch")

    ended = recover(two, "--port", str(two.port))

    assert "settings of this host could not be read" in done(ended)
    assert [path.read_text() for path in two.home.glob("host.toml.broken-*")] == ["[app\nbranch"]
    assert "second" in two.answer()


def test_hooks_that_were_removed_are_installed_again(two: Production) -> None:
    (two.root / ".git" / "hooks" / "update").unlink()

    ended = recover(two)

    assert "hooks were missing and are there again: update" in done(ended)
    developer = two.clone()
    developer.commit_term("pushed")
    assert "release/3 is live" in developer.push().said


def test_an_agent_that_hangs_is_ended_and_production_adopted(two: Production) -> None:
    agent, backend = two.agent_pid(), two.backend_pid()
    os.kill(agent, signal.SIGSTOP)

    ended = recover(two)

    assert f"ended the agent (pid {agent})" in done(ended)
    assert two.agent_pid() != agent
    assert two.backend_pid() == backend


@pytest.mark.long
def test_dead_processes_are_forgotten_and_started_again(two: Production) -> None:
    two.kill(two.agent_pid())
    two.kill(two.backend_pid())
    two.kill(two.front_pid())

    recover(two)

    assert "second" in two.answer()


@pytest.mark.long
def test_a_backend_that_runs_and_does_not_answer_is_replaced(two: Production) -> None:
    two.kill(two.agent_pid())
    backend = two.backend_pid()
    os.kill(backend, signal.SIGSTOP)

    ended = recover(two)

    assert two.backend_pid() != backend
    assert "second" in two.answer()
    assert ended.json["release"] == "release/2"


def test_slots_that_nothing_runs_in_are_cleared(two: Production) -> None:
    assert two.gitrelease("check").code == 0
    free = two.home / "slots" / "check"
    (free / ".git").write_text("gitdir: nowhere\n")
    (free / "cache.bin").write_text("stale")

    ended = recover(two)

    assert "cleared the slots that nothing runs in, with the app's caches: check" in done(ended)
    assert not free.exists()
    assert "prunable" not in two.git("worktree", "list", "--porcelain")


def test_what_is_no_checkout_is_said_with_the_remedy(tmp_path: Path, checkout: Production) -> None:
    ended = Production(tmp_path, 0).gitrelease("recover")

    assert ended.code == 2
    assert "is in no checkout" in ended.words


def test_a_rebase_that_is_under_way_is_given_up_and_its_branch_kept(two: Production) -> None:
    """Gone on with on the deploy branch, it would release what it brings."""
    two.git("checkout", "--quiet", "-b", "mine", "HEAD^")
    two.replace("server.py", '"revenue",\n', '"revenue",\n    "mine",\n')
    commit = two.commit("Mine")
    two.git("rebase", "--quiet", "deploy", ok=False)
    assert (two.root / ".git" / "rebase-merge").exists()

    ended = recover(two)

    assert "gave up a rebase" in done(ended)
    assert not (two.root / ".git" / "rebase-merge").exists()
    assert two.git("rev-parse", "mine") == commit
    assert two.git("status", "--porcelain") == ""


@pytest.mark.long
def test_tags_come_back_after_a_prune_and_no_number_is_given_twice(two: Production) -> None:
    two.commit_term("third")
    two.await_live("release/3")
    two.await_idle()
    two.gitrelease("pin", "release/1")
    assert two.gitrelease("rollback", "release/2").code == 0
    assert two.gitrelease("prune", "--keep", "50").code == 0
    for number in (1, 2, 3):
        two.git("tag", "-d", f"release/{number}")

    recover(two)
    two.commit_term("fourth")

    assert two.git("tag", "--list", "release/*").split() == ["release/1", "release/2", "release/3"]
    two.await_live("release/4")


@pytest.mark.parametrize("victim", ["refs/tags/release/1", "refs/tags/release/2"])
def test_a_tag_whose_object_is_damaged_bars_nobody(two: Production, victim: str) -> None:
    two.await_idle()
    name = two.git("rev-parse", victim)
    path = two.root / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o600)
    path.write_bytes(b"")

    ended = two.gitrelease("recover", "--json")

    assert ended.code == 0, ended.said
    assert f"removed {victim}, whose object cannot be read" in done(ended)
    assert two.status()["instances"][0]["health"] == "healthy"


def test_a_recover_that_fails_leaves_an_agent(two: Production) -> None:
    agent = two.agent_pid()
    in_the_way = two.home / "run" / "recovering"
    in_the_way.mkdir()

    ended = two.gitrelease("recover")

    in_the_way.rmdir()
    assert ended.code == 1
    assert "a folder is where a file of ours belongs" in ended.words
    recover(two)
    assert two.agent_pid() != agent


@typed("core.errors._OF_HOST: gitrelease recover")
def test_a_folder_in_the_place_of_the_journal_is_put_aside(two: Production) -> None:
    journal = two.home / "journal.jsonl"
    journal.unlink()
    (journal / "whose").mkdir(parents=True)
    told = two.gitrelease("history", "--json").json
    assert "a folder is where a file of ours belongs" in told["error"]

    ended = two.type(told["hint"], "gitrelease recover")

    assert ended.code == 0, ended.said
    assert "journal.jsonl was a folder; it is kept as journal.jsonl.broken-" in ended.words
    assert len(list(two.home.glob("journal.jsonl.broken-*/whose"))) == 1
    assert two.live() == "release/2"
    assert two.answer() == "one revenue second profit"


def test_a_production_of_a_service_manager_is_refused_also_when_it_hangs(checkout: Production) -> None:
    checkout.init()
    command = [sys.executable, "-m", "gitrelease", "-C", str(checkout.root), "up", "--foreground"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as served:
        until(lambda: checkout.live() == "release/1", "production is up")
        checkout.await_idle()
        os.kill(served.pid, signal.SIGSTOP)

        ended = checkout.gitrelease("recover")

        os.kill(served.pid, signal.SIGCONT)
        assert ended.code == 3
        assert "runs under a service manager" in ended.words
        assert checkout.answer() == "one revenue profit"
        served.terminate()


@pytest.mark.long
def test_settings_that_a_power_cut_emptied_are_made_anew(two: Production) -> None:
    (two.home / "host.toml").write_bytes(b"")

    ended = recover(two, "--port", str(two.port), "--python", sys.executable)

    assert "settings of this host could not be read" in done(ended)
    assert f"port = {two.port}" in (two.home / "host.toml").read_text()


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Production]:
    """A production of three instances, and two in the group `test`, with release/1 live and good."""
    made = make_several(tmp_path)
    made.up()
    made.await_idle()
    yield made
    made.clear_away()


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def half(file: Path) -> None:
    file.write_text("x [[\n")


def gone(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("broken", [half, emptied, gone])
def test_what_production_ran_with_stays_where_its_settings_are_lost(
    several: Production, broken: Callable[[Path], None]
) -> None:
    """Address, interpreter, instances and groups: users notice nothing, and nobody has to remember them."""
    file = several.home / "host.toml"
    before, front = tomllib.loads(file.read_text()), several.front_pid()
    broken(file)

    ended = recover(several)

    assert f"primary 127.0.0.1:{several.port}" in done(ended)
    assert f"test-1 127.0.0.1:{several.others['test-1'].port}" in done(ended)
    assert "who is told of what happens, and variables of the app, are kept nowhere else" in done(ended)
    assert tomllib.loads(file.read_text()) == before
    assert several.front_pid() == front
    assert several.answer() == "one revenue profit"
    assert several.answer(port=several.others["other"].port) == "one of the other revenue profit"


def test_what_production_ran_with_comes_back_with_a_home_that_was_deleted(checkout: Production) -> None:
    checkout.git("checkout", "--quiet", "-b", "main")
    checkout.gitrelease("init", "--branch", "main", "--port", str(checkout.port), "--python", sys.executable)
    checkout.up()
    checkout.await_idle()
    shutil.rmtree(checkout.home)
    until(lambda: not agents(checkout), "the agent without a home ends")

    ended = recover(checkout)

    assert f"run by {sys.executable}" in done(ended)
    assert checkout.git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert checkout.answer() == "one revenue profit"


def test_where_nothing_tells_what_was_set_production_is_moved_nowhere(two: Production) -> None:
    """As an earlier version leaves it, which kept no settings."""
    two.git("update-ref", "-d", "refs/gitrelease/host")
    half(two.home / "host.toml")

    ended = two.gitrelease("recover")

    assert ended.code == 2
    assert f"served now: primary 127.0.0.1:{two.port}" in ended.words
    assert "gitrelease recover --port PORT --python PATH" in ended.words
    assert (two.home / "host.toml").read_text() == "x [[\n"
    assert "second" in two.answer()
    recover(two, "--port", str(two.port), "--python", sys.executable)
    assert "second" in two.answer()


def test_what_a_restart_has_taken_up_is_kept(production: Production) -> None:
    file = production.home / "host.toml"
    file.write_text(file.read_text() + "\n[limits]\nlog_mb = 7\n")

    assert production.gitrelease("restart").code == 0

    assert '"log_mb":7' in production.git("cat-file", "blob", "refs/gitrelease/host")


def test_who_is_told_is_in_no_object_of_git(production: Production) -> None:
    """Its addresses are secrets, and whoever may fetch may ask for the objects of every ref."""
    file = production.home / "host.toml"
    file.write_text(
        '[notify]\nurls = ["json://user:hidden@127.0.0.1:9/"]\n\n' + file.read_text() + "\n[limits]\nlog_mb = 7\n"
    )

    production.commit_term("second")

    production.await_live("release/2")
    production.await_idle()
    kept = production.git("cat-file", "blob", "refs/gitrelease/host")
    assert '"log_mb":7' in kept
    assert "hidden" not in kept
    assert "notify" not in kept
