"""How much may a release take of the host? Rules over samples of its processes; no clock, no I/O."""

from __future__ import annotations

from typing import NamedTuple

from gitrelease.core.settings import Limits

# The deployment guide's threshold for a host in trouble: below it nobody is refused unless somebody set less.
LEAST_MB = 1000.0


class Sample(NamedTuple):
    """What the processes of a release use at one moment."""

    processes: int
    memory_mb: float


class Bounds(NamedTuple):
    """What they may use; memory None: as much as there is."""

    processes: int
    memory_mb: float | None


def bounds(limits: Limits, *, live_mb: float | None) -> Bounds:
    """Return what a release may use beside a live one that uses `live_mb`; None where nothing is live."""
    if limits.memory_most_mb:
        return Bounds(limits.processes_most, float(limits.memory_most_mb))
    return Bounds(limits.processes_most, None if live_mb is None else max(LEAST_MB, 2 * live_mb))


class Excess(NamedTuple):
    """What is beyond a bound: both figures, and the name of the limit."""

    said: str
    limit: str


def excess(sample: Sample, allowed: Bounds) -> Excess | None:
    """Return what is beyond the bounds; None where all is well."""
    if sample.processes > allowed.processes:
        return Excess(f"{sample.processes} processes run, {allowed.processes} are the most", "processes_most")
    if allowed.memory_mb is not None and sample.memory_mb > allowed.memory_mb:
        said = f"its processes use {sample.memory_mb:.0f} MB, {allowed.memory_mb:.0f} MB are the most"
        return Excess(said, "memory_most_mb")
    return None
