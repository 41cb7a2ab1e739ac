"""Output of an app: what tells of an error, how tracebacks are grouped, what is shown."""

from __future__ import annotations

import time

import pytest

from gitrelease.core import errorlines
from gitrelease.core.output import LONGEST, Shown
from gitrelease.core.tracebacks import MOST_GROUPS, Errors, known_before, time_of

UNCAUGHT = """\
2026-11-25 14:00:00.500 Uncaught app execution
Traceback (most recent call last):
  File "/opt/venv/lib/python3.11/site-packages/streamlit/runtime/exec_code.py", line 128, in exec_func
    result = func()
  File "/srv/findoc/.git/gitrelease/slots/b/FinDocPipeline.py", line {line}, in main
    raise ValueError("bad {what}")
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
    raise ValueError
ValueError: bad {what}
"""


def errors_of(text):
    found = Errors()
    for line in text.splitlines():
        found.take(line)
    found.end()
    return found


@pytest.mark.parametrize(
    ("output", "count"),
    [
        pytest.param("all is well, no errors\n", 0, id="a word in a sentence"),
        pytest.param("2026-11-25 ERROR: it broke\n", 1, id="a level"),
        pytest.param("MY_ERROR_COUNT=3\n", 0, id="a part of a name"),
        pytest.param(UNCAUGHT.format(line=7, what="page"), 1, id="a traceback is one"),
        pytest.param("ERROR a\nERROR b\nCRITICAL c\nFATAL d\n", 4, id="each line"),
        pytest.param("2026 Script compilation error\n", 1, id="a script that does not compile"),
        pytest.param("\x00\xff" * 50_000, 0, id="binary"),
        pytest.param("x" * 5000 + " ERROR \n", 0, id="far behind in a long line"),
    ],
)
def test_error_lines_are_counted(output, count):
    assert errorlines.count(output.encode("latin-1")) == count


def test_tracebacks_are_grouped_by_type_and_place_in_the_app():
    found = errors_of(UNCAUGHT.format(line=7, what="page") + "noise\n" + UNCAUGHT.format(line=7, what="table"))

    (group,) = found.groups.values()
    assert (group.type, group.place.told, group.count) == ("ValueError", "FinDocPipeline.py:7 in main", 2)
    assert group.message == "bad table"
    assert time.localtime(group.first)[:6] == (2026, 11, 25, 14, 0, 0)


def test_two_places_are_two_groups_and_a_place_that_moved_was_there_before():
    before = errors_of(UNCAUGHT.format(line=7, what="page"))
    now = errors_of(
        UNCAUGHT.format(line=9, what="page") + UNCAUGHT.format(line=20, what="page").replace("main", "other")
    )

    known = {group.place.line: known_before(group, before.groups) for group in now.groups.values()}

    assert known == {9: True, 20: False}


def test_a_line_with_a_level_is_grouped_without_its_numbers_and_belongs_to_a_traceback_that_follows():
    found = errors_of("ERROR page 7 of 9\nERROR page 8 of 9\nERROR: failed\n" + UNCAUGHT.format(line=7, what="x")[47:])

    assert sorted((group.type, group.count) for group in found.groups.values()) == [("ERROR", 2), ("ValueError", 1)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError\n", "KeyError", id="bare"),
        pytest.param(
            "  + Exception Group Traceback (most recent call last):\n  |   File \"a.py\", line 1, in f\n"
            "  | ExceptionGroup: two (2 sub-exceptions)\n",
            "ExceptionGroup",
            id="a group",
        ),
        pytest.param("Traceback (most recent call last):\nweird ending here\n", "", id="no exception"),
        pytest.param('Traceback (most recent call last):\n  File "x', None, id="cut off"),
    ],
)  # fmt: skip
def test_odd_tracebacks_are_understood_as_far_as_can_be(text, kind):
    groups = list(errors_of(text).groups.values())

    assert [group.type for group in groups] == ([] if kind is None else [kind])


def test_the_message_of_an_error_keeps_no_secret_and_cannot_steer_a_terminal():
    found = errors_of("Traceback (most recent call last):\nValueError: password=hunter2hunter2 \x1b[2Jgone\n")

    (group,) = found.groups.values()
    assert "hunter2" not in group.message
    assert "\x1b" not in group.message


def test_errors_of_ever_new_kinds_are_bounded():
    found = Errors()
    for number in range(MOST_GROUPS + 50):
        found.take("Traceback (most recent call last):")
        found.take(f"Kind{chr(97 + number % 26)}{chr(97 + number // 26)}Error: x")

    assert len(found.groups) == MOST_GROUPS
    assert found.others == 50


@pytest.mark.parametrize("line", ["2026-13-45 99:99:99 x", "12 o'clock", "", "9999-99-99T00:00:00"])
def test_what_is_no_time_is_none(line):
    assert time_of(line) is None


def shown(*lines):
    show = Shown()
    return [one for line in lines for one in show.take(line)]


def test_what_is_shown_cannot_steer_a_terminal_and_has_no_secrets():
    assert shown(b"\x1b]0;owned\x07 token=0123456789abcdef \xff\x00") == ["\\x1b]0;owned\\x07 token=*** \ufffd\\x00"]


def test_a_long_line_is_cut_and_its_length_told():
    (line,) = shown(b"x" * 70_000)

    assert line == "x" * LONGEST + "… (70,000 bytes)"


def test_a_private_key_over_several_lines_is_not_shown():
    key = [b"key: -----BEGIN RSA PRIVATE KEY-----", b"MIIB", b"AAAA", b"-----END RSA PRIVATE KEY-----"]

    assert shown(b"before", *key, b"after") == ["before", "key: *** private key", "after"]


def test_a_key_that_never_ends_does_not_hide_the_rest_for_ever():
    assert shown(b"-----BEGIN PRIVATE KEY-----", *[b"line"] * 400)[-1] == "line"
