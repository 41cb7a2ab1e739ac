"""Locks on refs that a git which was killed has left: nobody is barred by one, whichever ref it is on."""

from __future__ import annotations

import os
import subprocess
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitrelease.edges import process_table
from tests.checkout import Clone, Production, until
from tests.remedies import typed

LOCKS = ["refs/gitrelease/live", "refs/gitrelease/good", "refs/heads/deploy", "HEAD", "packed-refs"]


@pytest.fixture
def two(production: Production) -> Production:
    developer = production.clone()
    developer.commit_term("second")
    assert developer.push().code == 0
    production.await_idle()
    return production


def left_lock(production: Production, ref: str, *, ago: float = 60) -> Path:
    """Make the lock that a git has left which was killed a minute ago, or `ago` seconds."""
    lock = production.root / ".git" / f"{ref}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (time.time() - ago,) * 2)
    return lock


@pytest.mark.parametrize("ref", LOCKS)
def test_a_rollback_takes_a_lock_away_that_nobody_holds(two: Production, ref: str) -> None:
    lock = left_lock(two, ref)

    back = two.gitrelease("rollback")

    assert back.code == 0, back.said
    assert two.live() == "release/1"
    assert not lock.exists() or ref in ("HEAD", "packed-refs")  # which this did not have to lock


@pytest.mark.parametrize("verb", ["push", "rollback"])
def test_a_lock_of_before_the_clock_was_set_back_bars_nobody(two: Production, verb: str) -> None:
    developer = two.clone("colleague")
    developer.commit_term("third")
    left_lock(two, "refs/gitrelease/live", ago=-3600)

    ended = developer.push() if verb == "push" else two.gitrelease("rollback")

    assert ended.code == 0, ended.said
    assert two.live() == ("release/3" if verb == "push" else "release/1")


def test_a_release_takes_a_lock_on_its_tag_away(two: Production) -> None:
    lock = left_lock(two, "refs/tags/release/3")

    two.commit_term("third")

    two.await_live("release/3")
    assert not lock.exists()


@pytest.mark.parametrize(
    "ref", [*LOCKS, "refs/tags/release/3", "refs/gitrelease/tags/release/3", "refs/gitrelease/state/3"]
)
def test_a_push_takes_a_lock_away_that_nobody_holds(two: Production, ref: str) -> None:
    """Its own git is at work in the checkout all the while, and waits for us."""
    developer = two.clone("colleague")
    developer.commit_term("third")
    left_lock(two, ref)

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert two.live() == "release/3"
    assert "third" in two.answer()


@pytest.mark.parametrize("ref", ["refs/heads/deploy", "HEAD"])
def test_a_push_of_documents_takes_a_lock_on_the_branch_away(two: Production, ref: str) -> None:
    developer = two.clone("colleague")
    developer.write("README.md", "More of the app\n")
    head = developer.commit("Say more")
    left_lock(two, ref)

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert two.git("rev-parse", "deploy") == head


def test_a_push_from_within_the_checkout_takes_a_lock_away_too(two: Production) -> None:
    """`git push` works in the checkout itself then, as a web server's git does."""
    two.git("worktree", "add", "--quiet", "-b", "topic", "../topic")
    topic = Clone(two.root.parent / "topic")
    topic.commit_term("third")
    left_lock(two, "refs/gitrelease/live")

    two.git("push", ".", "topic:deploy")

    assert two.live() == "release/3"


def test_a_push_while_another_one_waits_for_its_turn_takes_a_lock_away(two: Production, tmp_path: Path) -> None:
    settings = two.home / "host.toml"
    settings.write_text(settings.read_text() + '\n[limits]\nstart = "60s"\n')  # the first waits for the second
    gate = tmp_path / "gate"
    first, second = two.clone("first"), two.clone("second")
    first.write(
        "slow.py", f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists():\n    time.sleep(0.05)\n"
    )
    first.replace("server.py", "import sys\n", "import sys\n\nimport slow\n")
    first.commit("Slow")
    second.commit_term("third")
    left_lock(two, "refs/gitrelease/live")

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(first.push, "-o", "approve", "origin", "deploy")
        until(lambda: (lock := two.state()["lock"]) and lock["doing"] == "push", "the first is staged")
        other = pool.submit(second.push)
        until(lambda: len(receiving(two)) == 2, "the second waits")
        gate.touch()
        ended, _ = slow.result(), other.result()

    assert ended.code == 0, ended.said
    assert two.live() == "release/3"


