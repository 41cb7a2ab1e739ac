"""How does `monitor` draw what it sees on a terminal?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gitrelease.core.history import release_name
from gitrelease.core.samples import Sample, Summary
from gitrelease.core.signs import Look, Told, drawn
from gitrelease.core.text import one_line
from gitrelease.edges.terminal import drawing, look_of

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_COLUMNS = (
    "instance", "release", "cpu", "avg", "memory", "peak", "threads", "sessions", "restarts", "answer", "errors",
)  # fmt: skip
_LEFT = ("instance", "release")
# What a terminal of 80 columns has no room for; averages and peaks are told at the end, too.
_ROOMY = 100
_SPARED = ("avg", "peak", "threads")


@contextlib.contextmanager
def table() -> Iterator[Drawn]:
    """Draw a table that changes in its place while the context is open; at the end its last state stays."""
    from rich.console import Console
    from rich.live import Live

    with drawing() as stream, Live(console=Console(file=stream), auto_refresh=False) as live:
        yield Drawn(live, look_of(stream, os.environ))


class Drawn:
    """The table on the terminal."""

    def __init__(self, live: Live, look: Look) -> None:
        self._live, self._look = live, look

    def show(self, taken: Sequence[Sample], summaries: Mapping[str, Summary]) -> None:
        self._live.update(_table(taken, summaries, self._look), refresh=True)


def _table(taken: Sequence[Sample], summaries: Mapping[str, Summary], look: Look) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), collapse_padding=True)
    shown = [column for column in _COLUMNS if column not in _SPARED or (look.width or _ROOMY) >= _ROOMY]
    for column in shown:
        grid.add_column(column, justify="left" if column in _LEFT else "right", overflow="fold")
    now = {one.instance: one for one in taken}
    for name, summary in summaries.items():
        cells = _cells(now.get(name), summary)
        first = Text.from_ansi(_named(name, now.get(name), look))
        grid.add_row(first, *(Text(cells.get(column, "")) for column in shown[1:]))
    return grid


def _named(name: str, one: Sample | None, look: Look) -> str:
    """Return the name of an instance after the sign of its state."""
    runs = one is not None and one.running
    state = "healthy" if runs and one is not None and one.answer_ms is not None else "warning" if runs else "down"
    return next(iter(drawn([Told(one_line(name, 40), state)], look._replace(width=None))))


def _cells(one: Sample | None, summary: Summary) -> dict[str, str]:
    """Return what stands in the columns after the first."""
    if one is None or not one.running:
        return {"release": "does not run"}
    return {
        "release": release_name(one.release),
        "cpu": _rounded(one.cpu_percent, "%"),
        "avg": _rounded(summary.cpu.average, "%"),
        "memory": _rounded(one.memory_mb, "MB"),
        "peak": _rounded(summary.memory.peak, "MB"),
        "threads": str(one.threads),
        "sessions": "?" if one.sessions is None else str(one.sessions),
        "restarts": str(one.restarts),
        "answer": "none" if one.answer_ms is None else _rounded(one.answer_ms, "ms"),
        "errors": str(summary.error_lines),
    }


def _rounded(value: float | None, unit: str) -> str:
    return "?" if value is None else f"{value:.0f} {unit}"
