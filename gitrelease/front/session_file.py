"""Where does a front that was killed find its sessions? In a file of JSON lines, appended to and written anew at times.

What cannot be written is told once and costs nobody a request: the next front then knows fewer sessions.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

from gitrelease.front.sessions import Record, Sessions

_MOST_BYTES = 64_000_000  # more is not read: the table itself is a quarter of that at most
_SLACK = 2_000  # lines more than twice as many as the table needs, until the file is written anew

log = logging.getLogger(__name__)


class SessionFile:
    """Keeps a table in `path`, for the owner only. A line that was cut off is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._lines = 0
        self._told = False
        self._sessions = Sessions(self._append)

    def read(self) -> Sessions:
        """Return the table, with what the front before has left."""
        self._sessions.replay(self._records(), time.time())
        self._write_anew()
        return self._sessions

    def _records(self) -> list[Record]:
        try:
            with self._path.open("rb") as file:
                text = file.read(_MOST_BYTES)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._tell(error)
            return []
        found = []
        for line in text.split(b"\n"):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                found.append(record)
        return found

    def _append(self, record: Record) -> None:
        if self._descriptor < 0:
            return
        try:
            os.write(self._descriptor, json.dumps(record).encode() + b"\n")
        except OSError as error:
            self._tell(error)
        self._lines += 1
        if self._lines > 2 * (len(self._sessions) + len(self._sessions.backends)) + _SLACK:
            self._write_anew()

    def _write_anew(self) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            lines = [json.dumps(record).encode() + b"\n" for record in self._sessions.records()]
            with open(descriptor, "wb", closefd=False) as file:
                file.writelines(lines)
            fresh.replace(self._path)
        except OSError as error:
            self._tell(error)
            self._lines = 0  # not again with every line
            return
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._lines = descriptor, len(lines)

    def _tell(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            log.warning("the sessions cannot be kept in %s: %s", self._path, error.strerror)
