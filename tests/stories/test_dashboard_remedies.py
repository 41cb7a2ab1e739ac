"""What the web page tells people to type, typed in the state that it shows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitrelease.core.events import Attempted
from gitrelease.edges.journal import Journal
from tests.browser import Page, chromium, running_page
from tests.checkout import Production, make_checkout, until
from tests.remedies import typed
from tests.stories.test_dashboard import browser, tab, text, view  # noqa: F401  # fixtures

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no chromium here")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    made = make_checkout(tmp_path_factory.mktemp("shown"))
    try:
        made.init().up()
        made.await_idle()
        yield made
    finally:
        made.clear_away()


@pytest.fixture(scope="module")
def looking(shown: Production) -> Iterator[Page]:
    with running_page(shown) as served:
        yield served


def many(home: Path, count: int) -> None:
    """Write down many tries that were refused, as the agent would have."""
    journal = Journal(home / "journal.jsonl")
    for number in range(count):
        journal.append(
            Attempted(
                at=time.time(), commit=f"{number:040x}", trigger="push", outcome="refused", by="Ann",
                reason=f"the try {number}",
            )
        )  # fmt: skip


@typed("dashboard.releases.draw: gitrelease up")
def test_the_first_release_is_made_as_the_page_says(checkout: Production, tab: Tab) -> None:  # noqa: F811
    checkout.init()
    with running_page(checkout) as served:
        tab.goto(served.url)
        view(tab, "Releases")
        tab.get_by_text("No releases yet").wait_for()

        started = checkout.type(text(tab), "gitrelease up")

        assert started.code == 0, started.said
        assert checkout.live() == "release/1"
        assert checkout.answer() == "one revenue profit"
        tab.goto(served.url)
        tab.get_by_text("release/1 is live").wait_for()


@typed("dashboard.now.notices: gitrelease up")
@pytest.mark.parametrize("down", [False, True])
def test_an_agent_that_is_gone_is_started_as_the_page_says(
    shown: Production, looking: Page, tab: Tab, down: bool  # noqa: F811
) -> None:  # fmt: skip
    if down:
        assert shown.gitrelease("down").code == 0
    else:
        shown.kill(shown.agent_pid())
    tab.goto(looking.url)
    tab.get_by_text("The agent is not running").wait_for()

    started = shown.type(text(tab), "gitrelease up")

    assert started.code == 0, started.said
    tab.get_by_text("The agent is not running").wait_for(state="hidden")
    tab.get_by_text("1 of 1 instances are healthy").wait_for()
    assert shown.answer() == "one revenue profit"
    shown.await_idle()


@typed("dashboard.missed.waiting: gitrelease diff --worktree", "core.remedy.TAKE_BACK: git checkout HEAD -- FILE")
@pytest.mark.parametrize("staged", [False, True])
def test_an_edit_that_is_refused_is_seen_and_taken_back_as_the_page_says(
    shown: Production, looking: Page, tab: Tab, staged: bool  # noqa: F811
) -> None:  # fmt: skip
    before = shown.read("server.py")
    shown.write("server.py", before + "\ndef broken(:\n")
    if staged:
        shown.git("add", "server.py")
    until(lambda: shown.state()["refused_edits"], "the edit is refused")
    tab.goto(looking.url)
    view(tab, "Not released")
    tab.get_by_text("An edit on disk is refused").wait_for()

    seen = shown.type(text(tab), "gitrelease diff --worktree")
    taken = shown.type(text(tab), "git checkout HEAD -- FILE", FILE="server.py")

    assert "server.py" in seen.out
    assert "does not parse" in seen.out
    assert taken.code == 0, taken.said
    assert shown.read("server.py") == before
    assert shown.git("status", "--porcelain") == ""
    until(lambda: not shown.state()["refused_edits"], "nothing is refused any more")


@typed("dashboard.drift.draw: gitrelease recover")
def test_what_a_git_left_that_was_cut_off_is_cleared_as_the_page_says(
    shown: Production, looking: Page, tab: Tab  # noqa: F811
) -> None:  # fmt: skip
    lock = shown.root / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (time.time() - 60,) * 2)
    tab.goto(looking.url)
    view(tab, "Edits and branch")
    tab.get_by_text("was cut off there").wait_for()

    mended = shown.type(text(tab), "gitrelease recover")

    assert mended.code == 0, mended.said
    assert not lock.exists()
    assert not shown.status()["checkout"]["git_at_work"]
    assert shown.answer() == "one revenue profit"
    shown.await_idle()


@typed("dashboard.missed.attempts: gitrelease history --json")
def test_more_attempts_than_the_page_shows_are_told_as_it_says(
    shown: Production, looking: Page, tab: Tab  # noqa: F811
) -> None:  # fmt: skip
    many(shown.home, 501)
    tab.goto(looking.url)
    view(tab, "Not released")
    tab.get_by_text("more: gitrelease history --json").wait_for()

    told = shown.type(text(tab), "gitrelease history --json").json

    assert {f"the try {number}" for number in range(501)} <= {one["reason"] for one in told["attempts"]}
