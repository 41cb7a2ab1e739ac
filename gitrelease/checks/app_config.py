"""Judges the Streamlit configuration of a candidate: can it be read, what of it is overruled, what follows from it."""

from __future__ import annotations

import msgspec

from gitrelease.core.outcome import Check
from gitrelease.core.settings import Instance
from gitrelease.core.streamlit_config import StreamlitConfig, of_tls, overruled
from gitrelease.edges import backends
from gitrelease.edges.slots import Slot
from gitrelease.world import World

_ASKED_FOR = {"start", "session", "script"}


def config_in(world: World, slot: Slot, instance: Instance) -> StreamlitConfig:
    """Return the Streamlit options that count in a slot."""
    return backends.config_of(world.settings, slot.path, checkout=world.git.root, home=world.home, instance=instance)


def config_checks(world: World, config: StreamlitConfig, *, new: bool) -> tuple[Check, ...]:
    """Return what is to be said of the configuration; nothing where all of it counts as it is set.

    What cannot be read fails a `new` candidate where its own files are the cause, and is `unknown` where the host's
    are. A release that ran before starts with whatever Streamlit makes of it.
    """
    checks: list[Check] = []
    if config.problems:
        detail = "; also: ".join(str(one) for one in config.problems)
        if not new:
            checks.append(Check(name="config", kind="major", status="warned", detail=detail))
        elif any(one.of_release for one in config.problems):
            checks.append(Check(name="config", kind="major", status="failed", detail=detail))
        else:
            checks.append(Check(name="config", kind="major", status="unknown", detail=detail))
    elif config.unknown:
        detail = f"Streamlit could not be asked which options are set: {config.unknown}"
        checks.append(Check(name="config", kind="major", status="warned", detail=detail))
    elif notes := overruled(config, world.instances):
        detail = "; ".join(f"{what}. {remedy}" for what, remedy in notes)
        checks.append(Check(name="config", kind="major", status="warned", detail=detail))
    if (detail := of_tls(config)) and not config.problems:
        checks.append(Check(name="open pages", kind="major", status="skipped", detail=detail))
    return tuple(checks)


def with_way_there(check: Check, config: StreamlitConfig) -> Check:
    """Add which options led to the app to a check that did not find it there."""
    if check.status != "failed" or check.name not in _ASKED_FOR or not config.way_there:
        return check
    return msgspec.structs.replace(check, detail=f"{check.detail}; asked as set: {config.way_there}")
