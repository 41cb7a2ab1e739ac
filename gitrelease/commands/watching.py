"""How is production watched for a while: sampled, shown as it goes, summed up at the end?"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from gitrelease.commands.client import print_json
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.history import release_name
from gitrelease.core.samples import Sample, Summary, beyond
from gitrelease.core.settings import Monitor, seconds
from gitrelease.core.signs import Told
from gitrelease.core.text import ago, counted, one_line
from gitrelease.edges.front import FrontControl
from gitrelease.edges.gauge import Gauge
from gitrelease.edges.terminal import say
from gitrelease.release.running import read_running
from gitrelease.release.sampling import sample
from gitrelease.release.selection import Selection, chosen
from gitrelease.world import World

_FIRST = 1.0  # seconds to the first sample: CPU is what was spent between two looks
_EVERY = 30.0  # seconds between two, where nobody says how many;
_FEW = 10  # of a short time so many samples
_SHORTEST = 0.1
_ROUNDING = 1e-6

Summaries = Mapping[str, Summary]


class View(Protocol):
    """Shows samples as they come."""

    def show(self, taken: Sequence[Sample], summaries: Summaries) -> None: ...


class Span:
    """For how long is watched, and how often; `ReleaseError` for what is no length of time."""

    def __init__(self, length: str, every: str | None = None) -> None:
        self.length = _length("--for", length)
        self.every = _length("--every", every) if every else min(_EVERY, max(self.length / _FEW, _FIRST))

    def moments(self) -> Iterator[float]:
        """Yield when to take a sample, in seconds from the begin: soon, then regularly, and at the end."""
        first = moment = min(_FIRST, self.every, self.length)
        for count in range(1 + int((self.length - first) / self.every + _ROUNDING)):
            yield (moment := first + count * self.every)
        if self.length - moment >= min(_FIRST, self.every):  # else it is as good as over
            yield self.length


def _length(option: str, text: str) -> float:
    try:
        found = seconds(text)
    except ValueError as error:
        raise ReleaseError(f"{option}: {error}", hint="For example: gitrelease monitor --for 5s --every 1s") from error
    if found < _SHORTEST:
        raise ReleaseError(f"{option} {text} is too short", hint=f"Take {_SHORTEST:g}s at least")
    return found


def watch(world: World, instance: str | None, span: Span, *, as_json: bool) -> int:
    """Watch until the time is over or Ctrl-C; 0 where all stayed within the thresholds, else 3."""
    selections = chosen(world, instance)
    if not any(one.running.live for one in selections):
        raise _not_up(selections[0].world)
    summaries = {name: Summary() for one in selections for name in one.names}
    begun = time.monotonic()
    with _view(as_json=as_json) as view, contextlib.suppress(KeyboardInterrupt):
        _look(selections, summaries, span, view)
    told = _told(summaries, world.settings.monitor, time.monotonic() - begun)
    if as_json:
        print_json(told)
    else:
        say(_lines(summaries, told))
    return Exit.DONE if told["ok"] else Exit.REFUSED


def _not_up(world: World) -> ReleaseError:
    group, hint = world.group, "Start it: gitrelease up"
    if not world.is_production and world.records().live is None:
        hint = f"It serves nothing yet; give it a release: gitrelease deploy REV --to {group}"
    return ReleaseError(f"{group} is not up", hint=hint, code=Exit.REFUSED)


def _look(selections: Sequence[Selection], summaries: Summaries, span: Span, view: View) -> None:
    gauges = [(one, Gauge(), FrontControl(one.world.home.front_socket)) for one in selections]

    def look() -> list[Sample]:
        found: list[Sample] = []
        for one, gauge, front in gauges:
            running = read_running(one.world.home.processes)
            found += sample(gauge, one.world.settings.app, running, front, only=one.names)
        return found

    pause, begun = threading.Event(), time.monotonic()
    look()
    for moment in span.moments():
        pause.wait(max(begun + moment - time.monotonic(), 0))
        taken = look()
        for one in taken:
            summaries[one.instance].take(one)
        view.show(taken, summaries)


def _told(summaries: Summaries, thresholds: Monitor, spent: float) -> dict[str, Any]:
    """Return the summary as the JSON says it."""
    exceeded = {name: found for name, summary in summaries.items() if (found := beyond(summary, thresholds))}
    return {
        "summary": True,
        "ok": not exceeded,
        "seconds": round(spent, 1),
        "thresholds": {"cpu_percent": thresholds.cpu_percent, "memory_mb": thresholds.memory_mb},
        "exceeded": [f"{name}: {what}" for name, found in exceeded.items() for what in found],
        "instances": [{"name": name, **summary.told()} for name, summary in summaries.items()],
    }


def _lines(summaries: Summaries, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"watched for {ago(told['seconds'])}"
    for name, summary in summaries.items():
        missed = f", no answer {counted(summary.unanswered, 'time')}" if summary.unanswered else ""
        yield (
            f"  {one_line(name, 40)}: CPU {_both(summary.cpu.told(), '%')}; "
            f"memory {_both(summary.memory.told(), 'MB')}; answer {_both(summary.answer.told(), 'ms')}{missed}; "
            f"{counted(summary.error_lines, 'error line')}, {counted(summary.restarts, 'restart')}, "
            f"{counted(summary.samples, 'sample')}"
        )
    limits = told["thresholds"]
    if told["ok"]:
        what = f"within the thresholds: average CPU {limits['cpu_percent']} %, peak memory {limits['memory_mb']} MB"
        yield Told(what, "ok")
    else:
        yield from (Told(f"beyond a threshold: {one_line(what, 200)}", "problem") for what in told["exceeded"])


def _both(tally: Mapping[str, float | None], unit: str) -> str:
    if tally["average"] is None:
        return "unknown"
    return f"{tally['average']:.0f} {unit} on average, {tally['peak']:.0f} {unit} at most"


# -- views -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _view(*, as_json: bool) -> Iterator[View]:
    if as_json:
        yield _Objects()
    elif sys.stdout.isatty():
        from gitrelease.commands.table import table

        with table() as drawn:
            yield drawn
    else:
        yield _Words()


class _Objects:
    """An object a line."""

    def show(self, taken: Sequence[Sample], summaries: Summaries) -> None:
        import msgspec

        for one in taken:
            print_json({**msgspec.to_builtins(one), "release": release_name(one.release)})


class _Words:
    """A line a sample."""

    def show(self, taken: Sequence[Sample], summaries: Summaries) -> None:
        for one in taken:
            print(_line(one), flush=True)
        if not taken:
            print(f"{_clock()}  nothing runs", flush=True)


def _line(one: Sample) -> str:
    if not one.running:
        return f"{_clock(one.at)}  {one_line(one.instance, 40)}  {release_name(one.release)}  does not run"
    answer = "no answer" if one.answer_ms is None else f"answers in {one.answer_ms:.0f} ms"
    return (
        f"{_clock(one.at)}  {one_line(one.instance, 40)}  {release_name(one.release)}  cpu {percent(one.cpu_percent)}, "
        f"{one.memory_mb:.0f} MB, {counted(one.threads, 'thread')}, {_number(one.sessions)} sessions, "
        f"{counted(one.restarts, 'restart')}, {answer}, {counted(one.error_lines, 'error line')}"
    )


def percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} %"


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _clock(at: float | None = None) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
