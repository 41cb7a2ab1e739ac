"""Open pages in a real browser: each works with its own release, and moves with all that its person has entered."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from gitrelease.edges.faults import FAULT
from gitrelease.release.pages import GONE
from tests.browser import chromium, running_browser, running_page
from tests.checkout import PATIENCE, Clone, Production, make_checkout, until
from tests.pages.app import SETTINGS, app_files, commit_release, digest
from tests.pages.browser import Browser
from tests.pages.chromium import OpenTab
from tests.pages.page import Page
from tests.remedies import typed

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import BrowserContext

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no chromium here")

SOON = 3.0  # seconds in which a page shows the good release after a rollback
DOCUMENT = b"a document of three lines\n" * 3
LATER = b"another document\n"
GONE_WORDS = re.compile(r"entered.*\bgone\b", re.DOTALL)


class Releases:
    """A production of the sample app, and a developer who pushes to it."""

    def __init__(self, production: Production, developer: Clone) -> None:
        self.production, self.developer = production, developer
        self._begun = production.live()
        self._number = 0

    def release(self) -> str:
        """Push one more release; return the name that its pages show, which no other has."""
        self._number += 1
        name = f"{self._begun} and {self._number}"
        commit_release(self.developer, name)
        pushed = self.developer.push()
        assert pushed.code == 0, pushed.said
        self.production.await_idle()
        return name

    def do(self, *arguments: str) -> None:
        ended = self.production.gitrelease(*arguments)
        assert ended.code == 0, ended.said

    def pages_of_newest(self) -> list[dict[str, Any]]:
        """Return what the history says of the pages that the newest release has left."""
        return self.production.gitrelease("history", "--json").json["releases"][0]["pages"]

    def await_idle_connections(self, pid: int, *, pages: int) -> None:
        """Wait until a process of the app has closed the connections that a browser keeps: the websockets stay."""
        until(lambda: _connected(pid) <= pages, f"process {pid} has closed what was idle")

    def await_end(self, pid: int) -> None:
        """Wait until a process of the app has ended."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        ended = select.select([handle], [], [], PATIENCE)[0]
        os.close(handle)
        assert ended, f"process {pid} has not ended"


def make_production(
    folder: Path, settings: str = SETTINGS, *, config: str = "", variables: dict[str, str] | None = None
) -> Production:
    files = app_files(settings)
    production = make_checkout(folder, {**files, ".streamlit/config.toml": config} if config else files)
    ended = production.gitrelease("init", "--port", str(production.port), "--python", sys.executable)
    assert ended.code == 0, ended.said
    ended = production.gitrelease("up", env=variables)
    assert ended.code == 0, ended.said
    production.await_idle()
    return production


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    production = make_production(tmp_path_factory.mktemp("pages"))
    yield production
    production.clear_away()


