"""Is what we keep on this host whole: settings, hooks, journal, slots? All of it can be made again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gitrelease import installation
from gitrelease.core.errors import SettingsError
from gitrelease.edges import hooks
from gitrelease.edges import settings as settings_files
from gitrelease.edges.git import Git
from gitrelease.edges.home import Home
from gitrelease.edges.journal import Journal
from gitrelease.edges.slots import Slots


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `init`, for a checkout whose own settings are lost."""

    branch: str | None = None
    script: str | None = None
    schema: str | None = None
    port: int | None = None
    python: str | None = None


def mend_settings(git: Git, home: Home, options: Options) -> Iterator[str]:
    """Set the checkout up again where settings or hooks are gone; what cannot be read is put aside."""
    aside = _put_aside(home)
    if aside is not None:
        yield f"the settings of this host could not be read; they are kept as {aside.name}, and made anew"
    lost = hooks.missing(git) if home.initialised else []
    if aside is None and home.initialised and not lost:
        return
    known = home.initialised
    prepared = installation.init(
        git.root,
        branch=options.branch,
        script=options.script,
        schema=options.schema,
        port=options.port,
        python=options.python,
    )
    if lost:
        yield f"hooks were missing and are there again: {', '.join(lost)}"
    elif not known:
        app = f"{prepared.script} from {prepared.branch}, run by {prepared.python}"
        yield f"{home.root.name} was gone; set up again: {app}"


def _put_aside(home: Home) -> Path | None:
    """Rename host settings that cannot be read, so that `init` writes new ones."""
    if not home.settings.exists():
        return None
    try:
        written = settings_files.read(settings_files.of_host(home.settings), str(home.settings))
    except SettingsError:
        written = {}
    if not written.get("app"):  # `init` writes more than that: a power cut has emptied it, say
        return _aside(home.settings)
    return None


def _aside(path: Path) -> Path:
    """Rename what stands in the way, and return its new name."""
    return path.rename(path.with_name(f"{path.name}.broken-{time.time_ns() // 1_000_000_000}"))


def mend_journal(journal: Journal) -> Iterator[str]:
    """Drop what is no line of the journal: a write that was cut off, or what a disk made of it."""
    if journal.path.is_dir():
        aside = _aside(journal.path)
        yield f"{journal.path.name} was a folder; it is kept as {aside.name}"
    torn = journal.drop_unreadable()
    if torn:
        yield f"dropped {torn} lines of the journal that nobody can read"


def clear_slots(slots: Slots) -> Iterator[str]:
    """Remove the slots that nothing runs in, with whatever the app left there; they are made again when needed."""
    cleared = slots.clear_free()
    if cleared:
        yield f"cleared the slots that nothing runs in, with the app's caches: {', '.join(cleared)}"
