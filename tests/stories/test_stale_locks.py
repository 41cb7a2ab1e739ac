"""Locks on refs that a git which was killed has left: nobody is barred by one, whichever ref it is on."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.checkout import Production
from tests.remedies import typed

LOCKS = ["refs/gitrelease/live", "refs/gitrelease/good", "refs/heads/deploy", "HEAD", "packed-refs"]


@pytest.fixture
def two(production: Production) -> Production:
    developer = production.clone()
    developer.commit_term("second")
    assert developer.push().code == 0
    production.await_idle()
    return production


def left_lock(production: Production, ref: str) -> Path:
    """Make the lock that a git has left which was killed a minute ago."""
    lock = production.root / ".git" / f"{ref}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    os.utime(lock, (time.time() - 60,) * 2)
    return lock


@pytest.mark.parametrize("ref", LOCKS)
def test_a_rollback_takes_a_lock_away_that_nobody_holds(two: Production, ref: str) -> None:
    lock = left_lock(two, ref)

    back = two.gitrelease("rollback")

    assert back.code == 0, back.said
    assert two.live() == "release/1"
    assert not lock.exists() or ref in ("HEAD", "packed-refs")  # which this did not have to lock


def test_a_release_takes_a_lock_on_its_tag_away(two: Production) -> None:
    lock = left_lock(two, "refs/tags/release/3")

    two.commit_term("third")

    two.await_live("release/3")
    assert not lock.exists()


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
    assert f"git is at work in the checkout (pid {working.pid}), and index.lock may be its own" in refused.said
    assert lock.exists()
    mended = two.type(refused.said, "gitrelease recover")
    assert mended.code == 0, mended.said
    assert not lock.exists()
    assert two.live() == "release/2"
    assert "second" in two.answer()
    assert two.git("status", "--porcelain") == ""
