"""Runs are spared the search for garbage in all that the app has loaded, and nothing stays for it.

With other versions of Streamlit: tests/elsewhere/streamlits.sh.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.inside.moving.garbage import AGAIN, Garbage
from tests.edges.companions import Visitor, running_app, wait_for

SCRIPT = """
import gc
import streamlit as st

st.button("Again")
st.write(f"{gc.get_freeze_count()} frozen, {len(gc.get_objects())} to search")
"""


def searched(page: Visitor) -> tuple[int, int]:
    """Run the page, and return how many objects are out of the collector's sight and how many are not."""
    (text,) = page.run({"Again": ("trigger_value", True)} if page.ids else None).texts
    words = text.split()
    return int(words[0]), int(words[2])


@pytest.mark.parametrize(("option", "spared"), [("true", True), ("false", False)])
def test_a_run_searches_what_is_new_and_not_what_the_app_has_loaded(
    tmp_path: Path, option: str, *, spared: bool
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_text(SCRIPT)
    with running_app(tmp_path / "app", run=tmp_path, name="app", options=[f"--runner.postScriptGC={option}"]) as app:
        page = Visitor(app.port)
        frozen, before = searched(page)
        assert (frozen, before > 50_000) == (0, True)
        if spared:
            wait_for(lambda: searched(page)[0])
        else:
            app.companion.trim()

        frozen, after = searched(page)

        assert (frozen > 50_000, after < before / 5) == (spared, spared)
        page.close()


class Knot:
    """Is freed by a search only."""

    def __init__(self) -> None:
        self.knot = self


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    assert not gc.get_freeze_count()
    yield Clock()
    gc.unfreeze()


def test_what_has_become_garbage_since_is_found_a_minute_later(clock: Clock) -> None:
    garbage = Garbage(clock)
    knot = Knot()
    seen = weakref.ref(knot)
    garbage.run_ended()
    del knot
    gc.collect()
    clock.now += AGAIN - 1
    garbage.run_ended()
    assert seen() is not None

    clock.now += 1
    garbage.run_ended()

    assert seen() is None
    assert gc.get_freeze_count()


def test_what_has_become_garbage_since_is_found_when_it_is_asked_for(clock: Clock) -> None:
    garbage = Garbage(clock)
    knot = Knot()
    seen = weakref.ref(knot)
    garbage.run_ended()
    del knot

    garbage.collect()

    assert seen() is None


def test_an_app_that_freezes_by_itself_is_left_alone(clock: Clock) -> None:
    knot = Knot()
    seen = weakref.ref(knot)
    gc.freeze()
    del knot
    garbage = Garbage(clock)

    garbage.run_ended()
    garbage.collect()

    assert seen() is not None
