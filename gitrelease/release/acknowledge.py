"""What does it mean that somebody acknowledges? The person who is needed has been found: nobody is told again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec

from gitrelease.core.events import Acknowledged, AnyEvent
from gitrelease.core.memory import Memory
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: `new` is False where there was nothing to acknowledge, or somebody was faster."""

    new: bool
    needed: str | None = None  # why a person is
    by: str = ""
    at: float = 0.0  # seconds since 1970
    reason: str = ""


Note = Callable[[AnyEvent], None]


def acknowledge(books: Iterable[tuple[Memory, Note]], *, by: str, reason: str) -> Answer:
    """Write down in each book, one for each group of instances, that `by` looks after the emergency that is on.

    Return what became of the first one that nobody had acknowledged, else of the first one at all.
    """
    answers = [_acknowledge(memory, note, by=by, reason=reason) for memory, note in books]
    return max(answers, key=lambda answer: (answer.new, answer.needed is not None))


def _acknowledge(memory: Memory, note: Note, *, by: str, reason: str) -> Answer:
    """Write it down, where nobody was faster."""
    on = memory.emergency
    if on is None:
        return Answer(new=False)
    found = on.acknowledged
    if found is None:
        event = Acknowledged(at=time.time(), by=one_line(by, 200), reason=one_line(redacted(reason), 500))
        note(event)
    else:
        event = found
    return Answer(new=found is None, needed=on.reason, by=event.by, at=event.at, reason=event.reason)
