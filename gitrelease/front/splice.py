"""Two TCP connections made one: byte for byte, each way at the speed of the slower side.

A half-close travels to the other side; both close when both directions have ended. A reset is a reset for the
other side as well: it must not take half an answer for a whole one. Whoever writes faster than the other side
reads is read no more for a while.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from gitrelease.front.poll import Endpoint

Watcher = Callable[[memoryview], None]


class Side:
    """One end of a splice; `watcher` sees what comes from it before the other side gets it.

    `ignored`: what it says is dropped; what the other side says still reaches it, to the end.
    """

    __slots__ = ("ended", "endpoint", "ignored", "other", "watcher")

    other: Side

    def __init__(self, endpoint: Endpoint, *, ended: bool = False) -> None:
        self.endpoint = endpoint
        self.ended = ended  # it has said all it had to say
        self.ignored = False
        self.watcher: Watcher | None = None

    def readable(self) -> None:
        try:
            data = self.endpoint.receive()
        except OSError:
            self.lost()
            return
        if data is None:
            return
        if not data:
            self.fall_silent()
            return
        if self.ignored:
            return
        if self.watcher is not None:
            self.watcher(data)
        target = self.other.endpoint
        target.write(data)
        if target.clogged:
            self.endpoint.read(False)

    def flushed(self) -> None:
        # After its end there is nothing to read: the other side would only be told so again.
        if not self.other.ended:
            self.other.endpoint.read(True)

    def lost(self) -> None:
        """Close this side, and reset the other one; one that is ignored is told that this side has ended."""
        self.endpoint.close()
        if self.other.ignored:
            self.ended = True
            self.other.endpoint.finish()
            self.close_when_both_ended()
        else:
            self.other.endpoint.reset()

    def close_when_both_ended(self) -> None:
        if self.ended and self.other.ended:
            self.endpoint.close()
            self.other.endpoint.close()

    def ignore(self) -> None:
        """Pass on what this side has said, drop what it says from now on, and tell the other one that it has ended."""
        self._pass_on_what_came()
        self.ignored = True
        self.other.endpoint.finish()
        self.endpoint.read(True)

    def _pass_on_what_came(self) -> None:
        """Pass on what is in the kernel, which was not read for as long as the other side was slow."""
        with contextlib.suppress(OSError):  # it was reset, of which epoll tells as well
            left = self.endpoint.received()
            while left > 0 and (data := self.endpoint.receive()):
                self.other.endpoint.write(data)
                left -= len(data)

    def fall_silent(self) -> None:
        """Read nothing more of this side, and tell the other one that it has ended; that may go on."""
        self.ended = True
        self.endpoint.read(False)
        self.other.endpoint.finish()
        self.close_when_both_ended()


def join(
    client: Endpoint, backend: Endpoint, *, early: bytes | bytearray = b"", ended: bool = False
) -> tuple[Side, Side]:
    """Make one connection of two that are open; the client has said `early` before, and ended where it has `ended`."""
    one, two = Side(client, ended=ended), Side(backend)
    one.other, two.other = two, one
    client.handler, backend.handler = one, two
    if early:
        backend.write(early)
    if ended:
        client.read(False)
        backend.finish()
    else:
        client.read(not backend.clogged)
    backend.read(True)
    return one, two
