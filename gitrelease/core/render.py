"""How do progress and outcomes read to a person? Few lines, one a step; the last says what is live and what next."""

from __future__ import annotations

import textwrap
from typing import Any

from gitrelease.core.groups import PRODUCTION
from gitrelease.core.signs import MARKS, Told
from gitrelease.core.text import counted, one_line

WIDTH = 78
_TOGETHER = "\0"  # stands for a blank at which no line is broken
# The state that a step tells of; any other one was done.
_OF_STEP = {
    "warning": "warning", "memory": "warning", "slots": "warning", "disk": "warning", "wait": "waiting",
    "replay": "changed",
}  # fmt: skip


def step_lines(step: str, text: str, seconds: float | None, width: int = WIDTH) -> list[str]:
    """Return one step: its name, what came of it, how long it took; long words go on below it, four lines at most."""
    spent = "" if seconds is None else f"{seconds:.1f} s"
    room = width - 10 - len(spent) - 1
    first, *more = textwrap.wrap(text, room, break_on_hyphens=False, max_lines=4, placeholder=" …") or [""]
    line = Told(f"{step:<9} {first:<{room}} {spent}".rstrip(), _OF_STEP.get(step, "done"))
    return [line, *(f"{'':<10}{line}" for line in more)]


def outcome_lines(end: dict[str, Any], *, hint: bool = True) -> list[str]:
    """Return the last lines of a command: how it ended, what production serves, what to type next."""
    if "error" in end:
        return [Told(f"error: {one_line(end['error'])}", "error"), *_indented(end.get("hint", ""))]
    outcome, release, reason = end.get("outcome"), end.get("release"), end.get("reason", "")
    group = end.get("group", PRODUCTION)
    within = f" in {group}" if group != PRODUCTION else ""
    nothing = f"{group} serves nothing yet" if within else "nothing is live"
    serves = f"{group} serves {release}" if release else nothing
    lines: list[str]
    if outcome == "released":
        lines = [f"released{within}: {release} ({reason})"]
    elif outcome == "rolled_back" and end.get("regions"):
        parts = ", ".join(end["regions"])
        lines = [f"rolled back in part{within}: {release} is live, with {parts} as before", *_indented(reason)]
    elif outcome == "rolled_back":
        fate = "is marked bad" if end.get("marked_bad") else "is left"
        lines = [f"rolled back{within}: {release} is live again, {end.get('previous')} {fate}", *_indented(reason)]
    elif outcome == "unchanged":
        lines = [f"unchanged: {reason}" + (f"; {serves}" if release and release not in reason else "")]
    elif outcome == "refused" and end.get("waiting"):
        lines = [f"waits for approval: production untouched, {serves}", *_indented(reason)]
    elif outcome == "refused":
        lines = [f"refused: production untouched, {serves}", *_indented(reason)]
    else:  # it does not come up, or not as a whole
        fails = f"{release} does not serve as it should{within}" if release else nothing
        lines = [f"a person is needed: {fails}", *_indented(reason)]
    first, *rest = lines
    return [Told(first, _state_of(end)), *rest, *(_indented(end.get("hint", "")) if hint else [])]


def _state_of(end: dict[str, Any]) -> str:
    """Return the state that the end of a command tells of; a way back that was asked for and done is well."""
    outcome = str(end.get("outcome"))
    if outcome == "refused" and end.get("waiting"):
        return "waiting"
    if outcome == "rolled_back":
        return "done" if not end.get("code") else "rolled_back"
    return outcome if outcome in ("released", "unchanged", "refused") else "stuck"


def check_lines(checks: list[dict[str, Any]]) -> list[str]:
    """Return how many checks passed, and those that did not with their detail."""
    lines: list[str] = [
        Told(f"✓ {counted(sum(check['status'] == 'passed' for check in checks), 'check')} passed", "passed")
    ]
    for check in [check for check in checks if check["status"] != "passed"]:
        status = check["status"] if check["status"] in MARKS else "unknown"
        told = f"{check['status']:<8} {one_line(check['name'], 50):<50} {check['seconds']:5.2f} s"
        lines.append(Told(f"{MARKS[status].sign} {told}", status))
        if check["detail"]:
            lines += _indented(check["detail"], "    ")
    return lines


def diff_lines(diff: dict[str, Any]) -> list[str]:
    """Return what a change means: its kind, then a line a region, then what lies outside of all regions."""
    changed = f"{diff['kind']} change, {diff['risk']} risk"
    lines: list[str] = ["nothing that runs has changed" if diff["kind"] == "none" else changed]
    for region in diff["regions"]:
        where = _span(region["old_lines"]) + " → " + _span(region["new_lines"])
        lines.append(f"  {region['kind']:<10} {region['region']}  {one_line(region['file'])} {where}")
        for sign, key in (("+", "added"), ("-", "removed"), ("~", "changed")):
            if region[key]:
                first, *more = _indented(f"{sign} {', '.join(map(str, region[key]))}", "      ")
                lines += [Told(first, key), *more]
    for other in diff["other"]:
        lines.append(
            f"  major      {one_line(other['file'])} {_span(other['old_lines'])} → {_span(other['new_lines'])}"
        )
        lines += _indented(other["why"], "      ")
    return lines


def _span(lines: list[int] | None) -> str:
    if not lines:
        return "none"
    return str(lines[0]) if lines[0] == lines[1] else f"{lines[0]}-{lines[1]}"


def _indented(text: str, indent: str = "  ") -> list[str]:
    """Break a text into lines; a command stays whole, however long it is: it is to be copied."""
    from gitrelease.core.remedy import Remedy

    for command in sorted(Remedy(text).commands, key=len, reverse=True):
        text = text.replace(command, command.replace(" ", _TOGETHER))
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return [line.replace(_TOGETHER, " ") for line in lines]
