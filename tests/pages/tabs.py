"""Tabs of a real Chromium in use: the same actions as a `Visitor`'s, and the same record."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser import chromium
from tests.pages.app import Shown, digest
from tests.pages.record import Failure, Loss, Record
from tests.pages.visitor import CYCLE, FIELDS, REACTION, EnteredValues

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Response, WebSocket
    from playwright.async_api import Request as Asked

ACTION = 10.0  # seconds for one step of an action
SETTLE = 30.0  # seconds until what was entered is shown: what comes late, on a busy host, is not lost
LOAD = 30.0
NOTHING_SENT = "the click did nothing"
REMEMBERED = 3000  # lines of what a tab has sent, received and said
FRAME = 300  # bytes of a frame of a websocket that are remembered
UPLOAD = "/_stcore/upload_file/"


class Tab:
    """One tab, used until `over`; two tabs share a browser context, as two tabs of one person do."""

    def __init__(self, page: Page, url: str, record: Record, name: str) -> None:
        self.page, self.url, self.record, self.name = page, url, record, name
        self.entered = EnteredValues()
        self._acts = 0
        self._uploads_sent = self._uploads_failed = 0
        self._picture: str | None = None
        self._looked = time.monotonic()  # whether the picture was there
        self._log: deque[str] = deque(maxlen=REMEMBERED)
        page.set_default_timeout(ACTION * 1000)
        page.on("request", self._sent)
        page.on("response", self._answered)
        page.on("requestfailed", self._broke)
        page.on("websocket", self._connected)
        page.on("console", lambda said: self._note(f"console: {said.text}"))
        page.on("pageerror", lambda error: self._note(f"error: {error}"))

    async def keep_evidence(self, folder: Path, why: str) -> None:
        """Write what the tab shows, and what it has sent, received and said, to files that begin with its name."""
        folder.mkdir(parents=True, exist_ok=True)
        self._note(why)
        begins = folder / f"{self.name.replace(' ', '-')}-{time.monotonic():.0f}"
        begins.with_suffix(".log").write_text("\n".join(self._log))
        begins.with_suffix(".html").write_text(await self.page.content())
        await self.page.screenshot(path=begins.with_suffix(".png"))

    async def open(self) -> None:
        await self.page.goto(self.url, timeout=LOAD * 1000)
        await self.page.get_by_test_id("stText").wait_for(timeout=LOAD * 1000)

    async def act(self) -> None:
        """Do the next action of the cycle, and compare what is shown with what was entered."""
        action = CYCLE[self._acts % len(CYCLE)]
        self._acts += 1
        self.record.acted()
        text = f"{self.name}-{self._acts}"
        match action:
            case "plain" | "keyed":
                setattr(self.entered, action, text)
                field = self.page.get_by_label(action.capitalize())
                await field.fill(text)
                await field.press("Enter")
            case "count":
                self.entered.count += 1
                await self.page.get_by_role("button", name="Count").click()
            case "upload":
                await self._upload(text)
            case "download":
                await self._download()
        await self._settle(action)
        await self._see_picture()

    async def _upload(self, text: str) -> None:
        """Choose a document; where nothing is sent, the page was just reconnecting: it is chosen once more."""
        content = text.encode() * 500
        self.record.count("upload")
        first: Failure | None = None
        for again in (False, True):
            begun, sent, failed = time.monotonic(), self._uploads_sent, self._uploads_failed
            self.entered.document = digest(content)
            await self.page.get_by_test_id("stFileUploader").locator("button:enabled").first.wait_for()
            await self.page.locator('input[type="file"]').set_input_files(
                {"name": f"{text}.txt", "mimeType": "text/plain", "buffer": content}
            )
            while time.monotonic() < begun + SETTLE and self._uploads_failed == failed:
                shown = await self.shown()
                if shown is not None and shown.document == self.entered.document:
                    if first is not None:
                        self.record.fail(first)
                    return
                await asyncio.sleep(0.05)
            if not again and self._uploads_sent == sent:
                self.record.leave_unanswered(self.name, "upload", begun)
            elif first is None:
                why = "answered with an error" if self._uploads_failed > failed else "the document does not arrive"
                first = Failure(self.name, "upload", begun, time.monotonic(), why, again=not again)
        if first is not None:
            self.record.fail(dataclasses.replace(first, again=False))
        shown = await self.shown()
        self.entered.document = shown.document if shown else ""

    async def _download(self) -> None:
        self.record.count("download")
        begun = time.monotonic()
        why = await self._download_once()
        if why == NOTHING_SENT:
            self.record.leave_unanswered(self.name, "download", begun)
            begun = time.monotonic()
            why = await self._download_once()
        if why:
            ended = time.monotonic()
            again = not await self._download_once()
            self.record.fail(Failure(self.name, "download", begun, ended, why, again=again))

    async def _download_once(self) -> str:
        """Return why it failed; empty when the file is what the page said it would be."""
        from playwright.async_api import Error, TimeoutError

        before = await self.shown()
        try:
            async with self.page.expect_download() as started:
                await self.page.get_by_test_id("stDownloadButton").get_by_role("button").click()
            download = await started.value
            failed = await download.failure()
            if failed:
                return failed
            content = await asyncio.to_thread(Path(await download.path()).read_bytes)
            await download.delete()
        except TimeoutError:
            return NOTHING_SENT  # whatever is asked for begins to be downloaded, and fails then
        except Error as error:
            return error.message.splitlines()[0]
        offered = {one.result for one in (before, await self.shown()) if one}  # it may have moved in between
        return "" if digest(content) in offered else "other bytes than those that were offered"

    async def shown(self) -> Shown | None:
        """Return what the page shows just now."""
        found = self.page.get_by_test_id("stText")
        if not await found.count():
            return None
        return Shown.read((await found.first.inner_text()).strip())

    async def _settle(self, action: str) -> None:
        """Wait until what was entered is shown; what is not there after a second try is lost."""
        begun = time.monotonic()
        for asked in (False, True):
            deadline = time.monotonic() + SETTLE
            while time.monotonic() < deadline:
                shown = await self.shown()
                if shown is not None and not self.entered.missing(shown):
                    return
                if shown is not None and self._other_than_the_last_action(shown, action):
                    break
                await asyncio.sleep(0.05)
            if asked:
                break
            if shown is not None and self.entered.missing(shown) == [action]:
                self.record.leave_unanswered(self.name, action, begun)
                await self._again(action)
        if shown is None:
            raise AssertionError(f"{self.name} does not show the app")
        for name in self.entered.missing(shown):
            had, has = getattr(self.entered, name), getattr(shown, name)
            self.record.lose(Loss(self.name, name, had, has, begun))  # type: ignore[arg-type]
        self.entered.adopt(shown)

    def _other_than_the_last_action(self, shown: Shown, action: str) -> bool:
        return getattr(shown, action, None) == getattr(self.entered, action, "") and bool(self.entered.missing(shown))

    async def _again(self, action: str) -> None:
        if action == "count":
            await self.page.get_by_role("button", name="Count").click()
        elif action in FIELDS and action != "document":
            text = f"{getattr(self.entered, action)} again"  # the frontend sends nothing where it is as before
            setattr(self.entered, action, text)
            field = self.page.get_by_label(action.capitalize())
            await field.fill(text)
            await field.press("Enter")

    async def _see_picture(self) -> None:
        """Count a picture that stays broken. One that another has replaced already is gone from the server, too."""
        last, self._looked = self._looked, time.monotonic()
        picture = self.page.get_by_test_id("stImage").locator("img").first
        source = await picture.get_attribute("src")
        if source == self._picture:
            return
        self._picture = source
        self.record.count("media")
        while not await picture.evaluate("image => image.complete") and time.monotonic() < self._looked + SETTLE:
            await asyncio.sleep(0.05)
        if not await picture.evaluate("image => image.naturalWidth"):
            # The browser has asked for it at some time since it had the one before.
            self.record.fail(Failure(self.name, "media", last, time.monotonic(), "the picture is broken", again=None))

    def _note(self, what: str) -> None:
        self._log.append(f"{time.monotonic():.3f} {what}")

    def _connected(self, websocket: WebSocket) -> None:
        name = f"websocket {id(websocket) % 10_000}"
        self._note(f"{name} opens")
        websocket.on("framesent", lambda frame: self._note(f"{name} sends {len(frame)}: {frame[:FRAME]!r}"))
        websocket.on("framereceived", lambda frame: self._note(f"{name} receives {len(frame)}: {frame[:FRAME]!r}"))
        websocket.on("socketerror", lambda error: self._note(f"{name} fails: {error}"))
        websocket.on("close", lambda _: self._note(f"{name} is closed"))

    def _sent(self, request: Asked) -> None:
        self._note(f"{request.method} {request.url}")
        if UPLOAD in request.url and request.method == "PUT":
            self._uploads_sent += 1

    def _answered(self, response: Response) -> None:
        self._note(f"{response.status} {response.request.method} {response.url}")
        if UPLOAD in response.url and response.status >= 400 and response.request.method == "PUT":
            self._uploads_failed += 1

    def _broke(self, request: Asked) -> None:
        self._note(f"failed: {request.method} {request.url}: {request.failure}")
        if UPLOAD in request.url and request.method == "PUT":
            self._uploads_failed += 1


class Tabs:
    """Some tabs in use from `start` to `stop`, in a thread of their own.

    What a tab that gave up had shown and said is written to files in the folder `evidence`, if there is one.
    """

    def __init__(self, port: int, count: int, record: Record, evidence: Path | None = None) -> None:
        self.port, self.count, self.record, self.evidence = port, count, record, evidence
        self.broken: list[str] = []
        self._over = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="tabs", daemon=True)

    def start(self) -> None:
        """Start a Chromium and open the tabs."""
        self._thread.start()
        if not self._ready.wait(LOAD * (self.count + 2)):
            raise AssertionError("the tabs of Chromium did not open")

    def stop(self) -> list[str]:
        """End the tabs; return which of them had to give up, and why."""
        self._over.set()
        self._thread.join(90)
        return self.broken

    async def _run(self) -> None:
        from playwright.async_api import async_playwright

        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
                try:
                    await self._use(browser)
                finally:
                    await browser.close()
        except Exception as error:  # noqa: BLE001 - a benchmark goes on without tabs, and reports it
            self.broken.append(f"Chromium: {error}")
        finally:
            self._ready.set()

    async def _use(self, browser: Browser) -> None:
        tabs: list[Tab] = []
        for place in range(self.count):
            if place % 2 == 0:
                context: Any = await browser.new_context(accept_downloads=True)
            page = await context.new_page()
            tabs.append(Tab(page, f"http://127.0.0.1:{self.port}/", self.record, f"tab {place + 1}"))
            await tabs[-1].open()
        self._ready.set()
        await asyncio.gather(*(self._keep_using(tab) for tab in tabs))

    async def _keep_using(self, tab: Tab) -> None:
        """Act every second; where the tab does not do what a person wants, reload it, as a person would."""
        due = time.monotonic()
        while not self._over.is_set():
            try:
                before = _gone_wrong(self.record, tab)
                await tab.act()
                if self.evidence is not None and (now := _gone_wrong(self.record, tab)) != before:
                    await self._keep_evidence(tab, self.evidence, str(now[-1]))
            except Exception as error:  # noqa: BLE001 - it is reported, and the tab begins anew
                self.broken.append(f"{tab.name}: {str(error).splitlines()[0]}")
                if self.evidence is not None:
                    await self._keep_evidence(tab, self.evidence, f"gave up: {error}")
                if not await self._reloaded(tab.open):
                    return
                tab.entered = EnteredValues()
            due = max(due + 1.0, time.monotonic() + REACTION)
            await asyncio.sleep(max(due - time.monotonic(), 0))

    async def _keep_evidence(self, tab: Tab, folder: Path, why: str) -> None:
        try:
            await tab.keep_evidence(folder, why)
        except Exception as error:  # noqa: BLE001 - a page that has crashed shows nothing; it is reported
            self.broken.append(f"{tab.name}: no evidence: {str(error).splitlines()[0]}")

    async def _reloaded(self, opened: Callable[[], Awaitable[None]]) -> bool:
        try:
            await opened()
        except Exception as error:  # noqa: BLE001 - likewise
            self.broken.append(f"does not load: {str(error).splitlines()[0]}")
            return False
        return True


def _gone_wrong(record: Record, tab: Tab) -> list[Loss | Failure]:
    return [one for one in (*record.losses, *record.failures) if one.page == tab.name]
