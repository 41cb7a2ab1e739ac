"""Which names does a checkout have? For who is typing one: asked of git directly, and what cannot be read is not there.

GitPython is not used here: its import alone takes as long as somebody who presses Tab waits. Nothing is written, and
no object that is missing is fetched.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitrelease.core.groups import PRODUCTION
from gitrelease.core.refs import BAD, LIVE, ONLY, PINNED, RELEASES, good_ref, live_ref

if TYPE_CHECKING:
    from gitrelease.core.settings import Settings

LIMIT = 2.0  # seconds that git may take: on a disk that hangs, nothing is offered
_LOOKING = {
    "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}  # fmt: skip


@dataclass(frozen=True)
class Numbers:
    """The releases by number, and what is said of some: live, good, bad, pinned; of which group only, if of one."""

    known: frozenset[int]
    live: int | None
    good: int | None
    bad: frozenset[int]
    pinned: frozenset[int]
    groups: Mapping[int, frozenset[str]]  # releases that production never had, and the groups that have


def refs(directory: Path, *patterns: str, told: str = "objectname", newest: bool = False) -> dict[str, str]:
    """Return the refs that patterns name, by their full name, each with a field of `git for-each-ref`."""
    order = ("--sort=-creatordate",) if newest else ()
    output = _git(directory, "for-each-ref", f"--format=%(refname) %({told})", *order, *patterns)
    lines = output.decode(errors="surrogateescape").split("\n")
    return {name: value for name, _, value in (line.partition(" ") for line in lines) if name}


def numbers(directory: Path, group: str | None) -> Numbers:
    """Return the numbers of all releases, and what is live and good in a group; production's where none is named."""
    pointers = [live_ref(group or PRODUCTION), good_ref(group or PRODUCTION)]
    found = refs(directory, *pointers, *(below.rstrip("/") for below in (RELEASES, PINNED, BAD, ONLY)))
    tags = _numbered(found, RELEASES)
    pinned = _numbered(found, PINNED)
    number_of = {tag: number for number, tag in (pinned | tags).items()}
    live, good = (number_of.get(found.get(name, "")) for name in pointers)
    groups: dict[int, frozenset[str]] = {}
    for name in found:
        if name.startswith(ONLY):
            one, _, number = name.removeprefix(ONLY).rpartition("/")
            if number.isdecimal():
                groups[int(number)] = groups.get(int(number), frozenset()) | {one}
    return Numbers(frozenset({*tags, *pinned}), live, good, frozenset(_numbered(found, BAD)), frozenset(pinned), groups)


def summaries(directory: Path, wanted: tuple[int, ...]) -> dict[int, str]:
    """Return the summaries of a few releases, by number."""
    return _numbered(refs(directory, *(f"{RELEASES}{one}" for one in wanted), told="contents:subject"), RELEASES)


def settings(directory: Path) -> Settings | None:
    """Return the settings that hold now: the live release's, before the first one those of HEAD, and this host's."""
    from gitrelease.core import settings_text
    from gitrelease.core.errors import ReleaseError
    from gitrelease.core.settings import SETTINGS_FILE
    from gitrelease.edges import settings as files
    from gitrelease.edges.home import Home

    repository = _git(directory, "rev-parse", "--git-common-dir").decode(errors="surrogateescape").rstrip("\n")
    if not repository:
        return None
    revision = LIVE if refs(directory, LIVE) else "HEAD"
    written = _git(directory, "cat-file", "blob", f"{revision}:{SETTINGS_FILE}")
    host = Home(directory / repository).settings
    try:
        return files.combine(settings_text.read(written, SETTINGS_FILE), files.tables_of_host(host))
    except (ReleaseError, OSError):
        return None


def _numbered(found: Mapping[str, str], prefix: str) -> dict[int, str]:
    """Return what is below `prefix` and named as a release is, by number."""
    below = ((name.removeprefix(prefix), value) for name, value in found.items() if name.startswith(prefix))
    return {int(name): value for name, value in below if name.isdecimal() and name.isascii() and name[0] != "0"}


def _git(directory: Path, *arguments: str) -> bytes:
    """Return what git says; nothing where it fails, or does not end."""
    try:
        ran = subprocess.run(
            ["git", "-C", str(directory), "-c", "core.fsmonitor=false", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=LIMIT,
            env={**os.environ, **_LOOKING},
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired):  # ValueError: a zero byte in a name
        return b""
    return ran.stdout if ran.returncode == 0 else b""
