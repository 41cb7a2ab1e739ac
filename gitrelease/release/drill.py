"""Would a rollback work, and how long would it take? Rehearsed beside production, in the slot for checks."""

from __future__ import annotations

import time

import msgspec

from gitrelease.checks.staging import Report, Unfit, stage_again
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.events import Drilled
from gitrelease.core.history import Release
from gitrelease.edges.backends import backend_name
from gitrelease.edges.cancel import Cancel
from gitrelease.release.execute import record
from gitrelease.release.production import Production
from gitrelease.release.room import lacking


class DrillResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a rehearsal went. Seconds: `cold` from the tag to a finished session, `warm` the question to the standby."""

    release: str
    ok: bool
    cold_seconds: float
    warm_seconds: float | None
    reason: str = ""

    @property
    def exit_code(self) -> Exit:
        return Exit.DONE if self.ok else Exit.REFUSED


def drill(production: Production, target: Release, *, cancel: Cancel, report: Report) -> DrillResult:
    """Bring `target` up from its tag as a rollback would, and end it again; refs, files and traffic are not touched.

    Nobody waits for it: it takes no turn, and a release under way goes on.
    """
    world = production.world.judged_by(production.world.live_ref)  # what is set on the host by now counts
    short_of = lacking(production, target.commit, world=world, instances=1)
    if short_of is not None:
        raise ReleaseError(
            f"there is no room for a rehearsal: {short_of.detail}",
            hint="A rollback itself is tried all the same; make room (df -h; free -m), then: gitrelease drill",
            code=Exit.REFUSED,
        )
    begun = time.monotonic()
    stands_by = production.warm(target.number) is not None
    warm = round(time.monotonic() - begun, 3) if stands_by else None
    begun = time.monotonic()
    staged = stage_again(
        production.world.judged_by(target.commit),
        target,
        cancel=cancel,
        report=report,
        name=backend_name(target.commit),
        checking_only=True,
    )
    took = round(time.monotonic() - begun, 3)
    reason = staged.reason if isinstance(staged, Unfit) else ""
    record(production, Drilled(at=time.time(), number=target.number, ok=not reason, seconds=took, reason=reason))
    return DrillResult(release=target.name, ok=not reason, cold_seconds=took, warm_seconds=warm, reason=reason)
