"""What does a release work with? The edges of one production checkout, bundled."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gitrelease.core import refs
from gitrelease.core.errors import ReleaseError, SettingsError
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.settings import SETTINGS_FILE, Instance, Settings
from gitrelease.edges import disk_cache, kept_settings, records
from gitrelease.edges import settings as settings_files
from gitrelease.edges.checkout import Checkout
from gitrelease.edges.git import Git, GitError
from gitrelease.edges.home import Home, not_set_up
from gitrelease.edges.journal import Journal
from gitrelease.edges.records import Records
from gitrelease.edges.slots import Slots

log = logging.getLogger("gitrelease.agent")


LAST_HOLDS = "what was read last holds on, but no up works: mend it, or bring that back: gitrelease recover"
NOT_OURS_TO_READ = "what was read last holds on, but no up works, and no recover, before it can be read"
VARIABLES_HOLD = "the variables that were read last hold on, also for an up"


@dataclass(frozen=True)
class World:
    """The edges of one production checkout, with the settings that judge candidates: the live release's."""

    git: Git
    home: Home
    settings: Settings
    checkout: Checkout
    slots: Slots
    journal: Journal
    host: Mapping[str, Any]  # the settings of this host, as they were read last
    group: str = PRODUCTION

    @property
    def python(self) -> Path:
        return self.settings.app.interpreter(self.git.root)

    def cache_of(self, commit: str) -> Path:
        """Return the folder for what the app caches on disk when it runs as `commit` has it."""
        return disk_cache.folder_for(self.home, self.git, commit)

    def data_of(self, commit: str) -> tuple[str, ...]:
        """Return the folders that outlive the releases of the app as `commit` has it (`app.data`)."""
        return settings_files.load(self.git, self.host, commit).app.data

    @property
    def is_production(self) -> bool:
        """Does this group follow the deploy branch, and the files of the checkout this group?"""
        return self.group == PRODUCTION

    @property
    def wanted(self) -> bool:
        """Was production brought up, with all of its groups, and not taken down since?"""
        return Home(self.git.directory).wanted.exists()

    @property
    def within(self) -> str:
        """What names this group behind a command, with a blank before it; nothing for production."""
        return "" if self.is_production else f" --in {self.group}"

    @property
    def instances(self) -> tuple[Instance, ...]:
        return self.settings.instances_of(self.group)

    @property
    def live_ref(self) -> str:
        return refs.live_ref(self.group)

    @property
    def good_ref(self) -> str:
        return refs.good_ref(self.group)

    def records(self) -> Records:
        """Read what the refs say at this moment."""
        return records.read(self.git, self.group)

    def of_group(self, name: str) -> World:
        """Return the world of another group of instances: the same repository, processes and journal of its own."""
        if name == self.group:
            return self
        if name not in self.settings.groups:
            raise ReleaseError(
                f"there is no group {name!r}",
                hint=f"There is: {', '.join(self.settings.groups)}; a group is named by its instances (instance.group)",
            )
        return self._of(name)

    def beside(self) -> tuple[World, ...]:
        """Return the worlds of the groups beside production: of all that are set, and that have had something here."""
        names = dict.fromkeys((*self.settings.groups, *Home(self.git.directory).groups))
        return tuple(self._of(name) for name in names if name != PRODUCTION)

    def every(self) -> tuple[World, ...]:
        """Return the worlds of all groups, production's first."""
        return (self._of(PRODUCTION), *self.beside())

    def apart(self) -> tuple[World, ...]:
        """Return the worlds of the groups that have had something here and that no instance names any more."""
        return tuple(one for one in self.beside() if one.group not in self.settings.groups)

    def _of(self, name: str) -> World:
        home = Home(self.git.directory, group=None if name == PRODUCTION else name)
        journal, slots = Journal(home.journal), Slots(self.git, home.slots)
        return dataclasses.replace(self, home=home, journal=journal, slots=slots, group=name)

    def judged_by(self, revision: str | None) -> World:
        """Return the world with the settings that hold when `revision` is live.

        Where somebody has broken those of the host meanwhile, what was read last holds on: a release that is under way,
        and the way back, come to their end.
        """
        host = self._host_now()
        settings = settings_files.load(self.git, host, revision)
        if not self.is_production:
            # Which instances a group has is production's to say: what is tried there must not take it away.
            settings = msgspec.structs.replace(settings, instances=self.settings.instances)
        return dataclasses.replace(self, settings=settings, checkout=_checkout(self.git, settings), host=host)

    def limit_told(self, name: str) -> str:
        """Say what a limit is set to, and where: what ran into it may only need more."""
        live = self.git.ref(self.live_ref) or self.git.ref(refs.LIVE)
        if name in self.host.get("limits", {}):
            where = "set in .git/gitrelease/host.toml"
        elif name in settings_files.limits_of(self.git, live or "HEAD"):
            where = f"set in {SETTINGS_FILE} of {'what is live' if live else 'HEAD'}"
        else:
            where = "the default"
        return f"limits.{name} is {getattr(self.settings.limits, name)}, {where}"

    def _host_now(self) -> Mapping[str, Any]:
        try:
            return self._read_host()
        except (SettingsError, OSError) as error:
            log.warning("settings of the host cannot be read, those that were read last hold on: %s", error)
            return self.host

    def _read_host(self) -> Mapping[str, Any]:
        read = settings_files.written_by_init if self.host else settings_files.tables_of_host
        return read(self.home.settings)

    def keep_host(self) -> None:
        """Keep the settings of this host as they were read last; a full disk stops nothing that goes on without."""
        try:
            kept_settings.keep(self.git, self.host)
        except (GitError, OSError) as error:
            log.warning("the settings of the host are not kept: %s", error)

    @property
    def wrong(self) -> dict[str, str | None]:
        """What is `wrong` with the settings of this host as they are written now, with the remedy, and what `holds`
        meanwhile; where nothing is wrong that is None alone.
        """
        file = self.home.settings
        holds = NOT_OURS_TO_READ if file.is_file() and not os.access(file, os.R_OK) else LAST_HOLDS
        try:
            self._read_host()
            holds = VARIABLES_HOLD
            settings_files.variables_of_host(file, self.git.root)
        except SettingsError as error:
            return {"wrong": f"{error.message}. {error.hint}", "holds": holds}
        return {"wrong": None}


