"""The life of a site with open pages: everything that its operators do to it, while people use it."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.page_sites import Killed, Site
from tests.pages.browser import Browser
from tests.pages.page import BROKEN, NotDone, Page
from tests.pages.record import Failure, Record
from tests.pages.visitor import Visitor

Row = dict[str, Any]
SHOWN = 20  # failures and losses that are told one by one
SLOW = 7.0  # seconds; uvicorn closes a connection that was idle for five


@dataclass(frozen=True)
class Size:
    """How much is done."""

    pages: int = 20
    slow_pages: int = 4  # beside them: an action every seven seconds, so that kept connections have gone between two
    tabs: int = 4
    releases: int = 20
    rollbacks: int = 10
    restarts: int = 10
    kills: int = 3  # of the front, and as many of the agent
    pause: float = 4.0  # seconds after each event
    bad_pages: int = 30
    bad_rounds: int = 5
    lifetimes: int = 3


def schedule(size: Size) -> Iterator[str]:
    """Yield what happens, in order: rollbacks, restarts and kills spread over the releases."""
    for number in range(1, size.releases + 1):
        yield "release"
        for event, times in (
            ("rollback", size.rollbacks),
            ("restart", size.restarts),
            ("SIGKILL of the front", size.kills),
            ("SIGKILL of the agent", size.kills),
        ):
            if number * times // size.releases > (number - 1) * times // size.releases:
                yield event


@dataclass
class Happened:
    """One event; times are monotonic seconds."""

    name: str
    begun: float
    ended: float
    new_page: str = ""  # what a page shows that was opened right after it: the new release, the old one, or nothing


class Life:
    """Pages in use while a site goes through everything that happens to it."""

    def __init__(self, site: Site, size: Size, evidence: Path | None = None) -> None:
        self.site, self.size, self.evidence = site, size, evidence
        self.record = Record()
        self.events: list[Happened] = []
        self.kills: list[Killed] = []
        self._number = 0
        self._shown = ["one"]
        self.visitors = list(self._visitors())

    def _visitors(self) -> Iterator[Visitor]:
        """Two pages a browser; the slow ones have one each."""
        browsers = [Browser(self.site.port) for _ in range((self.size.pages + 1) // 2)]
        for place in range(self.size.pages):
            page = Page(browsers[place // 2], self.record, f"page {place + 1}")
            yield Visitor(page, delay=place / self.size.pages)
        for place in range(self.size.slow_pages):
            page = Page(Browser(self.site.port), self.record, f"slow page {place + 1}")
            yield Visitor(page, every=SLOW, delay=place)

    def run(self) -> Row:
        pause = threading.Event()
        with tabs_of(self.site.port, self.size.tabs, self.record, self.evidence) as tabs:
            for visitor in self.visitors:
                visitor.start()
            try:
                pause.wait(2 * self.size.pause)
                for event in schedule(self.size):
                    self._happen(event)
                    pause.wait(self.size.pause)
                pause.wait(2 * SLOW)  # a slow page has then looked at the last event
            finally:
                for visitor in self.visitors:
                    visitor.begin_to_stop()
                for visitor in self.visitors:
                    visitor.stop()
            broken = tabs.stop()
        broken += [f"{one.page.name}: {one.broken}" for one in self.visitors if one.broken]
        if self.evidence is not None and (broken or self.record.losses or self.record.failures):
            self._keep_evidence(self.evidence)
        return self._told(broken)

    def _keep_evidence(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        happened = [f"{one.begun:.3f} to {one.ended:.3f} {one.name}" for one in self.events]
        (folder / "events.log").write_text("\n".join(happened))
        for visitor in self.visitors:
            name = visitor.page.name
            if visitor.broken or any(one.page == name for one in (*self.record.losses, *self.record.failures)):
                (folder / f"{name.replace(' ', '-')}.log").write_text("\n".join([*visitor.page.log, visitor.broken]))
        self.site.keep_evidence(folder)

    def _happen(self, name: str) -> None:
        begun = time.monotonic()
        match name:
            case "release":
                self._number += 1
                self._shown.append(f"r{self._number}")
                self.site.release(self._shown[-1])
            case "rollback":
                self._shown.pop()
                self.site.rollback()
            case "restart":
                self.site.restart()
            case "SIGKILL of the front":
                if (killed := self.site.kill_front()) is None:
                    return
                self.kills.append(killed)
            case "SIGKILL of the agent":
                if self.site.kill_agent() is None:
                    return
        happened = Happened(name, begun, time.monotonic())
        if name in ("release", "rollback"):
            happened.new_page = self._open_new_page()
        self.events.append(happened)
        print(f"  {happened.name}: {happened.ended - begun:.1f} s", file=sys.stderr, flush=True)

    def _open_new_page(self) -> str:
        """Open one more page in a browser that has pages already."""
        page = Page(self.visitors[0].page.browser, Record(), "new page")
        try:
            page.open()
        except (NotDone, *BROKEN) as error:
            return f"nothing: {error}"
        finally:
            page.close()
        return "the new release" if page.shown and page.shown.release == self._shown[-1] else "the old release"

    def _under_way(self, failure: Failure) -> bool:
        return any(failure.begun <= one.ended and one.begun <= failure.ended + 0.05 for one in self.kills)

    def _after(self, at: float) -> str:
        """Return the event that came last before a moment."""
        before = [event.name for event in self.events if event.begun <= at]
        return before[-1] if before else "start"

    def _when(self, at: float) -> str:
        """Return a moment as people look for it in a log: how long after which event it was."""
        before = [event for event in self.events if event.begun <= at]
        return f"{at - before[-1].begun:.2f} s after {before[-1].name} began" if before else "before all events"

    def _told(self, broken: list[str]) -> Row:
        record = self.record
        apart = [one for one in record.failures if self._under_way(one)]
        failures = [one for one in record.failures if not self._under_way(one)]
        return {
            "site": self.site.name,
            "events": counted(one.name for one in self.events),
            "seconds": {
                name: round(statistics.median(one.ended - one.begun for one in self.events if one.name == name), 2)
                for name in dict.fromkeys(one.name for one in self.events)
            },
            "actions": record.actions,
            "asked": dict(record.asked),
            "failed": counted(one.kind for one in failures),
            "failed_when_sent_again": counted(one.kind for one in failures if one.again is False),
            "failed_after": counted(self._after(one.begun) for one in failures),
            "reasons": counted(f"{one.kind}: {one.why[:60]}" for one in failures),
            "under_way_at_a_sigkill_of_the_front": {
                "failed": counted(one.kind for one in apart),
                "failed_when_sent_again": counted(one.kind for one in apart if one.again is False),
            },
            "lost": counted(one.what for one in record.losses),
            "lost_after": counted(f"{self._after(one.at)}: {one.what}" for one in record.losses),
            "pages_that_lost": sorted({one.page for one in record.losses}),
            "pages": len(self.visitors) + self.size.tabs,
            "unanswered": counted(f"{self._after(at)}: {action}" for _, action, at in record.unanswered),
            "unanswered_in_tabs": sum(page.startswith("tab") for page, _, _ in record.unanswered),
            "new_pages_show": counted(one.new_page for one in self.events if one.new_page),
            "longest_time_a_page_could_not_be_used_s": round(max(one.longest_wait for one in self.visitors), 2),
            "gave_up": broken,
            "first_failures": [
                [
                    one.page,
                    one.kind,
                    one.why[:60],
                    self._when(one.begun),
                    f"took {one.ended - one.begun:.2f} s, {one.again}",
                ]
                for one in failures[:SHOWN]
            ],
            "first_losses": [
                [one.page, one.what, f"{one.had} -> {one.shows}", self._when(one.at)] for one in record.losses[:SHOWN]
            ],
        }


def counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))


class NoTabs:
    """No tabs were asked for."""

    def stop(self) -> list[str]:
        return []


@contextmanager
def tabs_of(port: int, count: int, record: Record, evidence: Path | None) -> Iterator[Any]:
    """Use tabs of a Chromium while the context is open."""
    if not count:
        yield NoTabs()
        return
    from tests.pages.tabs import Tabs

    tabs = Tabs(port, count, record, evidence)
    try:
        tabs.start()
        yield tabs
    finally:
        tabs.stop()
