"""Does a page get what it was sent just before its connection broke, where nobody knows whether it has come?

With other versions of Streamlit: tests/elsewhere/streamlits.sh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from gitrelease.inside.moving.resending import LARGEST, Resending
from tests.edges.companions import App, Visitor, running_app, wait_for

SCRIPT = """
import pathlib
import streamlit as st

word = st.text_input("Word")
st.session_state.runs = st.session_state.get("runs", 0) + 1
if st.button("Extract"):
    st.write("result of a click")
st.file_uploader("Document")
for line in range(3000 if word == "long" else 0):
    st.text(f"line {line}")
st.write(f"word {word}, run {st.session_state.runs}")
(pathlib.Path(__file__).parent / f"shown {word}").touch()
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    run = tmp_path_factory.mktemp("resending")
    (run / "app").mkdir()
    (run / "app" / "app.py").write_text(SCRIPT)
    with running_app(run / "app", run=run, name="app", options=["--server.enableXsrfProtection=false"]) as app:
        yield app


def typed(text: str) -> dict[str, tuple[str, str]]:
    return {"Word": ("string_value", text)}


def come_back(app: App, page: Visitor) -> Visitor:
    """Leave when no run is under way, and come back."""
    wait_for(lambda: not app.rows()[page.session].running)
    page.close()
    wait_for(lambda: not app.rows()[page.session].active)
    back = Visitor(app.port, page.session)
    back.session, back.ids = page.session, page.ids
    return back


def test_a_page_that_is_back_is_sent_the_result_of_its_last_click_and_nothing_is_run_again(app: App) -> None:
    page = Visitor(app.port)
    page.run()
    page.run({"Extract": ("trigger_value", True), **typed("entered")})

    back = come_back(app, page)

    assert back.shown().texts == ["result of a click", "word entered, run 2"]
    assert back.run(typed("on")).texts == ["word on, run 3"]
    back.close()


def test_a_page_that_comes_back_twice_is_sent_it_twice(app: App) -> None:
    page = Visitor(app.port)
    page.run()
    page.run(typed("entered"))

    once = come_back(app, page)
    first = once.shown()
    twice = come_back(app, once)

    assert first.texts == ["word entered, run 2"]
    assert twice.shown().texts == ["word entered, run 2"]
    twice.close()


def test_where_to_upload_is_told_again(app: App) -> None:
    page = Visitor(app.port)
    page.run()
    page.ask_for_address("report.pdf")
    told = page.address("report.pdf")
    page.run(typed("entered"))

    back = come_back(app, page)

    assert back.address("report.pdf") == told
    back.close()


def test_a_page_that_is_back_while_others_are_written_to_gets_what_it_is_due(app: App) -> None:
    # Streamlit writes to the connection that a page had when it began to go through its pages.
    many, page = Visitor(app.port), Visitor(app.port)
    many.run()
    page.run()
    for number in range(5):
        many.ask(typed("long" if number % 2 == 0 else "short"))
        page.ask(typed(f"entry {number}"))
        wait_for(lambda number=number: (app.slot / f"shown entry {number}").exists())

        back = come_back(app, page)

        back.shown_with(f"word entry {number}, run {number + 2}")
        page = back
        many.shown_with(f"run {number + 2}")
    page.close()
    many.close()


class Session:
    """What is known of a session of Streamlit's where nothing is sent again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._event_loop = loop


def run_of(size: int, session: str) -> list[ForwardMsg]:
    begins, shows = ForwardMsg(), ForwardMsg()
    begins.new_session.initialize.session_id = session
    shows.delta.new_element.text.body = "x" * size
    return [begins, shows]


def kept(resending: Resending, page: Session) -> list[str]:
    return [one.kind for one in resending._logs[page].sent]


def test_what_is_kept_of_all_pages_is_bounded_and_the_oldest_goes_first() -> None:
    loop = asyncio.new_event_loop()
    seconds = iter(range(100))
    resending = Resending(lambda: next(seconds))
    pages = [Session(loop) for _ in range(6)]

    for page in pages:
        resending.note(page, run_of(LARGEST - 1000, "s"))
    loop.close()

    whole = ["new_session", "delta"]
    assert [kept(resending, page) for page in pages] == [[], [], whole, whole, whole, whole]


def test_nothing_is_kept_of_a_run_that_is_too_large_until_the_next_one_begins() -> None:
    loop = asyncio.new_event_loop()
    resending, page = Resending(), Session(loop)
    begins, small = run_of(1, "s")

    resending.note(page, [begins, *run_of(LARGEST, "s")[1:], small])
    too_large = kept(resending, page)
    resending.note(page, [small])
    still = kept(resending, page)
    resending.note(page, [begins, small])
    loop.close()

    assert (too_large, still) == ([], [])
    assert kept(resending, page) == ["new_session", "delta"]
