"""A tab of a real Chromium with the sample app of open pages: what a person does in it, and what should be shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.checkout import PATIENCE
from tests.pages.app import Shown, digest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator


class OpenTab:
    """One tab of a browser context; every expectation waits for the page, `PATIENCE` seconds at most."""

    def __init__(self, context: BrowserContext, port: int) -> None:
        self.tab = context.new_page()
        self.tab.set_default_timeout(PATIENCE * 1000)
        self.tab.goto(f"http://127.0.0.1:{port}/")
        self._line.wait_for()

    @property
    def _line(self) -> Locator:
        return self.tab.get_by_test_id("stText")

    @property
    def shown(self) -> Shown:
        """What the app says on the page just now."""
        found = Shown.read(self._line.inner_text().strip())
        assert found is not None
        return found

    def expect(self, *, within: float = PATIENCE, **fields: str | int) -> None:
        """Wait until the page shows all of these values, within so many seconds."""
        from playwright.sync_api import expect

        for name, value in fields.items():
            expect(self._line).to_contain_text(f'"{name}": {json.dumps(value)}', timeout=within * 1000)

    def expect_stays(self, **fields: str | int) -> None:
        """See that the page shows these values, and that nobody has put a dialog before them."""
        assert {name: getattr(self.shown, name) for name in fields} == fields
        assert self.tab.get_by_role("dialog").count() == 0

    def type(self, label: str, text: str) -> None:
        """Type a text and see it arrive in the app."""
        field = self.tab.get_by_label(label)
        field.fill(text)
        field.press("Enter")
        self.expect(**{label.lower(): text})

    def value(self, label: str) -> str:
        """Return what stands in a field."""
        return self.tab.get_by_label(label).input_value()

    def count(self) -> None:
        """Press the button that counts."""
        self.tab.get_by_role("button", name="Count").click()

    def upload(self, name: str, content: bytes) -> None:
        """Upload a document and see it arrive in the app."""
        chosen = {"name": name, "mimeType": "text/plain", "buffer": content}
        self.tab.locator('input[type="file"]').set_input_files(chosen)  # type: ignore[arg-type]
        arrived = self._line.filter(has_text=f'"document": "{digest(content)}"')
        failed = self.tab.get_by_test_id("stFileChipIconError")
        arrived.or_(failed).first.wait_for()
        assert failed.count() == 0, f"the upload failed: {self.tab.get_by_test_id('stFileUploader').inner_text()}"

    def expect_document(self, name: str) -> None:
        """Wait until the uploader shows the name of a document, and no error."""
        from playwright.sync_api import expect

        expect(self.tab.get_by_test_id("stFileChipName")).to_contain_text(name, timeout=PATIENCE * 1000)
        assert self.tab.get_by_test_id("stFileChipIconError").count() == 0

    def expect_toast(self, words: re.Pattern[str]) -> None:
        """Wait until the page says something in a toast."""
        self.tab.get_by_test_id("stToast").filter(has_text=words).wait_for()

    def download(self) -> str:
        """Download the result and return its digest, as the app says it."""
        with self.tab.expect_download() as started:
            self.tab.get_by_test_id("stDownloadButton").get_by_role("button").click()
        failed = started.value.failure()
        assert failed is None, f"the download ended with {failed!r}"
        return digest(Path(started.value.path()).read_bytes())

    def expect_picture(self) -> None:
        """Wait until the picture is there, and see that it is not broken."""
        # One that a run takes away while it is loaded is replaced: the one that stays must not be broken.
        self.tab.wait_for_function(
            "() => { const it = document.querySelector('[data-testid=stImage] img');"
            " return it !== null && it.complete && it.naturalWidth > 0 }"
        )
