"""What does the journal remember that the refs do not? Append-only events, replayed into history.

The refs are the truth about what is live, good and bad; the journal adds attempts, soaks and timings, and
the intents from which a release that was cut off is finished or dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

AttemptOutcome = Literal["refused", "waiting", "unchanged", "superseded", "released"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", forbid_unknown_fields=False):
    """Something that happened; `at` is in seconds since 1970."""

    at: float


class Attempted(Event, frozen=True, tag="attempted"):
    """A candidate came in and its fate was decided."""

    commit: str
    trigger: str
    outcome: AttemptOutcome
    reason: str
    by: str
    key: str = ""  # of the content, documents left out
    kind: str = ""


class Promoting(Event, frozen=True, tag="promoting"):
    """Intent: `tag` is about to become live."""

    number: int
    tag: str
    commit: str
    source: str
    previous: int | None


class Promoted(Event, frozen=True, tag="promoted"):
    """`number` is live and the work tree follows it; `seconds` from the trigger to live."""

    number: int
    seconds: float


class Proved(Event, frozen=True, tag="proved"):
    """`number` came through its soak."""

    number: int


class Superseded(Event, frozen=True, tag="superseded"):
    """`number` was replaced before its soak had ended."""

    number: int


class WentBack(Event, frozen=True, tag="went_back"):
    """Production went from one release back to another, asked for or by itself."""

    number: int
    to: int
    reason: str
    by: str
    automatic: bool


class Stopped(Event, frozen=True, tag="stopped"):
    """A person is needed: why."""

    reason: str


class Settled(Event, frozen=True, tag="settled"):
    """The branch moved to `source` and nothing that runs had changed."""

    source: str


AnyEvent = Attempted | Promoting | Promoted | Proved | Superseded | WentBack | Stopped | Settled


class Memory(msgspec.Struct, kw_only=True):
    """What replaying the journal yields; every prefix of a journal is a legal one."""

    attempts: list[Attempted] = []
    seconds: dict[int, float] = {}
    superseded: set[int] = set()
    proved: set[int] = set()
    unfinished: Promoting | None = None
    settled: str | None = None
    live_since: float | None = None  # seconds since 1970
    stopped: str | None = None  # why a person is needed
    went_back_by_itself: bool = False  # the last way back was nobody's: the next one is a person's

    def take(self, event: AnyEvent) -> None:
        match event:
            case Attempted():
                self.attempts.append(event)
            case Promoting():
                self.unfinished = event
            case Promoted(number=number, seconds=spent):
                self.unfinished = None
                self.seconds[number] = spent
                self.live_since = event.at
                self.stopped = None
                self.went_back_by_itself = False
            case Proved(number=number):
                self.proved.add(number)
                self.superseded.discard(number)
            case Superseded(number=number):
                if number not in self.proved:
                    self.superseded.add(number)
            case Settled(source=source):
                self.settled = source
            case WentBack(automatic=automatic):
                self.went_back_by_itself = automatic
                self.unfinished = None
                self.live_since = event.at
                self.stopped = None
            case Stopped(reason=reason):
                self.stopped = reason


def replay(events: Iterable[AnyEvent]) -> Memory:
    """Return what is remembered after `events`, oldest first."""
    memory = Memory()
    for event in events:
        memory.take(event)
    return memory
