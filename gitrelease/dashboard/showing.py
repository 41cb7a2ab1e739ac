"""How is what others wrote shown? As text: Streamlit reads Markdown, HTML, formulas and icons in nearly all else.

Everything from commits, authors, reasons, file names, settings and the app's output goes through here. Titles, labels,
options and messages of the page are words of ours.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from gitrelease.core.errors import ReleaseError
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line, plain, readable

LONGEST = 400  # characters of a cell


def words(value: object) -> None:
    """Show some lines as they are."""
    st.text(safe(str(value)))


def block(lines: Iterable[str]) -> None:
    """Show lines that belong together, such as a diff or a log; they can be copied."""
    st.code(safe("\n".join(lines)), language=None, wrap_lines=True)


def safe(value: str) -> str:
    return plain(readable(redacted(value)))


def problem(error: ReleaseError) -> None:
    """Show what is wrong and what to do about it."""
    st.error("This could not be read")
    words(f"{error.message}\n{error.hint}")


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, key: str, select: bool = False) -> list[int]:
    """Show rows under their `columns`; return which of them are selected, where that can be done."""
    frame = {name: [_cell(row.get(name)) for row in rows] for name in columns}
    if not select:
        st.dataframe(frame, key=key, hide_index=True, width="stretch")
        return []
    event = st.dataframe(
        frame, key=key, hide_index=True, width="stretch", on_select="rerun", selection_mode="single-row"
    )
    return list(event.selection.rows)


def _cell(value: object) -> object:
    return one_line(value, LONGEST) if isinstance(value, str) else value


def moment(at: float | None) -> str:
    """Return a moment as a clock on the host shows it."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
