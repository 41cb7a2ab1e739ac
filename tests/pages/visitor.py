"""A person at a page: an action every second, and a look whether everything entered before is still there."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

from tests.pages.app import Shown, digest
from tests.pages.page import NotDone, NothingSent, Page
from tests.pages.record import Loss

CYCLE = ("plain", "upload", "download", "count", "keyed", "download")
QUIET = 3.0  # seconds in which nothing comes any more from a page that is connected and runs nothing
UNANSWERED = 6.0  # likewise, where not even a run came: a busy host may be slow
REACTION = 0.25  # seconds in which nobody acts on what has just come up
PATIENCE = 30.0  # seconds for one action
RESULTS = {"upload": "document"}  # what an action changes, where that is not called as it is
FIELDS = ("plain", "keyed", "document", "count")


@dataclass
class EnteredValues:
    """What a person has entered, and expects to find."""

    plain: str = ""
    keyed: str = ""
    document: str = ""
    count: int = 0

    def missing(self, shown: Shown) -> list[str]:
        """Return the names of what is not as it was entered; a click that counted after all is there."""
        same = [name for name in FIELDS if getattr(self, name) == getattr(shown, name)]
        return [name for name in FIELDS if name not in same and (name != "count" or shown.count < self.count)]

    def adopt(self, shown: Shown) -> None:
        """Take what is shown for what was entered: a loss counts once."""
        for name in FIELDS:
            setattr(self, name, getattr(shown, name))


class Visitor:
    """Uses a page, which it opens, from `start` to `stop`."""

    def __init__(self, page: Page, *, every: float = 1.0, delay: float = 0.0) -> None:
        self.page, self.every, self.delay = page, every, delay
        self.entered = EnteredValues()
        self.longest_wait = 0.0  # seconds for which the page could not be used
        self.broken = ""  # why it gave up
        self._acts = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._use, name=f"{page.name} visitor", daemon=True)

    def start(self) -> Visitor:
        self._thread.start()
        return self

    def begin_to_stop(self) -> None:
        """Begin no further action."""
        self._over.set()

    def stop(self) -> None:
        """Wait for the end of the action that is under way, and close the page."""
        self.begin_to_stop()
        self._thread.join(2 * PATIENCE)
        self.page.close()

    def _use(self) -> None:
        self._over.wait(self.delay)
        try:
            self.page.open()
            due = time.monotonic()
            while not self._over.wait(max(due - time.monotonic(), 0)):
                self.act(CYCLE[self._acts % len(CYCLE)])
                due = max(due + self.every, time.monotonic() + REACTION)
        except Exception as error:  # noqa: BLE001 - a benchmark goes on without this one, and reports it
            self.broken = f"{type(error).__name__}: {error}"

    def act(self, action: str) -> None:
        """Do one action, wait for its result, and compare the page with what was entered."""
        begun = time.monotonic()
        self.page.wait_until_usable(2 * PATIENCE)
        self.longest_wait = max(self.longest_wait, time.monotonic() - begun)
        self._acts += 1
        self.page.record.acted()
        runs = self.page.runs
        self._do(action)
        self._settle(action, runs)

    def _do(self, action: str) -> None:
        page, text = self.page, f"{self.page.name}-{self._acts}"
        match action:
            case "plain" | "keyed":
                setattr(self.entered, action, text)
                page.type(action.capitalize(), text)
            case "count":
                self.entered.count += 1
                page.press("Count")
            case "upload":
                content = text.encode() * 500
                try:
                    self._upload(f"{text}.txt", content)
                except NotDone:
                    self.entered.document = "" if page.document is None else self.entered.document
                else:
                    self.entered.document = digest(content)
            case "download":
                with contextlib.suppress(NotDone):  # it is on record
                    page.download("Download")

    def _upload(self, name: str, content: bytes) -> None:
        try:
            self.page.upload("Document", name, content)
        except NothingSent:
            self.page.record.leave_unanswered(self.page.name, "upload", time.monotonic())
            self.page.wait_until_usable(PATIENCE)
            self.page.upload("Document", name, content)

    def _settle(self, action: str, runs: int) -> None:
        """Wait until the page shows what was entered, or until nothing more comes.

        Where only the result of this action is not there, it was sent over a connection that broke: a person does it
        once more. What is missing then, and whatever else is missing, is lost.
        """
        page, asked_again = self.page, False
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with page.changed:
                if page.changed.wait_for(lambda: page.runs > runs and not self._missing(), QUIET):
                    return
                quiet = time.monotonic() - page.quiet_since if page.connected and not page.running else 0.0
                ran = page.runs > runs
            if asked_again or quiet < (QUIET if ran else UNANSWERED):
                continue
            if self._missing() not in ([], [RESULTS.get(action, action)]):
                break
            page.record.leave_unanswered(page.name, action, page.quiet_since)
            self._again(action)
            asked_again = True
            deadline = time.monotonic() + PATIENCE
        self._compare()

    def _again(self, action: str) -> None:
        if action == "count":
            self.page.press("Count")
        else:
            self.page.rerun()

    def _missing(self) -> list[str]:
        return self.entered.missing(self.page.shown) if self.page.shown is not None else list(FIELDS)

    def _compare(self) -> None:
        shown = self.page.shown
        if shown is None:
            raise NotDone(f"{self.page.name} does not show the app: {self.page.elements.exceptions()}")
        for name in self._missing():
            had, has = getattr(self.entered, name), getattr(shown, name)
            self.page.record.lose(Loss(self.page.name, name, had, has, self.page.quiet_since))  # type: ignore[arg-type]
        self.entered.adopt(shown)
