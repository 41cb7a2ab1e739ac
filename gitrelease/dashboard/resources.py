"""What did the instances use, and how fast did they answer? Charts, with the releases marked."""

from __future__ import annotations

import streamlit as st

from gitrelease.dashboard import charts, reading
from gitrelease.dashboard.frame import SELDOM, section

POINTS = 240  # of one line; more of them look no different
FEW_POINTS = 96  # of a small chart


def draw() -> None:
    st.radio("Over", list(charts.SPANS), index=2, horizontal=True, key="span")
    chosen()


@section(every=SELDOM)
def chosen() -> None:
    """The charts over the time that was chosen, one below the other."""
    over = st.session_state.get("span", "a day")
    for measure in charts.MEASURES:
        _chart(measure, charts.SPANS[over], POINTS)
    st.caption(f"Over the last {over.removeprefix('a ')}. Marks are releases; times are those of the host.")


@section(every=SELDOM)
def last_day() -> None:
    """Small charts of the last day, side by side."""
    for column, measure in zip(st.columns(len(charts.MEASURES)), charts.MEASURES, strict=True):
        with column:
            _chart(measure, charts.SPANS["a day"], FEW_POINTS, named=False)


def _chart(measure: str, span: float, points: int, *, named: bool = True) -> None:
    until = reading.settled_now()
    rows, since = reading.samples(until - span, until, points)
    if not rows:
        st.text(f"{charts.MEASURES[measure]}: nothing was sampled in this time")
        return
    releases = reading.history(reading.mark())["releases"]
    spec = charts.chart(rows, releases, measure, since=since, until=until, points=points, named=named)
    st.vega_lite_chart(spec, width="stretch", key=f"chart {measure}")
