"""Keeps pictures and downloads for a while after Streamlit has dropped them: a page may still show them.

A run gives up its session's files when it begins. Where runs of other pages end before it has come to them again,
Streamlit deletes them under a page that still offers them: a broken picture, a download that ends with 404. Pages that
move run side by side, so that this would happen with every release.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

KEPT = 60.0  # seconds
LIMIT = 32 << 20  # bytes that are kept; beyond that the oldest go, as they would without us


class Deleted(NamedTuple):
    """A file that Streamlit has deleted. `since`: monotonic seconds; `drop` deletes it for good."""

    since: float
    size: int
    drop: Callable[[], None]


class KeptMedia:
    """The files that are kept, by id, the oldest first.

    All of it under the lock of Streamlit's `MediaFileManager`, which it holds when it calls the storage.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deleted: dict[str, Deleted] = {}
        self._bytes = 0

    def wrap(self, storage: type, failed: Callable[[Exception], None]) -> None:
        """Let the class of Streamlit's storage in memory keep what it is told to delete."""
        add, delete = storage.load_and_get_id, storage.delete_file  # type: ignore[attr-defined]

        @functools.wraps(add)
        def load_and_get_id(self_: Any, *args: Any, **kwargs: Any) -> str:
            identity: str = add(self_, *args, **kwargs)
            self._forget(identity)
            return identity

        @functools.wraps(delete)
        def delete_file(self_: Any, file_id: str) -> None:
            try:
                kept = self._keep(file_id, self_._files_by_id.get(file_id), functools.partial(delete, self_, file_id))
                self.drop_overdue()
            except Exception as error:  # noqa: BLE001  # a version that keeps them otherwise
                failed(error)
                kept = False
            if not kept:
                delete(self_, file_id)

        storage.load_and_get_id, storage.delete_file = load_and_get_id, delete_file  # type: ignore[attr-defined]

    def drop_overdue(self) -> None:
        """Delete what has been kept for long enough, and what is beyond the limit, the oldest first."""
        while self._deleted:
            identity = next(iter(self._deleted))
            file = self._deleted[identity]
            if self._bytes <= LIMIT and self._clock() - file.since < KEPT:
                return
            self._forget(identity)
            file.drop()

    def _keep(self, identity: str, file: Any, drop: Callable[[], None]) -> bool:
        """Keep a file, unless it is not there or is larger than all that may be kept; return whether it is."""
        if file is None or len(file.content) > LIMIT:
            return False
        self._forget(identity)
        self._deleted[identity] = Deleted(self._clock(), len(file.content), drop)
        self._bytes += len(file.content)
        return True

    def _forget(self, identity: str) -> None:
        file = self._deleted.pop(identity, None)
        if file is not None:
            self._bytes -= file.size
