"""What could stand where somebody is typing? Read from refs and settings; where they cannot be read, nothing.

The command-line library calls these when Tab is pressed, never otherwise. What they need is imported by then: every
verb imports this module.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gitrelease.core.groups import ALL, PRODUCTION

if TYPE_CHECKING:
    from gitrelease.core.settings import Settings
    from gitrelease.edges.names import Numbers

Offers = list[tuple[str, str]]

_TOLD = 20  # releases of which the summary is read
_PARTS = ("dictionary", "pattern", "schema")  # what `--only` takes beside a region


def folders(incomplete: str) -> Offers:
    """Leave folders to the shell, which knows them better."""
    from gitrelease.core.completion import FOLDERS

    return [(incomplete, FOLDERS)]


def releases(context: typer.Context, incomplete: str) -> Offers:
    """Every release, the newest first."""
    return _releases(context, incomplete, lambda known: known.known)


def releases_to_go_back_to(context: typer.Context, incomplete: str) -> Offers:
    """The releases that the group which is typed has had, but for the one that is live there."""
    group = context.params.get("group") or PRODUCTION

    def had(known: Numbers) -> set[int]:
        apart = {number for number, groups in known.groups.items() if group not in groups}
        return {number for number in known.known if number not in apart and number != known.live}

    return _releases(context, incomplete, had)


def unpinned(context: typer.Context, incomplete: str) -> Offers:
    return _releases(context, incomplete, lambda known: known.known - known.pinned)


def pinned(context: typer.Context, incomplete: str) -> Offers:
    return _releases(context, incomplete, lambda known: known.pinned)


def _releases(context: typer.Context, incomplete: str, wanted: Callable[[Numbers], Iterable[int]]) -> Offers:
    from gitrelease.edges import names

    where, group = _directory(context), context.params.get("group")
    known = names.numbers(where, group if group != PRODUCTION else None)
    prefix = "" if incomplete.isdecimal() else "release/"
    found = [number for number in sorted(wanted(known), reverse=True) if f"{prefix}{number}".startswith(incomplete)]
    said = names.summaries(where, tuple(found[:_TOLD])) if found else {}
    return [(f"{prefix}{number}", _told(known, number, said.get(number, ""))) for number in found]


def _told(known: Numbers, number: int, summary: str) -> str:
    """Say of a release what is special about it, and what it changed."""
    marks = {
        "live": number == known.live,
        "last good": number == known.good != known.live,
        "bad": number in known.bad,
        "pinned": number in known.pinned,
    }
    said = ", ".join(mark for mark, holds in marks.items() if holds)
    return f"{said}: {summary}" if said and summary else said or summary


def revisions(context: typer.Context, incomplete: str) -> Offers:
    """Branches and tags; releases and backups, of which there may be thousands, once they are begun."""
    from gitrelease.edges import names

    found: Offers = []
    for prefix, told in (("refs/heads/", "branch"), ("refs/remotes/", "branch elsewhere"), ("refs/tags/", "tag")):
        below = (name.removeprefix(prefix) for name in names.refs(_directory(context), prefix.rstrip("/")))
        found += [(name, told) for name in below if not name.startswith(("release/", "backup/"))]
    if incomplete.startswith("backup/"):
        found += backups(context)
    if incomplete and ("release/".startswith(incomplete) or incomplete.startswith("release/")):
        found += releases(context, incomplete)
    return _possible(found)


def branches(context: typer.Context) -> Offers:
    from gitrelease.edges import names

    below = names.refs(_directory(context), "refs/heads")
    return _possible([(name.removeprefix("refs/heads/"), "") for name in below])


def backups(context: typer.Context) -> Offers:
    """Backups, the newest first, each with the note that was left."""
    from gitrelease.edges import names

    found = names.refs(_directory(context), "refs/tags/backup", told="contents:subject", newest=True)
    return _possible([(name.removeprefix("refs/tags/"), note) for name, note in found.items()])


def instances(context: typer.Context) -> Offers:
    """Instances and groups, and the word for all of them."""
    held = _settings(context)
    if held is None:
        return []
    rows = [(one.name, f"port {one.port}, {one.group}") for one in held.instances]
    return _possible([*rows, *((group, "a group") for group in held.groups), (ALL, "every instance of every group")])


def groups(context: typer.Context) -> Offers:
    """Groups beside production."""
    held = _settings(context)
    return _possible([(group, "") for group in held.groups if group != PRODUCTION]) if held else []


def instances_and_releases(context: typer.Context, incomplete: str) -> Offers:
    """What `monitor` takes: instances; releases where two of them are compared."""
    compared = context.params.get("compare") or incomplete.startswith("release/")
    return instances(context) + (releases(context, incomplete) if compared else [])


def parts(context: typer.Context) -> Offers:
    """What can be taken back by itself: a kind, or one region."""
    held = _settings(context)
    if held is None:
        return []
    return _possible([*((kind, "a kind") for kind in _PARTS), *((one.name, one.kind) for one in held.regions)])


def _possible(offers: Offers) -> Offers:
    from gitrelease.core.completion import can_be_typed

    return [(value, told) for value, told in offers if can_be_typed(value)]


def _settings(context: typer.Context) -> Settings | None:
    from gitrelease.edges import names

    return names.settings(_directory(context))


def _directory(context: typer.Context) -> Path:
    """Return the checkout that `-C` names; the shell has not expanded what is being typed."""
    named = context.find_root().params.get("directory") or Path()
    expanded = Path(os.path.expandvars(named))
    try:
        return expanded.expanduser()
    except RuntimeError:  # nobody has that name
        return expanded
