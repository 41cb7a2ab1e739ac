"""How does `monitor` draw what it sees on a terminal?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gitrelease.core.history import release_name
from gitrelease.core.samples import Sample, Summary
from gitrelease.core.text import one_line
from gitrelease.edges.terminal import drawing

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_COLUMNS = (
    "instance",
    "release",
    "cpu",
    "avg",
    "memory",
    "peak",
    "threads",
    "sessions",
    "restarts",
    "answer",
    "errors",
)
_RIGHT = _COLUMNS[2:]


@contextlib.contextmanager
def table() -> Iterator[Drawn]:
    """Draw a table that changes in its place while the context is open; at the end its last state stays."""
    from rich.console import Console
    from rich.live import Live

    with drawing() as stream, Live(console=Console(file=stream), auto_refresh=False) as live:
        yield Drawn(live)


class Drawn:
    """The table on the terminal."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, taken: Sequence[Sample], summaries: Mapping[str, Summary]) -> None:
        self._live.update(_table(taken, summaries), refresh=True)


def _table(taken: Sequence[Sample], summaries: Mapping[str, Summary]) -> Table:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    for column in _COLUMNS:
        drawn.add_column(column, justify="right" if column in _RIGHT else "left", overflow="fold")
    now = {one.instance: one for one in taken}
    for name, summary in summaries.items():
        drawn.add_row(*map(Text, _cells(name, now.get(name), summary)))
    return drawn


def _cells(name: str, one: Sample | None, summary: Summary) -> list[str]:
    if one is None or not one.running:
        return [one_line(name, 40), "does not run", *("",) * (len(_COLUMNS) - 2)]
    return [
        one_line(name, 40),
        release_name(one.release),
        _rounded(one.cpu_percent, "%"),
        _rounded(summary.cpu.average, "%"),
        _rounded(one.memory_mb, "MB"),
        _rounded(summary.memory.peak, "MB"),
        str(one.threads),
        "?" if one.sessions is None else str(one.sessions),
        str(one.restarts),
        "none" if one.answer_ms is None else _rounded(one.answer_ms, "ms"),
        str(summary.error_lines),
    ]


def _rounded(value: float | None, unit: str) -> str:
    return "?" if value is None else f"{value:.0f} {unit}"
