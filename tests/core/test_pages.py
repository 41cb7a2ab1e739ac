"""Open pages: which old backends give up theirs, and how that reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.course import course_of
from gitrelease.core.errors import SettingsError
from gitrelease.core.events import PagesMoved, Promoted
from gitrelease.core.memory import PagesGone, compacted, replay
from gitrelease.core.pages import beyond_kept, in_minutes, moved_pages, staying_pages
from gitrelease.core.settings_text import read


def test_the_oldest_slots_are_given_up_where_there_are_more_than_may_stay() -> None:
    assert beyond_kept(["a", "a", "b", "c"], 2) == {"a"}


def test_backends_of_several_instances_share_a_slot_and_count_once() -> None:
    assert beyond_kept(["a", "a", "b", "b"], 2) == frozenset()


def test_without_room_for_any_all_are_given_up() -> None:
    assert beyond_kept(["a", "b"], 0) == {"a", "b"}


@given(st.lists(st.sampled_from("abcdef")), st.integers(0, 6))
def test_no_more_stay_than_may_and_never_an_older_one_instead_of_a_newer(slots: list[str], keep: int) -> None:
    given_up = beyond_kept(slots, keep)
    order = list(dict.fromkeys(slots))

    assert len(order) - len(given_up) == min(len(order), keep)
    assert list(order[: len(given_up)]) == [slot for slot in order if slot in given_up]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "1 s"), (45, "45 s"), (90, "90 s"), (99.5, "2 min"), (1799, "30 min"), (1801, "31 min"), (7200, "2 h")],
)
def test_a_time_is_told_rounded_up(seconds: float, told: str) -> None:
    assert in_minutes(seconds) == told


def test_pages_that_stay_are_told_with_their_release_and_for_how_long() -> None:
    assert staying_pages(3, "release/41", 1800) == "3 open pages stay on release/41 for up to 30 min"
    assert staying_pages(1, "release/41", 1800) == "1 open page stays on release/41 for up to 30 min"
    assert staying_pages(0, "release/41", 1800) == ""


def test_pages_that_moved_are_told_with_those_that_could_not_and_why() -> None:
    assert moved_pages(7, 0, "release/41") == "7 open pages moved to release/41"
    assert moved_pages(7, 1, "release/41", ["no cookie"]) == "7 open pages moved to release/41, 1 could not: no cookie"
    assert moved_pages(0, 2, "release/41", ["x", "x"]) == "2 open pages could not move to release/41: x"
    assert moved_pages(0, 0, "release/41") == ""


MOVED = PagesMoved(at=5.0, number=4, to=3, moved=2, stayed=("no cookie",), dropped=("cart: Cart cannot be carried",))


def test_the_deployment_log_tells_which_pages_moved_and_what_was_lost() -> None:
    course = course_of(4, {"c"}, [Promoted(at=1.0, number=4, seconds=1.0), MOVED])

    assert (5.0, "2 open pages moved to release/3, 1 could not") in course.steps()
    assert list(course.issues()) == [
        "an open page could not be moved to release/3: no cookie",
        "an open page moved without cart: Cart cannot be carried",
    ]


def test_moved_pages_are_summed_up_for_each_release_that_they_went_to() -> None:
    later = PagesMoved(at=6.0, number=4, to=3, moved=1, stayed=("no cookie", "a run without an end"))
    elsewhere = PagesMoved(at=7.0, number=4, to=5, moved=4)

    assert replay([MOVED, later, elsewhere]).pages == {
        4: {
            3: PagesGone(to=3, moved=3, stayed=3, why=("no cookie", "a run without an end"), dropped=MOVED.dropped),
            5: PagesGone(to=5, moved=4),
        }
    }


def test_of_reasons_without_number_the_first_are_remembered() -> None:
    many = [PagesMoved(at=5.0, number=4, to=3, moved=0, stayed=(f"reason {place}",)) for place in range(30)]

    gone = replay(many).pages[4][3]

    assert (gone.stayed, gone.why) == (30, tuple(f"reason {place}" for place in range(20)))


def test_moved_pages_go_with_their_release() -> None:
    assert compacted([MOVED], kept=[4]) == [MOVED]
    assert compacted([MOVED, PagesMoved(at=6.0, number=5, to=3, moved=1)], kept=[]) == [
        PagesMoved(at=6.0, number=5, to=3, moved=1)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sessions]\nkeep = 9\n", "gitrelease.toml, line 2: sessions.keep is 9"),
        ("[sessions]\nkeep = -1\n", "gitrelease.toml, line 2: sessions.keep is -1"),
        ('[sessions]\nwait = "soon"\n', "gitrelease.toml, line 2: sessions.wait is 'soon'"),
        ("[sessions]\nwhat = 1\n", "gitrelease.toml, line 2: there is no setting sessions.what"),
    ],
)
def test_wrong_settings_of_sessions_are_refused_with_their_line(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(text.encode(), "gitrelease.toml")

    assert refused.value.message == said
    assert "from 0 to 4" in refused.value.hint or "500ms" in refused.value.hint or "keep, wait" in refused.value.hint
