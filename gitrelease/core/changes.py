"""Which files does a diff of git touch, on which lines, and where does a range of lines end up on its other side?

Reads `git diff-tree -r -z --raw -p -U0 -M --no-ext-diff --no-textconv --no-color A B`. Hunks are read by their
counts and never by prefix: a line of content may look exactly like a header. `GIT_DIFF_OPTS` must be unset.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

import msgspec


class Lines(NamedTuple):
    """A range of lines: 1-based, both ends included. In JSON: `[first, last]`."""

    first: int
    last: int

    def overlaps(self, other: Lines) -> bool:
        """Do the two ranges share a line?"""
        return self.first <= other.last and other.first <= self.last

    def within(self, other: Lines) -> bool:
        return other.first <= self.first and self.last <= other.last

    def shifted(self, by: int) -> Lines:
        return Lines(self.first + by, self.last + by)


def outer(spans: Iterable[Lines]) -> Lines | None:
    """Return the smallest range that holds all `spans`; None where there are none."""
    known = list(spans)
    return Lines(min(span.first for span in known), max(span.last for span in known)) if known else None


class Hunk(NamedTuple):
    """One `@@` of a diff, as git counts: with a count of 0 the start is the line before."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int

    @property
    def old(self) -> Lines | None:
        return Lines(self.old_start, self.old_start + self.old_count - 1) if self.old_count else None

    @property
    def new(self) -> Lines | None:
        return Lines(self.new_start, self.new_start + self.new_count - 1) if self.new_count else None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one file. A path is None on the side that has no such file; undecodable bytes of a
    name are surrogates. `status` is git's letter: A, C, D, M, R, T, U or X. A submodule has mode 160000.
    """

    status: str
    old_path: str | None
    new_path: str | None
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    hunks: tuple[Hunk, ...] = ()
    binary: bool = False


def parse_diff_tree(output: bytes) -> tuple[Change, ...]:
    """Return the file changes of a `diff-tree` output, in its order; `ValueError` where it is something else."""
    changes, patch_at = _read_raw(output)
    sections = _read_patch(output[patch_at:])
    return tuple(_with_patch(change, sections) for change in changes)


def _read_raw(output: bytes) -> tuple[list[Change], int]:
    """Read the NUL-separated raw part; return it and the offset at which the patch begins."""
    changes = []
    at = 0
    while output[at : at + 1] == b":":
        entry, at = _field(output, at)
        old_mode, new_mode, old_id, new_id, status = entry[1:].decode("ascii").split(" ")
        old_path, at = _field(output, at)
        new_path = old_path
        if status[0] in "RC":
            new_path, at = _field(output, at)
        changes.append(
            Change(
                status=status[0],
                old_path=None if status[0] == "A" else _decode(old_path),
                new_path=None if status[0] == "D" else _decode(new_path),
                old_mode=old_mode,
                new_mode=new_mode,
                old_id=old_id,
                new_id=new_id,
            )
        )
    if output[at : at + 1] not in (b"", b"\0"):
        raise ValueError(f"not the output of git diff-tree --raw -z -p: {output[at : at + 40]!r}")
    return changes, at + 1


def _field(output: bytes, at: int) -> tuple[bytes, int]:
    end = output.index(b"\0", at)
    return output[at:end], end + 1


def _decode(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


class _Section(NamedTuple):
    hunks: tuple[Hunk, ...]
    binary: bool


_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def _read_patch(patch: bytes) -> Iterator[_Section]:
    """Yield what stands below each `diff --git` line, in order. Names are quoted there, so none spans two lines."""
    lines = iter(patch.split(b"\n"))
    hunks: list[Hunk] = []
    begun = binary = False
    for line in lines:
        if line.startswith(b"diff --git "):
            if begun:
                yield _Section(tuple(hunks), binary)
            hunks, begun, binary = [], True, False
        elif match := _HUNK.match(line):
            old_start, old_count, new_start, new_count = (1 if part is None else int(part) for part in match.groups())
            hunks.append(Hunk(old_start, old_count, new_start, new_count))
            _skip(lines, old_count + new_count)
        elif line.startswith((b"Binary files ", b"GIT binary patch")):
            binary = True
    if begun:
        yield _Section(tuple(hunks), binary)


def _skip(lines: Iterator[bytes], count: int) -> None:
    """Pass over the content of a hunk. "\\ No newline at end of file" is not counted by git: no line of content
    can begin with a backslash, for each has its sign in front.
    """
    while count:
        if not next(lines).startswith(b"\\"):
            count -= 1


def _with_patch(change: Change, sections: Iterator[_Section]) -> Change:
    # A change of type (a file that becomes a link) is shown as a deletion and a creation.
    parts = [section for _ in range(2 if change.status == "T" else 1) if (section := next(sections, None))]
    return msgspec.structs.replace(
        change,
        hunks=tuple(hunk for part in parts for hunk in part.hunks),
        binary=any(part.binary for part in parts),
    )


class _Edge(NamedTuple):
    """A hunk as half-open ranges: lines `old` up to before `old_end` became `new` up to before `new_end`."""

    old: int
    old_end: int
    new: int
    new_end: int

    @classmethod
    def of(cls, hunk: Hunk) -> Self:
        old = hunk.old_start + (hunk.old_count == 0)
        new = hunk.new_start + (hunk.new_count == 0)
        return cls(old, old + hunk.old_count, new, new + hunk.new_count)


def follow(lines: Lines, hunks: Sequence[Hunk]) -> Lines | None:
    """Return where `lines` of the old side stand on the new side; None when nothing of them is left.

    What a hunk puts inside the range belongs to it. A hunk that reaches over an end of the range is not certain
    to belong: its lines are left out, so that the range never grows over code that nobody named.
    """
    edges = [_Edge.of(hunk) for hunk in hunks]
    first, last = _moved(lines.first, edges), _moved(lines.last, edges)
    for edge in edges:
        inside = lines.first <= edge.old and edge.old_end - 1 <= lines.last
        if edge.old <= lines.first < edge.old_end:
            first = edge.new if inside else edge.new_end
        if edge.old <= lines.last < edge.old_end:
            last = (edge.new_end if inside else edge.new) - 1
    return Lines(first, last) if first <= last else None


def _moved(line: int, edges: Sequence[_Edge]) -> int:
    """Return the number of an unchanged line on the new side."""
    return line + sum((e.new_end - e.new) - (e.old_end - e.old) for e in edges if e.old_end <= line)


def follow_file(path: str, lines: Lines, changes: Iterable[Change]) -> Lines | None:
    """Return where `lines` of the file `path` stand after `changes`: unmoved when they do not touch the file.

    None when nothing of them is left, the file is gone, or it moved away.
    """
    for change in changes:
        if change.old_path == path:
            return follow(lines, change.hunks) if change.new_path == path else None
    return lines
