"""How is a moment told to people: how long ago it was, and what the clock showed where they are?

Moments are in seconds since 1970. The zone is the host's own, or that of the variable TZ; summer time is the
moment's, not that of now. Days and months are English words, whatever the locale.
"""

from __future__ import annotations

from datetime import datetime

from gitrelease.core.text import ago

_WEEK = 7  # days: within them, the name of the day is enough


def when(at: float, now: float) -> str:
    """Return both: `2 h ago, 14:03` on the same day, else `3 days ago, Tue 14:03`; `in 2 h, 16:03` ahead."""
    distance = f"{ago(now - at)} ago" if at <= now else f"in {ago(at - now)}"
    return f"{distance}, {clock(at, now)}"


def since(at: float, now: float) -> str:
    """Return the same of what has begun and goes on: `since 14:03, 2 h ago`."""
    return f"since {clock(at, now)}, {ago(now - at)} ago"


def clock(at: float, now: float) -> str:
    """Return what the clock showed, with what tells its day from today: `14:03`, `Tue 14:03`, `3 Nov 14:03`.

    What was in another year is told by its day alone: `3 Nov 2025`.
    """
    then, today = local(at), local(now)
    days = (then.date() - today.date()).days
    if days == 0:
        return f"{then:%H:%M}"
    if abs(days) < _WEEK:
        return f"{then:%a %H:%M}"
    if then.year == today.year:
        return f"{then.day} {then:%b %H:%M}"
    return f"{then.day} {then:%b %Y}" if days < 0 else f"{then.day} {then:%b %Y %H:%M}"


def zoned(at: float) -> str:
    """Return date, time and zone in full: `2026-11-24 14:03:07 +0100 CET`."""
    return f"{local(at):%Y-%m-%d %H:%M:%S %z %Z}"


def local(at: float) -> datetime:
    return datetime.fromtimestamp(at).astimezone()
