"""Is production frozen, by whom, and until when? A freeze binds what comes by itself; a person in a shell goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gitrelease.core.history import trailers_of
from gitrelease.core.moments import local
from gitrelease.core.settings import seconds
from gitrelease.core.text import one_line


class Freeze(msgspec.Struct, frozen=True, kw_only=True):
    """Why no release happens by itself; times are in seconds since 1970, `until` None means: until somebody ends it."""

    by: str
    since: float
    reason: str = ""
    until: float | None = None

    def holds(self, now: float) -> bool:
        return self.until is None or now < self.until

    @property
    def told(self) -> str:
        """Who froze production, until when and why, on one line."""
        end = "somebody ends it" if self.until is None else f"{local(self.until):%Y-%m-%d %H:%M %Z}"
        reason = one_line(self.reason, 300)
        why = f": {reason}" if reason else ""
        return f"production was frozen by {one_line(self.by, 80)} until {end}{why}"


def freeze_message(freeze: Freeze) -> str:
    """Return the message of the tag object that keeps a freeze."""
    until = "" if freeze.until is None else f"Until: {freeze.until:.0f}\n"
    return f"{one_line(freeze.reason) or 'Frozen'}\n\nFrozen-By: {one_line(freeze.by)}\n{until}"


def freeze_from_message(message: str, *, at: float) -> Freeze:
    """Read a freeze back; what is no number of seconds counts as no end."""
    trailers = trailers_of(message)
    until = trailers.get("Until", "")
    subject = message.split("\n", 1)[0]
    return Freeze(
        by=trailers.get("Frozen-By", "somebody"),
        since=at,
        reason="" if subject == "Frozen" else subject,
        until=float(until) if until.isdigit() else None,
    )


def moment(text: str, *, now: float) -> float:
    """Return the moment that `text` means, in seconds since 1970: `2h`, `18:30` (the next one), `2026-01-05 18:30`.

    Local time; `ValueError` for anything else, and for what is over already.
    """
    text = text.strip()
    try:
        length = seconds(text)
    except ValueError:
        return _of_clock(text, now)
    if not length:
        raise ValueError(f"{text} is over already")
    return now + length


def _of_clock(text: str, now: float) -> float:
    """Return the next moment at which a clock shows `text`, or the one that it names as a date."""
    today = local(now)
    try:
        clock = datetime.strptime(text, "%H:%M")
        found = today.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
        found = found if found.timestamp() > now else found + timedelta(days=1)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError("that is no length of time, no time of day and no date") from error
    end = found.timestamp()
    if end <= now:
        raise ValueError(f"{text} is over already")
    return end
