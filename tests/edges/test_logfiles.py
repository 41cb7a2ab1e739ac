"""Logs are read as they grow: in pieces, across rotations, with lines of any length."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitrelease.edges.backends import LogName, log_of, logs_in
from gitrelease.edges.home import Home
from gitrelease.edges.housekeeping import rotate
from gitrelease.edges.logfiles import CUT, Cutter, Growing, pieces


@pytest.fixture
def log(tmp_path: Path) -> Path:
    made = tmp_path / "x.log"
    made.write_bytes(b"one\n")
    return made


def append(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)


def rest(growing: Growing) -> bytes:
    return b"".join(iter(growing.read, b""))


def test_only_what_is_new_is_read(log):
    growing = Growing.at_end(log)

    assert rest(growing) == b""
    append(log, b"two\n")
    assert rest(growing) == b"two\n"
    assert rest(growing) == b""


def test_nothing_is_lost_or_read_twice_across_a_rotation(log):
    growing = Growing(log)
    append(log, b"".join(b"line %d\n" % number for number in range(1000)))
    first = rest(growing)
    append(log, b"unread\n")

    assert rotate(log, most=5000)
    append(log, b"after\n")

    assert first.endswith(b"line 999\n")
    assert rest(growing) == b"unread\nafter\n"


def test_a_log_that_somebody_emptied_is_read_from_its_start(log):
    growing = Growing(log)
    append(log, b"more and more\n")
    rest(growing)

    log.write_bytes(b"new\n")

    assert rest(growing) == b"new\n"


def test_a_log_that_is_not_there_yet_or_any_more_says_nothing(tmp_path):
    growing = Growing(tmp_path / "none.log")

    assert growing.read() == b""
    assert growing.behind() == 0


def test_who_is_too_far_behind_reads_the_newest_only(log):
    growing = Growing(log)
    append(log, b"x" * 1_000_000 + b"\nlast\n")

    passed = growing.skip(leave=6)

    assert passed == 4 + 1_000_001 - 1
    assert rest(growing) == b"\nlast\n"


def test_a_line_of_ten_megabytes_is_cut_and_counted():
    cutter = Cutter()
    lines = [line for _ in range(160) for line in cutter.feed(b"x" * 65_536)]
    lines += cutter.feed(b"\nnext\nno end")

    assert [(len(line.text), line.size) for line in lines] == [(CUT, 160 * 65_536), (4, 4)]
    assert [line.text for line in cutter.rest()] == [b"no end"]
    assert list(cutter.rest()) == []


def test_the_end_of_a_log_goes_into_its_older_generation(log):
    log.with_name("x.log.1").write_bytes(b"older\n")

    assert b"".join(pieces(log)) == b"older\none\n"
    assert b"".join(pieces(log, newest=7)) == b"er\none\n"
    assert b"".join(pieces(log, newest=2)) == b"e\n"


@pytest.mark.parametrize("instance", ["primary", "a.b-c@d", "x/../../y", "größe", "%2F"])
def test_the_name_of_a_log_tells_its_instance_whatever_that_is_called(tmp_path, instance):
    home = Home(tmp_path)
    home.create()
    log = log_of(home, "0123456789-1a2b-second.2", instance)
    log.touch()
    log.with_name(log.name + ".1").touch()
    (home.logs / "agent.log").touch()

    assert log.parent == home.logs
    assert logs_in(home) == [LogName(log, "0123456789", 0x1A2B / 1000, 2, instance)]


def test_a_log_of_an_earlier_version_tells_no_instance(tmp_path):
    home = Home(tmp_path)
    home.create()
    (home.logs / "0123456789-1a2b.3.log").touch()

    assert [one.instance for one in logs_in(home)] == [None]
