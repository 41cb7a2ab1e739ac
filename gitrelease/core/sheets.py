"""How does the history read as a table: for a spreadsheet, in a Markdown page?

One row a release, then one an attempt that became none. What people wrote is shown and does nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gitrelease.core.pages import moved_pages
from gitrelease.core.redaction import redacted
from gitrelease.core.text import in_cell, in_markdown, one_line, short

COLUMNS = (
    "what", "release", "commit", "outcome", "kind", "risk", "trigger", "by", "at", "seconds", "summary",
    "rolled_back_by", "rolled_back_why", "pinned", "groups", "pages",
)  # fmt: skip


def is_missed(attempt: dict[str, Any]) -> bool:
    """Did an attempt become no release to this day, though something was to change?"""
    return attempt["outcome"] not in ("released", "unchanged") and not attempt["over"]


def missed(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the attempts that became no release, though something was to change."""
    return [row for row in told["attempts"] if is_missed(row)]


def why_left(row: dict[str, Any], *, limit: int = 160) -> str:
    """Say why a release was rolled back and by whom, on one line; nothing where it was not."""
    left = row["rolled_back"]
    if left is None:
        return ""
    if left["by"] is None:
        return one_line(left["reason"], limit)
    who = "by itself" if left["automatic"] else f"by {one_line(left['by'], 40)}"
    why = f": {one_line(left['reason'], limit)}" if left["reason"] else ""
    return f"rolled back {who} to {left['to']}{why}"


def pages_moved(row: dict[str, Any], *, limit: int = 160) -> list[str]:
    """Say what became of the open pages of a release whose processes had to end, a line for each release they went to;
    nothing where there were none.
    """
    return [
        one_line(
            moved_pages(one["moved"], one["stayed"], one["to"], one["why"])
            + (f"; not carried: {', '.join(one['dropped'])}" if one["dropped"] else ""),
            limit,
        )
        for one in row.get("pages", ())  # an agent of an earlier version tells of none
    ]


def where(told: dict[str, Any], row: dict[str, Any]) -> str:
    """Say which groups of instances have had a release, to stand behind other words; nothing for the usual case."""
    return "" if row["groups"] == [told["group"]] else f", in {' then '.join(row['groups'])}"


def as_csv(told: dict[str, Any], count: int | None) -> str:
    """Return the newest `count` releases, or all, and as many attempts, as RFC 4180 has it: a header, CRLF."""
    text = io.StringIO()
    sheet = csv.writer(text)
    sheet.writerow(COLUMNS)
    for row in told["releases"][:count]:
        left = row["rolled_back"] or {}
        sheet.writerow(
            in_cell(str(cell))
            for cell in (
                "release", row["release"], row["commit"], row["outcome"], row["kind"], row["risk"], row["trigger"],
                row["by"], moment(row["at"]), "" if row["seconds"] is None else row["seconds"],
                redacted(row["summary"]), left.get("by") or "", left.get("reason") or "",
                "yes" if row["pinned"] else "no", " ".join(row["groups"]), "; ".join(pages_moved(row)),
            )
        )  # fmt: skip
    for row in missed(told)[:count]:
        sheet.writerow(
            in_cell(str(cell))
            for cell in (
                "attempt", "", row["commit"], row["outcome"], "", "", row["trigger"], row["by"], moment(row["at"]), "",
                redacted(row["reason"]), "", "", "", told["group"], "",
            )
        )  # fmt: skip
    return text.getvalue()


def as_markdown(told: dict[str, Any], count: int | None) -> str:
    """Return the same as Markdown tables."""
    return "\n".join([*_releases(told, count), *_attempts(missed(told)[:count])]) + "\n"


def _releases(told: dict[str, Any], count: int | None) -> Iterator[str]:
    yield from _header("Release", "Outcome", "Kind", "Risk", "Trigger", "By", "At", "What changed")
    for row in told["releases"][:count]:
        what = "; ".join(
            filter(
                None, (one_line(redacted(row["summary"]), 300), why_left(row, limit=300), *pages_moved(row, limit=300))
            )
        )
        yield _row(
            row["release"] + (", pinned" if row["pinned"] else "") + where(told, row), row["outcome"], row["kind"],
            row["risk"], row["trigger"], row["by"], moment(row["at"]), what,
        )  # fmt: skip


def _attempts(rows: list[dict[str, Any]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield "Not released:"
    yield ""
    yield from _header("Commit", "Outcome", "Trigger", "By", "At", "Why")
    for row in rows:
        why = one_line(redacted(row["reason"]), 300)
        yield _row(short(row["commit"]), row["outcome"], row["trigger"], row["by"], moment(row["at"]), why)


def _header(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(in_markdown, cells))} |"


def moment(at: float) -> str:
    """Return a moment in seconds since 1970 as ISO 8601, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
