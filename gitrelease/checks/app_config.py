"""Judges the Streamlit configuration of a candidate: can it be read, what of it is overruled, what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from gitrelease.core.outcome import Check
from gitrelease.core.streamlit_config import Problem, StreamlitConfig, of_tls, overruled
from gitrelease.edges import backends
from gitrelease.edges.slots import Slot
from gitrelease.world import World

Status = Literal["warned", "failed", "unknown"]

_ASKED_FOR = {"start", "session", "script"}


def configs(world: World, slot: Slot) -> dict[str, StreamlitConfig]:
    """Return the Streamlit options that count in a slot, for each script that the instances run."""
    return backends.configs_in(
        world.settings, slot.path, checkout=world.git.root, home=world.home, instances=world.instances
    )


def config_checks(world: World, found: Sequence[StreamlitConfig], *, new: bool) -> tuple[Check, ...]:
    """Return what is to be said of configurations; nothing where all of it counts as it is set.

    What cannot be read fails a `new` candidate where its own files are the cause, and is `unknown` where the host's
    are. A release that ran before starts with whatever Streamlit makes of it.
    """
    checks: list[Check] = []
    problems = list(dict.fromkeys(problem for config in found for problem in config.problems))
    if problems:
        status = _weight(problems) if new else "warned"
        checks.append(_check("; also: ".join(map(str, problems)), status))
    elif unknown := next((config.unknown for config in found if config.unknown), ""):
        checks.append(_check(f"Streamlit could not be asked which options are set: {unknown}", "warned"))
    elif notes := dict.fromkeys(note for config in found for note in overruled(config, world.instances)):
        checks.append(_check("; ".join(f"{what}. {remedy}" for what, remedy in notes), "warned"))
    with_tls = next((config for config in found if config.tls), None)
    if with_tls is not None and not problems:
        checks.append(Check(name="open pages", kind="major", status="skipped", detail=of_tls(with_tls)))
    return tuple(checks)


def _weight(problems: Sequence[Problem]) -> Status:
    return "failed" if any(one.of_release for one in problems) else "unknown"


def _check(detail: str, status: Status) -> Check:
    return Check(name="config", kind="major", status=status, detail=detail)


def with_way_there(check: Check, config: StreamlitConfig | None) -> Check:
    """Add which options led to the app to a check that did not find it there."""
    if config is None or check.status != "failed" or check.name not in _ASKED_FOR or not config.way_there:
        return check
    return msgspec.structs.replace(check, detail=f"{check.detail}; asked as set: {config.way_there}")
