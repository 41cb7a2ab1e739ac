"""Measures what people with an open page see of releases: `python -m tests.benchmarks.pages [--json] [--quick] …`.

Pages of a websocket client of ours and tabs of a real Chromium use the sample app, an action a second each, while it
is released, rolled back, restarted, and front and agent are killed. Three ways of running it are measured by the same
script: gitrelease, the guide's restart, two processes behind HAProxy with a cookie. Then a bad release is rolled back
with pages open on it; it is measured how long an old process lives after its last page has gone; and pages that an old
process has lose their network, which says nothing to the host, for a second up to almost two minutes.

Requests that were under way in the instant of a SIGKILL of the front are counted apart. Takes about 30 minutes in all,
on an idle machine; `--quick` takes eight. `--only` and `--part` choose.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.benchmarks.page_life import Life, Row, Size
from tests.benchmarks.page_sites import SITES, Gitrelease, Guide, Site
from tests.hermetic import be_hermetic
from tests.pages.browser import Browser
from tests.pages.network import Network
from tests.pages.page import NotDone, Page
from tests.pages.record import Record
from tests.pages.visitor import Visitor

T = TypeVar("T")
QUICK = Size(pages=10, slow_pages=2, tabs=2, releases=4, rollbacks=2, restarts=2, kills=1, bad_rounds=1, lifetimes=1)
LONGEST = 20.0  # seconds for a page to show the good release
LONGEST_LIFE = 240.0  # Streamlit keeps a session for 128 s at most after its page has gone
SILENT = (1.0, 10.0, 30.0, 60.0, 110.0)  # seconds; Streamlit keeps a session for 120 s
TIDY = 10.0  # seconds after which a browser has closed what its server has closed


def enter(visitor: Visitor) -> None:
    visitor.page.open()
    for action in ("plain", "upload", "count", "keyed"):
        visitor.act(action)


def counts_on(visitor: Visitor) -> bool:
    """Click once more; does the page go on from the one click before?"""
    visitor.act("count")
    return visitor.page.shown is not None and visitor.page.shown.count == 2


def at_once(visitors: list[Visitor], act: Callable[[Visitor], T]) -> list[T]:
    with ThreadPoolExecutor(len(visitors)) as pool:
        return list(pool.map(act, visitors))


def shows(page: Page, release: str) -> bool:
    return page.releases[-1][1] == release


def bad_release(site: Site, size: Size) -> Row:
    """Roll a bad release back, several times, with pages open on it: how soon do they show the good one?"""
    took: list[float] = []
    commands: list[float] = []
    unchanged = lost = counted_on = 0
    for number in range(size.bad_rounds):
        good, bad = f"good{number}", f"bad{number}"
        site.release(good)
        site.release(bad)
        record = Record()
        pages = [Page(Browser(site.port), record, f"page {place}") for place in range(size.bad_pages)]
        visitors = [Visitor(page) for page in pages]
        try:
            at_once(visitors, enter)
            begun = time.monotonic()
            site.rollback()
            commands.append(time.monotonic() - begun)
            for page in pages:
                left = max(begun + LONGEST - time.monotonic(), 0.01)
                try:
                    page.wait(partial(shows, page, good), left, "the good release")
                except NotDone:
                    unchanged += 1
                else:
                    took.append(page.releases[-1][0] - begun)
            lost_before = len(record.losses)
            counted_on += sum(at_once(visitors, counts_on))
            lost += len({one.page for one in record.losses[lost_before:]})
        finally:
            for page in pages:
                page.close()
    all_pages = size.bad_rounds * size.bad_pages
    return {
        "site": site.name,
        "pages": all_pages,
        "rollback_command_s": round(statistics.median(commands), 2),
        "show_the_good_release_within_3_s_percent": round(100 * sum(one <= 3 for one in took) / all_pages, 1),
        f"did_not_show_it_within_{LONGEST:g}_s": unchanged,
        "p50_s": _quantile(took, 0.5),
        "p95_s": _quantile(took, 0.95),
        "pages_that_lost_something": lost,
        "next_click_counted_on": counted_on,
    }


def lifetime(site: Gitrelease, size: Size) -> Row:
    """How long does an old process live after its last page has gone, with its browser, or its tab alone?

    A browser that stays keeps its idle connections, and those that the server has closed for up to ten seconds.
    """
    with_browser, tab_alone = [], []
    for number in range(size.lifetimes):
        with_browser.append(_lived(site, f"a{number}", closes_browser=True))
        tab_alone.append(_lived(site, f"b{number}", closes_browser=False))
    return {
        "site": site.name,
        "lived_after_the_browsers_s": with_browser,
        "lived_after_the_tabs_alone_s": tab_alone,
        "longest_looked_at_s": LONGEST_LIFE,
    }


def _lived(site: Gitrelease, name: str, *, closes_browser: bool) -> float | None:
    """Return the seconds, `LONGEST_LIFE` at most; None where it ended while it had pages."""
    site.release(f"old{name}")
    handle = os.pidfd_open(site.live_pid())
    pages = [Page(Browser(site.port), Record(), f"page {place}") for place in range(5)]
    try:
        for page in pages:
            page.open()
        for newer in ("newer", "newest"):  # one stands by, so that the old one is not needed
            site.release(newer + name)
        if select.select([handle], [], [], 0)[0]:
            return None
        begun = time.monotonic()
        for page in pages:
            page.close()
            if closes_browser:
                page.browser.close()
        while time.monotonic() < begun + LONGEST_LIFE and not select.select([handle], [], [], TIDY)[0]:
            for page in pages:
                page.browser.tidy()
        return round(time.monotonic() - begun, 2)
    finally:
        for page in pages:
            page.close()
            page.browser.close()
        os.close(handle)


def network(site: Site, size: Size) -> Row:
    """What is left of a page on an old process (the guide's: on the one that there is) after its network was silent?

    The browser learns that its connections are gone when the network is back, as after sleep; the host learns nothing.
    """
    site.release("first")
    networks = [Network(site.port) for _ in SILENT]
    records = [Record() for _ in SILENT]
    pages = [
        Page(Browser(one.port), record, f"silent for {silent:g} s")
        for one, record, silent in zip(networks, records, SILENT, strict=True)
    ]
    visitors = [Visitor(page) for page in pages]
    try:
        at_once(visitors, enter)
        sessions = [page.session for page in pages]
        if not isinstance(site, Guide):
            site.release("second")
        with ThreadPoolExecutor(len(SILENT)) as pool:
            back = list(pool.map(_silent, visitors, networks, SILENT))
    finally:
        for page in pages:
            page.close()
        for one in networks:
            one.close()
    after = {
        f"{silent:g} s": {
            "connected_again_s": seconds,
            "same_session": page.session == session,
            "lost": sorted({one.what for one in record.losses}),
            "failed": [one.kind for one in record.failures],
        }
        for silent, seconds, page, session, record in zip(SILENT, back, pages, sessions, records, strict=True)
    }
    return {"site": site.name, "after_a_silence_of": after}


def _silent(visitor: Visitor, network: Network, seconds: float) -> float:
    """Let a page's network be silent; then use the page; return the seconds until it could be used."""
    connections = visitor.page.connections
    network.fall_silent()
    time.sleep(seconds)
    network.come_back()
    begun = time.monotonic()
    visitor.page.wait(lambda: visitor.page.connections > connections, LONGEST, "a new connection")
    visitor.page.wait_until_usable(LONGEST)
    took = time.monotonic() - begun
    for action in ("count", "upload", "download", "plain"):
        visitor.act(action)
    return round(took, 2)


def _quantile(values: list[float], share: float) -> float | None:
    return round(sorted(values)[min(int(share * len(values)), len(values) - 1)], 2) if values else None


def parts(evidence: Path | None) -> dict[str, Callable[[Any, Size], Row]]:
    return {
        "life": lambda site, size: Life(site, size, evidence).run(),
        "rollback": bad_release,
        "lifetime": lifetime,
        "network": network,
    }


def measure(site: str, part: str, size: Size, evidence: Path | None = None) -> Row:
    """Measure one part of one site, in a folder of its own; an error is told in the place of the figures."""
    print(f"{site}, {part}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gitrelease-pages-") as name:
        made = SITES[site](Path(name))
        try:
            row = parts(evidence / site if evidence else None)[part](made, size)
        finally:
            made.close()
    return {"part": part, **row, "took_s": round(time.monotonic() - begun, 1)}


def commit() -> str:
    """Return the commit that is measured."""
    ran = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true", help="fewer of everything")
    options.add_argument("--only", choices=list(SITES), action="append", help="a way of running the app")
    options.add_argument("--part", choices=list(parts(None)), action="append")
    options.add_argument("--tabs", type=int, help="tabs of a Chromium")
    options.add_argument("--pages", type=int, help="pages of our websocket client")
    options.add_argument("--evidence", type=Path, metavar="FOLDER", help="where to write what a tab that gave up saw")
    given = options.parse_args()
    be_hermetic()
    size = QUICK if given.quick else Size()
    if given.tabs is not None:
        size = replace(size, tabs=given.tabs)
    if given.pages is not None:
        size = replace(size, pages=given.pages)
    rows = []
    for part in given.part or parts(None):
        for site in given.only or SITES:
            if part == "lifetime" and site != "gitrelease":
                continue  # the guide has no old process, a blue-green one lives until its place is needed
            rows.append(measure(site, part, size, given.evidence))
            print(json.dumps(rows[-1], indent=2), file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps({"schema": 1, "commit": commit(), "size": vars(size), "figures": rows}))


if __name__ == "__main__":
    main()
