"""How is what others wrote shown? As text: Streamlit reads Markdown, HTML, formulas and icons in nearly all else.

Everything from commits, authors, reasons, file names, settings and the app's output goes through here. Titles, labels,
options and messages of the page are words of ours.
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from gitrelease.core.errors import ReleaseError
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line, plain, readable

LONGEST = 400  # characters of a cell
_WHOLE = 20  # likewise, of one that is on one line


def words(value: object) -> None:
    """Show some lines as they are."""
    st.text(safe(str(value)))


def block(lines: Iterable[str]) -> None:
    """Show lines that belong together, such as a diff or a log; they can be copied."""
    st.code(safe("\n".join(lines)), language=None, wrap_lines=True)


def download(label: str, text: str, name: str) -> None:
    """Offer lines as a file."""
    st.download_button(label, text, file_name=name, mime="text/markdown", on_click="ignore", key=f"download {name}")


def safe(value: str) -> str:
    return plain(readable(redacted(value)))


def problem(error: ReleaseError) -> None:
    """Show what is wrong and what to do about it."""
    st.error("This could not be read")
    words(f"{error.message}\n{error.hint}")


def picture(svg: str) -> None:
    """Show a picture of ours."""
    st.image(svg, width="stretch")


def lines(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Show rows under their `columns` as a table that is there at once, and that can only be read.

    Every word is escaped here, and what is left is cleaned by Streamlit in the browser.
    """
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(_cell_of_line(row.get(name)) for name in columns)}</tr>" for row in rows)
    table = f'<table class="lines"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    st.html(f'{_STYLE}<div class="wide">{table}</div>')


_STYLE = """<style>
.lines { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
.lines th { text-align: left; font-weight: 400; opacity: 0.6; white-space: nowrap; }
.lines th, .lines td { padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid #80849540; vertical-align: top; }
.lines td.whole { white-space: nowrap; }
.wide { overflow-x: auto; }
</style>"""


def _cell_of_line(value: object) -> str:
    """Return a cell as HTML that shows it as it is; a short one, such as a moment, on one line."""
    text = "" if value is None else str(_cell(value))
    kept = ' class="whole"' if len(text) <= _WHOLE else ""
    return f"<td{kept}>{html.escape(text)}</td>"


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
