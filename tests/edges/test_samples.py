"""The history of samples: written, read by others, bounded, and never in anybody's way."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from gitrelease.core.errors import ReleaseError
from gitrelease.core.samples import Sample
from gitrelease.edges import samples
from gitrelease.edges.samples import Damaged, History


def sample(at, instance="primary", release=1, **changes):
    usual = {
        "backend": "b", "pid": 1, "running": True, "cpu_percent": 4.0, "memory_mb": 100.0, "threads": 3, "sessions": 2,
        "restarts": 0, "answer_ms": 2.0, "error_lines": 1,
    }  # fmt: skip
    return Sample(at=at, instance=instance, release=release, **{**usual, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.db"


@pytest.fixture
def history(path: Path):
    made = History(path)
    yield made
    made.close()


def test_what_was_written_is_read_while_the_writer_has_it_open(history, path):
    history.add([sample(10.0), sample(10.0, "second", memory_mb=300.0), sample(40.0, memory_mb=200.0)])

    rows = samples.read(path, 0, 100)

    assert [(row.instance, row.at, row.memory, row.memory_peak) for row in rows] == [
        ("primary", 10.0, 100.0, 100.0), ("primary", 40.0, 200.0, 200.0), ("second", 10.0, 300.0, 300.0),
    ]  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o600


def test_rows_are_no_more_than_asked_for_and_keep_average_peak_and_sum(history, path):
    history.add(sample(float(at), cpu_percent=90.0 if at == 500 else 10.0) for at in range(1000))

    rows = samples.read(path, 0, 1000, "primary", points=7)

    assert len(rows) == 7
    assert sum(row.samples for row in rows) == 1000
    assert sum(row.errors for row in rows) == 1000
    assert max(row.cpu_peak for row in rows) == 90.0
    assert [row.at for row in rows] == sorted(row.at for row in rows)


def test_only_the_time_and_the_instance_that_are_asked_for(history, path):
    history.add(sample(float(at), name) for at in range(10) for name in ("primary", "second"))

    assert {row.instance for row in samples.read(path, 3, 5, "second")} == {"second"}
    assert [row.at for row in samples.read(path, 3, 5, "second")] == [3.0, 4.0, 5.0]
    assert samples.read(path, 0, 10, "x' OR 1=1 --") == []


def test_a_release_is_summed_up_over_the_instances_that_are_named(history, path):
    history.add(
        [sample(1.0), sample(2.0, memory_mb=300.0, answer_ms=None), sample(3.0, "second"), sample(4.0, release=2)]
    )

    used = samples.usage(path, 1, ["primary"])

    assert samples.releases(path) == {2: ("primary",), 1: ("primary", "second")}
    assert used is not None
    assert (used.samples, used.memory_average, used.memory_peak, used.unanswered) == (2, 200.0, 300.0, 1)
    assert samples.usage(path, 3, ["primary"]) is None


def test_what_did_not_run_is_no_zero(history, path):
    history.add([sample(1.0), sample(2.0, running=False, memory_mb=0.0, cpu_percent=0.0, answer_ms=None)])

    (row,) = samples.read(path, 0, 10, points=1)

    assert (row.memory, row.cpu, row.unanswered) == (100.0, 4.0, 1)


def test_the_oldest_go_by_age_and_by_size(history, path):
    history.add(sample(float(at), name) for at in range(20_000) for name in ("primary", "second"))

    history.trim(since=100.0, most=64 << 20)
    by_age = samples.read(path, 0, 20_000, "primary", points=1)[0].samples
    history.trim(since=100.0, most=1 << 20)
    rows = samples.read(path, 0, 20_000, "primary", points=20_000)

    assert by_age == 19_900
    assert 0 < len(rows) < 15_000
    assert rows[-1].at == 19_999.0
    history.add(sample(float(at)) for at in range(30_000, 34_000))
    size = path.stat().st_size
    history.trim(since=0.0, most=1 << 20)
    history.add(sample(float(at)) for at in range(40_000, 44_000))
    assert path.stat().st_size <= size * 1.2


def test_without_a_file_there_is_nothing_to_read(path):
    assert samples.read(path, 0, 100) == []
    assert samples.releases(path) == {}
    assert not path.exists()


def spoil_begin(path):
    path.write_bytes(b"this is no database, whatever its name is" * 100)


def spoil_middle(path):
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 8192))


def later_version(path):
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA user_version = 2")


def folder(path):
    path.unlink()
    path.mkdir()


def link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("spoil", [spoil_begin, spoil_middle, later_version, folder, link])
def test_a_file_that_cannot_be_used_is_put_aside_and_a_new_one_begun(path, spoil):
    first = History(path)
    first.add(sample(float(at)) for at in range(5000))
    first.close()
    spoil(path)
    history = History(path)

    with pytest.raises(Damaged):
        history.add([sample(1.0)])
    aside = history.put_aside()
    history.add([sample(1.0)])
    history.close()

    assert aside.exists()
    assert [row.at for row in samples.read(path, 0, 100)] == [1.0]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", [spoil_begin, later_version])
def test_who_reads_what_cannot_be_used_is_told(history, path, spoil):
    history.add([sample(1.0)])
    history.close()
    spoil(path)

    with pytest.raises(ReleaseError) as refused:
        samples.read(path, 0, 100)

    assert str(path) in refused.value.message
    assert refused.value.hint


def test_damage_under_the_writer_is_found_at_the_next_look_at_the_whole(history, path):
    history.add(sample(float(at)) for at in range(50_000))
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spoil_middle(path)

    with pytest.raises(Damaged):
        history.trim(since=0, most=64 << 20)


def test_a_file_that_is_deleted_under_the_writer_is_begun_anew(history, path):
    history.add([sample(1.0)])
    for one in path.parent.glob("samples.db*"):
        one.unlink()

    history.add([sample(2.0)])

    assert [row.at for row in samples.read(path, 0, 10)] == [2.0]


def test_a_file_that_somebody_holds_is_told_as_held_and_written_later(history, path):
    history.add([sample(1.0)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as held:
            history.add([sample(2.0)])
        other.execute("ROLLBACK")

    history.add([sample(2.0)])

    assert samples.code(held.value) in samples.HELD
    assert len(samples.read(path, 0, 10)) == 2


def test_a_reader_that_takes_its_time_keeps_nobody_from_writing(history, path):
    history.add([sample(1.0)])
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM samples").fetchone()

        history.add([sample(2.0)])

        assert reader.execute("SELECT count(*) FROM samples").fetchone() == (1,)
    assert len(samples.read(path, 0, 10)) == 2


def test_what_a_killed_writer_left_is_read_and_gone_on_with(path):
    child = os.fork()
    if child == 0:
        History(path).add([sample(1.0)])
        os._exit(0)
    os.waitpid(child, 0)

    assert len(samples.read(path, 0, 10)) == 1
    history = History(path)
    history.add([sample(2.0)])
    history.close()
    assert len(samples.read(path, 0, 10)) == 2
