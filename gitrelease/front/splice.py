"""How does a user's connection reach the backend? Spliced byte for byte, held while there is no backend.

    accepted ──▶ held ──▶ spliced ──▶ closed
                  │ hold deadline      ▲ both directions have ended, or either side is reset
                  └──▶ failed

A half-close travels to the other side; the connection ends when both directions have. Whoever writes faster
than the other side reads is told to pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

from gitrelease.front.targets import Target, Targets

RETRY = 0.025  # seconds between two attempts to reach a backend that refuses
CONNECT_LIMIT = 5.0  # seconds for one attempt
_HELD_BYTES = 65_536  # what a held connection may send before it is told to wait


class Side(asyncio.Protocol):
    """One end of a spliced connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None
        self.ended = False  # this side has sent all it had
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        connection = self.transport.get_extra_info("socket")
        # Small websocket frames must not wait for each other.
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.other is not None:
            self.other.finish()
            if self.other.ended:
                self.close()
                self.other.close()
        return True  # keep the other direction open

    def finish(self) -> None:
        """Tell this side that nothing more comes for it."""
        if self.transport is not None and not self.transport.is_closing():
            with contextlib.suppress(OSError):
                self.transport.write_eof()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self.other is not None and self.other.transport is not None:
            # A reset is a reset for the other side as well: it must not take half an answer for a whole one.
            self.other.transport.abort() if error else self.other.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None and not self.other.lost:
            self.other.transport.resume_reading()


class Backend(Side):
    """The backend's end; counts the connection as long as it is open."""

    def __init__(self, user: User, target: Target, targets: Targets) -> None:
        super().__init__()
        self.other = user
        self._target = target
        self._targets = targets

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._targets.opened(self._target.backend)

    def connection_lost(self, error: Exception | None) -> None:
        self._targets.closed(self._target.backend)
        super().connection_lost(error)


class User(Side):
    """The user's end: held until a backend takes it."""

    def __init__(self, instance: str, splicer: Splicer) -> None:
        super().__init__()
        self._instance = instance
        self._splicer = splicer
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._splicer.keep(asyncio.ensure_future(self._splicer.connect(self, self._instance)))

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._early.append(data)
        if sum(map(len, self._early)) >= _HELD_BYTES and self.transport is not None:
            self.transport.pause_reading()

    def join(self, backend: Backend) -> None:
        """A backend has taken the connection: hand over what came while it was held."""
        self.other = backend
        if self.transport is None or backend.transport is None:
            return
        for data in self._early:
            backend.transport.write(data)
        self._early.clear()
        if self.ended:
            backend.finish()
        else:
            self.transport.resume_reading()


class Splicer:
    """Connects users to the current target of their instance, holding them for `hold` seconds at most."""

    def __init__(self, targets: Targets, *, hold: float) -> None:
        self.targets = targets
        self._hold = hold
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Future[None]] = set()

    def user(self, instance: str) -> Callable[[], User]:
        """Return the protocol factory for the listener of `instance`."""
        return lambda: User(instance, self)

    def keep(self, task: asyncio.Future[None]) -> None:
        # The event loop holds its tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def changed(self) -> None:
        """Wake every held connection: there is another target."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def connect(self, user: User, instance: str) -> None:
        """Bring `user` to a backend, re-reading the target before each attempt."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._hold
        self.targets.held += 1
        try:
            while not user.lost:
                target = self.targets.current.get(instance)
                if target is not None and await self._reach(user, target):
                    return
                left = deadline - loop.time()
                if left <= 0:
                    break
                # Without a target only a switch helps; a target that refuses may be about to listen.
                await self._wait(left if target is None else min(left, RETRY))
        finally:
            self.targets.held -= 1
        if not user.lost and user.transport is not None:
            self.targets.failed += not user.ended
            user.transport.abort()

    async def _reach(self, user: User, target: Target) -> bool:
        """Connect to `target` and splice; False when it does not answer."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                _, protocol = await loop.create_connection(
                    lambda: Backend(user, target, self.targets), target.host, target.port
                )
        except (OSError, TimeoutError):
            return False
        if user.lost:
            protocol.close()
        else:
            user.join(protocol)
        return True

    async def _wait(self, longest: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._changed.wait()
