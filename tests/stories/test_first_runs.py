"""A page that has moved shows what its old process made until its first run in the new one has ended."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitrelease.edges.front import FrontControl
from gitrelease.release.drain import note_shown, unfinished
from gitrelease.release.pages import GONE
from gitrelease.release.production import PageMoves
from gitrelease.release.production import Production as ServingSide
from gitrelease.release.running import read_running
from gitrelease.world import open_world
from tests.checkout import PATIENCE, Clone, make_checkout, until
from tests.pages.app import SCRIPT, SCRIPT_NAME, SETTINGS, app_files, digest
from tests.pages.browser import Browser
from tests.pages.page import Page

TYPED = 'keyed = st.text_input("Keyed", key="keyed")\n'
SLOW = """
import pathlib
import time

while plain == "slow" and pathlib.Path({gate!r}).exists():
    time.sleep(0.05)
"""


class Visit:
    """A page of a production whose script takes as long as a file is there, on pages on which `slow` was typed."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.gate = folder / "gate"
        script = SCRIPT.replace(TYPED, TYPED + SLOW.format(gate=str(self.gate)))
        self.production = make_checkout(folder, {**app_files(settings), SCRIPT_NAME: script})
        ended = self.production.gitrelease("init", "--port", str(self.production.port), "--python", sys.executable)
        assert ended.code == 0, ended.said
        self.production.up().await_idle()
        self.developer: Clone = self.production.clone()
        self.browser = Browser(self.production.port)
        self.page = Page(self.browser).open()
        self.page.type("Plain", "slow")
        self.page.wait(lambda: self.page.shown is not None and self.page.shown.plain == "slow", PATIENCE, "the text")

    def release(self, name: str) -> None:
        self.developer.git("pull", "--quiet")
        text = self.developer.read(SCRIPT_NAME)
        before = next(line for line in text.splitlines() if line.startswith("RELEASE = "))
        self.developer.replace(SCRIPT_NAME, before, f'RELEASE = "{name}"')
        self.developer.commit(f"Release {name}")
        pushed = self.developer.push()
        assert pushed.code == 0, pushed.said
        self.production.await_idle()

    def await_move(self) -> None:
        """Wait until the page is back from its move, and is being run."""
        self.page.wait(lambda: self.page.connections > 1 and self.page.running, PATIENCE, "the first run")

    def old_result_comes(self) -> bool:
        """Does the page get what it offers for download, which its old process has made?"""
        shown = self.page.shown
        assert shown is not None
        return digest(self.page.download("Download")) == shown.result

    def await_result(self, release: str) -> None:
        """Wait until the page shows the result of a release."""
        page = self.page
        page.wait(lambda: page.shown is not None and page.shown.release == release, PATIENCE, f"release {release}")

    def end(self) -> None:
        self.gate.unlink(missing_ok=True)
        self.page.close()
        self.browser.close()
        self.production.clear_away()


@pytest.fixture
def visit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Visit]:
    visit = Visit(tmp_path, getattr(request, "param", SETTINGS))
    yield visit
    visit.end()


def test_a_process_that_makes_room_waits_for_the_first_runs_of_its_pages(visit: Visit) -> None:
    production = visit.production
    visit.release("two")
    settings = production.home / "host.toml"
    settings.write_text(settings.read_text() + "\n[limits]\nmemory_mb = 99999999\n")
    process = os.pidfd_open(production.backend("standby")["identity"]["pid"])
    visit.gate.touch()

    with ThreadPoolExecutor(max_workers=1) as beside:
        restart = beside.submit(production.gitrelease, "restart")
        visit.await_move()
        ended = select.select([process], [], [], GONE)[0]
        came = not ended and visit.old_result_comes()
        visit.gate.unlink()
        restarted = restart.result()

    assert not ended
    assert came
    assert select.select([process], [], [], PATIENCE)[0]
    os.close(process)
    assert "gave up the standby of release/1" in restarted.words
    visit.await_result("two")
    assert visit.old_result_comes()


@pytest.mark.parametrize("visit", [SETTINGS + "\n[sessions]\nkeep = 0\n"], indirect=True)
def test_pages_are_coming_until_they_have_been_run_in_their_new_process(visit: Visit) -> None:
    visit.release("two")
    visit.gate.touch()
    visit.release("three")
    visit.await_move()
    world = open_world(visit.production.root)
    running = read_running(world.home.processes)
    side = ServingSide(world, FrontControl(world.home.front_socket), running, world.journal.memory())
    (leaving,) = running.leaving
    moves = side.moves[leaving.backend.id] = PageMoves(moved=1, moved_at=time.time())

    note_shown(side, unfinished(side))
    before = moves.shown_at
    came = visit.old_result_comes()
    visit.gate.unlink()
    visit.await_result("three")

    assert before == 0
    assert came

    def shown() -> bool:
        note_shown(side, unfinished(side))
        return moves.shown_at > moves.moved_at

    until(shown, "they have been run")
