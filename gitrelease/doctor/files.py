"""Has the app the files that no commit has, and do those that it writes stay?"""

from __future__ import annotations

import json
from collections.abc import Iterator

from gitrelease import installation
from gitrelease.core.data_folders import is_in
from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, problem, warning, well
from gitrelease.edges import leftovers

_SHOWN = 5


def run_time_files(case: Case) -> Iterator[Diagnosis]:
    """Are the run-time files there, and do the settings name all that git ignores?"""
    shared, data = case.world.settings.app.shared, case.world.settings.app.data
    gone = [path for path in shared if not (case.root / path).exists()]
    for path in gone:
        detail = f"{path} is in app.shared and is not there: no release gets it"
        yield problem("run-time files", detail, fix=f"bring {path} back, or take it out of app.shared in host.toml")
    named = {**case.host_tables.get("app", {}), "shared": shared, "data": data}
    unknown = [path for found in installation.find_run_time_files(case.git, named) for path in found]
    if unknown:
        detail = f"git ignores {', '.join(unknown[:_SHOWN])}, and no slot gets it"
        yield warning("run-time files", detail, fix=f"gitrelease init, then {case.restart}")
    if not gone and not unknown:
        yield well("run-time files", ", ".join((*shared, *data)) or "none")


def beside_the_script(case: Case) -> Iterator[Diagnosis]:
    """Does the app write files that will not stay, and how much of such is kept for a while?"""
    found: dict[str, None] = {}
    kept = 0
    for world, running in case.groups():
        for slot in {backend.slot for backend in running.backends()}:
            names = world.slots.files.named(slot)
            found |= dict.fromkeys(name for name in names if not is_in(name, world.settings.app.data))
        kept += leftovers.size(world.slots.files.leftovers)
    if found:
        detail = (
            f"the app writes {', '.join(list(found)[:_SHOWN])} beside its script: the next release does not have it"
        )
        yield warning("files", detail, fix=_what_keeps(case, list(found)))
    if kept:
        detail = f"{kept / 1e6:.1f} MB that the app left in slots is kept in {case.home.leftovers}, for a while"
        yield warning("files", detail, fix="look at it; to drop it: gitrelease prune --leftovers")
    if not found and not kept:
        yield well("files", "the app writes none beside its script that would not stay")


def _what_keeps(case: Case, names: list[str]) -> str:
    """Say what to set, beside what is set already."""
    known = case.host_tables.get("app", {}).get("data", ())
    folders = [name for name in names if name.endswith("/")]
    if not folders:
        return "let the app write to a folder, and name that in app.data: docs/configuration.md"
    return f"in .git/gitrelease/host.toml, [app]: data = {json.dumps([*known, *folders])}; then: {case.restart}"
