"""How does the log of one release read? The guide's form, filled in from what happened.

Nothing that the program knows is left blank; what only a person knows is marked so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from gitrelease.core.course import Course, course_of
from gitrelease.core.events import AnyEvent, WentBack
from gitrelease.core.history import release_name
from gitrelease.core.redaction import redacted
from gitrelease.core.render import diff_lines
from gitrelease.core.state import state_lines
from gitrelease.core.text import in_markdown, one_line

BY_A_PERSON = "________ (to be filled in by a person)"
_UNKNOWN = "not in the journal of this host any more"

Moment = Callable[[float], str]


class Entry(msgspec.Struct, frozen=True):
    """One line of the form, with lines of its own below it; `done` where the guide has a box to be ticked."""

    label: str
    value: str
    lines: tuple[str, ...] = ()
    done: bool | None = None


class Section(msgspec.Struct, frozen=True):
    title: str
    entries: tuple[Entry, ...]


def deployment_log(
    told: dict[str, Any], events: Iterable[AnyEvent], *, way_back: str, moment: Moment
) -> tuple[Section, ...]:
    """Return the log of the release that `show --json` tells of; `moment` says when something was, for people."""
    number = int(told["release"].rpartition("/")[2])
    course = course_of(number, {told["commit"], told["source"]}, events)
    return (
        Section("", tuple(_what(told, course, moment))),
        Section("Pre-deployment", tuple(_before(told, course))),
        Section("Deployment", tuple(_steps(told, course, moment))),
        Section("Post-deployment", tuple(_after(told, course, moment))),
        Section("Result", tuple(_result(told, course, moment, way_back))),
    )


def _entry(label: str, value: str, lines: Iterable[str] = (), *, done: bool | None = None) -> Entry:
    return Entry(label, _said(value), tuple(map(_said, lines)), done)


def _said(text: str) -> str:
    return one_line(redacted(text), 1000)


def _what(told: dict[str, Any], course: Course, moment: Moment) -> Iterator[Entry]:
    date, _, clock = moment(_begun(told, course)).partition(" ")
    yield _entry("Release", f"{told['release']} ({told['commit']})")
    yield _entry("Date", date)
    yield _entry("Time", clock)
    yield _entry("Operator", told["by"] or "not told by the tag")
    yield _entry("Trigger", told["trigger"])
    yield _entry("Change type", f"{told['kind']}, {told['risk']} risk")
    yield _entry("Description", told["summary"], diff_lines(told["diff"]) if told["diff"] else ())
    yield _entry("Reason", told["reason"] or "none was given")


def _begun(told: dict[str, Any], course: Course) -> float:
    """Return when the candidate came in, as far as is known."""
    promoted = course.promoted
    return promoted.at - promoted.seconds if promoted is not None else float(told["at"])


def _before(told: dict[str, Any], course: Course) -> Iterator[Entry]:
    kept = [f"tag {told['previous']}"] if told["previous"] else []
    kept += [f"tag {name}, what lay on disk" for name in course.backups]
    yield _entry("Backup created", ", ".join(kept) or "none: it is the first release", done=bool(kept))
    checks = told["checks"]
    held = [check for check in checks if check["status"] in ("failed", "unknown")]
    yield _entry("Tests passed", _counted(checks), map(_check_line, checks), done=bool(checks) and not held)
    yield _entry("Stakeholders notified", BY_A_PERSON, done=False)
    state = told["state"]
    yield _entry("State before", "as collected" if state else "was not kept", state_lines(state) if state else ())


def _counted(checks: Sequence[dict[str, Any]]) -> str:
    if not checks:
        return "the results are not kept on this host any more"
    counts = {status: sum(check["status"] == status for check in checks) for status in _STATUSES}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


_STATUSES = ("passed", "warned", "skipped", "unknown", "failed")


def _check_line(check: dict[str, Any]) -> str:
    detail = f": {check['detail']}" if check["detail"] else ""
    return f"{check['status']} {check['name']}, {check['seconds']:.2f} s{detail}"


def _steps(told: dict[str, Any], course: Course, moment: Moment) -> Iterator[Entry]:
    promoted = course.promoted
    yield _entry("Start time", moment(_begun(told, course)))
    end = f"{moment(promoted.at)}, live after {promoted.seconds:.1f} s" if promoted else _UNKNOWN
    yield _entry("End time", end)
    steps = [f"{moment(at)}  {what}" for at, what in course.steps()]
    yield _entry("Steps", f"{len(steps)}, as the journal has them" if steps else _UNKNOWN, steps)
    issues = list(course.issues())
    issues += [_check_line(check) for check in told["checks"] if check["status"] not in ("passed", "skipped")]
    yield _entry("Issues encountered", f"{len(issues)}" if issues else "none", issues)


def _after(told: dict[str, Any], course: Course, moment: Moment) -> Iterator[Entry]:
    proved = course.proved is not None or told["outcome"] == "good"
    soak = _soak(told, course, moment)
    yield _entry("Health check passed", f"process, port, answer and output were watched: {soak}", done=proved)
    asked = [check for check in told["checks"] if check["status"] != "skipped"]
    well = [check for check in asked if check["status"] == "passed"]
    yield _entry(
        "Functionality verified",
        f"{len(well)} of {len(asked)} checks passed before users came" if asked else _counted(asked),
        done=bool(asked) and all(check["status"] in ("passed", "warned") for check in asked),
    )
    yield _entry("Performance acceptable", f"processes and memory were held to limits: {soak}", done=proved)
    yield _entry("Monitoring active", "by the agent, since it went live", done=course.promoted is not None)
    if course.drills:
        lines = [
            f"{moment(drill.at)}  {f'up in {drill.seconds:.1f} s' if drill.ok else f'failed: {drill.reason}'}"
            for drill in course.drills
        ]
        yield _entry("Way back to it rehearsed", f"{len(lines)} times", lines)


def _soak(told: dict[str, Any], course: Course, moment: Moment) -> str:
    if course.proved is not None:
        since = f", {course.proved.at - course.promoted.at:.1f} s after it went live" if course.promoted else ""
        return f"it came through its soak at {moment(course.proved.at)}{since}"
    if told["outcome"] == "soaking":
        return "it soaks just now"
    if course.superseded is not None:
        return f"not to the end, another release took its place at {moment(course.superseded.at)}"
    if course.left:
        return f"not to the end, production went back at {moment(course.left[-1].at)}"
    return "good by the refs" if told["outcome"] == "good" else _UNKNOWN


def _result(told: dict[str, Any], course: Course, moment: Moment, way_back: str) -> Iterator[Entry]:
    yield _entry("Status", _STATUS[told["outcome"]])
    if told["outcome"] == "rolled_back":
        left = course.left[-1] if course.left else None
        yield _entry("Rolled back", _way(left, moment) if left else _UNKNOWN)
        yield _entry("Why", told["bad"] or (left.reason if left else "") or "no reason was given")
    yield _entry("To go back", way_back)
    yield _entry("Signed off by", BY_A_PERSON)
    yield _entry("Notes", BY_A_PERSON)


_STATUS = {
    "good": "SUCCESS",
    "soaking": "SOAKING: live, not proved yet",
    "superseded": "SUPERSEDED: another release took its place before it had proved good",
    "rolled_back": "ROLLED BACK",
}


def _way(left: WentBack, moment: Moment) -> str:
    who = "by itself" if left.automatic else f"by {left.by}"
    return f"{who} to {release_name(left.to)} at {moment(left.at)}"


# -- as words --------------------------------------------------------------------------------------------------------


def as_text(sections: Iterable[Section]) -> Iterator[str]:
    """Yield the lines of a log as the guide has its form."""
    yield "=== DEPLOYMENT LOG ==="
    for section in sections:
        if section.title:
            yield ""
            yield f"{section.title}:"
        for entry in section.entries:
            yield f"{_bullet(section)}{_box(entry)}{entry.label}: {entry.value}"
            yield from (f"    {line}" for line in entry.lines)


def as_markdown(sections: Iterable[Section]) -> Iterator[str]:
    """Yield the lines of a log as a Markdown page; what people wrote is shown and does nothing."""
    yield "# Deployment log"
    for section in sections:
        yield ""
        if section.title:
            yield f"## {section.title}"
            yield ""
        for entry in section.entries:
            yield f"- {_box(entry)}**{entry.label}:** {in_markdown(entry.value)}"
            yield from (f"    - · {in_markdown(line)}" for line in entry.lines)


def _bullet(section: Section) -> str:
    return "- " if section.title else ""


def _box(entry: Entry) -> str:
    return "" if entry.done is None else "[x] " if entry.done else "[ ] "
