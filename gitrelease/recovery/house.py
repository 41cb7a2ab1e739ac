"""Is what we keep on this host whole: settings, hooks, journal, slots? All of it can be made again."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gitrelease import installation
from gitrelease.core import refs
from gitrelease.core.errors import ReleaseError, SettingsError
from gitrelease.core.text import counted
from gitrelease.edges import hooks, kept_settings, variables
from gitrelease.edges import settings as settings_files
from gitrelease.edges.front import FrontControl
from gitrelease.edges.git import Git
from gitrelease.edges.home import Home, write_atomically
from gitrelease.edges.journal import Journal
from gitrelease.edges.slots import Slots


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `init`, for a checkout whose own settings are lost."""

    branch: str | None = None
    script: str | None = None
    schema: str | None = None
    port: int | None = None
    python: str | None = None


def bring_settings_back(git: Git, home: Home, options: Options) -> Generator[str, None, bool]:
    """Let the settings of this host be those that were read well last, where they cannot be read any more.

    What cannot be read is put aside. Returns whether anything was done, or is still to be made anew. `ReleaseError`
    where nothing tells on which address production is served: made anew, it would move to another one.
    """
    if _can_be_read(home.settings):
        return False
    known = kept_settings.kept(git)
    lived = git.ref(refs.LIVE) is not None or home.journal.exists()
    if known is None and lived and (options.port is None or options.python is None):
        raise _unknown(home)
    there = home.settings.exists()
    aside = _aside(home.settings) if there else None
    where = f"the settings of this host could not be read; they are kept as {aside.name}, and" if aside else ""
    if known is not None:
        write_atomically(home.settings, settings_files.as_toml(known))
        again = f"those that were read last hold again: {_addresses(git, known)}"
        yield f"{where or 'the settings of this host were gone;'} {again}"
        lost = "who is told of what happens, and variables of the app, are kept nowhere else"
        yield f"{lost}: set them again ([notify], [[on]], [variables]){_from(aside)}"
    elif aside is not None:
        yield f"{where} made anew"
    return True


def _can_be_read(file: Path) -> bool:
    try:
        settings_files.written_by_init(file)
    except SettingsError:
        if file.is_file() and not os.access(file, os.R_OK):
            raise  # its rights are wrong; what it says may be right
        return False
    return True


def _addresses(git: Git, host: Mapping[str, Any]) -> str:
    """Name the branch and the addresses that are set, those of the live release's settings where the host has none."""
    settings = settings_files.load(git, host, git.resolve(refs.LIVE))
    told = (f"{one.name} {one.address}:{one.port}" for one in settings.instances)
    return f"{', '.join(told)}, from {settings.app.branch}"


def _from(aside: Path | None) -> str:
    return f" from {aside.name}" if aside is not None else ""


def _unknown(home: Home) -> SettingsError:
    """Return the refusal where nothing tells what was set: what is served now is the best that there is."""
    served = ", ".join(address for one in home.every() for address in _served(one))
    what = f"; served now: {served}" if served else ""
    return SettingsError(
        f"{home.settings} is lost, and no other place has what was set there{what}",
        hint="Say what production had: gitrelease recover --port PORT --python PATH; or write the file again, several "
        "instances and groups with it: docs/configuration.md",
    )


def _served(home: Home) -> Iterator[str]:
    """Yield the addresses that the front of a group listens on, each with its instance."""
    try:
        listeners = FrontControl(home.front_socket).listeners()
    except ReleaseError:
        return
    for name, listener in listeners.items():
        host, port = listener.getsockname()[:2]
        yield f"{name} {host}:{port}"
        listener.close()


def set_up_again(git: Git, home: Home, options: Options, *, anew: bool) -> Iterator[str]:
    """Do what `init` does where settings were brought back or made `anew`, or hooks or marks of ours are gone."""
    lost = hooks.missing(git) if home.initialised else []
    if not anew and home.initialised and not lost:
        return
    known = home.initialised
    prepared = installation.init(
        git.root,
        branch=options.branch,
        script=options.script,
        schema=options.schema,
        port=options.port,
        python=options.python,
        recovering=True,
    )
    if lost:
        yield f"hooks were missing and are there again: {', '.join(lost)}"
    elif not known:
        app = f"{prepared.script} from {prepared.branch}, run by {prepared.python}"
        yield f"{home.root.name} was gone; set up again: {app}"


def _aside(path: Path) -> Path:
    """Rename what stands in the way, and return its new name."""
    return path.rename(path.with_name(f"{path.name}.broken-{time.time_ns() // 1_000_000_000}"))


def mend_variables(home: Home, served: int | None) -> Iterator[str]:
    """Put the app's variables aside where nobody can read them; `served` is the pid of a process that has them.

    Where nothing has them any more, a person who has must record them.
    """
    try:
        known = variables.recorded(home.root)
    except SettingsError:
        known, aside = None, _aside(variables.file_of(home.root))
        what = f"{variables.FILE}, the app's variables, could not be read and is kept as {aside.name}"
    else:
        what = "the app's variables are recorded nowhere"
        if not variables.has_lived(home.root) or (known is not None and known.source != "nobody"):
            return
    if known is None and served is not None and variables.take_over(home.root, served):
        yield f"{what}; those of the process that runs are recorded"
    else:
        yield f"{what}, and it gets what every process of its user has. {variables.ANEW}"


def mend_journal(journal: Journal) -> Iterator[str]:
    """Drop what is no line of the journal: a write that was cut off, or what a disk made of it."""
    if journal.path.is_dir():
        aside = _aside(journal.path)
        yield f"{journal.path.name} was a folder; it is kept as {aside.name}"
    torn = journal.drop_unreadable()
    if torn:
        yield f"dropped {counted(torn, 'line')} of the journal that nobody can read"


def clear_slots(slots: Slots) -> Iterator[str]:
    """Remove the slots that nothing runs in, with whatever the app left there; they are made again when needed."""
    cleared = slots.clear_free()
    if cleared:
        yield f"cleared the slots that nothing runs in, with the app's caches: {', '.join(cleared)}"
