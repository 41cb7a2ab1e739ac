"""What becomes of a connection until a backend takes it? It is held, and nothing it said is lost.

    accepted ──▶ trying ──▶ spliced
                  ▲  │ refused, no answer, no target
                  │  ▼
                waiting ──▶ failed, at the deadline
                     └────▶ dropped, when the user has left

Whoever waits is woken by a switch. A target that refuses may be about to listen; it is asked again every few
milliseconds, by one task however many wait, and by none when nobody does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from gitrelease.front.splice import Side, join
from gitrelease.front.targets import Instance, Target

RETRY = 0.02  # seconds between two questions to a target that refuses
CONNECT_LIMIT = 5.0  # seconds for one attempt
_NOW = 0.0  # on the clock of the event loop: long past


class User(Side):
    """The user's end."""

    def __init__(self) -> None:
        super().__init__()
        self.patience: asyncio.Timeout | None = None
        self.waits = False  # for something to change, while no backend answers

    @property
    def has_left(self) -> bool:
        # Who ended after having asked may have closed one direction only, and still reads.
        return self.lost or (self.ended and not self.early)

    def eof_received(self) -> bool:
        stays_open = super().eof_received()
        if self.waits and self.has_left:
            self.stir()
        return stays_open

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.stir()

    def stir(self) -> None:
        """End what this user waits for now, if it does: something has changed."""
        if self.patience is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                self.patience.reschedule(_NOW)


class Room:
    """Takes the users of one instance to its target; `hold`: for how many seconds it may keep them waiting."""

    def __init__(self, *, hold: float) -> None:
        self.instance = Instance()
        self._hold = hold
        self._trying: set[User] = set()
        self._waiting: set[User] = set()
        self._asking: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop holds its tasks weakly

    def switch(self, target: Target | None) -> None:
        """Send every connection that has no backend yet to `target`; None holds them."""
        # Attempts on a target that stays the target go on.
        stale = tuple(self._trying) if target != self.instance.target else ()
        self.instance.switch(target)
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        for user in (*self._waiting, *stale):
            user.stir()

    def take(self, connection: socket.socket, left: Callable[[], None]) -> None:
        """Serve an accepted connection; `left` is called when it and its backend's side are closed."""
        task = asyncio.create_task(self._serve(connection, left))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, left: Callable[[], None]) -> None:
        user = User()
        user.on_lost = lambda: left() if user.other is None or user.other.lost else None
        await asyncio.get_running_loop().connect_accepted_socket(lambda: user, connection)
        self.instance.held += 1
        try:
            served = await self._bring(user, left)
        finally:
            self.instance.held -= 1
        if not served:
            if not user.ended and not user.lost:
                self.instance.gave_up()
            user.close()

    async def _bring(self, user: User, left: Callable[[], None]) -> bool:
        """Bring `user` to a backend; False when it has left or the deadline has passed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._hold
        while not user.lost and (remaining := deadline - loop.time()) > 0:
            target = self.instance.target
            # Who comes while a target is silent waits with the others for it to answer again.
            if target is not None and self._asking is None:
                if await self._reach(user, target, left, min(remaining, CONNECT_LIMIT)):
                    return True
                if user.lost or self.instance.target != target:
                    continue
                self._ask_again(target)
            if user.has_left:
                return False
            await self._wait(user, deadline - loop.time())
        return False

    async def _reach(self, user: User, target: Target, left: Callable[[], None], longest: float) -> bool:
        """Connect to `target` and join; False when it does not answer, or is the target no more."""
        backend = Side()
        self._trying.add(user)
        try:
            async with asyncio.timeout(longest) as user.patience:
                await asyncio.get_running_loop().create_connection(lambda: backend, target.host, target.port)
        except OSError:  # TimeoutError is one
            return False
        finally:
            self._trying.discard(user)
        if user.lost or backend.lost:
            backend.close()
            return False

        def lost() -> None:
            self.instance.closed(target.backend)
            if user.lost:
                left()

        backend.on_lost = lost
        self.instance.opened(target.backend)
        join(user, backend)
        return True

    async def _wait(self, user: User, longest: float) -> None:
        self._waiting.add(user)
        user.waits = True
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(longest) as user.patience:
                    await asyncio.get_running_loop().create_future()
        finally:
            user.waits = False
            self._waiting.discard(user)

    def _ask_again(self, target: Target) -> None:
        """See to it that everyone who waits is woken when `target` answers."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(target))

    async def _ask(self, target: Target) -> None:
        await asyncio.sleep(RETRY)
        while self._waiting and not await _answers(target):
            await asyncio.sleep(RETRY)
        self._asking = None
        for user in tuple(self._waiting):
            user.stir()


async def _answers(target: Target) -> bool:
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, target.host, target.port
            )
    except OSError:
        return False
    transport.close()
    return True
