"""Is a candidate whole as it lies in git? What is asked here needs no process: files, links, settings, the export."""

from __future__ import annotations

import json
import os

import msgspec

from gitrelease.candidate import Candidate, lost_revision
from gitrelease.core import settings_text
from gitrelease.core.data_folders import conflict, is_in, normal
from gitrelease.core.errors import ReleaseError
from gitrelease.core.exports import LARGEST, NotJson, parse_json
from gitrelease.core.links import LINK, SUBMODULE, leads_outside, no_file
from gitrelease.core.outcome import Check
from gitrelease.core.settings import SETTINGS_FILE
from gitrelease.core.text import one_line, quoted, readable
from gitrelease.edges import settings as settings_files
from gitrelease.world import World


def static_checks(world: World, candidate: Candidate) -> tuple[Check, ...]:
    """Check what needs no process: that the script is there, that settings and schema export can be read."""
    app = world.settings.app
    checks: list[Check] = []

    def check(name: str, kind: str, problem: str) -> None:
        checks.append(Check(name=name, kind=kind, status="failed" if problem else "passed", detail=problem))

    for script in dict.fromkeys((app.script, *(one.script or app.script for one in world.instances))):
        if world.git.entry(candidate.commit, script) is None:
            check("script", "major", f"the candidate has no {script}")
    names = (SETTINGS_FILE, app.schema, app.script)
    entries = [entry for name in names if (entry := world.git.entry(candidate.commit, name))]
    sizes = world.git.sizes([entry.id for entry in entries])
    contents = world.git.blobs([name for name, size in sizes.items() if size <= LARGEST])
    for entry in entries:
        size, content = sizes.get(entry.id, 0), contents.get(entry.id)
        problem = no_file(entry.path, entry.mode, content)
        if problem or size > LARGEST:
            check("file", "major", problem or f"{entry.path} is {size >> 20} MB, {LARGEST >> 20} are the most")
    if any(one.name == "file" for one in checks):
        return tuple(checks)
    files = {entry.path: contents[entry.id] for entry in entries}
    checks += _elsewhere(world, candidate)
    if SETTINGS_FILE in files:
        check("settings", "major", _settings_problem(world, files[SETTINGS_FILE]))
    if all(one.status == "passed" for one in checks if one.name == "settings"):
        checks += _data(world, candidate)
    if app.schema in files:
        check("schema export", "schema", _json_problem(files[app.schema], app.schema))
        if checks[-1].status == "passed":
            checks[-1] = _strictly(checks[-1], files[app.schema], app.schema)
    elif world.git.resolve(f"refs/gitrelease/live:{app.schema}", "blob"):
        check("schema export", "schema", f"{app.schema} is gone, the live release has it")
    return tuple(checks)


def _elsewhere(world: World, candidate: Candidate) -> list[Check]:
    """Warn of links that lead out of the release, and of submodules: neither is what git checks out into a slot.

    No refusal: a link to a data folder of the host has its use, and an app may never look into a submodule.
    """
    listed = world.git.list_tree(candidate.commit)
    links = [entry for entry in listed if entry.mode == LINK]
    targets = world.git.blobs([entry.id for entry in links])
    warned = [
        f"{entry.path} leads out of the release, to {target}: what is there does not come back with a rollback"
        for entry in links
        if leads_outside(entry.path, target := os.fsdecode(targets.get(entry.id, b"")))
    ]
    warned += [
        f"{entry.path} is a submodule, and empty where the release runs: commit its files"
        for entry in listed
        if entry.mode == SUBMODULE
    ]
    detail = one_line(readable("; ".join(warned)), 600)
    return [Check(name="links", kind="major", status="warned", detail=detail)] if warned else []


def _data(world: World, candidate: Candidate) -> list[Check]:
    """Refuse folders of data that git tracks: every release would bring its own, and none would be kept."""
    listed = [entry.path for entry in world.git.list_tree(candidate.commit)]
    tracked = [path for path in world.data_of(candidate.commit) if any(is_in(one, [path]) for one in listed)]
    if not tracked:
        return []
    named = ", ".join(tracked)
    out = " ".join(map(quoted, tracked))
    detail = f"app.data names {named}, which git tracks: take it out of app.data or of git: git rm -r --cached {out}"
    return [Check(name="data", kind="major", status="failed", detail=one_line(detail, 400), absolute=True)]


def _settings_problem(world: World, content: bytes) -> str:
    try:
        settings = settings_files.combine(settings_text.read(content, SETTINGS_FILE), {})
    except ReleaseError as error:
        return f"{error.message}. {error.hint}"
    app, host = settings.app, world.host.get("app", {})
    wrong = conflict([*app.data, *map(normal, host.get("data", ()))], [*app.shared, *host.get("shared", ())])
    if wrong:
        return f"app.data {wrong}, with what .git/gitrelease/host.toml has. Take it out of one of them"
    return lost_revision(world.git, settings.regions)


def _json_problem(content: bytes, name: str) -> str:
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        return f"{name} is not JSON: {error}"
    return ""


def _strictly(check: Check, content: bytes, name: str) -> Check:
    """Warn of JSON that readers understand differently: NaN, a key that is there twice."""
    try:
        parse_json(content)
    except NotJson as error:
        return msgspec.structs.replace(check, status="warned", detail=f"{name}: {error}")
    return check