@pytest.fixture
def releases(served: Production, tmp_path: Path) -> Releases:
    subprocess.run(["git", "clone", "--quiet", str(served.root), str(tmp_path / "developer")], check=True)
    return Releases(served, Clone(tmp_path / "developer"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    assert PROGRAM is not None
    with running_browser(PROGRAM) as started:
        yield started


@pytest.fixture
def person(browser: Chromium) -> Iterator[BrowserContext]:
    """A browser of somebody, without cookies of others."""
    context = browser.new_context(accept_downloads=True)
    yield context
    context.close()


def _connected(pid: int) -> int:
    return sum(one.status == psutil.CONN_ESTABLISHED for one in psutil.Process(pid).net_connections("tcp"))


@contextlib.contextmanager
def suspended(pid: int) -> Iterator[None]:
    """Let a process do nothing while the context is open, as one does that computes without a pause."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def fill(tab: OpenTab) -> None:
    """Enter everything that the app has a place for."""
    tab.type("Plain", "typed without a key")
    tab.type("Keyed", "typed with a key")
    tab.upload("report.txt", DOCUMENT)
    for count in (1, 2):
        tab.count()
        tab.expect(count=count)


def expect_filled(tab: OpenTab) -> None:
    """See that the app has all of `fill`, that the page shows it, and that the next click counts on."""
    tab.expect(
        plain="typed without a key", keyed="typed with a key", document=digest(DOCUMENT), count=2
    )  # fmt: skip
    assert tab.value("Plain") == "typed without a key"
    assert tab.value("Keyed") == "typed with a key"
    tab.expect_document("report.txt")
    assert tab.tab.get_by_role("dialog").count() == 0
    tab.count()
    tab.expect(count=3, plain="typed without a key", keyed="typed with a key", document=digest(DOCUMENT))


# -- a page stays with its release -----------------------------------------------------------------------------------


def test_a_page_from_before_a_release_uploads_when_its_connections_have_idled_out(
    releases: Releases, person: BrowserContext
) -> None:
    old = releases.release()
    tab = OpenTab(person, releases.production.port)
    pid = releases.production.backend_pid()
    tab.upload("report.txt", DOCUMENT)
    releases.release()
    releases.await_idle_connections(pid, pages=1)

    tab.upload("later.txt", LATER)

    tab.expect_document("later.txt")
    tab.expect(release=old, document=digest(LATER))


def test_a_page_from_before_a_release_downloads_and_shows_what_its_own_process_makes(
    releases: Releases, person: BrowserContext
) -> None:
    old = releases.release()
    tab = OpenTab(person, releases.production.port)
    pid = releases.production.backend_pid()
    releases.release()
    releases.await_idle_connections(pid, pages=1)

    tab.type("Plain", "after the release")

    tab.expect_picture()
    assert tab.download() == tab.shown.result
    tab.expect(release=old, plain="after the release")


def test_two_tabs_of_one_browser_work_on_two_releases(releases: Releases, person: BrowserContext) -> None:
    old = releases.release()
    first = OpenTab(person, releases.production.port)
    pid = releases.production.backend_pid()
    first.upload("report.txt", DOCUMENT)
    new = releases.release()
    second = OpenTab(person, releases.production.port)
    second.expect(release=new)  # opened after the switch, it is on the new one at once
    releases.await_idle_connections(pid, pages=1)

    for tab, release in ((first, old), (second, new), (first, old)):
        tab.upload(f"{release}.txt", release.encode())
        tab.expect_document(f"{release}.txt")
        tab.expect(release=release)
        tab.expect_picture()
        assert tab.download() == tab.shown.result


def test_a_page_goes_on_in_its_old_process_when_the_front_is_killed(releases: Releases, person: BrowserContext) -> None:
    old = releases.release()
    tab = OpenTab(person, releases.production.port)
    fill(tab)
    releases.release()
    front = releases.production.front_pid()

    releases.production.kill(front)
    until(lambda: releases.production.front_pid() != front, "the front is back")

    expect_filled(tab)
    tab.expect(release=old)


# -- a page moves when its process ends ------------------------------------------------------------------------------


def test_after_the_rollback_of_a_bad_release_a_page_shows_the_good_one_by_itself(
    releases: Releases, person: BrowserContext
) -> None:
    good = releases.release()
    bad = releases.release()
    tab = OpenTab(person, releases.production.port)
    tab.expect(release=bad)
    fill(tab)

    releases.do("rollback")

    tab.expect(release=good, within=SOON)
    expect_filled(tab)
    left, live, *_ = releases.production.gitrelease("history", "--json").json["releases"]
    (told,) = left["pages"]  # pages of tests before this one may still be known
    assert (told["to"], told["moved"] >= 1, told["stayed"]) == (live["release"], True, 0)


def test_an_agent_that_is_killed_while_pages_move_leaves_them_to_the_next_one(
    releases: Releases, person: BrowserContext
) -> None:
    good, bad = releases.release(), releases.release()
    tab = OpenTab(person, releases.production.port)
    tab.expect(release=bad)
    fill(tab)
    releases.production.kill(releases.production.agent_pid())
    started = releases.production.gitrelease("up", env={FAULT: "pages: handed over, not switched"})
    assert started.code == 0, started.said

    rolled_back = releases.production.gitrelease("rollback")
    releases.production.up()

    assert "the agent ended before it had answered" in rolled_back.words
    tab.expect(release=good)
    expect_filled(tab)


def test_a_page_whose_process_is_busy_at_the_rollback_moves_when_it_answers_again(
    releases: Releases, person: BrowserContext
) -> None:
    good, bad = releases.release(), releases.release()
    tab = OpenTab(person, releases.production.port)
    tab.expect(release=bad)
    fill(tab)

    with suspended(releases.production.backend_pid()):
        rolled_back = releases.production.gitrelease("rollback")

    assert rolled_back.code == 0, rolled_back.said
    assert "could not move" in rolled_back.words, rolled_back.said
    tab.expect(release=good)
    expect_filled(tab)
    (told,) = releases.pages_of_newest()  # pages of tests before this one may still be known
    assert (told["moved"] >= 1, told["stayed"]) == (True, 0)


def test_a_page_whose_process_hangs_until_it_is_killed_says_what_is_gone_and_so_does_the_history(
    releases: Releases, person: BrowserContext
) -> None:
    good, bad = releases.release(), releases.release()
    tab = OpenTab(person, releases.production.port)
    tab.expect(release=bad)
    fill(tab)
    pid = releases.production.backend_pid()

    with suspended(pid):
        releases.do("rollback")
        releases.production.kill(pid)

    tab.expect_toast(GONE_WORDS)
    tab.count()
    tab.expect(release=good, document="", count=1, plain="typed without a key")
    (told,) = until(releases.pages_of_newest, "the history tells of the page")
    assert (told["moved"], told["stayed"]) == (0, 1)
    assert "does not answer" in told["why"][0]


def test_after_a_restart_a_page_goes_on_in_the_new_process(person: BrowserContext, tmp_path: Path) -> None:
    production = make_production(tmp_path)
    try:
        releases = Releases(production, production.clone())
        release = releases.release()
        tab = OpenTab(person, production.port)
        fill(tab)
        pid = production.backend_pid()

        releases.do("restart")
        releases.await_end(pid)

        expect_filled(tab)
        tab.expect(release=release)
        tab.upload("later.txt", LATER)
        tab.expect_picture()
        assert tab.download() == tab.shown.result
    finally:
        production.clear_away()


UNKNOWN = """\
import importlib.metadata

known = importlib.metadata.version
importlib.metadata.version = lambda name: "1.0.7" if name == "streamlit" else known(name)
"""


def test_with_a_streamlit_that_nobody_has_tried_pages_move_from_whatever_process_was_started(
    person: BrowserContext, tmp_path: Path
) -> None:
    """The one that was staged was tried; the one that takes its place after a crash was not."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(UNKNOWN)
    production = make_production(tmp_path, variables={"PYTHONPATH": str(tmp_path / "path")})
    try:
        crashed = production.backend_pid()
        production.kill(crashed)
        until(lambda: production.backend_pid() != crashed, "the app is started again")
        tab = OpenTab(person, production.port)
        fill(tab)
        pid = production.backend_pid()

        assert production.gitrelease("restart").code == 0

        until(lambda: not psutil.pid_exists(pid), "the process has ended")
        expect_filled(tab)
        assert "Streamlit 1.0.7" not in production.gitrelease("doctor").said
    finally:
        production.clear_away()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(SETTINGS.replace("[limits]\n", '[limits]\nlinger = "2s"\n'), id="its time is over"),
        pytest.param(SETTINGS + "\n[sessions]\nkeep = 0\n", id="no old release is kept"),
    ],
)
def test_pages_of_an_old_process_that_has_to_end_go_to_the_one_that_serves(
    person: BrowserContext, tmp_path: Path, settings: str
) -> None:
    production = make_production(tmp_path, settings)
    try:
        releases = Releases(production, production.clone())
        tab = OpenTab(person, production.port)
        fill(tab)
        pid = production.backend_pid()
        for _ in range(2):  # the first one leaves it as the standby
            newest = releases.release()
        releases.await_end(pid)

        tab.expect(release=newest)
        expect_filled(tab)
    finally:
        production.clear_away()


