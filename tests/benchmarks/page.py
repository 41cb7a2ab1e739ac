"""How long until somebody sees the web page? Run by hand: `python -m tests.benchmarks.page [--json] [--runs 10]`.

Nine instances, 1,000 releases, 500 attempts and a week of samples, one each 30 s. A real Chromium goes to the page, and
to each view from there; the time is from the click until what it shows is visible: its texts, its tables, and the lines
of its charts drawn. The target for the first view is 2 s. An empty page of Streamlit is opened in turn with ours: it
tells how much of that is Streamlit, Chromium and the host.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitrelease.core.events import Attempted, Promoted, Proved
from gitrelease.core.history import Release, tag_message
from gitrelease.core.kinds import Kind
from gitrelease.core.samples import Sample
from gitrelease.dashboard.__main__ import options
from gitrelease.dashboard.started import Started
from gitrelease.edges import records, samples
from gitrelease.edges.backends import free_port
from gitrelease.edges.probes import HEALTH, ask
from gitrelease.world import open_world
from tests.benchmarks.sampling import INSTANCES, nine
from tests.browser import chromium, running_browser, running_page
from tests.checkout import Production, until
from tests.hermetic import be_hermetic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

RELEASES = 1000
ATTEMPTS = 500
WEEK = 7 * 86_400
EVERY = 30
TARGET = 2.0  # seconds
EMPTY = "nothing to see"
KINDS = (Kind.DICTIONARY, Kind.DICTIONARY, Kind.PATTERN, Kind.SCHEMA)


def fill(production: Production, now: float) -> None:
    """Write a long history and a week of samples into a production that was never up."""
    world = open_world(production.root)
    head = production.git("rev-parse", "HEAD")
    updates = []
    for number in range(1, RELEASES):
        at = now - WEEK + number * WEEK / RELEASES
        release = Release(
            number=number, tag="", commit=head, source=head, kind=KINDS[number % 4], risk="low", trigger="push",
            by="Ann Tester", at=at, summary=f"terms +2 (carbon footprint {number}, esg score {number})",
            previous=f"release/{number - 1}" if number > 1 else None,
        )  # fmt: skip
        tag = world.git.write_tag(name=release.name, commit=head, message=tag_message(release), at=at)
        updates.append(records.create_tag(number, tag))
        world.journal.append(Promoted(at=at, number=number, seconds=1.2))
        world.journal.append(Proved(at=at + 10, number=number))
    world.git.update_refs(updates, reason="a long history")
    for number in range(ATTEMPTS):
        world.journal.append(
            Attempted(
                at=now - WEEK + number * WEEK / ATTEMPTS, commit=head, trigger="push", outcome="refused", by="Ann",
                reason=f"contract: the class EnhancedVisualParser is gone ({number})",
            )
        )  # fmt: skip
    history = samples.History(production.home / "samples.db")
    for begin in range(0, WEEK, 3600):
        history.add(
            sample(now - WEEK + begin + second, number) for second in range(0, 3600, EVERY)
            for number in range(INSTANCES)
        )  # fmt: skip
    history.close()


def sample(at: float, number: int) -> Sample:
    wave = 1 + math.sin(at / 7200 + number)
    return Sample(
        at=at, instance=f"instance-{number}", release=1, backend="0123456789-0", pid=1, running=True,
        cpu_percent=4 + 10 * wave, memory_mb=250 + 30 * wave + 5 * number, threads=12, sessions=3, restarts=0,
        answer_ms=3 + 2 * wave, error_lines=0,
    )  # fmt: skip


def drawn(page: Page, charts: int) -> None:
    """Wait until so many charts show the lines of all instances."""
    page.wait_for_function(
        """([charts, lines]) => [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].filter(
            chart => chart.querySelectorAll('.mark-line path').length >= lines).length >= charts""",
        arg=[charts, INSTANCES],
    )


def first(page: Page, url: str) -> None:
    page.goto(url, wait_until="commit")
    page.get_by_text(f"release/{RELEASES} is live").wait_for()
    page.get_by_text(f"{INSTANCES} of {INSTANCES} instances are healthy").wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-testid=stImage] img')].filter(one => one.naturalWidth).length === 3"
    )
    page.locator(".lines").nth(1).get_by_text(f"release/{RELEASES}").wait_for()


def chosen(page: Page, view: str, text: str, charts: int = 0) -> None:
    page.locator("label", has_text=view).click()
    page.get_by_text(text).first.wait_for()
    drawn(page, charts)


VIEWS = {
    "Releases": ("commit    ", 0),
    "Resources": ("Marks are releases", 3),
    "Not released": ("Nothing is quarantined", 0),
    "Edits and branch": ("The branch and what is live", 0),
}


@contextlib.contextmanager
def empty_page(folder: Path) -> Iterator[str]:
    """Serve a page with one line on it, as ours is served; return its address."""
    script = folder / "empty.py"
    script.write_text(f'import streamlit\n\nstreamlit.text("{EMPTY}")\n')
    port = free_port()
    wanted = Started(root="/", token="", by="", address="127.0.0.1", port=port)
    command = [sys.executable, "-m", "streamlit", "run", str(script), *options(wanted)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: ask(port, HEALTH, timeout=1.0)[0] == 200, "the empty page")
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def measure(production: Production, runs: int) -> dict[str, list[float]]:
    """Return the seconds of each view, the very first one of a new server apart."""
    program = chromium()
    if program is None:
        raise SystemExit("there is no Chromium here: apt-get install chromium")
    taken: dict[str, list[float]] = {}

    def timed(what: str, begun: float) -> None:
        taken.setdefault(what, []).append(time.perf_counter() - begun)

    def views(page: Page) -> None:
        for view, (text, charts) in VIEWS.items():
            begun = time.perf_counter()
            chosen(page, view, text, charts)
            timed(view, begun)
        page.locator("label", has_text="Resources").click()
        begun = time.perf_counter()
        page.locator("label", has_text="a week").click()
        page.get_by_text("Over the last week").wait_for()
        drawn(page, 3)
        timed("charts of a week", begun)

    @contextlib.contextmanager
    def new_page(browser: Browser) -> Iterator[Page]:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        yield context.new_page()
        context.close()

    with running_browser(program) as browser, empty_page(production.root.parent) as empty:
        for _ in range(runs):
            with running_page(production) as served:
                for what in ("first view, new server", "first view", "first view"):
                    with new_page(browser) as page:
                        begun = time.perf_counter()
                        page.goto(empty, wait_until="commit")
                        page.get_by_text(EMPTY).wait_for()
                        timed("an empty page of Streamlit", begun)
                    with new_page(browser) as page:
                        begun = time.perf_counter()
                        first(page, served.url)
                        timed(what, begun)
                        views(page)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    be_hermetic()
    with tempfile.TemporaryDirectory(prefix="gitrelease-benchmark-") as name:
        production = nine(Path(name))
        try:
            fill(production, time.time())
            production.up()
            production.await_idle()
            until(lambda: production.live() == f"release/{RELEASES}", "all releases")
            taken = measure(production, given.runs)
        finally:
            production.clear_away()
    rows = [
        {"what": what, "runs": len(times), "median_s": statistics.median(times), "slowest_s": max(times)}
        for what, times in taken.items()
    ]
    if given.json:
        print(json.dumps({"schema": 1, "target_s": TARGET, "rows": rows}))
        return
    for row in rows:
        print(f"{row['what']:<28} {row['median_s']:>6.2f} s   slowest {row['slowest_s']:>6.2f} s   of {row['runs']}")


if __name__ == "__main__":
    main()
