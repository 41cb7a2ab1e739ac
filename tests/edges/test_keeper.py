"""What is done with samples that cannot be written just now, and with a clock that is wrong for a while."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from pathlib import Path

import pytest

from gitrelease.agent.sampler import JUMP, KEPT_BACK, TRIM, Keeper
from gitrelease.core.settings import Monitor
from gitrelease.edges import samples
from gitrelease.edges.samples import ASIDE, History
from tests.edges.test_samples import sample

DAY = 86_400.0
NOW = 1_767_614_400.0


class Clocks:
    """The clock of the host, which somebody may set, and the one that only goes on."""

    def __init__(self) -> None:
        self.gone = 1000.0
        self.off = NOW - self.gone

    def wall(self) -> float:
        return self.gone + self.off

    def monotonic(self) -> float:
        return self.gone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.db"


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def keeper(path: Path, clocks: Clocks):
    made = Keeper(History(path, wait=0.01), wall=clocks.wall, monotonic=clocks.monotonic)
    yield made
    made.close()


def kept(path: Path) -> list[float]:
    """Return when each sample was taken, one by one."""
    with contextlib.closing(sqlite3.connect(path)) as base:
        return [at for (at,) in base.execute("SELECT at FROM samples ORDER BY at")]


@contextlib.contextmanager
def held(path: Path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other


def test_a_file_that_is_held_for_long_is_put_aside_and_what_waited_is_in_the_new_one(keeper, path, caplog) -> None:
    keeper.keep([sample(1.0)], Monitor())

    with caplog.at_level(logging.WARNING), held(path):
        for number in range(KEPT_BACK):
            keeper.keep([sample(10.0 + number)], Monitor())
        keeper.keep([sample(100.0)], Monitor())

    assert kept(path) == [*(11.0 + number for number in range(KEPT_BACK - 1)), 100.0]
    assert kept(path.with_name(path.name + ASIDE)) == [1.0]
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert "samples cannot be written: database is locked; they are tried again" in said[0]
    assert f"somebody has held it for {KEPT_BACK} samples: put aside as" in said[1]


def test_who_lets_go_in_time_has_kept_nothing_away(keeper, path) -> None:
    keeper.keep([sample(1.0)], Monitor())

    with held(path):
        for number in range(KEPT_BACK - 1):
            keeper.keep([sample(10.0 + number)], Monitor())
    keeper.keep([sample(100.0)], Monitor())

    assert kept(path) == [1.0, *(10.0 + number for number in range(KEPT_BACK - 1)), 100.0]
    assert not path.with_name(path.name + ASIDE).exists()


def test_what_is_damaged_while_it_is_open_is_put_aside_and_the_next_round_goes_on(keeper, path, clocks) -> None:
    keeper.keep([sample(NOW - at) for at in range(50_000)], Monitor())
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 8192))

    for number in range(3):
        clocks.gone += TRIM
        keeper.keep([sample(NOW + number)], Monitor())

    assert kept(path)[-1] == NOW + 2
    assert path.with_name(path.name + ASIDE).exists()


def round_of(clocks: Clocks, keeper: Keeper, keep: str = "14d") -> float:
    """Let it be time for a look at what is old, and write a sample; return when that was, by the clock of the host."""
    clocks.gone += TRIM
    keeper.keep([sample(clocks.wall())], Monitor(keep=keep))
    return clocks.wall()


def test_a_clock_that_jumps_far_ahead_and_back_costs_no_sample(keeper, path, clocks) -> None:
    written = [round_of(clocks, keeper) for _ in range(3)]
    for off in (40 * DAY, -400 * DAY, 0.0, 10_000 * DAY, 0.0):
        clocks.off = NOW - 1000.0 + off
        written.append(round_of(clocks, keeper))

    assert kept(path) == sorted(written)


def test_where_the_clock_goes_on_as_it_should_what_is_old_goes(keeper, path, clocks) -> None:
    first = round_of(clocks, keeper, keep="30m")
    clocks.off += JUMP / 2  # somebody sets it a little
    for _ in range(4):
        last = round_of(clocks, keeper, keep="30m")

    assert first not in kept(path)
    assert len(kept(path)) == 4
    assert kept(path)[-1] == last


def test_ten_thousand_restarts_are_as_quick_to_read_as_one(keeper, path) -> None:
    rows = [
        sample(float(at), release=at // 10, backend=f"backend-{at}", restarts=at, pid=at + 1) for at in range(10_000)
    ]
    keeper.keep(rows, Monitor())

    assert max(row.restarts for row in samples.read(path, 0, 10_000, points=50)) == 9_999
    assert len(samples.releases(path)) == 1_000
