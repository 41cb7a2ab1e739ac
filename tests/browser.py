"""The web page in a real browser: the page's server as the command starts it, and the Chromium of this host."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitrelease.edges.backends import free_port
from tests.checkout import PATIENCE, Production

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def chromium() -> str | None:
    """Return where Chromium is; Playwright's own is not used."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextlib.contextmanager
def running_browser(program: str) -> Iterator[Browser]:
    """Start a browser while the context is open."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Page:
    """A running server of the page."""

    pid: int
    port: int
    url: str
    said: str

    @property
    def bare_url(self) -> str:
        return self.url.partition("?")[0]


@contextlib.contextmanager
def running_page(production: Production, *options: str) -> Iterator[Page]:
    """Start `gitrelease dashboard` while the context is open, on a port of its own."""
    command = [
        sys.executable, "-m", "gitrelease", "-C", str(production.root), "dashboard", "--port", str(free_port()),
        "--json", *options,
    ]  # fmt: skip
    log = production.root.parent / "page.log"
    with log.open("wb") as errors:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=production.root
        )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line, log.read_text()
        told: dict[str, Any] = json.loads(line)
        yield Page(told["pid"], told["port"], told["url"], log.read_text())
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(PATIENCE)
        server.stdout.close()
