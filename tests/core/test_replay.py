"""What two versions find in the same documents, beside each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.replay import Answer, Extract, compare, told

ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123")), max_size=6)


def answers(*rows: tuple[str, str], signs: dict[str, str] | None = None, **more: str) -> dict[str, Answer]:
    metrics = tuple(Extract(metric, value) for metric, value in rows)
    return {"report.txt": Answer(document="report.txt", metrics=metrics, signs=signs or {}, **more)}


def test_a_value_that_is_gone_is_lost_and_a_new_one_gained():
    diff = compare(answers(("revenue", "1"), ("profit", "2")), answers(("profit", "2"), ("eps", "3")))

    assert [item.metric for item in diff.lost] == ["revenue"]
    assert [item.metric for item in diff.gained] == ["eps"]
    assert diff.summary == "replay: +1 values, -1"


def test_another_value_of_the_same_metric_is_a_change():
    diff = compare(answers(("revenue", "1")), answers(("revenue", "9")))

    assert (diff.lost, diff.gained) == ((), ())
    assert told(diff.changed) == "revenue 1 -> 9 in report.txt"
    assert diff.summary == "replay: +0 values, -0, 1 changed"


def test_the_same_value_found_less_often_is_lost():
    diff = compare(answers(("eps", "1"), ("eps", "1")), answers(("eps", "1")))

    assert len(diff.lost) == 1


def test_a_value_that_becomes_empty_is_lost_and_an_empty_one_is_no_gain():
    diff = compare(answers(("eps", "1")), answers(("eps", ""), ("revenue", " ")))

    assert [item.metric for item in diff.lost] == ["eps"]
    assert (diff.gained, diff.changed) == ((), ())


def test_a_figure_that_becomes_a_word_is_lost_and_a_word_that_becomes_another_is_a_change():
    diff = compare(answers(("eps", "$1.4 m"), ("unit", "t")), answers(("eps", "EPS 1.4"), ("unit", "kt")))

    assert told(diff.lost) == "eps $1.4 m -> EPS 1.4 in report.txt"
    assert [item.metric for item in diff.changed] == ["unit"]


def test_signs_are_counted_and_are_no_metrics():
    diff = compare(answers(signs={"label risk": "1"}), answers(signs={"label risk": "2"}))

    assert (diff.lost, diff.gained, diff.changed) == ((), (), ())
    assert diff.summary == "replay: values as before, 2 label counts differ"


def test_a_document_that_only_the_candidate_fails_over_is_broken_and_loses_nothing():
    diff = compare(answers(("eps", "1")), answers(failed="KeyError"))

    assert [answer.failed for answer in diff.broken] == ["KeyError"]
    assert diff.lost == ()


def test_what_is_new_is_not_compared():
    new = {**answers(("eps", "1")), "new.txt": Answer(document="new.txt", metrics=(Extract("eps", "2"),))}

    diff = compare(answers(("eps", "1")), new)

    assert (diff.lost, diff.gained, diff.unread) == ((), (), ())
    assert diff.documents == 1


def test_a_document_that_the_candidate_alone_had_no_time_for_is_late():
    diff = compare(answers(("eps", "1")), answers(skipped="there was no time left for it"))

    assert (diff.late, diff.unread, diff.lost) == (("report.txt",), (), ())


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"skipped": "late"}, {"failed": "took longer than 6 s"}, "took longer than 6 s; on the live release: late"),
        ({"failed": "no PDF here"}, {"failed": "no PDF here"}, "no PDF here, as on the live release"),
        ({"failed": "no PDF here"}, {}, "was not read by the live release: no PDF here"),
    ],
)
def test_a_document_that_one_of_them_did_not_read_is_told_with_the_reason(before, after, why):
    diff = compare(answers(("eps", "1"), **before), answers(("eps", "2"), **after))

    assert (diff.documents, diff.broken, diff.lost, diff.changed) == (0, (), (), ())
    assert diff.unread_told == f"1 of 1 documents not compared: report.txt {why}"


def test_losses_are_those_that_nobody_allowed():
    diff = compare(answers(("revenue", "1"), ("profit", "2")), answers())

    assert [item.metric for item in diff.losses({"revenue"})] == ["profit"]


@given(ROWS, ROWS)
def test_both_directions_say_the_same(old, new):
    forth, back = compare(answers(*old), answers(*new)), compare(answers(*new), answers(*old))

    lost = sorted((item.metric, item.old.value) for item in forth.lost if item.old)
    assert lost == sorted((item.metric, item.new.value) for item in back.gained if item.new)
    assert len(forth.changed) == len(back.changed)
    assert len(old) + len(forth.gained) == len(new) + len(forth.lost)
