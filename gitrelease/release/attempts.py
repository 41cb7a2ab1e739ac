"""What became of each candidate? Every attempt is in the journal, also the one that ended without a release."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gitrelease.candidate import Candidate
from gitrelease.core.events import Attempted, AttemptOutcome
from gitrelease.core.kinds import Kind
from gitrelease.core.outcome import Check, Outcome
from gitrelease.release.execute import record
from gitrelease.release.production import Production


@dataclass(frozen=True)
class Attempt:
    """A candidate on its way; `begun` is in monotonic seconds."""

    production: Production
    candidate: Candidate
    kind: Kind
    begun: float

    def end(
        self,
        outcome: AttemptOutcome,
        reason: str,
        *,
        hint: str = "",
        checks: tuple[Check, ...] = (),
        frozen: bool = False,
    ) -> Outcome:
        """End it without a release: in the journal, and as a value."""
        self.tell(outcome, reason, frozen=frozen)
        live = self.production.world.records().live
        return Outcome(
            outcome="unchanged" if outcome == "unchanged" else "refused",
            release=live.name if live else None,
            kind=self.kind,
            reason=reason,
            hint=hint,
            seconds=round(time.monotonic() - self.begun, 3),
            waiting=outcome == "waiting",
            checks=checks,
        )

    def tell(self, outcome: AttemptOutcome, reason: str, *, frozen: bool = False) -> None:
        """Write to the journal what became of it."""
        tell(self.production, self.candidate, outcome, self.kind, reason, frozen=frozen)


def tell(
    production: Production,
    candidate: Candidate,
    outcome: AttemptOutcome,
    kind: Kind,
    reason: str,
    *,
    frozen: bool = False,
) -> None:
    """Write to the journal what became of a candidate; once, where a timer pulls the same one again and again."""
    last = production.memory.attempts[-1] if production.memory.attempts else None
    by_itself = candidate.trigger in ("pull", "branch") or candidate.taken
    told = (candidate.known_as, candidate.trigger, outcome, _subject(reason))
    if by_itself and last is not None and told == (last.commit, last.trigger, last.outcome, _subject(last.reason)):
        return
    event = Attempted(
        at=time.time(), commit=candidate.known_as, trigger=candidate.trigger, outcome=outcome,
        reason=reason, by=candidate.by, key=candidate.key, kind=kind.value, frozen=frozen, taken=candidate.taken,
    )  # fmt: skip
    record(production, event)


def cut_off(candidate: Candidate) -> AttemptOutcome:
    """Return what became of a candidate that was cut off: what came by itself is looked at again by itself."""
    by_itself = candidate.trigger in ("pull", "branch", "edit") or candidate.taken
    return "superseded" if by_itself else "refused"


def _subject(reason: str) -> str:
    """Return which check a reason is of: how much room there is, say, changes from one look to the next."""
    return reason.partition(":")[0]
