"""What went wrong for the people of a test: requests that failed, and what was entered and is gone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["upload", "download", "media", "delete"]
Entered = Literal["plain", "keyed", "document", "count"]


@dataclass(frozen=True)
class Failure:
    """A request of a page that failed; `begun` and `ended` are monotonic seconds."""

    page: str
    kind: Kind
    begun: float
    ended: float
    why: str
    again: bool | None  # did it succeed when it was sent again? None: it was not


@dataclass(frozen=True)
class Loss:
    """Something that a person had entered, and that the app did not have any more; `at`, in monotonic seconds,
    is when the page has shown it."""

    page: str
    what: Entered
    had: str | int
    shows: str | int
    at: float


@dataclass
class Record:
    """Everything that a number of pages did, from whatever thread."""

    failures: list[Failure] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    unanswered: list[tuple[str, str, float]] = field(default_factory=list)  # page, action, at
    asked: dict[str, int] = field(default_factory=dict)
    actions: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, kind: str) -> None:
        """One more request of this kind was sent."""
        with self._lock:
            self.asked[kind] = self.asked.get(kind, 0) + 1

    def acted(self) -> None:
        """One more action was done by a person."""
        with self._lock:
            self.actions += 1

    def fail(self, failure: Failure) -> None:
        with self._lock:
            self.failures.append(failure)

    def lose(self, loss: Loss) -> None:
        with self._lock:
            self.losses.append(loss)

    def leave_unanswered(self, page: str, action: str, at: float) -> None:
        """An action was sent, the page was connected afterwards, at `at` at the latest, and no run followed."""
        with self._lock:
            self.unanswered.append((page, action, at))
