"""What does a person see whose page changes process? A real Chromium, and a port that is pointed at another process.

With other versions of Streamlit: tests/elsewhere/streamlits.sh.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser import chromium, running_browser
from tests.edges.companions import App, Forwarder, running_app, ticket, wait_for

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium on this host")

APP = """
import pathlib
import pandas as pd
import streamlit as st

class Own: ...

state = st.session_state
if "count" not in state:
    state.count = 0
    state.frame = pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2024", periods=2, freq="D"))
state.mine = Own()
word = st.text_input("Word", key="word")
other = st.text_input("Other")
document = st.file_uploader("Document")
if st.button("Count"):
    state.count += 1
text = document.getvalue().decode() if document else "none"
st.write(f"release {pathlib.Path(__file__).parent.name}, {word}, {other}, {text}, {state.count}, {state.frame.a.sum()}")
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, App]]:
    run = tmp_path_factory.mktemp("browser")
    for name in ("old", "new"):
        (run / name).mkdir()
        (run / name / "app.py").write_text(APP)
    (run / "document.txt").write_text("the document")
    with running_app(run / "old", run=run, name="old") as old, running_app(run / "new", run=run, name="new") as new:
        yield old, new


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser(str(chromium())) as browser:
        yield browser


@pytest.fixture
def front(pair: tuple[App, App]) -> Iterator[Forwarder]:
    front = Forwarder(pair[0].port)
    yield front
    front.close()


def filled_in(browser: Any, front: Forwarder, document: Path) -> Any:
    """Return a page on which something was typed, uploaded and clicked."""
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{front.port}/")
    page.get_by_text("release old").wait_for()
    for label, text in (("Word", "typed"), ("Other", "more")):
        page.get_by_label(label).fill(text)
        page.get_by_label(label).press("Enter")
        page.get_by_text(text).wait_for()
    page.locator("input[type=file]").set_input_files(document)
    page.get_by_text("the document").wait_for()
    page.get_by_role("button", name="Count", exact=True).click()
    page.get_by_text("release old, typed, more, the document, 1, 3").wait_for()
    return page


def session_of(app: App) -> str:
    return next(row.session for row in app.rows().values() if row.active)


def test_a_page_that_is_moved_shows_the_new_release_by_itself_with_all_that_was_entered(pair, browser, front):
    old, new = pair
    page = filled_in(browser, front, old.slot.parent / "document.txt")
    session = session_of(old)
    front.tickets[session] = ticket()
    old.companion.send(session, ticket=front.tickets[session], to=new.companion.path, wait=10)

    front.switch(new.port)

    page.get_by_text("release new, typed, more, the document, 1, 3").wait_for()
    toast = page.get_by_text(re.compile("The app was restarted. This page was kept, but without mine"))
    toast.wait_for()
    assert "Own cannot be carried" in toast.inner_text()
    assert page.get_by_label("Word").input_value() == "typed"
    front.tickets.clear()
    page.get_by_role("button", name="Count", exact=True).click()
    page.get_by_text("release new, typed, more, the document, 2, 3").wait_for()
    front.cut()  # as a network does: the page comes back with the id that it has kept
    wait_for(lambda: [row for row in new.rows().values() if row.active and row.session == session])
    page.get_by_label("Other").fill("on")
    page.get_by_label("Other").press("Enter")
    page.get_by_text("release new, typed, on, the document, 2, 3").wait_for()
    page.close()


def test_typed_text_survives_a_change_of_process_even_where_nothing_is_moved_and_the_page_says_what_is_gone(
    pair, browser, front
):
    old, new = pair
    page = filled_in(browser, front, old.slot.parent / "document.txt")

    front.switch(new.port)

    page.get_by_text(re.compile("what you entered or uploaded here before is gone")).wait_for()
    page.get_by_role("button", name="Count", exact=True).click()
    page.get_by_text("release new, typed, more, none, ").wait_for()
    assert page.get_by_label("Other").input_value() == "more"
    page.close()


CLICKED = """
import streamlit as st

st.session_state.runs = st.session_state.get("runs", 0) + 1
word = st.text_input("Word", key="word")
st.button("Fill", on_click=lambda: st.session_state.update(word="of the app"))
if st.button("Extract"):
    st.toast("extracted")
    st.write("the result of a click")
st.write(f"run {st.session_state.runs}, {word}")
"""


# A page closes its fields while it has no connection. These versions take a text that is half typed then for entered,
# and send it to nobody: it goes with whatever the page sends next, and Enter sends nothing. So does plain Streamlit.
COMMITS_TO_NOBODY = {(1, 40), (1, 52)}


def version_of(app: App) -> tuple[int, ...]:
    return tuple(map(int, app.companion.status().streamlit.split(".")[:2]))


def kinds_received(websocket: Any) -> list[str]:
    """Return a list that grows with the kinds of messages that a websocket of a page receives."""
    kinds: list[str] = []
    websocket.on("framereceived", lambda frame: kinds.append(str(ForwardMsg.FromString(frame).WhichOneof("type"))))
    return kinds


def test_a_page_that_is_sent_again_what_it_has_shows_the_same(tmp_path, browser):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_text(CLICKED)
    with running_app(tmp_path / "app", run=tmp_path, name="app") as app:
        front = Forwarder(app.port)
        page = browser.new_page()
        received: list[list[str]] = []  # by websocket
        page.on("websocket", lambda websocket: received.append(kinds_received(websocket)))
        page.goto(f"http://127.0.0.1:{front.port}/")
        page.get_by_text("run 1").wait_for()
        page.get_by_role("button", name="Fill").click()
        page.get_by_text("run 2, of the app").wait_for()
        page.get_by_role("button", name="Extract").click()
        page.get_by_text("run 3, of the app").wait_for()
        page.get_by_text("extracted").wait_for()
        page.get_by_label("Word").fill("half typed")

        front.cut()
        wait_for(lambda: page.wait_for_timeout(20) or (len(received) > 1 and "script_finished" in received[1]))

        assert page.get_by_text("the result of a click").count() == 1
        assert page.get_by_text("extracted").count() == 1
        assert page.get_by_label("Word").input_value() == "half typed"
        if version_of(app) in COMMITS_TO_NOBODY:
            page.get_by_role("button", name="Extract").click()
            page.get_by_text("run 4, half typed").wait_for()
        else:
            page.get_by_label("Word").press("Enter")
            page.get_by_text("run 4, half typed").wait_for()
            assert page.get_by_text("the result of a click").count() == 0
        page.close()
        front.close()
