"""What does a client ask, who is it, and is it still there? One connection, one request, one answer."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Iterator
from typing import Any

from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line, readable
from gitrelease.edges import wire
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.home import user_name


class Request:
    """One request of a client: its arguments, who asks, and the way back."""

    def __init__(self, channel: wire.Channel, message: wire.Message) -> None:
        self.channel = channel
        self.pid, self.uid = wire.peer(channel.connection)
        self.verb = str(message.get("verb", ""))
        self.version = str(message.get("version", ""))
        arguments = message.get("arguments")
        self.arguments: dict[str, Any] = arguments if isinstance(arguments, dict) else {}
        self.cancel = Cancel()

    @property
    def by(self) -> str:
        """Who asks, as people know them: git's name for a push, else the user."""
        return one_line(readable(str(self.arguments.get("by") or user_name(self.uid))), 200)

    def text(self, name: str) -> str | None:
        value = self.arguments.get(name)
        return readable(str(value)) if value else None

    @property
    def reason(self) -> str:
        """Why, in the words of who asks; it stays in the history, so what looks like a secret does not."""
        return redacted(self.text("reason") or "")

    def flag(self, name: str) -> bool:
        return bool(self.arguments.get(name))

    def report(self, step: str, text: str, spent: float | None) -> None:
        # Who no longer reads changes nothing about the release.
        with contextlib.suppress(OSError):
            self.channel.send({"step": step, "text": text, "seconds": spent})


@contextlib.contextmanager
def cancelled_when_gone(request: Request) -> Iterator[None]:
    """Cancel the request when its client hangs up before the answer."""
    over, end = os.pipe2(os.O_CLOEXEC)
    poll = select.poll()
    poll.register(request.channel.fileno(), select.POLLRDHUP | select.POLLHUP)
    poll.register(over, select.POLLHUP)

    def watch() -> None:
        if over not in [handle for handle, _ in poll.poll()]:
            request.cancel.set(f"{request.by} hung up")

    thread = threading.Thread(target=watch, name="hang-up", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(end)
        thread.join()
        os.close(over)
