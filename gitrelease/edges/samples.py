"""What was sampled of production, and how is it read again? One SQLite file, written by the agent, read by anybody.

    from gitrelease.edges import samples
    rows = samples.read(home.samples, since=now - 3600, until=now, instance="primary", points=200)

Version 1 has one table, `samples`, a row for each instance and moment; `PRAGMA user_version` tells the version. A
reader opens it read-only and never waits for the writer, nor the writer for a reader (write-ahead log). New columns
may come within a version; a column that is gone or means something else makes it version 2.

column         is
at             seconds since 1970
instance       its name
release        the number of the release that served
backend        the name of the process's log and of the process at the front
cpu            percent of one core since the row before; null for the first of a process, and where it did not run
memory         megabytes, children included; null where it did not run
threads        of all its processes
sessions       connections that users held open; null where the front did not tell
restarts       of this instance in this release, ever
answer         milliseconds until its health was answered; null where it was not
errors         lines of its output that tell of an error, since the row before
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from gitrelease.core.errors import ReleaseError
from gitrelease.core.samples import Sample, Usage

VERSION = 1
ASIDE = ".aside"  # is appended to the name of a file that cannot be used
POINTS = 500
_WAIT = 1.0  # seconds for somebody who holds it
_CACHE = 512  # kilobytes of memory
_MOST_WAL = 4 << 20  # bytes
_WAL = ("-wal", "-shm")  # files that belong to it

_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
    at REAL NOT NULL, instance TEXT NOT NULL, release INTEGER NOT NULL, backend TEXT NOT NULL,
    cpu REAL, memory REAL, threads INTEGER NOT NULL, sessions INTEGER, restarts INTEGER NOT NULL, answer REAL,
    errors INTEGER NOT NULL,
    PRIMARY KEY (instance, at)
) WITHOUT ROWID
"""
_INSERT = "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_OLDEST = "DELETE FROM samples WHERE at < (SELECT min(at) + (max(at) - min(at)) / 10 FROM samples)"
_READ = """
SELECT instance, avg(at), max(release), count(*), avg(cpu), max(cpu), avg(memory), max(memory), max(threads),
    max(sessions), max(restarts), avg(answer), max(answer), sum(errors), sum(answer IS NULL)
FROM samples WHERE instance = :instance AND at >= :since AND at <= :until
GROUP BY min(cast((at - :since) / :width AS INTEGER), :last) ORDER BY avg(at)
"""
# From one to the next by the key: DISTINCT would look at every row.
_INSTANCES = """
WITH RECURSIVE found(name) AS (
    SELECT min(instance) FROM samples
    UNION ALL SELECT (SELECT min(instance) FROM samples WHERE instance > name) FROM found WHERE name IS NOT NULL
) SELECT name FROM found WHERE name IS NOT NULL
"""
_USAGE = """
SELECT count(*), avg(cpu), max(cpu), avg(memory), max(memory), avg(answer), max(answer), sum(errors),
    sum(answer IS NULL), min(at), max(at)
FROM samples WHERE release = ? AND instance IN (SELECT value FROM json_each(?))
"""


HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Damaged(ReleaseError):
    """The file is none that can be used: damaged, of a later version, or no file at all."""


class Row(msgspec.Struct, frozen=True):
    """One instance over a stretch of time, `samples` samples of it. Units as in the table."""

    instance: str
    at: float  # in the middle of the stretch
    release: int  # the newest that served in it
    samples: int
    cpu: float | None
    cpu_peak: float | None
    memory: float | None
    memory_peak: float | None
    threads: int
    sessions: int | None
    restarts: int
    answer: float | None
    answer_peak: float | None
    errors: int
    unanswered: int


# -- reading -----------------------------------------------------------------------------------------------------


def read(path: Path, since: float, until: float, instance: str | None = None, *, points: int = POINTS) -> list[Row]:
    """Return what was sampled from `since` to `until` (seconds since 1970), oldest first, instance by instance.

    At most `points` rows for an instance: each sums up a stretch of the time. None where there is no file;
    `ReleaseError` for one that cannot be read.
    """
    width = max((until - since) / points, 1e-6)
    asked = {"since": since, "until": until, "width": width, "last": points - 1}
    with _reading(path) as base:
        if base is None:
            return []
        names = [instance] if instance is not None else [name for (name,) in base.execute(_INSTANCES)]
        return [Row(*row) for name in names for row in base.execute(_READ, {**asked, "instance": name})]


def releases(path: Path) -> dict[int, tuple[str, ...]]:
    """Return of which releases there are samples, and of which of their instances; the newest release first."""
    with _reading(path) as base:
        found: dict[int, tuple[str, ...]] = {}
        rows = () if base is None else base.execute("SELECT DISTINCT release, instance FROM samples ORDER BY 1 DESC, 2")
        for release, instance in rows:
            found[release] = (*found.get(release, ()), instance)
        return found


