"""A small app in the shape of FinDocPipeline, and edits of it as git would show them."""

from __future__ import annotations

import difflib

from gitrelease.core.changes import Hunk
from gitrelease.core.classify import Diff, FileChange, classify
from gitrelease.core.kinds import Kind
from gitrelease.core.regions import Region

SCRIPT = "app.py"
EXPORT = "export.json"

APP = '''\
"""Reads reports."""
import re

BASE_TERMS = ["revenue", "profit"]


class Reader:
    """Finds terms."""

    def has_terms(self, text):
        """Does it?"""
        terms = [
            "revenue", "profit",
            "cash flow",
        ]
        # the text comes in any case
        return any(term in text.lower() for term in terms)

    def other_terms(self):
        terms = ["revenue"]
        return terms


class Extractor:
    def __init__(self):
        self.patterns = {
            "revenue": [r"revenue: (\\d+)"],
            "profit": [r"profit: (\\d+)"],
        }
        self.limit = 3

    def page(self, text):
        entry = {"page": 1, "text": text}
        return entry

    def detect(self, text):
        """Looks for lines."""
        if text:
            return len(text) > 3
        return False


print(Reader().has_terms("x"))
'''

TERMS = Region(name="terms", kind=Kind.DICTIONARY, symbol="Reader.has_terms", assign="terms")
PATTERNS = Region(name="patterns", kind=Kind.PATTERN, symbol="Extractor.__init__", assign="self.patterns")
ENTRY = Region(name="entry", kind=Kind.SCHEMA, symbol="Extractor.page", assign="entry")
DETECT = Region(name="detect", kind=Kind.PATTERN, symbol="Extractor.detect")
REGIONS = (TERMS, PATTERNS, ENTRY, DETECT)


def hunks(old: bytes, new: bytes) -> tuple[Hunk, ...]:
    """Return the hunks of a diff without context, counted as git counts."""
    matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
    return tuple(
        Hunk(a + (a < b), b - a, c + (c < d), d - c) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"
    )


def edit(old: str | bytes | None, new: str | bytes | None, path: str = SCRIPT, mode: str = "100644") -> FileChange:
    """Return the change of one file from `old` to `new`."""
    before, after = _encoded(old), _encoded(new)
    return FileChange(
        old_path=None if before is None else path,
        new_path=None if after is None else path,
        old_mode="000000" if before is None else mode,
        new_mode="000000" if after is None else mode,
        old=before,
        new=after,
        hunks=hunks(before or b"", after or b""),
    )


def _encoded(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


def diff(
    old: str | bytes | None, new: str | bytes | None, regions: tuple[Region, ...] = REGIONS, path: str = SCRIPT
) -> Diff:
    """Classify the change of one file from `old` to `new`."""
    return classify([edit(old, new, path)], regions, script=SCRIPT, schema=EXPORT)


def replaced(before: str, after: str, text: str = APP) -> str:
    """Return the app with one text in it replaced, which must be there."""
    assert before in text
    return text.replace(before, after, 1)
