"""How does the web page look? Run by hand: `python -m tests.screenshots`, writes the pictures in docs/images.

The story of `gitrelease demo` is lived through, sampled every second; then the views are taken as they are.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitrelease.demo.story import Story
from gitrelease.edges import samples
from tests.browser import chromium, running_browser, running_page
from tests.checkout import Production

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = {"width": 1200, "height": 860}
SAMPLES = 20
CHECKOUT = "/srv/findoc"  # is shown in the place of the temporary folder


class Sampled(Story):
    """The story, sampled so often that there is something to draw."""

    def _prepare(self) -> None:
        super()._prepare()
        host = self.production / ".git" / "gitrelease" / "host.toml"
        host.write_text(host.read_text() + '\n[monitor]\nevery = "1s"\n')


def take(page: Page, name: str) -> None:
    """Take a picture once everything is there."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
    page.evaluate(
        "name => { document.querySelector('[data-testid=stMain] [data-testid=stText]').textContent = name; }", CHECKOUT
    )
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    print(IMAGES / f"{name}.png", (IMAGES / f"{name}.png").stat().st_size)


def await_samples(production: Production) -> None:
    """Wait until there is something to draw."""
    pause, begun = threading.Event(), time.time()
    while len(samples.read(production.home / "samples.db", begun - 300, time.time() // 30 * 30, points=300)) < SAMPLES:
        pause.wait(1)


def main() -> None:
    program = chromium()
    if program is None:
        raise SystemExit("there is no Chromium here: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="findoc-"))
    story = Sampled(folder, print)
    try:
        story.tell()
        production = Production(story.production, story.port)
        await_samples(production)
        with running_page(production, "--allow-actions") as served, running_browser(program) as browser:
            page = browser.new_page(viewport=SIZE)
            page.goto(served.url)
            page.get_by_text("Newest releases").wait_for()
            page.locator("[data-testid=stImage] img").nth(2).wait_for()
            take(page, "now")
            page.locator("label", has_text="Releases").click()
            page.get_by_role("combobox").fill("release/2")
            page.get_by_role("combobox").press("Enter")
            page.locator("code", has_text=re.compile(r"release/2\s+good")).first.wait_for()
            take(page, "release")
            page.get_by_role("button", name="Roll back", exact=True).click()
            page.get_by_role("dialog").get_by_text("I mean it").click()
            page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
            page.get_by_role("dialog").locator("button:enabled", has_text="Roll back to release/").wait_for()
            take(page, "rollback")
    finally:
        story.down()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
