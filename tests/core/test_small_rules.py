"""Verdicts, health, bursts of changes, durations, words: the small pure rules."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.debounce import LONGEST_BURST, concerns, wait_until
from gitrelease.core.health import crashed_too_often, pause_after, unhealthy
from gitrelease.core.outcome import Check, Outcome
from gitrelease.core.render import outcome_lines, step_lines
from gitrelease.core.settings import seconds
from gitrelease.core.text import ago, one_line
from gitrelease.core.verdict import forgive_first, judge


def check(name: str, status: str) -> Check:
    return Check(name=name, kind="major", status=status, detail="why")  # type: ignore[arg-type]


def test_a_check_that_fails_on_the_live_release_too_only_warns() -> None:
    judged = judge([check("labels", "failed"), check("terms", "failed")], [check("labels", "failed")])

    assert [(one.name, one.status) for one in judged] == [("labels", "warned"), ("terms", "failed")]
    assert "live release too" in judged[0].detail


def test_coming_up_at_all_is_never_forgiven() -> None:
    both = [check("start", "failed"), check("import", "failed"), check("script", "failed")]

    assert judge(both, both) == tuple(both)
    assert forgive_first(both) == tuple(both)


def test_what_fails_from_the_first_release_on_becomes_the_baseline() -> None:
    assert forgive_first([check("labels", "failed")])[0].status == "warned"


def test_the_session_that_says_why_the_first_script_does_not_run_is_no_baseline() -> None:
    said = forgive_first([check("labels", "failed"), check("session", "failed"), check("script", "failed")])

    assert [one.status for one in said] == ["warned", "failed", "failed"]


def test_a_session_that_fails_on_the_live_release_too_says_why_the_script_does_not_run() -> None:
    checks = [check("session", "failed"), check("script", "failed")]

    assert [one.status for one in judge(checks, [check("session", "warned")])] == ["failed", "failed"]


def test_one_missed_answer_is_a_busy_moment_three_are_not() -> None:
    assert [unhealthy(failures) for failures in (0, 1, 2, 3)] == [False, False, False, True]


def test_three_crashes_within_five_minutes_are_too_many() -> None:
    assert crashed_too_often([0, 100, 299], now=299)
    assert not crashed_too_often([0, 100, 310], now=310)


def test_a_start_that_fails_waits_longer_each_time_and_a_minute_at_most() -> None:
    assert [pause_after(failures) for failures in (1, 2, 3, 7, 5000)] == [1, 2, 4, 60, 60]


def test_a_burst_is_over_a_quiet_moment_after_its_last_change() -> None:
    assert wait_until(10.0, 11.0, 0.5) == 11.5


@given(first=st.floats(0, 1e6), length=st.floats(0, 1e4), settle=st.floats(0.001, 10))
def test_a_burst_that_never_ends_is_looked_at_all_the_same(first: float, length: float, settle: float) -> None:
    assert wait_until(first, first + length, settle) <= first + max(LONGEST_BURST, settle)


def test_what_git_or_python_write_themselves_concerns_nobody() -> None:
    root = PurePosixPath("/srv/app")

    assert concerns(root / "FinDocPipeline.py", root)
    assert concerns(root / "reports" / "a.csv", root)
    assert not concerns(root / "__pycache__" / "x.pyc", root)
    assert not concerns(root / ".git" / "index", root)
    assert not concerns(PurePosixPath("/elsewhere/x.py"), root)


@pytest.mark.parametrize(("text", "length"), [("500ms", 0.5), ("10s", 10), ("2m", 120), ("1h", 3600), ("1.5s", 1.5)])
def test_durations_are_numbers_with_a_unit(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 day", "10 s", "1e3s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


@given(st.text())
def test_one_line_is_one_line_without_control_characters(text: str) -> None:
    shown = one_line(text)

    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)


def test_lengths_of_time_read_as_a_person_says_them() -> None:
    assert [ago(length) for length in (0, 59, 60, 3600, 7200, 86_400 * 3)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h",
        "2 h",
        "3 days",
    ]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C",)), max_size=300), st.floats(0, 999))
def test_a_step_never_takes_more_than_four_lines(text: str, spent: float) -> None:
    lines = step_lines("stage", text, spent, 72)

    assert 1 <= len(lines) <= 4
    assert all(len(line) <= 72 for line in lines)


@pytest.mark.parametrize(
    ("outcome", "first"),
    [
        (Outcome(outcome="released", release="release/2", reason="terms +1"), "released: release/2 (terms +1)"),
        (Outcome(outcome="refused", release="release/1"), "refused: production untouched, production serves release/1"),
        (Outcome(outcome="refused", release=None), "refused: production untouched, nothing is live"),
        (
            Outcome(outcome="refused", release="release/1", waiting=True),
            "waits for approval: production untouched, production serves release/1",
        ),
        (Outcome(outcome="stuck", release="release/1"), "a person is needed: release/1 does not serve as it should"),
    ],
)
def test_the_end_of_a_command_says_what_production_serves(outcome: Outcome, first: str) -> None:
    import msgspec

    assert outcome_lines(msgspec.to_builtins(outcome))[0] == first


def test_exit_codes_are_the_promised_ones() -> None:
    codes = [
        Outcome(outcome="released").exit_code,
        Outcome(outcome="unchanged").exit_code,
        Outcome(outcome="rolled_back").exit_code,
        Outcome(outcome="refused").exit_code,
        Outcome(outcome="rolled_back", failed=True).exit_code,
        Outcome(outcome="stuck").exit_code,
    ]

    assert codes == [0, 0, 0, 3, 4, 5]


def test_a_command_stays_on_one_line_where_a_hint_is_broken() -> None:
    command = f"df -h '/srv/{'a folder/' * 12}home'"
    end = {"error": "the disk is full", "hint": f"Make room on the disk that production is on ({command}), then push"}

    assert outcome_lines(end)[2:] == [f"  ({command}),", "  then push"]
