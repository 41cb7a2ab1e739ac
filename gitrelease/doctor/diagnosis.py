"""What did one look find, and what mends it?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gitrelease.core.errors import ReleaseError
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line, readable

Status = Literal["ok", "warning", "problem"]
Mend = Callable[[], str]


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report. `fix` is what a person types; `mend` does the same by itself and says what it did."""

    name: str
    status: Status
    detail: str
    fix: str = ""
    mend: Mend | None = None


def well(name: str, detail: str) -> Diagnosis:
    return _told(name, "ok", detail)


def warning(name: str, detail: str, *, fix: str, mend: Mend | None = None) -> Diagnosis:
    return _told(name, "warning", detail, fix, mend)


def problem(name: str, detail: str, *, fix: str, mend: Mend | None = None) -> Diagnosis:
    return _told(name, "problem", detail, fix, mend)


def of_error(name: str, error: ReleaseError) -> Diagnosis:
    return problem(name, error.message, fix=error.hint)


def _told(name: str, status: Status, detail: str, fix: str = "", mend: Mend | None = None) -> Diagnosis:
    return Diagnosis(name, status, _safe(detail), _safe(fix), mend)


def _safe(text: str) -> str:
    return one_line(redacted(readable(text)), 600)