def open_world(directory: Path, *, initialised: bool = True, kept: bool = False) -> World:
    """Open the production checkout that `directory` is in.

    Settings are those of the live release, before the first one those of HEAD. `RepositoryError` where
    there is no repository, or where `init` was never run and `initialised` asks for it. `kept` is for who only looks,
    or moves refs: where those of this host cannot be read, what was read last holds, and `World.wrong` says so.
    """
    git = Git.discover(directory)
    home = Home(git.directory)
    ready = home.initialised  # asked in any case: it is refused where another user's settings cannot be read
    if initialised and not ready:
        raise not_set_up(git.root)
    live = git.resolve(refs.LIVE) or git.resolve("HEAD")
    host = _host(git, home, written=initialised or (kept and ready), kept=kept)
    settings = settings_files.load(git, host, live)
    return World(
        git=git,
        home=home,
        settings=settings,
        checkout=_checkout(git, settings),
        slots=Slots(git, home.slots),
        journal=Journal(home.journal),
        host=host,
    )


def _host(git: Git, home: Home, *, written: bool, kept: bool) -> Mapping[str, Any]:
    read = settings_files.written_by_init if written else settings_files.tables_of_host
    try:
        return read(home.settings)
    except SettingsError:
        known = kept_settings.kept(git) if kept else None
        if known is None:
            raise
        return known


def _checkout(git: Git, settings: Settings) -> Checkout:
    return Checkout(git, branch_ref=settings.branch_ref, carried=settings.app.schema)
