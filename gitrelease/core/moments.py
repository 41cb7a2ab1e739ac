"""How is a moment told to people: how long ago it was, and what the clock showed where they are?

Moments are in seconds since 1970. The zone is the host's own, or that of the variable TZ; summer time is the
moment's, not that of now. Days and months are English words, whatever the locale.
"""

from __future__ import annotations

from datetime import datetime

from gitrelease.core.text import ago


def when(at: float, now: float) -> str:
    """Return both: `2 h ago, 14:03` on the same day, else `3 days ago, Tue 24 Nov 14:03`; `in 2 h, 16:03` ahead."""
    distance = f"{ago(now - at)} ago" if at <= now else f"in {ago(at - now)}"
    return f"{distance}, {clock(at, now)}"


def since(at: float, now: float) -> str:
    """Return the same of what has begun and goes on: `since 14:03, 2 h ago`."""
    return f"since {clock(at, now)}, {ago(now - at)} ago"


def clock(at: float, now: float) -> str:
    """Return what the clock showed, with the day where it is not today's, and the year where it is not this one."""
    then, today = local(at), local(now)
    if then.date() == today.date():
        return f"{then:%H:%M}"
    year = "" if then.year == today.year else f" {then.year}"
    return f"{then:%a} {then.day} {then:%b}{year} {then:%H:%M}"


def zoned(at: float) -> str:
    """Return date, time and zone in full: `2026-11-24 14:03:07 +0100 CET`."""
    return f"{local(at):%Y-%m-%d %H:%M:%S %z %Z}"


def local(at: float) -> datetime:
    return datetime.fromtimestamp(at).astimezone()