class LatePage(Page):
    """A page whose network is slow: it comes back when it may."""

    def __init__(self, visitor: Browser) -> None:
        super().__init__(visitor)
        self.may_come = threading.Event()
        self.may_come.set()

    def _ping(self) -> None:
        self.may_come.wait(PATIENCE)
        super()._ping()


def test_a_process_that_makes_room_ends_when_its_pages_are_at_their_new_one(tmp_path: Path) -> None:
    production = make_production(tmp_path)
    visitor = Browser(production.port)
    page = LatePage(visitor)
    try:
        releases = Releases(production, production.clone())
        page.open()
        newest = releases.release()
        settings = production.home / "host.toml"
        settings.write_text(settings.read_text() + "\n[limits]\nmemory_mb = 99999999\n")
        process = os.pidfd_open(production.backend("standby")["identity"]["pid"])
        page.may_come.clear()

        with ThreadPoolExecutor(max_workers=1) as beside:
            restart = beside.submit(production.gitrelease, "restart")
            page.wait(lambda: not page.connected, PATIENCE, "the end of its connection")
            ended = select.select([process], [], [], GONE - 1)[0]
            page.may_come.set()
            restarted = restart.result()

        assert not ended
        assert select.select([process], [], [], PATIENCE)[0]
        assert "gave up the standby of release/1" in restarted.words
        page.wait(lambda: page.shown is not None and page.shown.release == newest, PATIENCE, "the new release")
        os.close(process)
    finally:
        page.may_come.set()
        page.close()
        visitor.close()
        production.clear_away()


