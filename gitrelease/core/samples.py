"""What does an instance use, is that within its thresholds, and how do two releases compare? No clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from gitrelease.core.settings import Monitor

ALIKE = 5.0  # percent: what differs by less is within the noise of two measurements


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance used at one moment, its children included."""

    at: float  # seconds since 1970
    instance: str
    release: int
    backend: str  # its name; another one has other processes
    pid: int
    running: bool
    cpu_percent: float | None  # of one core since the sample before; None for the first of a process
    memory_mb: float
    threads: int
    sessions: int | None  # connections that users hold open; None where the front does not tell
    restarts: int
    answer_ms: float | None  # None: it did not answer
    error_lines: int  # since the sample before


@dataclass
class Tally:
    """Average and peak of what was counted."""

    count: int = 0
    sum: float = 0.0
    peak: float = 0.0

    def take(self, value: float | None) -> None:
        if value is not None:
            self.count, self.sum, self.peak = self.count + 1, self.sum + value, max(self.peak, value)

    @property
    def average(self) -> float | None:
        return self.sum / self.count if self.count else None

    def told(self) -> dict[str, float | None]:
        average = None if self.average is None else round(self.average, 1)
        return {"average": average, "peak": round(self.peak, 1) if self.count else None}


@dataclass
class Summary:
    """What was seen of one instance, in the order of time."""

    samples: int = 0
    running: int = 0  # samples in which it ran
    unanswered: int = 0
    error_lines: int = 0
    restarts: int = 0  # that came while it was watched
    cpu: Tally = field(default_factory=Tally)
    memory: Tally = field(default_factory=Tally)
    answer: Tally = field(default_factory=Tally)
    sessions: Tally = field(default_factory=Tally)
    first: float | None = None  # seconds since 1970
    last: float | None = None
    _restarts: tuple[int, int] | None = None  # release and count of the sample before

    def take(self, sample: Sample) -> None:
        self.samples += 1
        self.first = sample.at if self.first is None else self.first
        self.last = sample.at
        self.error_lines += sample.error_lines
        before = self._restarts
        if before is not None and before[0] == sample.release:
            self.restarts += max(sample.restarts - before[1], 0)
        self._restarts = (sample.release, sample.restarts)
        if sample.running:
            self.running += 1
            self.cpu.take(sample.cpu_percent)
            self.memory.take(sample.memory_mb)
            self.sessions.take(sample.sessions)
        self.answer.take(sample.answer_ms)
        self.unanswered += sample.answer_ms is None

    def told(self) -> dict[str, object]:
        """Return it as the JSON says it."""
        return {
            "samples": self.samples,
            "unanswered": self.unanswered,
            "error_lines": self.error_lines,
            "restarts": self.restarts,
            "cpu_percent": self.cpu.told(),
            "memory_mb": self.memory.told(),
            "answer_ms": self.answer.told(),
            "sessions": self.sessions.told(),
        }


def beyond(summary: Summary, thresholds: Monitor) -> list[str]:
    """Say which thresholds were exceeded; nothing where all is within. What never ran is not within."""
    found = []
    if not summary.running:
        found.append("it did not run")
    average = summary.cpu.average
    if average is not None and average > thresholds.cpu_percent:
        found.append(f"average CPU {average:.0f} %, {thresholds.cpu_percent} % is the threshold")
    if summary.memory.peak > thresholds.memory_mb:
        found.append(f"peak memory {summary.memory.peak:.0f} MB, {thresholds.memory_mb} MB is the threshold")
    return found


# -- two releases ------------------------------------------------------------------------------------------------


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a release used, over some of its instances: averages and peaks of `samples` samples."""

    samples: int
    cpu_average: float | None
    cpu_peak: float | None
    memory_average: float | None
    memory_peak: float | None
    answer_average: float | None
    answer_peak: float | None
    error_lines: int
    unanswered: int
    first: float  # seconds since 1970
    last: float


def compare(name: str, usage: Usage, other: str, before: Usage) -> list[str]:
    """Say how `name` differs from `other`, a sentence for each thing that is measured."""
    rows = (
        ("uses", "memory", "as much memory as", usage.memory_average, before.memory_average),
        ("uses", "CPU", "as much CPU as", usage.cpu_average, before.cpu_average),
        ("needs", "time to answer", "as much time to answer as", usage.answer_average, before.answer_average),
    )
    said = [_sentence(name, other, *row) for row in rows]
    rates = (usage.error_lines / usage.samples, before.error_lines / before.samples)
    if any(rates):
        said.append(_sentence(name, other, "logs", "error lines", "as many error lines as", *rates))
    return [one for one in said if one]


def difference(now: float | None, before: float | None) -> float | None:
    """Return by how many percent `now` is more than `before`; None where that cannot be said."""
    return None if now is None or not before else 100 * (now - before) / before


def _sentence(name: str, other: str, verb: str, what: str, alike: str, now: float | None, before: float | None) -> str:
    by = difference(now, before)
    if by is None:
        return f"{name} {verb} {what}, {other} does not" if now and before is not None else ""
    if abs(by) < ALIKE:
        return f"{name} {verb} {alike} {other}"
    fewer = "fewer" if what.endswith("s") else "less"
    return f"{name} {verb} {abs(by):.0f} % {'more' if by > 0 else fewer} {what} than {other}"
