"""What does the release that is live say to the questions that a candidate is asked? Kept, or found out now."""

from __future__ import annotations

from dataclasses import dataclass

from gitrelease.baseline import keep_baseline, read_baseline
from gitrelease.candidate import Candidate
from gitrelease.edges.cancel import Cancel
from gitrelease.findings import Findings
from gitrelease.samples import documents_of
from gitrelease.staging import Unfit, stage
from gitrelease.world import World


@dataclass
class Live:
    """The live release, checked when somebody asks: what was kept for it, else a run in the slot set aside."""

    world: World
    commit: str
    cancel: Cancel
    _found: Findings | None = None

    def findings(self) -> Findings:
        if self._found is None:
            self._found = self._kept() or self._find_out()
        return self._found

    def _kept(self) -> Findings | None:
        """Return what was kept, unless the sample documents are others by now."""
        kept = read_baseline(self.world, self.commit)
        if kept is None or not kept.documents:
            return kept
        with documents_of(self.world, self.commit) as documents:
            return kept if kept.documents == documents.key else None

    def _find_out(self) -> Findings:
        live = Candidate(commit=self.commit, source=self.commit, key="", trigger="agent", by="")
        outcome = stage(
            self.world,
            live,
            diff=None,
            live=None,
            cancel=self.cancel,
            report=_unheard,
            name="baseline",
            checking_only=True,
        )
        if not (isinstance(outcome, Unfit) and outcome.unknown):
            keep_baseline(self.world, self.commit, outcome.findings)
        return outcome.findings


def _unheard(step: str, text: str, spent: float | None) -> None:
    """The live release's own checks are nobody's progress."""
