"""In which order is a checkout mended? Each step needs what those before it have mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gitrelease.candidate import belonging_to
from gitrelease.core import settings_text
from gitrelease.core.errors import SettingsError
from gitrelease.core.settings import DEFAULT_BRANCH
from gitrelease.edges import locks, records
from gitrelease.edges import settings as settings_files
from gitrelease.edges.faults import passing
from gitrelease.edges.git import Git
from gitrelease.edges.home import Home
from gitrelease.recovery import heads, house, pointers
from gitrelease.release.running import read_running
from gitrelease.world import open_world


def mend(root: Path, home: Home, options: house.Options) -> Iterator[str]:
    """Mend the checkout `root`, and yield a line for each thing that was done; no agent may be at work.

    Nothing is lost: work on disk that has to make way becomes a `backup/…` tag, replaced heads stay reachable.
    """
    directory = root / ".git"
    if (directory / "index.lock").exists():
        home.recovering.touch(mode=0o600)  # the lock is what tells of the mixture; this outlives it
    cleared = locks.clear_locks(root, directory)
    for lock in cleared:
        yield f"removed {lock.relative_to(directory)}, which a git that was killed had left"
    passing("recover: locks")
    yield from heads.mend_head(directory, options.branch or _branch(home))
    yield from heads.mend_refs(directory)
    git = Git.discover(root)
    yield from heads.mend_unreadable(git)
    served = read_running(home.processes).live
    yield from house.mend_variables(home, served.first.identity.pid if served else None)
    anew = yield from house.bring_settings_back(git, home, options)
    passing("recover: settings back")
    branch = options.branch or _branch(home)
    if git.head_ref() != f"refs/heads/{branch}":
        home.recovering.touch(mode=0o600)
    yield from heads.mend_branch(git, branch)
    passing("recover: branch")
    yield from heads.mend_index(git)
    yield from house.set_up_again(git, home, options, anew=anew)
    passing("recover: settings")
    world = open_world(root)
    for one in world.every():
        yield from house.mend_journal(one.journal)
    running = read_running(home.processes).live
    yield from pointers.mend_pointers(world, served=running.number if running else None)
    passing("recover: pointers")
    world = open_world(root)  # by the settings of what is live
    head = git.ref(world.settings.branch_ref) or ""
    live = records.read(git).live
    yield from heads.mend_files(world.checkout, belonging_to(world, head, live), head, torn=home.recovering.exists())
    home.recovering.unlink(missing_ok=True)
    passing("recover: files")
    yield from house.clear_slots(world.slots)
    passing("recover: slots")


def _branch(home: Home) -> str:
    """Return the deploy branch as far as this host's settings can be read."""
    try:
        table = settings_text.read(settings_files.of_host(home.settings), str(home.settings))
    except SettingsError:
        return DEFAULT_BRANCH
    return str(table.get("app", {}).get("branch", DEFAULT_BRANCH))
