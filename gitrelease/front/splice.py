"""How do two TCP connections become one? Byte for byte, each way at the speed of the slower side.

A half-close travels to the other side; both close when both directions have ended. A reset is a reset for the
other side as well: it must not take half an answer for a whole one. Whoever writes faster than the other side
reads is told to pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import cast

_EARLY_BYTES = 65_536  # what a side may say before it is joined to another, and then has to wait
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time at all


class Side(asyncio.Protocol):
    """One end of a splice. asyncio has set TCP_NODELAY: small websocket frames do not wait for each other."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.other: Side | None = None
        self.early: list[bytes] = []
        self.ended = False  # it has said all it had to say
        self.lost = False  # its connection is gone
        self.on_lost: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)
            return
        self.early.append(data)
        if sum(map(len, self.early)) >= _EARLY_BYTES:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.ended = True
        if self.other is not None:
            self.other.finish()
            self.close_when_both_ended()
        return True  # the other direction stays open

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self.other is not None and not self.other.lost:
            if error is not None:
                self.other.reset()
            else:
                self.other.close()
        self.on_lost()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        # After its end there is nothing to read: the loop would only be told so again.
        if self.other is not None and not self.other.ended:
            self.other.transport.resume_reading()

    def hand_over(self, other: Side) -> None:
        """Pass on what this side said before it had another one."""
        # Before the first write: that may well be what tells this side to pause again.
        self.transport.resume_reading()
        for data in self.early:
            other.transport.write(data)
        self.early.clear()
        if self.ended:
            other.finish()

    def close_when_both_ended(self) -> None:
        if self.other is not None and self.ended and self.other.ended:
            self.close()
            self.other.close()

    def finish(self) -> None:
        """Tell this side that nothing more comes for it."""
        # It may have been reset a moment ago, which it learns from its own events.
        with contextlib.suppress(OSError):
            self.transport.write_eof()

    def close(self) -> None:
        """Close when everything that was written has been sent."""
        self.transport.close()

    def reset(self) -> None:
        """Close at once, as a reset: a plain abort would look like the regular end of what was sent."""
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


def join(one: Side, two: Side) -> None:
    """Make one connection of two that are open."""
    one.other, two.other = two, one
    one.hand_over(two)
    two.hand_over(one)
    one.close_when_both_ended()