def test_a_page_of_an_app_that_gives_its_browsers_no_cookie_moves_as_well(
    person: BrowserContext, tmp_path: Path
) -> None:
    production = make_production(tmp_path, config="[server]\nenableXsrfProtection = false\n")
    try:
        releases = Releases(production, production.clone())
        good, bad = releases.release(), releases.release()
        tab = OpenTab(person, production.port)
        tab.expect(release=bad)
        fill(tab)

        releases.do("rollback")

        tab.expect(release=good, within=SOON)
        expect_filled(tab)
    finally:
        production.clear_away()


@typed("release.pages._OFF: gitrelease doctor")
def test_without_the_companion_a_page_stays_and_the_rollback_says_that_it_could_not_move(
    person: BrowserContext, tmp_path: Path
) -> None:
    production = make_production(tmp_path, SETTINGS.replace("[app]\n", "[app]\ncompanion = false\n"))
    try:
        releases = Releases(production, production.clone())
        releases.release()
        bad = releases.release()
        tab = OpenTab(person, production.port)
        tab.type("Plain", "typed without a key")
        tab.expect(release=bad, plain="typed without a key")

        rolled_back = production.gitrelease("rollback")

        assert rolled_back.code == 0, rolled_back.said
        assert "1 open page could not move to release/2: app.companion is false" in rolled_back.words
        which = production.type(rolled_back.said, "gitrelease doctor").said
        assert "app.companion is false" in which
        tab.count()
        tab.expect(release=bad, plain="typed without a key", count=1)
        told = next(row for row in production.status()["sessions"] if row["release"] == "release/3")
        assert told["open"] == 1
    finally:
        production.clear_away()


# -- everybody who asks is told --------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_pages(production: Production, count: int) -> Iterator[list[Page]]:
    """Open pages of one browser, without drawing them."""
    visitor = Browser(production.port)
    pages = [Page(visitor, name=f"page {number}") for number in range(count)]
    try:
        yield [page.open() for page in pages]
    finally:
        for page in pages:
            page.close()
        visitor.close()


