"""Which instances does somebody mean, and in which groups are they?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitrelease.core.errors import ReleaseError
from gitrelease.core.groups import ALL, PRODUCTION
from gitrelease.core.text import one_line
from gitrelease.edges.backends import logs_in
from gitrelease.release.running import Running, read_running
from gitrelease.world import World


@dataclass(frozen=True)
class Selection:
    """Instances of one group, with what runs there."""

    world: World
    running: Running
    names: tuple[str, ...]

    def only(self, name: str) -> Selection:
        return Selection(self.world, self.running, (name,))


def chosen(world: World, word: str | None, *, ended: bool = False) -> list[Selection]:
    """Return what an instance, a group or `all` names, group by group; production where nothing is named.

    With `ended` instances count as well that have only left a log. `ReleaseError` says which there are.
    """
    groups = [_whole(world.of_group(name), ended=ended) for name in world.settings.groups]
    if word == ALL:
        return [one for one in groups if one.world.is_production or one.running.live is not None]
    wanted = word or PRODUCTION
    named = [one for one in groups if one.world.group == wanted]
    found = named or [one.only(wanted) for one in groups if wanted in one.names]
    if not found:
        raise no_instance(wanted, [name for one in groups for name in one.names], world.settings.groups)
    return found


def no_instance(word: str, names: Sequence[str], groups: Sequence[str]) -> ReleaseError:
    """Return the error for a word that names no instance and no group; it says which there are."""
    others = f"; or a group: {', '.join(groups)}; or {ALL}" if groups[1:] else ""
    return ReleaseError(
        f"there is no instance {one_line(word, 80)!r}", hint=f"There is: {one_line(', '.join(names), 500)}{others}"
    )


def _whole(world: World, *, ended: bool) -> Selection:
    running = read_running(world.home.processes)
    names = tuple(running.live.workers) if running.live else tuple(one.name for one in world.instances)
    left = sorted({log.instance for log in logs_in(world.home) if log.instance}) if ended else []
    return Selection(world, running, tuple(dict.fromkeys([*names, *left])))
