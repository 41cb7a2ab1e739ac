"""Sends a page again what it was told just before its connection broke: nobody knows whether it has come.

Streamlit takes the messages of a session out of its queue and gives them to the connection that the page had when it
began to go through its sessions. With many pages a round takes seconds. A page that has left meanwhile never gets them;
where it had not heard of the run, it comes back believing that none was, and shows the result of the one before. What
was on its way, and in the buffers of a proxy that was killed, is lost as well.

All on the event loop.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .holding import RETURNS, when_idle
from .loop import is_open
from .state import running

UNSURE = 15.0  # seconds before its connection broke from which on a page may not have received what it was sent
MOST = 32 << 20  # bytes that are kept for all pages
LARGEST = 8 << 20  # of one page
# What a page does, rather than shows: once is enough.
ONCE = frozenset({"parent_message", "auth_redirect"})
# What a page has asked for, of whatever run: where to upload, and a file that is made when it is wanted.
ANSWERS = frozenset({"file_urls_response", "deferred_file_response"})


class Sent(NamedTuple):
    """A ForwardMsg that was sent. `at`: monotonic seconds; `size`: bytes."""

    at: float
    message: Any
    size: int

    @property
    def kind(self) -> str:
        return str(self.message.WhichOneof("type"))


@dataclass
class Log:
    """What one page was sent, from the beginning of its last whole run on. `size`: bytes.

    `too_large`: nothing is kept until the next run of the whole page: half of a run is no page.
    """

    sent: list[Sent] = field(default_factory=list)
    size: int = 0
    too_large: bool = False

    def add(self, one: Sent) -> None:
        if _begins_page(one.message):
            self.too_large = False
            self.keep(one for one in self.sent if one.kind in ANSWERS)
        if not self.too_large:
            self.sent.append(one)
            self.size += one.size
        if self.size > LARGEST:
            self.drop()

    def keep(self, sent: Iterable[Sent]) -> None:
        self.sent = list(sent)
        self.size = sum(one.size for one in self.sent)

    def drop(self) -> None:
        self.keep(())
        self.too_large = True


class Resending:
    """What each page was sent a short time ago."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logs: weakref.WeakKeyDictionary[Any, Log] = weakref.WeakKeyDictionary()  # by session
        self._taken: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # likewise

    def taken(self, session: Any, messages: list[Any]) -> None:
        """Note what was taken out of the queue of a session: each is about to be sent, one at a time."""
        self._taken[session] = self._taken.get(session, 0) + len(messages)
        self.note(session, messages)

    def sent(self, session: Any) -> None:
        """One of those was sent, or could not be: its page has left."""
        self._taken[session] = max(0, self._taken.get(session, 0) - 1)

    def is_sending(self, session: Any) -> bool:
        """Return whether an open page has not been sent yet all that it is to show."""
        return is_open(session) and (not session._browser_queue.is_empty() or self._taken.get(session, 0) > 0)

    def note(self, session: Any, messages: Iterable[Any]) -> None:
        """Note what is about to be sent to the page of a session."""
        log = self._logs.get(session)
        if log is None:
            log = self._logs[session] = Log()
            session._event_loop.call_later(UNSURE, self._forget, session, log)
        for message in messages:
            log.add(Sent(self._clock(), message, message.ByteSize()))
        self._make_room()

    def drop(self, session: Any) -> None:
        """Forget what a page was sent: it is run again."""
        self._logs.pop(session, None)

    def again(self, session: Any) -> None:
        """Send a page that is back what it may not have received; after the run that is under way, if one is."""
        when_idle(session, lambda: self._again(session), limit=RETURNS)

    def _again(self, session: Any) -> None:
        log = self._logs.get(session)
        if log is None or not is_open(session) or running(session):
            return
        del self._logs[session]  # it is noted again as it is sent
        whole = any(_begins_page(one.message) for one in log.sent)
        # Where the run's beginning has come, the page has its clocks: they would tick twice.
        needless = ONCE if whole else ONCE | {"auto_rerun"}
        queue = session._browser_queue
        behind = queue.flush()
        # Not by way of its `enqueue`, which makes one message of those for the same place of the page.
        queue._queue.extend([*(one.message for one in log.sent if one.kind not in needless), *behind])
        session._message_enqueued_callback()

    def _forget(self, session: Any, log: Log) -> None:
        """Forget what a page has received by now. What one that has left was sent last is kept for its return."""
        if self._logs.get(session) is not log or not is_open(session):
            return
        surely = self._clock() - UNSURE
        log.keep(one for one in log.sent if one.at > surely)
        if log.sent or log.too_large:
            wait = log.sent[0].at - surely if log.sent else UNSURE
            session._event_loop.call_later(wait, self._forget, session, log)
        else:
            del self._logs[session]

    def _make_room(self) -> None:
        """Forget first what was sent first."""
        logs = [log for log in self._logs.values() if log.sent]
        total = sum(log.size for log in logs)
        if total > MOST:
            for log in sorted(logs, key=lambda log: log.sent[-1].at):
                total -= log.size
                log.drop()
                if total <= MOST:
                    break


def _begins_page(message: Any) -> bool:
    """Does a run of the whole page begin with this message?"""
    if message.WhichOneof("type") != "new_session":
        return False
    return not getattr(message.new_session, "fragment_ids_this_run", ())  # since version 1.37
