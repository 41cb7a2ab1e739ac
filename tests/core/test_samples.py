"""Samples are summed up, held against thresholds, and compared."""

from __future__ import annotations

import msgspec
import pytest

from gitrelease.core.samples import Sample, Summary, Usage, beyond, compare
from gitrelease.core.settings import Monitor, seconds

GUIDE = Monitor()


def sample(**changes):
    usual = Sample(
        at=0.0, instance="primary", release=1, backend="b", pid=1, running=True, cpu_percent=4.0, memory_mb=100.0,
        threads=3, sessions=1, restarts=0, answer_ms=2.0, error_lines=0,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def summed(*samples):
    summary = Summary()
    for one in samples:
        summary.take(one)
    return summary


def test_the_first_sample_of_a_process_has_no_cpu_and_does_not_count_as_idle():
    summary = summed(sample(cpu_percent=None), sample(cpu_percent=60.0))

    assert summary.cpu.average == 60.0
    assert summary.memory.count == 2


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        pytest.param([sample(cpu_percent=90.0), sample(cpu_percent=9.0)], [], id="a peak of CPU is allowed"),
        pytest.param(
            [sample(cpu_percent=90.0), sample(cpu_percent=20.0)], ["average CPU 55 %"], id="an average is not"
        ),
        pytest.param([sample(memory_mb=1001.0), sample(memory_mb=1.0)], ["peak memory 1001 MB"], id="a peak of memory"),
        pytest.param([sample(running=False)], ["it did not run"], id="down all the time"),
        pytest.param([], ["it did not run"], id="never seen"),
    ],
)
def test_thresholds_are_those_of_the_guide(samples, found):
    said = beyond(summed(*samples), GUIDE)

    assert [one.split(",")[0] for one in said] == found


def test_restarts_count_from_the_first_sample_on_and_anew_in_the_next_release():
    summary = summed(
        sample(restarts=2), sample(restarts=3), sample(restarts=0, release=2), sample(restarts=1, release=2)
    )

    assert summary.restarts == 2


def test_what_did_not_run_has_no_memory_and_no_answer():
    summary = summed(sample(), sample(running=False, memory_mb=0.0, answer_ms=None, cpu_percent=None))

    assert summary.memory.average == 100.0
    assert summary.unanswered == 1


def usage(**changes):
    usual = Usage(
        samples=10, cpu_average=4.0, cpu_peak=9.0, memory_average=285.0, memory_peak=300.0, answer_average=3.0,
        answer_peak=9.0, error_lines=0, unanswered=0, first=0.0, last=300.0,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def test_a_comparison_reads_as_a_person_would_say_it():
    said = compare(
        "release/42", usage(memory_average=336.3, cpu_average=2.0, answer_average=3.01), "release/41", usage()
    )

    assert said == [
        "release/42 uses 18 % more memory than release/41",
        "release/42 uses 50 % less CPU than release/41",
        "release/42 needs as much time to answer as release/41",
    ]


def test_error_lines_are_compared_by_sample_and_not_where_there_are_none():
    twice = compare("release/2", usage(error_lines=4, samples=20), "release/1", usage(error_lines=4))
    new = compare("release/2", usage(error_lines=1), "release/1", usage())

    assert "release/2 logs 50 % fewer error lines than release/1" in twice
    assert "release/2 logs error lines, release/1 does not" in new


def test_what_was_never_measured_is_not_compared():
    assert compare("release/2", usage(answer_average=None), "release/1", usage(answer_average=None))[-1].endswith(
        "as much CPU as release/1"
    )


def test_a_day_is_a_duration():
    assert seconds("14d") == 14 * 86_400
