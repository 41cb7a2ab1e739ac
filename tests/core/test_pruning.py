"""Which releases may go, what a journal must still tell afterwards, and what an end of a freeze may look like."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from gitrelease.core.events import (
    AnyEvent,
    Attempted,
    Drilled,
    Promoted,
    Promoting,
    Proved,
    Settled,
    Stopped,
    Superseded,
    WentBack,
)
from gitrelease.core.freeze import Freeze, freeze_from_message, freeze_message, moment
from gitrelease.core.history import Release
from gitrelease.core.kinds import Kind
from gitrelease.core.memory import compacted, replay
from gitrelease.core.pruning import droppable

NOW = 1_800_000_000.0


def release(number: int) -> Release:
    return Release(
        number=number, tag=f"t{number}", commit=f"c{number}", source=f"c{number}", kind=Kind.DICTIONARY, risk="low",
        trigger="push", by="ann", at=NOW, summary="x",
    )  # fmt: skip


numbers = some.integers(1, 12)
events = some.lists(
    some.one_of(
        some.builds(Promoting, at=some.just(NOW), number=numbers, tag=some.just("t"), commit=some.just("c"),
                    source=some.just("c"), previous=some.none()),
        some.builds(Promoted, at=some.floats(1, 9), number=numbers, seconds=some.floats(0, 9)),
        some.builds(Proved, at=some.just(NOW), number=numbers),
        some.builds(Superseded, at=some.just(NOW), number=numbers),
        some.builds(WentBack, at=some.floats(1, 9), number=numbers, to=numbers, reason=some.text(max_size=3),
                    by=some.just("ann"), automatic=some.booleans()),
        some.builds(Stopped, at=some.just(NOW), reason=some.text(max_size=3)),
        some.builds(Settled, at=some.just(NOW), source=some.text(max_size=3)),
        some.builds(Drilled, at=some.just(NOW), number=numbers, ok=some.booleans(), seconds=some.floats(0, 9)),
        some.builds(Attempted, at=some.floats(1, 9), commit=some.text(max_size=3), trigger=some.just("push"),
                    outcome=some.just("refused"), reason=some.just(""), by=some.just("ann")),
    ),
    max_size=40,
)  # fmt: skip


@given(some.sets(numbers, min_size=1), some.data())
def test_no_needed_release_is_ever_dropped(present: set[int], data: some.DataObject) -> None:
    releases = [release(number) for number in sorted(present)]
    bad, stays = data.draw(some.sets(numbers)), data.draw(some.sets(numbers))
    keep = data.draw(some.integers(1, 5))

    dropped = {one.number for one in droppable(releases, stays=stays, bad=bad, keep=keep)}

    assert dropped.isdisjoint({max(present), *stays})
    left = present - dropped
    assert len(left - bad) >= min(keep, len(present - bad))
    assert len(left & bad) >= min(keep, len(present & bad))


def went_back(number: int, to: int) -> WentBack:
    return WentBack(at=1.0, number=number, to=to, reason="", by="ann", automatic=False)


@example([went_back(5, 1), went_back(6, 5), went_back(1, 1)], {1, 5})
@given(events, some.sets(numbers))
def test_a_compacted_journal_remembers_what_counts(journal: list[AnyEvent], kept: set[int]) -> None:
    before, after = replay(journal), replay(compacted(journal, kept=kept, attempts=3))

    assert after.attempts == before.attempts[-3:]
    assert (after.settled, after.drilled, after.drilled_well) == (before.settled, before.drilled, before.drilled_well)
    assert after.unfinished == before.unfinished
    assert (after.live, after.live_since) == (before.live, before.live_since)
    assert after.stopped == before.stopped
    assert after.went_back_by_itself == before.went_back_by_itself
    assert {number for number in after.proved if number in kept} == {
        number for number in before.proved if number in kept
    }
    assert {n: why for n, why in after.bad.items() if n in kept} == {
        n: why for n, why in before.bad.items() if n in kept
    }
    assert {n: how for n, how in after.left.items() if n in kept} == {
        n: how for n, how in before.left.items() if n in kept
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800.0), ("2h", 7200.0), ("90s", 90.0)],
)
def test_a_freeze_may_end_after_a_length_of_time(text: str, seconds: float) -> None:
    assert moment(text, now=NOW) == NOW + seconds


def test_a_time_of_day_is_the_next_one() -> None:
    for text in ("00:00", "12:30", "23:59"):
        assert 0 < moment(text, now=NOW) - NOW <= 86_400 + 3_600  # a day, and an hour where the clock is set back


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2001-01-05", "12:30pm", "-2h"])
def test_what_is_no_moment_to_come_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        moment(text, now=NOW)


@given(some.text(max_size=30), some.text(min_size=1, max_size=10), some.one_of(some.none(), some.integers(1, 10**11)))
def test_a_freeze_reads_back_from_its_tag(reason: str, by: str, until: int | None) -> None:
    frozen = Freeze(by=by, since=NOW, reason=reason, until=until)

    found = freeze_from_message(freeze_message(frozen), at=NOW)

    assert found.until == until
    assert found.told == frozen.told
