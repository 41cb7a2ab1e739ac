"""How is work that waits told that nobody wants it any more? By an event that a `select` can wait for too."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence

from gitrelease.core.errors import Cancelled


class Cancel:
    """A flag that is set once, from any thread; `close` it when the work is over."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.reason = ""

    def set(self, reason: str) -> None:
        if self._event >= 0 and not self.reason:
            self.reason = reason
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
        ready = select.select([*handles, self._event], [], [], max(timeout, 0))[0]
        self.check()
        return [handle for handle in ready if handle != self._event]

    def close(self) -> None:
        if self._event >= 0:
            os.close(self._event)
            self._event = -1
