"""What was found out about a release when it was checked? Kept by commit, so that it need not be asked again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import msgspec

from gitrelease.checks.findings import Findings
from gitrelease.core.reading import ReadAs
from gitrelease.edges import records
from gitrelease.edges.home import write_atomically
from gitrelease.world import World


@dataclass(frozen=True)
class Known:
    """A release whose findings are at hand."""

    commit: str
    kept: Findings

    def findings(self) -> Findings:
        return self.kept


def keep_baseline(world: World, commit: str, findings: Findings) -> None:
    """Keep what was found out about a release."""
    write_atomically(world.home.baselines / f"{commit}.json", msgspec.json.encode(findings))


def drop_baselines(world: World) -> None:
    """Drop what was kept for commits that no release serves any more."""
    kept = list(world.home.baselines.glob("*.json"))  # listed first: a release comes before its findings
    released = records.released_commits(world.git)
    for file in kept:
        if file.stem not in released:
            file.unlink(missing_ok=True)


_FINDINGS = ReadAs(Findings)


def read_baseline(world: World, commit: str) -> Findings | None:
    """Return what was kept for `commit`; None where there is nothing that can be read."""
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
        return _FINDINGS.decode((world.home.baselines / f"{commit}.json").read_bytes())
    return None
