"""Releases are written into tags and read back; a rollback goes to the newest older one that is not bad."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.history import (
    Release,
    good_after,
    outcome_of,
    release_from_tag,
    release_number,
    rollback_target,
    tag_message,
)
from gitrelease.core.kinds import Kind
from gitrelease.core.text import one_line

COMMIT = "c" * 40


def release(number: int) -> Release:
    return Release(
        number=number, tag=f"{number:040x}", commit=COMMIT, source=COMMIT, kind=Kind.DICTIONARY, risk="low",
        trigger="push", by="Ann", at=0.0, summary=f"change {number}",
    )  # fmt: skip


@given(
    summary=st.text(max_size=200),
    by=st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable() and text.strip() == text),
    reason=st.text(max_size=100),
    number=st.integers(1, 10**6),
)
def test_what_a_tag_says_is_read_back_whatever_people_type(summary: str, by: str, reason: str, number: int) -> None:
    written = Release(
        number=number, tag="t" * 40, commit=COMMIT, source=COMMIT, kind=Kind.SCHEMA, risk="medium", trigger="pull",
        by=by, at=7.0, summary=summary, previous="release/1", reason=reason,
    )  # fmt: skip
    message = tag_message(written)

    found = release_from_tag(name=f"refs/tags/{written.name}", tag="t" * 40, commit=COMMIT, at=7.0, message=message)

    assert found is not None
    assert (found.number, found.kind, found.trigger, found.source, found.previous) == (
        number, Kind.SCHEMA, "pull", COMMIT, "release/1",
    )  # fmt: skip
    assert found.by == by
    assert found.reason == one_line(reason)


def test_a_tag_without_our_trailers_is_somebody_elses() -> None:
    assert release_from_tag(name="release/3", tag="t", commit=COMMIT, at=0, message="Version 3\n") is None


def test_a_summary_cannot_bring_escape_sequences_or_trailers_into_a_tag() -> None:
    message = tag_message(
        Release(
            number=2, tag="", commit=COMMIT, source=COMMIT, kind=Kind.DICTIONARY, risk="low", trigger="push",
            by="a\nb", at=0.0, summary="\x1b[31mred\nKind: major",
        )
    )  # fmt: skip

    assert "\x1b" not in message
    assert message.split("\n")[0] == "[31mred Kind: major"
    assert "Released-By: a b" in message.split("\n")


def test_release_names_are_understood_in_every_form_people_type() -> None:
    assert [release_number(name) for name in ("release/7", "7", "refs/tags/release/7")] == [7, 7, 7]
    assert [release_number(name) for name in ("release/0", "release/07", "v7", "release/", "x/7", "")] == [None] * 6


def test_a_rollback_goes_to_the_newest_older_release() -> None:
    target = rollback_target([release(3), release(2), release(1)], live=3, bad=())

    assert target == release(2)


def test_a_rollback_passes_over_what_is_bad() -> None:
    target = rollback_target([release(3), release(2), release(1)], live=3, bad={2})

    assert target == release(1)


def test_there_is_no_target_when_everything_older_is_bad() -> None:
    assert rollback_target([release(2), release(1)], live=2, bad={1}) is None


@given(live=st.integers(1, 20), bad=st.sets(st.integers(1, 20)))
def test_a_target_is_always_older_than_live_and_never_bad(live: int, bad: set[int]) -> None:
    target = rollback_target([release(number) for number in range(20, 0, -1)], live=live, bad=bad)

    assert target is None or (target.number < live and target.number not in bad)


def test_what_became_of_a_release_is_one_word() -> None:
    words = [outcome_of(release(number), soaking=4, bad={2: "why"}, superseded={3}) for number in (1, 2, 3, 4)]

    assert words == ["good", "rolled_back", "superseded", "soaking"]


def test_good_is_never_a_bad_release_nor_one_that_was_superseded() -> None:
    releases = [release(3), release(2), release(1)]

    assert good_after(releases, live=3, bad={3}, superseded={2}) == release(1)
    assert good_after(releases, live=2, bad=(), superseded=()) == release(2)
    assert good_after(releases, live=1, bad={1}, superseded=()) is None
