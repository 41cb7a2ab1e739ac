"""How do CPU, memory and answer time look over time? Samples of every instance as lines, releases as marks.

What is drawn is a value: a Vega-Lite chart. Times are those of the host, as everywhere on the page.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gitrelease.edges.samples import Row

_DAY = 86_400  # seconds
_MINUTE = 60
_FORMS = ((2 * _DAY, "%d %b"), (10 * _MINUTE, "%H:%M"), (0, "%H:%M:%S"))  # of a moment, by the length of the axis
_FEW = 60  # of so few samples the points are drawn, too: one alone makes no line; so few marks can be strong
HEIGHT = 180  # pixels
_GAP = 2.5  # stretches without a sample in which a line is cut

MEASURES = {"cpu": "CPU, % of a core", "memory": "memory, MB", "answer": "answer, ms"}
SPANS = {"1 hour": 3600, "6 hours": 6 * 3600, "a day": _DAY, "a week": 7 * _DAY}  # seconds


def chart(
    rows: Sequence[Row],
    releases: Iterable[Mapping[str, Any]],
    measure: str,
    *,
    since: float,
    until: float,
    points: int,
) -> dict[str, Any]:
    """Return one chart of `measure`, a column of the samples, from `since` to `until` (seconds since 1970).

    The axis begins where the samples do.
    """
    begun = min([until - _MINUTE, *(row.at for row in rows)])
    form = form_of(until - begun)
    time_axis: dict[str, Any] = {
        "field": "at",
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc", "domain": [_date(begun), _date(until)]},
    }
    time_axis["axis"] = {"format": form, "tickCount": 6}
    lines = {
        "data": {"values": list(_line(rows, measure, (until - since) / points))},
        "mark": {
            "type": "line",
            "strokeWidth": 1.5,
            "point": len(rows) < _FEW,
            "invalid": "break-paths-show-path-domains",
        },
        "encoding": {
            "x": time_axis,
            "y": {"field": "value", "type": "quantitative", "title": MEASURES[measure], "scale": {"zero": True}},
            "color": {
                "field": "instance",
                "type": "nominal",
                "title": None,
                "legend": {"orient": "bottom"},
            },
        },
    }
    marked = _marks(releases, begun, until, (until - since) / points)
    marks = {
        "data": {"values": marked},
        "mark": {
            "type": "rule",
            "color": "#888888",
            "opacity": 0.8 if len(marked) < _FEW else 0.25,
            "tooltip": True,
        },
        "encoding": {
            "x": time_axis,
            "tooltip": [
                {"field": "release", "type": "nominal"},
                {"field": "kind", "type": "nominal"},
                {"field": "outcome", "type": "nominal"},
                {"field": "when", "type": "nominal"},
            ],
        },
    }
    return {"height": HEIGHT, "layer": [marks, lines]}


def form_of(length: float) -> str:
    """Return how a moment is written on an axis of so many seconds."""
    return next(form for least, form in _FORMS if length >= least)


def cut(before: Row, row: Row, width: float) -> bool:
    """Was nothing sampled between two rows of an instance, where each is to stand for `width` seconds?"""
    return row.at - before.at > max(_GAP * width, 90)


def _line(rows: Sequence[Row], measure: str, width: float) -> Iterator[dict[str, Any]]:
    """Yield the points of all lines; one without a value where nothing was sampled, so that the line is cut there."""
    before: Row | None = None
    for row in rows:
        if before is not None and before.instance == row.instance and cut(before, row, width):
            yield {"at": _clock(before.at + width), "value": None, "instance": row.instance}
        value = getattr(row, measure)
        yield {"at": _clock(row.at), "value": None if value is None else round(value, 2), "instance": row.instance}
        before = row


def _marks(releases: Iterable[Mapping[str, Any]], since: float, until: float, width: float) -> list[dict[str, Any]]:
    """Return a mark for each stretch of time in which something was released; nothing in it was written by a person.

    `releases` are newest first, and so are the marks. One mark stands for the newest of its stretch, and says of how
    many more.
    """
    found: dict[int, list[Mapping[str, Any]]] = {}
    for row in releases:
        if since <= row["at"] <= until:
            found.setdefault(int((row["at"] - since) / width), []).append(row)
    return [_mark(rows) for rows in found.values()]


def _mark(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    newest = rows[0]
    return {
        "at": _clock(newest["at"]),
        "release": newest["release"] + (f" and {len(rows) - 1} before" if rows[1:] else ""),
        "kind": str(newest["kind"]),
        "outcome": newest["outcome"].replace("_", " "),
        "when": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(newest["at"])),
    }


def _date(at: float) -> dict[str, Any]:
    """Return a moment as Vega-Lite wants the end of an axis."""
    now = time.localtime(at)
    return {
        "year": now.tm_year, "month": now.tm_mon, "date": now.tm_mday, "hours": now.tm_hour, "minutes": now.tm_min,
        "seconds": now.tm_sec, "utc": True,
    }  # fmt: skip


def _clock(at: float) -> int:
    """Return a moment in milliseconds, as if the clock on the host showed UTC: a browser elsewhere shows the same."""
    return round((at + time.localtime(at).tm_gmtoff) * 1000)
