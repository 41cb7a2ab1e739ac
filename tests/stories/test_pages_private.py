"""What is entered on a page reaches no log, no tag and no object of git, though the page moves and loses some of it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.checkout import PATIENCE, Production, make_checkout
from tests.pages.app import SCRIPT, SCRIPT_NAME, app_files, script_of
from tests.pages.browser import Browser
from tests.pages.page import Page

SECRET = "ann0wes4million"

# What was typed is also in what cannot be carried: in an object that shows it, in a table whose library says it when it
# cannot write it, and in a document that is too large, its name and its content.
KEEPS_IT = """\

import mmap

import pandas
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFileRec


class Sealed:
    def __init__(self, content):
        self.content = content

    def __repr__(self):
        return self.content


if plain:
    st.session_state.sealed = Sealed(plain)
    st.session_state.table = pandas.DataFrame({"column": [Sealed(plain), 1]})
    content = mmap.mmap(-1, (1 << 30) + 1)
    content[: len(plain)] = plain.encode()
    large = UploadedFileRec("large", f"{plain}.pdf", "application/pdf", content)
    Runtime.instance()._uploaded_file_mgr.add_file(get_script_run_ctx().session_id, large)
"""


def make_production(folder: Path) -> Production:
    production = make_checkout(folder, {**app_files(), SCRIPT_NAME: SCRIPT + KEEPS_IT})
    ended = production.gitrelease("init", "--port", str(production.port), "--python", sys.executable)
    assert ended.code == 0, ended.said
    production.up()
    production.await_idle()
    return production


def moved_with_words(page: Page, after: int, what: str) -> None:
    """Wait until a page says what did not come with it, the documents' names included: it is theirs who reads it."""
    page.wait(lambda: any(SECRET in one for one in page.toasts[after:]), PATIENCE, what)


def written(production: Production) -> dict[str, bytes]:
    """Return all that is written down: every object of git, and every file in .git."""
    git = ["git", "cat-file", "--batch-all-objects", "--batch"]
    found = {"objects": subprocess.run(git, cwd=production.root, capture_output=True, check=True).stdout}
    for folder, _, names in os.walk(production.root / ".git"):
        for path in (Path(folder, name) for name in names):
            if stat.S_ISREG(path.lstat().st_mode):
                found[str(path.relative_to(production.root))] = path.read_bytes()
    return found


def test_what_was_entered_on_a_page_that_moved_stands_in_no_log_tag_or_object(tmp_path: Path) -> None:
    production = make_production(tmp_path)
    visitor = Browser(production.port)
    page = Page(visitor)
    try:
        developer = production.clone()
        developer.write(SCRIPT_NAME, script_of("two") + KEEPS_IT)
        developer.commit("Release two")
        pushed = developer.push()
        assert pushed.code == 0, pushed.said
        production.await_idle()
        page.open()
        page.type("Plain", SECRET)
        page.type("Keyed", SECRET)
        page.upload("Document", f"{SECRET}.txt", SECRET.encode() * 3)
        page.wait(lambda: bool(page.shown and page.shown.plain and page.shown.document), PATIENCE, "what was entered")

        restarted = production.gitrelease("restart")
        moved_with_words(page, 0, "the restart's words")
        page.wait_until_usable(PATIENCE)
        seen = len(page.toasts)
        rolled_back = production.gitrelease("rollback")
        moved_with_words(page, seen, "the rollback's words")

        assert page.shown is not None
        assert (page.shown.release, page.shown.plain, page.shown.keyed) == ("one", SECRET, SECRET)
        production.await_idle()
        left: dict[str, Any] = production.gitrelease("history", "--json").json["releases"][0]
        dropped = [one for row in left["pages"] for one in row["dropped"]]
        assert set(dropped) == {
            "sealed: Sealed cannot be carried",
            "table: DataFrame could not be read: ArrowInvalid",
            "a document of 1024 MB: the uploaded files are more than 1024 MB",
        }
        said = [
            restarted,
            rolled_back,
            production.gitrelease("show", "release/2", "--log"),
            production.gitrelease("logs"),
        ]
        assert not [one.said for one in said if SECRET in one.said]
        assert not [name for name, content in written(production).items() if SECRET.encode() in content]
    finally:
        page.close()
        visitor.close()
        production.clear_away()