def test_a_lock_stays_during_a_push_while_a_git_is_at_work_that_may_hold_it(two: Production) -> None:
    developer = two.clone("colleague")
    developer.commit_term("third")
    lock = left_lock(two, "refs/gitrelease/live")
    working = subprocess.Popen(["git", "hash-object", "--stdin"], cwd=two.root, stdin=subprocess.PIPE)
    try:
        refused = developer.push()
    finally:
        working.communicate()

    assert refused.code != 0
    assert "it could not be recorded" in refused.words
    assert lock.exists()
    assert two.live() == "release/2"
    assert developer.push().code == 0
    assert two.live() == "release/3"


@pytest.mark.parametrize("how", ["by --git-dir", "by GIT_DIR", "in a work tree elsewhere"])
def test_a_lock_stays_while_a_git_is_at_work_from_elsewhere(two: Production, tmp_path: Path, how: str) -> None:
    directory, elsewhere = str(two.root / ".git"), tmp_path / "elsewhere"
    command, env = ["git", "hash-object", "--stdin"], dict(os.environ)
    if how == "in a work tree elsewhere":
        two.git("worktree", "add", "--quiet", "--detach", str(elsewhere))
    else:
        elsewhere.mkdir()
        command[1:1] = [f"--git-dir={directory}"] if how == "by --git-dir" else []
        env |= {"GIT_DIR": directory} if how == "by GIT_DIR" else {}
    lock = left_lock(two, "refs/gitrelease/live")
    working = subprocess.Popen(command, cwd=elsewhere, env=env, stdin=subprocess.PIPE)
    try:
        back = two.gitrelease("rollback")
    finally:
        working.communicate()

    assert back.code != 0
    assert lock.exists()
    assert two.gitrelease("rollback").code == 0


def test_gits_that_come_later_cannot_hold_what_was_there_before_them(two: Production) -> None:
    """On a host where some git is at work at any moment a lock is taken away all the same."""
    lock = left_lock(two, "refs/gitrelease/live")

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(["git", "hash-object", "--stdin"], cwd=two.root, stdin=subprocess.PIPE)

    # So many that a look at all processes of the host finds some of them, whenever it is taken.
    working = deque(start() for _ in range(30))
    with ThreadPoolExecutor() as pool:
        back = pool.submit(two.gitrelease, "rollback")
        while not back.done():
            working.append(start())
            working.popleft().communicate()
    for one in working:
        one.communicate()

    assert back.result().code == 0, back.result().said
    assert two.live() == "release/1"
    assert not lock.exists()


def receiving(production: Production) -> list[int]:
    """Return the pids of the gits that receive a push."""
    return [one.pid for one in process_table.programs("git") if "receive-pack" in " ".join(one.arguments)]


def test_a_lock_stays_while_a_git_is_at_work_in_the_checkout(two: Production) -> None:
    lock = left_lock(two, "refs/gitrelease/live")
    working = subprocess.Popen(["git", "hash-object", "--stdin"], cwd=two.root, stdin=subprocess.PIPE)
    try:
        back = two.gitrelease("rollback")
    finally:
        working.communicate()

    assert back.code != 0
    assert lock.exists()
    assert two.live() == "release/2"
    assert "second" in two.answer()
    again = two.gitrelease("rollback")
    assert again.code == 0, again.said


@typed("edges.locks.clear_locks: gitrelease recover")
def test_recover_lets_a_git_end_that_may_hold_the_lock_and_mends_what_it_left(two: Production) -> None:
    lock = left_lock(two, "index")
    working = subprocess.Popen(["git", "hash-object", "--stdin"], cwd=two.root, stdin=subprocess.PIPE)
    try:
        refused = two.gitrelease("recover")
    finally:
        working.communicate()

    assert refused.code == 3
    assert f"git is at work in the checkout (pid {working.pid}), and index.lock may be its own" in refused.words
    assert lock.exists()
    mended = two.type(refused.said, "gitrelease recover")
    assert mended.code == 0, mended.said
    assert not lock.exists()
    assert two.live() == "release/2"
    assert "second" in two.answer()
    assert two.git("status", "--porcelain") == ""
