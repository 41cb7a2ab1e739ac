"""For how long is an upload expected that a page has announced, and the run that uses it? No server needed."""

from __future__ import annotations

from gitrelease.inside.moving.uploads import Expected, Uploads


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_expected_is_forgotten_when_it_is_overdue() -> None:
    clock = Clock()
    expected = Expected(3.0, clock)
    expected.add("one")
    clock.now += 2.9
    assert "one" in expected

    clock.now += 0.1

    assert "one" not in expected


def test_what_is_expected_once_more_has_its_whole_time_again() -> None:
    clock = Clock()
    expected = Expected(3.0, clock)
    expected.add("one")
    expected.add("other")
    clock.now += 2.0
    expected.add("one")
    clock.now += 2.0

    assert "one" in expected
    assert "other" not in expected


def test_sessions_that_never_do_what_they_announce_do_not_add_up() -> None:
    clock = Clock()
    expected = Expected(300.0, clock)
    for number in range(10_000):
        expected.add(f"session {number}")
        clock.now += 1.0

    assert len(expected) == 299


def test_an_upload_counts_from_its_announcement_until_the_run_that_uses_it() -> None:
    uploads = Uploads()
    ended: list[tuple[str, int]] = []
    uploads.ended = lambda session: ended.append((session, uploads.of(session)))
    counts = [uploads.of("mine")]
    uploads.announce("mine")
    counts.append(uploads.of("mine"))
    with uploads.one("mine"), uploads.one("mine"):
        counts.append(uploads.of("mine"))
    counts.append(uploads.of("mine"))
    uploads.used("mine")
    counts.append(uploads.of("mine"))

    assert counts == [0, 1, 2, 1, 0]
    assert ended == [("mine", 2), ("mine", 1)]
    assert uploads.of("other") == 0
