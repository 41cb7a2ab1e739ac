"""The journal is replayed into memory; every prefix of one is legal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.events import (
    AnyEvent,
    Attempted,
    Promoted,
    Promoting,
    Proved,
    Settled,
    Stopped,
    Superseded,
    WentBack,
)
from gitrelease.core.memory import replay

moments = st.floats(0, 2e9)
numbers = st.integers(1, 9)
events = st.one_of(
    st.builds(Promoting, at=moments, number=numbers, tag=st.just("t"), commit=st.just("c"), source=st.just("s"),
              previous=st.none() | numbers),
    st.builds(Promoted, at=moments, number=numbers, seconds=st.floats(0, 100)),
    st.builds(Proved, at=moments, number=numbers),
    st.builds(Superseded, at=moments, number=numbers),
    st.builds(WentBack, at=moments, number=numbers, to=numbers, reason=st.text(), by=st.text(),
              automatic=st.booleans()),
    st.builds(Stopped, at=moments, reason=st.text()),
    st.builds(Settled, at=moments, source=st.just("s")),
    st.builds(Attempted, at=moments, commit=st.just("c"), trigger=st.just("push"), outcome=st.just("refused"),
              reason=st.text(), by=st.text()),
)  # fmt: skip


@given(st.lists(events), st.integers(0, 30))
def test_every_prefix_of_a_journal_can_be_replayed(journal: list[AnyEvent], cut: int) -> None:
    memory = replay(journal[:cut])

    assert len(memory.attempts) == sum(isinstance(event, Attempted) for event in journal[:cut])
    assert not memory.proved & memory.superseded


def test_an_intent_without_its_end_is_unfinished() -> None:
    intent = Promoting(at=1, number=2, tag="t", commit="c", source="s", previous=1)

    assert replay([intent]).unfinished == intent
    assert replay([intent, Promoted(at=2, number=2, seconds=1.0)]).unfinished is None


def went(*numbers: int) -> list[AnyEvent]:
    """Return what the journal has of a group that went on to each of `numbers`, and back to those below zero."""
    told: list[AnyEvent] = []
    live = 0
    for number in numbers:
        if number > 0:
            told.append(Promoted(at=len(told), number=number, seconds=1.0))
        else:
            told.append(WentBack(at=len(told), number=live, to=-number, reason="", by="", automatic=False))
        live = abs(number)
    return told


@pytest.mark.parametrize(
    ("course", "trail"),
    [
        pytest.param((1, 2, 4), [1, 2, 4], id="on, whatever is between them"),
        pytest.param((1, 2, 4, -2), [1, 2], id="back the way it came"),
        pytest.param((1, 2, 4, -2, 5), [1, 2, 5], id="and on from there"),
        pytest.param((2, 1), [2, 1], id="on to an older one"),
        pytest.param((2, 1, -2), [2], id="and back from that"),
        pytest.param((1, 2, 1), [2, 1], id="on to one that was left for a newer one"),
        pytest.param((4, -3), [3], id="back to one that was never served"),
        pytest.param((1, 2, -4), [1, 2, 4], id="to a newer one by its name"),
    ],
)
def test_the_trail_is_the_way_on_which_live_was_reached(course: tuple[int, ...], trail: list[int]) -> None:
    assert replay(went(*course)).trail == trail


def test_a_trail_is_bounded() -> None:
    assert replay(went(*range(1, 300))).trail == list(range(200, 300))


def test_going_back_ends_an_intent_as_well() -> None:
    intent = Promoting(at=1, number=1, tag="t", commit="c", source="s", previous=2)
    back = WentBack(at=2, number=2, to=1, reason="", by="", automatic=False)

    memory = replay([intent, back])

    assert memory.unfinished is None
    assert memory.live_since == 2


def test_a_release_that_has_proved_good_is_not_superseded_any_more() -> None:
    memory = replay([Superseded(at=1, number=2), Proved(at=2, number=2), Superseded(at=3, number=2)])

    assert memory.superseded == set()


def test_that_production_went_back_by_itself_outlives_the_agent_until_a_release_or_a_person() -> None:
    by_itself = WentBack(at=1, number=2, to=1, reason="", by="agent", automatic=True)
    by_a_person = WentBack(at=2, number=2, to=1, reason="", by="ann", automatic=False)

    assert replay([by_itself]).went_back_by_itself
    assert not replay([by_itself, by_a_person]).went_back_by_itself
    assert not replay([by_itself, Promoted(at=3, number=3, seconds=1.0)]).went_back_by_itself
