"""Which candidates may go live: the table, row by row."""

from __future__ import annotations

from gitrelease.core.decide import AfterApproval, Decision, Go, No, NothingToDo, decide
from gitrelease.core.diff import Diff, OtherChange
from gitrelease.core.kinds import Kind
from gitrelease.core.settings import DEFAULT_POLICY


def diff(kind: Kind) -> Diff:
    other = (
        (OtherChange(file="app.py", old_lines=None, new_lines=None, why="code changed"),) if kind is Kind.MAJOR else ()
    )
    return Diff(kind=kind, kinds=(kind,), regions=(), other=other)


def decided(
    kind: Kind | None, *, same: bool = False, bad: str | None = None, explicit: bool = False, approved: bool = False
) -> Decision:
    policy = DEFAULT_POLICY[kind or Kind.MAJOR]
    return decide(
        diff(kind) if kind else None, policy, same_content=same, quarantined=bad, explicit=explicit, approved=approved
    )


def test_the_first_release_goes() -> None:
    assert decided(None) == Go()


def test_nothing_is_released_when_nothing_that_runs_has_changed() -> None:
    assert isinstance(decided(Kind.NONE), NothingToDo)
    assert isinstance(decided(Kind.MAJOR, same=True), NothingToDo)


def test_small_changes_go_by_themselves() -> None:
    assert [decided(kind) for kind in (Kind.DICTIONARY, Kind.PATTERN, Kind.SCHEMA)] == [Go()] * 3


def test_a_major_change_needs_approval_and_says_what_about_it() -> None:
    decision = decided(Kind.MAJOR)

    assert isinstance(decision, AfterApproval)
    assert "code changed" in decision.why
    assert decided(Kind.MAJOR, approved=True) == Go()


def test_content_that_went_bad_is_refused_with_the_first_reason_even_with_approval() -> None:
    decision = decided(Kind.DICTIONARY, bad="too many hits", approved=True)

    assert isinstance(decision, No)
    assert "too many hits" in decision.why


def test_naming_it_overrides_a_quarantine_but_not_the_approval() -> None:
    assert decided(Kind.DICTIONARY, bad="too many hits", explicit=True) == Go()
    assert isinstance(decided(Kind.MAJOR, bad="too many hits", explicit=True), AfterApproval)
