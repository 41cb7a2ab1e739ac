"""What was found out about a candidate, and about the live release by the same questions?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from gitrelease.core.outcome import Check
from gitrelease.core.replay import Answer, ReplayDiff

Facts = Mapping[str, Mapping[str, str]]  # schema, field, type


class Findings(msgspec.Struct, frozen=True):
    """What was found out about a candidate: checks, the fields it emits, what it makes of the sample documents.

    `questions` is a key of all that was asked; `replay` says what is different on the live release, where there is one.
    """

    checks: tuple[Check, ...] = ()
    facts: dict[str, dict[str, str]] = {}
    answers: dict[str, Answer] = {}
    questions: str = ""
    replay: ReplayDiff | None = None
    retyped: tuple[str, ...] = ()  # fields that are emitted with another type than by the live release


class LiveSide(Protocol):
    """What the same questions gave for the release that is live."""

    @property
    def commit(self) -> str: ...

    def findings(self) -> Findings: ...
