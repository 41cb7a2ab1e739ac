"""On which lines does a person see a difference in the code: which lines of the diff are it, and none of a region?"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from gitrelease.core.changes import Hunk, Lines, outer
from gitrelease.core.compare import Difference


class Shown:
    """The hunks of one file, by line, and the lines of its regions on both sides."""

    def __init__(self, hunks: Sequence[Hunk], old_spans: Iterable[Lines], new_spans: Iterable[Lines]) -> None:
        self.hunks = hunks
        self.old = _Side([hunk.old for hunk in hunks], old_spans)
        self.new = _Side([hunk.new for hunk in hunks], new_spans)

    def places(self, group: Sequence[Difference]) -> list[tuple[Lines | None, Lines | None]]:
        """Return where the differences of one reason show in the diff, hunk by hunk.

        A definition that came or went is shown as a whole, and so are differences that no hunk touches.
        """
        changed = [one for one in group if one.what == "changed"]
        old = self.old.parts([one.old for one in changed])
        new = self.new.parts([one.new for one in changed])
        places = [(old.get(number), new.get(number)) for number in sorted({*old, *new})]
        return places + [(one.old, one.new) for one in group if one.what != "changed" or not places]


class _Side:
    """One side of the hunks, sorted, so that a file with a thousand of them is not searched from end to end."""

    def __init__(self, hunks: Sequence[Lines | None], spans: Iterable[Lines]) -> None:
        known = sorted((lines.last, lines.first, number) for number, lines in enumerate(hunks) if lines)
        self.ends = [last for last, _, _ in known]
        self.hunks = [(Lines(first, last), number) for last, first, number in known]
        self.spans = sorted(spans)

    def parts(self, wanted: Iterable[Lines | None]) -> dict[int, Lines]:
        """Return the part of each hunk, by its number, that lies in one of `wanted` and outside of the regions."""
        found: dict[int, list[Lines]] = {}
        for lines in wanted:
            if lines is None:
                continue
            for hunk, number in self.hunks[bisect_left(self.ends, lines.first) :]:
                if hunk.first > lines.last:
                    break
                part = Lines(max(hunk.first, lines.first), min(hunk.last, lines.last))
                found.setdefault(number, []).append(part)
        return {number: self._outside(outer(parts) or parts[0]) for number, parts in found.items()}

    def _outside(self, lines: Lines) -> Lines:
        """Return `lines` without the regions at either end; a line shared with a region is all there is to show."""
        first, last = lines
        for span in self.spans:
            if span.first <= first <= span.last:
                first = span.last + 1
        for span in reversed(self.spans):
            if span.first <= last <= span.last:
                last = span.first - 1
        return Lines(first, last) if first <= last else lines
