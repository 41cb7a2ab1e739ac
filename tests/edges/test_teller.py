"""Every event of the journal is told once, in its order: across agents, a compacted journal, a torn line."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gitrelease.agent.teller import Teller
from gitrelease.core.bound import MOST
from gitrelease.core.events import Attempted, Drilled
from gitrelease.core.memory import compacted
from gitrelease.core.notices import Notice
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.journal import Journal, Place
from tests.checkout import until


def attempt(number: int) -> Attempted:
    reason = f"number {number}"
    return Attempted(at=float(number), commit="c" * 40, trigger="push", outcome="refused", reason=reason, by="Ann")


def rehearsal(number: int) -> Drilled:
    return Drilled(at=float(number), number=number, ok=True, seconds=1.0)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


class Told:
    """Tellers, one after the other as agents come and go, and what they told."""

    def __init__(self, journal: Journal) -> None:
        self.notices: list[Notice] = []
        self.journal = journal
        self.teller: Teller | None = None
        self.busy: threading.Event | None = None

    def begin(self) -> None:
        def tell(notices: Sequence[Notice], cancel: Cancel) -> None:
            if self.busy is not None:
                self.busy.set()
                cancel.wait([], 60)
            self.notices.extend(notices)

        progress = self.journal.path.with_name("progress.json")
        self.teller = Teller("teller", self.journal, progress, tell=tell, release=lambda _: None)
        self.journal.appended = self.teller.look
        self.teller.start()

    def end(self) -> None:
        if self.teller is not None:
            self.teller.stop()
            self.teller.leave(time.monotonic() + 1.0)

    def reasons(self) -> list[str]:
        return [one.reason for one in self.notices]

    def settled(self) -> bool:
        """Has the teller written down that it has come to the end?"""
        written = self.journal.path.with_name("progress.json").read_text()
        return f'"digest":"{self.journal.after(None)[1].digest}"' in written


@pytest.fixture
def told(journal: Journal) -> Iterator[Told]:
    found = Told(journal)
    yield found
    found.busy = None
    found.end()


def test_what_is_past_is_no_news_and_what_comes_is_told_once(journal: Journal, told: Told) -> None:
    journal.append(attempt(1))
    told.begin()
    journal.append(attempt(2))
    until(told.settled)
    told.end()
    journal.append(attempt(3))
    told.begin()
    until(lambda: len(told.notices) == 2)
    until(told.settled)

    assert told.reasons() == ["number 2", "number 3"]


def test_what_was_cut_off_is_told_by_the_next(journal: Journal, told: Told) -> None:
    told.begin()
    until(told.settled)
    told.busy = threading.Event()
    journal.append(attempt(1))
    assert told.busy.wait(10)
    told.end()
    assert told.notices == []

    told.busy = None
    told.begin()

    until(lambda: told.reasons() == ["number 1"])


def test_hundreds_at_once_are_bounded_across_agents(journal: Journal, told: Told) -> None:
    told.begin()
    for number in range(300):
        journal.append(attempt(number))
    until(told.settled)
    assert told.reasons() == [f"number {number}" for number in range(MOST)]
    told.end()

    told.begin()
    until(lambda: len(told.notices) > MOST)

    assert [(one.reason, one.more) for one in told.notices[MOST:]] == [("number 299", 300 - MOST - 1)]


# -- places in the journal -------------------------------------------------------------------------------------------


def test_a_reader_goes_on_where_it_was(journal: Journal) -> None:
    journal.append(attempt(1))
    _, place = journal.after(None)
    journal.append(attempt(2))

    events, reached = journal.after(place)

    assert events == [attempt(2)]
    assert journal.after(reached) == ([], reached)


def test_a_place_is_found_again_in_a_compacted_journal(journal: Journal) -> None:
    for number in range(20):
        journal.append(rehearsal(number))
    _, place = journal.after(None)
    journal.append(attempt(1))
    journal.compact(lambda events: compacted(events, kept=[]))

    events, reached = journal.after(place)

    assert events == [attempt(1)]
    assert reached.offset == journal.path.stat().st_size


def test_a_place_that_is_gone_is_the_end(journal: Journal) -> None:
    journal.append(attempt(1))

    events, reached = journal.after(Place(offset=5_000, length=100, digest="0" * 40))

    assert events == []
    assert reached == journal.after(None)[1]


@pytest.mark.parametrize("rest", [b'{"event":"att', b"garbage\n", b'{"event":"of a later version","at":1}\n'])
def test_a_line_that_is_none_is_passed_over(journal: Journal, rest: bytes) -> None:
    journal.append(attempt(1))
    _, place = journal.after(None)
    with journal.path.open("ab") as file:
        file.write(rest)
    assert journal.after(place)[0] == []
    journal.append(attempt(2))

    assert journal.after(place)[0] == [attempt(2)]


@pytest.mark.parametrize("rest", [b"", b'{"event":"att', b"x" * 200_000, b"x" * 200_000 + b"\n"])
def test_the_end_of_a_long_journal_is_behind_its_last_event(journal: Journal, rest: bytes) -> None:
    line = b'{"event":"proved","at":1.0,"number":1}\n'
    journal.path.write_bytes(line * 10_000 + rest)

    _, place = journal.after(None)

    assert (place.offset, place.length) == (len(line) * 10_000, len(line))
    journal.append(attempt(2))
    assert journal.after(place)[0] == [attempt(2)]


def test_the_start_of_an_empty_journal_is_a_place(journal: Journal) -> None:
    _, place = journal.after(None)
    journal.append(attempt(1))

    assert journal.after(place)[0] == [attempt(1)]
