"""How did things stand before a release? The facts, kept to a size, and how they read in a few lines.

A fact is a number, a text, or a list or table of them, as JSON has it. One that could not be found out says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gitrelease.core.reading import ReadAs
from gitrelease.core.redaction import redacted
from gitrelease.core.text import ago, counted, one_line, short

LARGEST = 65_536  # bytes of one state, written as JSON
MOST = 100  # items of a list
LONGEST = 300  # characters of a text
TOO_LATE = "not found out by the time of the release"


class State(msgspec.Struct, frozen=True):
    """What was found out by the time `at` (seconds since 1970), and why the rest was not."""

    at: float
    facts: dict[str, Any] = {}
    missing: dict[str, str] = {}


def bounded(fact: object) -> object:
    """Return a fact without secrets and control characters, its texts and lists cut; numbers as they are."""
    match fact:
        case str():
            return one_line(redacted(fact), LONGEST)
        case dict():
            return {one_line(str(name), 100): bounded(value) for name, value in list(fact.items())[:MOST]}
        case list() | tuple():
            return [bounded(value) for value in fact[:MOST]]
        case _:
            return fact


def encoded(state: State) -> bytes:
    """Return a state as it is kept; the largest facts make way where it would be too large."""
    facts, missing = dict(state.facts), dict(state.missing)
    sizes = {name: len(msgspec.json.encode(fact)) for name, fact in facts.items()}
    while facts and sum(sizes.values()) > LARGEST // 2:
        name = max(sizes, key=lambda name: sizes[name])
        missing[name] = f"too large to be kept: {sizes.pop(name)} bytes"
        del facts[name]
    return msgspec.json.encode({"at": state.at, "facts": facts, "missing": bounded(missing)})


_STATE = ReadAs(State)


def decoded(content: bytes | None) -> State | None:
    """Return what was kept; None where that is nothing, or nothing that can be read."""
    try:
        return _STATE.decode(content or b"")
    except msgspec.DecodeError:
        return None


def state_lines(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield how things stood, in a few lines; `state` as `show --json` has it."""
    for name, told in (("host", _host), ("processes", _processes), ("git", _git), ("versions", _versions)):
        try:
            yield from told(state["facts"])
        except (LookupError, TypeError, ValueError):
            yield f"{name}: not told in a way that this version can read"
    for name, why in state["missing"].items():
        yield f"{one_line(name, 40)}: {one_line(why, 200)}"


def _host(facts: dict[str, Any]) -> Iterator[str]:
    told: list[str] = []
    if "host" in facts:
        told.append(f"load {facts['host']['load'][0]:.2f} on {facts['host']['cores']} cores")
    if "memory" in facts:
        told.append(f"{facts['memory']['available_mb']} of {facts['memory']['total_mb']} MB of memory available")
    told += [f"{disk['free_mb']} MB free on {disk['path']}" for disk in facts.get("disks", [])]
    if told:
        yield ", ".join(one_line(part, 120) for part in told)


def _processes(facts: dict[str, Any]) -> Iterator[str]:
    for row in facts.get("processes", []):
        used = f"cpu {row['cpu_percent']:.0f} %, {row['memory_mb']:.0f} MB, up {ago(row['uptime_s'])}"
        yield f"{one_line(row['role'], 60)}: pid {row['pid']}, {used}"
    if "ports" in facts:
        ours = ", ".join(str(row["port"]) for row in facts["ports"]["ours"])
        yield f"ports {ours}; {counted(facts['ports']['others'], 'other')} listened on"
    if "others" in facts:
        yield f"{facts['others']['all']} other processes, {facts['others']['of_this_user']} of this user"


def _git(facts: dict[str, Any]) -> Iterator[str]:
    git = facts.get("git")
    if git is None:
        return
    dirty = f"; edited: {one_line(', '.join(git['dirty']), 200)}" if git["dirty"] else ", nothing edited"
    yield f"{one_line(git['branch'], 80)} at {short(git['head'])}{dirty}"


def _versions(facts: dict[str, Any]) -> Iterator[str]:
    versions = {**facts.get("versions", {})}
    app = facts.get("app")
    if app is not None:
        versions |= {"app's python": app["python"]}
        versions |= {"streamlit": app["streamlit"]} if app["streamlit"] else {}
        versions |= {"packages": str(len(app["packages"]))}
    if versions:
        yield ", ".join(f"{one_line(name, 40)} {one_line(str(version), 60)}" for name, version in versions.items())
