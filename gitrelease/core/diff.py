"""What does a change mean? The answer as a value: kinds, regions, and what lies outside of them."""

from __future__ import annotations

import msgspec

from gitrelease.core.changes import Lines
from gitrelease.core.kinds import Kind

# How a reason begins when code changed in place; what follows is where.
OUTSIDE = "code outside the known regions changed: "


class RegionChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A region that changed. Lines are those of the region, None on a side where it is not; `note` says why its
    content could not be read, and is left out of the JSON otherwise.
    """

    region: str
    kind: Kind
    file: str
    old_lines: Lines | None
    new_lines: Lines | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    note: str = ""


class OtherChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change that makes it `major`, and why."""

    file: str
    old_lines: Lines | None
    new_lines: Lines | None
    why: str


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What a change means. `kinds` are lowest first and never empty, `kind` is the highest of them."""

    kind: Kind
    kinds: tuple[Kind, ...]
    regions: tuple[RegionChange, ...]
    other: tuple[OtherChange, ...]