def usage(path: Path, release: int, instances: Sequence[str]) -> Usage | None:
    """Return what a release used over some of its instances, None where nothing was sampled."""
    with _reading(path) as base:
        asked = (release, msgspec.json.encode(instances).decode())
        row = None if base is None else base.execute(_USAGE, asked).fetchone()
    if row is None or not row[0]:
        return None
    names = ("samples", "cpu_average", "cpu_peak", "memory_average", "memory_peak", "answer_average", "answer_peak",
             "error_lines", "unanswered", "first", "last")  # fmt: skip
    return Usage(**dict(zip(names, row, strict=True)))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open it read-only; None where there is no file."""
    if not path.exists():
        yield None
        return
    try:
        base = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT)
        with contextlib.closing(base):
            found = _version(base)
            if found not in (0, VERSION):
                raise Damaged(
                    f"{path} is of version {found}, {VERSION} is the latest that is known here",
                    hint="Install the gitrelease that wrote it, or start again: move that file away",
                )
            yield base if found else None  # 0: it is just being made
    except sqlite3.Error as error:
        raise ReleaseError(
            f"{path} cannot be read: {error}",
            hint="Production is as it is. Try again; where it stays so, move that file away",
        ) from error


def code(error: sqlite3.Error) -> int:
    """Return what SQLite calls an error, without its finer distinctions; 0 for one of Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _version(base: sqlite3.Connection) -> int:
    return int(base.execute("PRAGMA user_version").fetchone()[0])


# -- writing -----------------------------------------------------------------------------------------------------


class History:
    """The agent's end: opened when there is something to write, put aside where it cannot be used.

    Every method may raise `sqlite3.Error` or `OSError`, and then holds nothing open; `Damaged` was put aside.
    """

    def __init__(self, path: Path, *, wait: float = _WAIT) -> None:
        """`wait`: how many seconds who holds it is waited for."""
        self._path, self._wait = path, wait
        self._base: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None  # that is open

    def add(self, samples: Iterable[Sample]) -> None:
        """Write samples, all or none."""
        with self._writing() as base, base:
            base.executemany(_INSERT, map(_row, samples))

    def trim(self, *, since: float, most: int) -> None:
        """Look whether it is sound; drop what is older than `since`, and the oldest beyond `most` bytes."""
        with self._writing() as base:
            self._check(base)
            with base:
                base.execute("DELETE FROM samples WHERE at < ?", (since,))
        while self._used() > most:
            with self._writing() as base, base:
                if base.execute(_OLDEST).rowcount < 1:
                    return

    def _used(self) -> int:
        with self._writing() as base:
            names = ("page_count", "freelist_count", "page_size")
            pages, free, size = (int(base.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
            return (pages - free) * size

    def close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None

    def put_aside(self) -> Path:
        """Give the file another name, in the place of what was put aside before; return that name.

        Its write-ahead log goes with it: that may hold most of it where somebody has kept it from being written back.
        """
        self.close()
        aside = self._path.with_name(self._path.name + ASIDE)
        if aside.is_dir() and not aside.is_symlink():
            aside = aside.with_name(f"{aside.name}-{os.getpid()}")
        for ending in _WAL:
            aside.with_name(aside.name + ending).unlink(missing_ok=True)
        self._path.replace(aside)
        with contextlib.suppress(FileNotFoundError):
            self._path.with_name(self._path.name + _WAL[0]).replace(aside.with_name(aside.name + _WAL[0]))
        self._drop_log()
        return aside

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._base is not None and not self._is_there():
                self.close()  # somebody has deleted it: a new one is begun
            if self._base is None:
                self._base = self._open()
            yield self._base
        except sqlite3.DatabaseError as error:
            if code(error) not in (sqlite3.SQLITE_FULL, *HELD):
                self.close()
            if code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise Damaged(f"{self._path} is damaged: {error}", hint="A new one is begun") from error
            raise

    def _is_there(self) -> bool:
        try:
            return self._file is not None and os.path.samestat(self._path.lstat(), self._file)
        except FileNotFoundError:
            return False

    def _open(self) -> sqlite3.Connection:
        if self._path.is_symlink() or (self._path.exists() and not self._path.is_file()):
            raise Damaged(f"{self._path} is no file", hint="A new one is begun")
        if not self._path.exists():
            self._drop_log()  # of one that is gone
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._file = os.fstat(descriptor)
        os.close(descriptor)
        base = sqlite3.connect(self._path, timeout=self._wait, check_same_thread=False)
        try:
            self._prepare(base)
        except BaseException:
            base.close()
            raise
        return base

    def _prepare(self, base: sqlite3.Connection) -> None:
        found = _version(base)
        if found > VERSION:
            raise Damaged(f"{self._path} is of version {found}, later than {VERSION}", hint="A new one is begun")
        self._check(base)
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute(f"PRAGMA journal_size_limit = {_MOST_WAL}")
        base.execute(f"PRAGMA cache_size = -{_CACHE}")
        with base:
            base.execute(_SCHEMA)
            base.execute(f"PRAGMA user_version = {VERSION}")

    def _check(self, base: sqlite3.Connection) -> None:
        said = base.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise Damaged(f"{self._path} is damaged: {said}", hint="A new one is begun")

    def _drop_log(self) -> None:
        for ending in _WAL:
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)


def _row(one: Sample) -> tuple[object, ...]:
    return (
        one.at, one.instance, one.release, one.backend, one.cpu_percent if one.running else None,
        one.memory_mb if one.running else None, one.threads, one.sessions, one.restarts, one.answer_ms, one.error_lines,
    )  # fmt: skip
