"""What does the release that is live say to the questions that a candidate is asked? Kept, or found out now."""

from __future__ import annotations

from dataclasses import dataclass

from gitrelease.candidate import Candidate
from gitrelease.checks.baseline import keep_baseline, read_baseline
from gitrelease.checks.checking import questions
from gitrelease.checks.findings import Findings
from gitrelease.checks.staging import Unfit, stage
from gitrelease.edges.backends import backend_name
from gitrelease.edges.cancel import Cancel
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
        """Return what was kept, unless other questions are asked by now.

        A release is judged by the checks, settings and documents of the one before it; once it is live its own count.
        What they say of the release itself must be known, or a check that it broke would refuse all that follow.
        """
        kept = read_baseline(self.world, self.commit)
        return kept if kept and kept.questions == questions(self.world, self.commit) else None

    def _find_out(self) -> Findings:
        live = Candidate(commit=self.commit, source=self.commit, key="", trigger="agent", by="")
        outcome = stage(
            self.world,
            live,
            diff=None,
            live=None,
            cancel=self.cancel,
            report=_unheard,
            name=backend_name(self.commit),
            checking_only=True,
        )
        if not (isinstance(outcome, Unfit) and outcome.unknown):
            keep_baseline(self.world, self.commit, outcome.findings)
        return outcome.findings


def _unheard(step: str, text: str, spent: float | None) -> None:
    """The live release's own checks are nobody's progress."""
