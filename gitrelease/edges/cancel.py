"""How is work that waits told that nobody wants it any more? By an event that a `select` can wait for too."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Sequence

from gitrelease.core.errors import Cancelled


class Cancel:
    """A flag that is set once, from any thread; `close` it when the work is over."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self.reason = ""

    def set(self, reason: str) -> None:
        with self._lock:
            if not self.reason:
                self.reason = reason
                if self._event >= 0:
                    os.eventfd_write(self._event, 1)

    def check(self) -> None:
        """Raise `Cancelled` when the flag is set."""
        if self.reason:
            raise Cancelled(self.reason)

    def wait(self, handles: Sequence[int], timeout: float) -> list[int]:
        """Wait until one of `handles` is readable; return those that are, none after `timeout` seconds.

        Raises `Cancelled` as soon as the flag is set.
        """
        self.check()
        poll = select.poll()
        for handle in (*handles, self._event):
            poll.register(handle, select.POLLIN)
        ready = {handle for handle, _ in poll.poll(max(timeout, 0) * 1000)}
        self.check()
        return [handle for handle in handles if handle in ready]

    def close(self) -> None:
        """Give the descriptor back; the flag can still be set and read."""
        with self._lock:
            if self._event >= 0:
                os.close(self._event)
                self._event = -1
