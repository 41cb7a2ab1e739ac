"""Which errors does an output tell of? Tracebacks by their type and place, counted; lines with a level that is one.

Lines come in one by one, cut where they are long; no clock, no I/O. A release is compared with another by what an
error is and where: the line number of a place moves with every edit above it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gitrelease.core.errorlines import LEVELS, TRACEBACK
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line

MOST_GROUPS = 200  # what is different from all of them is counted, not told of
_FRAMES = 100  # of a traceback that are looked at, the innermost

_FRAME = re.compile(r'\s*File "([^"]{0,500})", line (\d{1,9})(?:, in (.{1,200}))?')
_BARS = re.compile(r"\s*[|+][-+|]*\s?")  # before each line of an exception group
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]{0,200})(?::\s?(.*))?$", re.DOTALL)
_STAMP = re.compile(r"\D{0,20}(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?")
_LEVEL = re.compile(r"(?<![A-Za-z0-9_])(" + "|".join(LEVELS) + r")(?![A-Za-z0-9_])")
_SLOT = re.compile(r".*/slots/[^/]+/(.+)")
_VARYING = re.compile(r"0x[0-9a-f]+|\d+")


@dataclass(frozen=True)
class Place:
    """Where an error was raised: file (of the app: as in the repository), line, function."""

    file: str
    line: int
    function: str

    @property
    def told(self) -> str:
        return f"{self.file}:{self.line}" + (f" in {self.function}" if self.function else "")


@dataclass
class Group:
    """Errors of one type at one place. Times are in seconds since 1970, None where the output tells none."""

    type: str
    place: Place | None  # None: a line with a level, no traceback
    message: str
    count: int = 0
    first: float | None = None
    last: float | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What it is called in any release."""
        if self.place is None:
            return (self.type, _VARYING.sub("#", self.message))
        return (self.type, self.place.file, self.place.function)


class Errors:
    """The errors of an output, as its lines come in."""

    def __init__(self) -> None:
        self.groups: dict[tuple[object, ...], Group] = {}
        self.others = 0  # errors beyond `MOST_GROUPS`
        self._at: float | None = None  # the newest time that a line has told
        self._frames: deque[Place] | None = None  # of a traceback that is under way
        self._headline: Group | None = None  # a line with a level: of a traceback where one follows

    def take(self, line: str) -> None:
        stamp = time_of(line)
        self._at = stamp if stamp is not None else self._at
        bare = _BARS.sub("", line) if line.lstrip()[:1] in ("|", "+") else line
        if TRACEBACK in bare:
            self._frames, self._headline = deque(maxlen=_FRAMES), None
        elif self._frames is not None:
            self._take_frame(bare)
        else:
            self._take_level(line)

    def end(self) -> None:
        """No line follows."""
        self._settle()
        self._frames = None

    def start_over(self) -> None:
        """The next line is of another output: nothing that is under way goes on there, no time is known."""
        self.end()
        self._at = None

    def _take_frame(self, line: str) -> None:
        assert self._frames is not None  # noqa: S101  # asked for by who calls
        frame = _FRAME.match(line)
        if frame is not None:
            self._frames.append(Place(_in_repository(frame[1]), int(frame[2]), frame[3] or ""))
        elif line.strip() and not line[0].isspace():
            found = _EXCEPTION.match(line)
            kind, message = (found[1], found[2] or "") if found else ("", line)
            self._add(Group(one_line(kind, 200), _innermost(self._frames), _said(message)))
            self._frames = None

    def _take_level(self, line: str) -> None:
        self._settle()
        found = _LEVEL.search(line[:500])
        if found is not None:
            self._headline = Group(found[1], None, _said(line[found.end() :].lstrip(" :]|-")))

    def _settle(self) -> None:
        if self._headline is not None:
            self._add(self._headline)
            self._headline = None

    def _add(self, new: Group) -> None:
        key = (*new.key, new.place.line if new.place else None)
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= MOST_GROUPS:
                self.others += 1
                return
            group = self.groups[key] = new
        group.count += 1
        group.message = new.message
        if self._at is not None:
            group.first = self._at if group.first is None else group.first
            group.last = self._at


def known_before(group: Group, before: Mapping[tuple[object, ...], Group]) -> bool:
    """Did the release before have that error as well?"""
    return any(group.key == other.key for other in before.values())


def time_of(line: str) -> float | None:
    """Return the time that a line begins with, in seconds since 1970; a time without a zone is this host's."""
    found = _STAMP.match(line)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    fraction = int((found[7] or "0").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, fraction).timestamp()
    except (ValueError, OverflowError):
        return None


def _said(message: str) -> str:
    return one_line(redacted(message), 300)


def _in_repository(file: str) -> str:
    """Return the name of a file without the slot that it was run in, which is another one for each release."""
    found = _SLOT.match(file)
    return one_line(found[1] if found else file, 300)


def _innermost(frames: deque[Place]) -> Place:
    """Return where the app raised it: the last frame in one of its own files, or else the last of all."""
    own = [frame for frame in frames if not frame.file.startswith(("/", "<"))]
    return (own or list(frames) or [Place("?", 0, "")])[-1]
