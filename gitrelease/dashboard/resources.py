"""What did the instances use, and how fast did they answer? Charts, with the releases marked."""

from __future__ import annotations

import streamlit as st

from gitrelease.dashboard import charts, reading, showing, sketches
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
    until = reading.settled_now()
    rows, since = reading.samples(until - charts.SPANS[over], until, POINTS)
    releases = reading.history(reading.mark())["releases"]
    for measure in charts.MEASURES:
        if rows:
            spec = charts.chart(rows, releases, measure, since=since, until=until, points=POINTS)
            st.vega_lite_chart(spec, width="stretch", key=f"chart {measure}")
        else:
            st.text(f"{charts.MEASURES[measure]}: nothing was sampled in this time")
    st.caption(f"Over the last {over.removeprefix('a ')}. Marks are releases; times are those of the host.")


@section(every=SELDOM)
def last_day() -> None:
    """Small charts of the last day, side by side; the large ones tell which line is whose."""
    span, until = charts.SPANS["a day"], reading.settled_now()
    rows, since = reading.samples(until - span, until, FEW_POINTS)
    if not rows:
        st.text("Nothing was sampled in the last day.")
        return
    releases = reading.history(reading.mark())["releases"]
    for column, measure in zip(st.columns(len(charts.MEASURES)), charts.MEASURES, strict=True):
        with column:
            showing.picture(sketches.sketch(rows, releases, measure, since=since, until=until, points=FEW_POINTS))
