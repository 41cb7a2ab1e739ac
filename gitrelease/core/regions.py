"""Which parts of the app have a meaning of their own, and where are they said to be?

A fixed line range is wrong after the next commit, so a region is named by where it is in the syntax tree: the symbol
(`Class.method`, a function, or nothing for the module) and the target that it is assigned to. The region is the
assigned value only: code around it is none of its business. Names that merely look alike elsewhere do not count.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

import msgspec

from gitrelease.core.kinds import Kind

_NAME = re.compile(r"[\w.-]+")

Form: TypeAlias = Literal["assigned", "body", "lines", "file"]


class Region(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A part of the app whose changes have a kind. It takes one of four forms:

    - `assign`, mostly with `symbol`: the value assigned to that name there;
    - `symbol` alone: the whole body of that function or class, without its docstring and its signature;
    - `lines` with `at`: a plain range at that revision, followed through the diffs from there;
    - `file` alone: the whole file.

    `file` is the script where nothing is said.
    """

    name: str
    kind: Kind
    file: str | None = None
    symbol: str | None = None
    assign: str | None = None
    lines: tuple[int, int] | None = None
    at: str | None = None
    also: tuple[Kind, ...] = ()  # kinds whose selective rollback takes it back as well
    regex: bool = True  # of a pattern region: are its texts regular expressions? Else they are plain words

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in set(Kind):
            raise ValueError(f"region {self.name!a}: a name is letters, digits, - _ and dots, and none of a kind")
        if self.file is not None and (PurePosixPath(self.file).is_absolute() or ".." in PurePosixPath(self.file).parts):
            raise ValueError(f"region {self.name}: file is a path within the repository, not {self.file!a}")
        if self.kind is Kind.NONE:
            raise ValueError(f"region {self.name}: kind is one of dictionary, pattern, schema, major")
        if (self.lines is None) != (self.at is None):
            raise ValueError(f"region {self.name}: lines and at (the revision they hold for) go together")
        if self.lines is not None and (self.symbol is not None or self.assign is not None):
            raise ValueError(f"region {self.name}: either lines and at, or symbol and assign")
        if self.lines is not None and not 1 <= self.lines[0] <= self.lines[1]:
            raise ValueError(f"region {self.name}: lines is [first, last], counted from 1")
        if not (self.symbol or self.assign or self.lines or self.file):
            raise ValueError(f"region {self.name}: say where it is: symbol and assign, lines and at, or file")

    @property
    def form(self) -> Form:
        if self.lines is not None:
            return "lines"
        if self.assign:
            return "assigned"
        return "body" if self.symbol else "file"
