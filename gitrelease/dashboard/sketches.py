"""How do CPU, memory and answer time look at a glance? A chart as an SVG, which a browser draws without a library.

The charts of the view Resources are Vega-Lite: a browser loads and reads more than a megabyte before it draws the
first line. The first view waits for none of that.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gitrelease.dashboard.charts import MEASURES, cut, form_of
from gitrelease.edges.samples import Row

WIDTH, HEIGHT = 420, 190  # of the picture, in its own units
_LEFT, _TOP, _BOTTOM = 44, 22, 22  # room for words
_GREY = "#808495"  # is seen on white and on black
_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2", "#eeca3b", "#9d755d", "#ff9da6")
_TIMES = 3  # of the axis

Scale = Callable[[float], float]  # from a moment or a value to a place in the picture


def sketch(
    rows: Sequence[Row], releases: Iterable[Mapping[str, Any]], measure: str, *, since: float, until: float, points: int
) -> str:
    """Return the chart of `measure`, a column of the samples, with a line for each instance and a mark for a release.

    It holds numbers and words of ours, nothing that a person wrote.
    """
    begun = min([until - 60, *(row.at for row in rows)])
    most = _rounded_up(max((value for row in rows if (value := getattr(row, measure)) is not None), default=0.0))

    def across(at: float) -> float:
        return _LEFT + (WIDTH - _LEFT - 4) * (at - begun) / (until - begun)

    def down(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / most

    drawn = [
        *_axes(begun, until, most, across, down),
        *_marks((one["at"] for one in releases if begun <= one["at"] <= until), across),
        *_lines(rows, measure, (until - since) / points, across, down),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' font-family="sans-serif" font-size="13" fill="{_GREY}"><text x="6" y="12">{MEASURES[measure]}</text>'
        f"{''.join(drawn)}</svg>"
    )


def _axes(begun: float, until: float, most: float, across: Scale, down: Scale) -> Iterator[str]:
    """Yield the lines and words of both axes."""
    for part in (0.0, 0.5, 1.0):
        height = down(most * part)
        yield f'<path d="M{_LEFT} {height:.1f}H{WIDTH - 4}" stroke="{_GREY}" stroke-opacity=".25"/>'
        yield f'<text x="{_LEFT - 4}" y="{height + 4:.1f}" text-anchor="end">{most * part:g}</text>'
    form = form_of(until - begun)
    for place, anchor in zip(range(_TIMES), ("start", "middle", "end"), strict=True):
        at = begun + (until - begun) * place / (_TIMES - 1)
        clock = time.strftime(form, time.localtime(at))
        yield f'<text x="{across(at):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{clock}</text>'


def _marks(moments: Iterable[float], across: Scale) -> Iterator[str]:
    """Yield one path with a stroke for each release; those at the same place are one stroke."""
    places = sorted({round(across(at), 1) for at in moments})
    strokes = "".join(f"M{place:g} {_TOP}V{HEIGHT - _BOTTOM}" for place in places)
    if strokes:
        faint = ".6" if len(places) < 60 else ".2"
        yield f'<path class="releases" d="{strokes}" stroke="{_GREY}" stroke-opacity="{faint}"/>'


def _lines(rows: Sequence[Row], measure: str, width: float, across: Scale, down: Scale) -> Iterator[str]:
    """Yield one path for each instance, cut where nothing was sampled or nothing answered."""
    for number, (_, own) in enumerate(itertools.groupby(rows, key=lambda row: row.instance)):
        path, before, pen = [], None, "M"
        for row in own:
            value = getattr(row, measure)
            pen = "M" if before is None or cut(before, row, width) else "L"
            if value is not None:
                path.append(f"{pen}{across(row.at):.1f} {down(value):.1f}")
            before = row if value is not None else None
        colour = _COLOURS[number % len(_COLOURS)]
        yield f'<path class="line" d="{"".join(path)}" fill="none" stroke="{colour}" stroke-linecap="round"/>'


def _rounded_up(most: float) -> float:
    """Return a number with one digit that is not zero, at which an axis can end."""
    if most <= 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(most))
    return float(next(step * digit for digit in (1, 2, 4, 6, 8, 10) if step * digit >= most))
