"""How does a deploy or a rollback end, and with which exit code?"""

from __future__ import annotations

from typing import Literal

import msgspec

from gitrelease.core.errors import Exit
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.kinds import Kind
from gitrelease.core.reading import ReadAs

SIGNATURE = "signature"  # the check of who signed a candidate: it says nothing about its content


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What one check said of a candidate; `seconds` is how long it took."""

    name: str
    kind: str
    status: Literal["passed", "failed", "warned", "skipped", "unknown"]
    detail: str = ""
    seconds: float = 0.0
    absolute: bool = False  # about what a change adds: that it fails on the live release too is no excuse


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a deploy, a push, a rollback or a restart; the JSON that scripts read.

    `release` is what production serves now, `previous` what it served before; `hint` is what to type next.
    `staged` is no end: only the `update` hook of a push sees it, whose ref has still to move.
    """

    schema: int = 1
    outcome: Literal["released", "unchanged", "refused", "rolled_back", "stuck", "staged"]
    release: str | None = None
    previous: str | None = None
    kind: Kind | None = None
    reason: str = ""
    hint: str = ""
    seconds: float = 0.0
    failed: bool = False  # a rollback that nobody asked for: production had been switched already
    waiting: bool = False  # refused for now: it only lacks an approval
    checks: tuple[Check, ...] = ()
    group: str = PRODUCTION  # of instances, whose `release` it is
    marked_bad: bool = False  # of a rollback: is what it left bad from now on?
    regions: tuple[str, ...] = ()  # of a rollback of a part: what was taken back

    @property
    def unknown(self) -> bool:
        """Could it not be judged? What failed one check is judged, whatever another could not tell."""
        statuses = {check.status for check in self.checks}
        return "unknown" in statuses and "failed" not in statuses

    @property
    def condemns(self) -> bool:
        """Does a refusal speak against the content? Not where it could not be judged, or only lacks a signature."""
        unsigned = any(check.name == SIGNATURE and check.status == "failed" for check in self.checks)
        return not self.unknown and not unsigned

    @property
    def exit_code(self) -> Exit:
        if self.outcome == "refused":
            return Exit.REFUSED
        if self.outcome == "stuck":
            return Exit.STUCK
        return Exit.ROLLED_BACK if self.failed else Exit.DONE


outcome_from = ReadAs(Outcome).convert  # what the agent has answered