def sessions_of(production: Production, release: str) -> dict[str, Any]:
    (row,) = (row for row in production.status()["sessions"] if row["release"] == release)
    return row


def test_who_releases_and_who_looks_is_told_how_many_pages_stay_where_and_until_when(
    browser: Chromium, tmp_path: Path
) -> None:
    production = make_production(tmp_path)
    try:
        developer = production.clone()
        with open_pages(production, 3):
            commit_release(developer, "two")
            pushed = developer.push()
            assert "3 open pages stay on release/1 for up to 30 min; soaking for" in pushed.words
            production.await_idle()
            with open_pages(production, 1):
                commit_release(developer, "three")
                developer.git("push", "--quiet", "origin", "HEAD:refs/heads/next")

                deployed = production.gitrelease("deploy", "next")

                assert "1 open page stays on release/2 for up to 30 min; soaking for" in deployed.words
                production.await_idle()
                old, standby = (sessions_of(production, name) for name in ("release/1", "release/2"))
                assert [(row["role"], row["open"]) for row in (old, standby)] == [("draining", 3), ("standby", 1)]
                assert old["oldest_s"] > standby["oldest_s"] > 0
                assert all(0 < row["ends_in_s"] <= 1800 for row in (old, standby))
                assert sessions_of(production, "release/3")["ends_in_s"] is None
                told = production.gitrelease("status").words
                for row, name, pages, move in (
                    (old, "release/1 (draining)", "3 open pages", "they move"),
                    (standby, "release/2 (standby)", "1 open page", "it moves"),
                ):
                    line = rf"pages {re.escape(name)}: {pages}, the oldest for \d+ (s|min), \d+ MB; {move} in 30 min at"
                    assert re.search(line, told), (row, told)
                with running_page(production) as page:
                    seen = browser.new_page()
                    seen.goto(page.url)
                    for words in ("3 open pages on release/1 (draining)", "1 open page on release/2 (standby)"):
                        seen.get_by_text(words).wait_for(timeout=PATIENCE * 1000)
                    seen.close()
    finally:
        production.clear_away()


def test_who_restarts_is_told_how_many_pages_move(tmp_path: Path) -> None:
    production = make_production(tmp_path)
    try:
        with open_pages(production, 2):
            several = production.gitrelease("restart")
        with open_pages(production, 1):
            production.await_idle()
            one = production.gitrelease("restart")

        assert re.search(r"runs in a new process, pid \d+; 2 open pages move there", several.words)
        assert re.search(r"runs in a new process, pid \d+; 1 open page moves there", one.words)
    finally:
        production.clear_away()


def test_who_goes_back_is_told_how_many_pages_moved_and_who_goes_down_how_many_are_cut_off(tmp_path: Path) -> None:
    production = make_production(tmp_path)
    try:
        commit_release(developer := production.clone(), "two")
        assert developer.push().code == 0
        production.await_idle()
        with open_pages(production, 2) as pages:
            rolled_back = production.gitrelease("rollback")

            assert "pages 2 open pages moved to release/1 " in rolled_back.words
            assert " 2 open pages moved to release/1; fix on top of" in rolled_back.words
            for page in pages:
                page.wait(lambda page=page: page.shown is not None and page.shown.release == "one", PATIENCE, "it")
            until(lambda: sessions_of(production, "release/1")["open"] == 2, "both are there")
            down = production.gitrelease("down")
            assert "production is down, 2 open pages lost what was entered there" in down.words
        production.up()
        assert "lost what was entered" not in production.gitrelease("down").words
    finally:
        production.clear_away()


# -- nothing can be carried ------------------------------------------------------------------------------------------


def test_a_page_says_in_words_that_what_was_entered_is_gone_when_production_was_down(
    releases: Releases, person: BrowserContext
) -> None:
    tab = OpenTab(person, releases.production.port)
    fill(tab)

    releases.do("down")
    releases.production.up()

    tab.expect_toast(GONE_WORDS)
    tab.count()
    tab.expect(document="", count=1, plain="typed without a key")
