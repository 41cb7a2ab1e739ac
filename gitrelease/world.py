"""What does a release work with? The edges of one production checkout, bundled."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from gitrelease.core.errors import RepositoryError
from gitrelease.core.settings import Settings
from gitrelease.edges import records
from gitrelease.edges import settings as settings_files
from gitrelease.edges.backends import interpreter
from gitrelease.edges.checkout import Checkout
from gitrelease.edges.git import Git
from gitrelease.edges.home import Home
from gitrelease.edges.journal import Journal
from gitrelease.edges.slots import Slots


@dataclass(frozen=True)
class World:
    """The edges of one production checkout, with the settings that judge candidates: the live release's."""

    git: Git
    home: Home
    settings: Settings
    checkout: Checkout
    slots: Slots
    journal: Journal

    @property
    def python(self) -> Path:
        return interpreter(self.settings.app, self.git.root)

    def judged_by(self, revision: str | None) -> World:
        """Return the world with the settings that hold when `revision` is live."""
        settings = settings_files.load(self.git, self.home.settings, revision)
        return dataclasses.replace(self, settings=settings, checkout=_checkout(self.git, settings))


def open_world(directory: Path, *, initialised: bool = True) -> World:
    """Open the production checkout that `directory` is in.

    Settings are those of the live release, before the first one those of HEAD. `RepositoryError` where
    there is no repository, or where `init` was never run and `initialised` asks for it.
    """
    git = Git.discover(directory)
    home = Home(git.directory)
    ready = home.initialised  # asked in any case: it is refused where another user's settings cannot be read
    if initialised and not ready:
        raise RepositoryError(
            f"{git.root} is not set up for releases yet", hint=f"Run once: gitrelease -C {git.root} init"
        )
    live = git.resolve(records.LIVE) or git.resolve("HEAD")
    settings = settings_files.load(git, home.settings, live)
    return World(
        git=git,
        home=home,
        settings=settings,
        checkout=_checkout(git, settings),
        slots=Slots(git, home.slots),
        journal=Journal(home.journal),
    )


def _checkout(git: Git, settings: Settings) -> Checkout:
    return Checkout(git, branch_ref=settings.branch_ref, carried=settings.app.schema)
