"""What is known of one changed file before it is judged, and what does a judgement consist of?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import msgspec

from gitrelease.core.changes import Change, Hunk, Lines
from gitrelease.core.diff import OtherChange, RegionChange


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One file on both sides. Path and content are None on a side that has no such file."""

    old_path: str | None
    new_path: str | None
    old_mode: str
    new_mode: str
    old: bytes | None
    new: bytes | None
    hunks: tuple[Hunk, ...] = ()

    @classmethod
    def of(cls, change: Change, contents: Mapping[str, bytes]) -> Self:
        """Put a change of the diff together with its `contents` by blob id; a submodule has none."""
        return cls(
            old_path=change.old_path,
            new_path=change.new_path,
            old_mode=change.old_mode,
            new_mode=change.new_mode,
            old=contents.get(change.old_id) if change.old_path is not None else None,
            new=contents.get(change.new_id) if change.new_path is not None else None,
            hunks=change.hunks,
        )

    @property
    def path(self) -> str:
        """The path now, or the last one it had."""
        return self.new_path or self.old_path or ""

    @property
    def shown(self) -> str:
        """The path as it can be written: bytes of a name that are no UTF-8 are escaped."""
        return self.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

    @property
    def old_lines(self) -> Lines | None:
        return whole(self.old)

    @property
    def new_lines(self) -> Lines | None:
        return whole(self.new)

    def other(self, why: str, old: Lines | None = None, new: Lines | None = None) -> OtherChange:
        """Return a reason for `major` at these lines; without any, the whole file on both sides."""
        if old is None and new is None:
            old, new = self.old_lines, self.new_lines
        return OtherChange(file=self.shown, old_lines=old, new_lines=new, why=why)


def whole(content: bytes | None) -> Lines | None:
    """Return all lines of a file; an empty one has one."""
    if content is None:
        return None
    return Lines(1, max(1, content.count(b"\n") + (not content.endswith(b"\n"))))


class Findings(NamedTuple):
    """What was found out about one file."""

    regions: tuple[RegionChange, ...] = ()
    other: tuple[OtherChange, ...] = ()
