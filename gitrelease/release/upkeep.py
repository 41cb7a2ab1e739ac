"""What does production leave behind while it runs, and who bounds it? Logs are rotated, what is not needed goes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gitrelease.core import refs
from gitrelease.edges import disk_cache, housekeeping, tag_copies
from gitrelease.release import app_files
from gitrelease.release.production import Production
from gitrelease.release.running import Serving

_LOOSE_REFS = 100  # that may lie in files of their own
_MANY = (refs.RELEASES, refs.BAD, refs.QUARANTINE, refs.KEPT, refs.STATE, f"{refs.TAGS}release/")


def rotate_logs(production: Production) -> None:
    """Rotate the logs that have grown too large, unless a soak reads one of them: none of its words may be lost."""
    home, most = production.world.home, production.world.settings.limits.log_mb << 20
    with production.state:
        if production.soak is not None:
            return
        for log in (home.agent_log, home.front_log):
            housekeeping.rotate(log, most=most)
        running = production.running
        rotated = {one.log for one in running.backends() if housekeeping.rotate(Path(one.log), most=most)}
        if rotated:
            live, standby = _from_the_start(running.live, rotated), _from_the_start(running.standby, rotated)
            production.running = msgspec.structs.replace(running, live=live, standby=standby)
            production.save()


def _from_the_start(serving: Serving | None, rotated: set[str]) -> Serving | None:
    """What a rotated log says from now on is at its start: a soak that is still to come reads from there."""
    if serving is None:
        return None
    workers = serving.workers.items()
    emptied = {name: one for name, one in workers if one.backend.log in rotated}
    return serving.with_workers({name: msgspec.structs.replace(one, log_offset=0) for name, one in emptied.items()})


def tidy(production: Production) -> None:
    """Remove what no release and no process needs any more, and keep a little room for a way back."""
    git = production.world.git
    tag_copies.take_up(git)
    git.pack_refs(_MANY, beyond=_LOOSE_REFS)
    running = [Path(backend.log) for backend in production.running.backends()]
    housekeeping.tidy(production.world.home, running=running)
    world = production.world
    in_use = {world.cache_of(backend.commit) for backend in production.running.backends()}
    disk_cache.bound(world.home, keep=in_use, most=world.settings.limits.cache_mb << 20)
    app_files.look(production)
    housekeeping.lay_in_ballast(production.world.home)
