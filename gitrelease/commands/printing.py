"""How is the output of the app printed that there is now?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gitrelease.commands.client import print_json
from gitrelease.core.errors import ReleaseError
from gitrelease.core.history import Release, release_name
from gitrelease.core.instances import chosen
from gitrelease.core.text import one_line
from gitrelease.edges import records
from gitrelease.release.outputs import Log, instances, last_lines, of_release
from gitrelease.release.production import read_running
from gitrelease.world import World


class Asked:
    """What somebody wants to read: which instances of which release; `ReleaseError` for what there is not."""

    def __init__(self, world: World, instance: str | None, release: str | None) -> None:
        self.world = world
        self.running = read_running(world.home.processes)
        self.records = records.read(world.git)
        self.names = chosen(instances(world, self.running), instance)
        self.any_release = release is None
        self.release = self._release(release)

    def _release(self, name: str | None) -> Release:
        found = self.records.live if name is None else self.records.release(name)
        if found is None and name is None:
            raise ReleaseError("nothing is live yet", hint="Release what is checked out: gitrelease up")
        if found is None:
            raise ReleaseError(
                f"there is no release {one_line(name or '', 80)!r}", hint="See which there are: gitrelease history"
            )
        return found

    def logs(self, release: Release | None = None) -> list[Log]:
        """Return the logs of the release, or of another one, the oldest first."""
        return of_release(self.world, self.running, release or self.release, self.names)


def print_output(asked: Asked, count: int, *, as_json: bool) -> int:
    """Print the last lines of each instance."""
    logs = asked.logs()
    found = {name: newest_lines([log for log in logs if log.instance == name], count) for name in asked.names}
    if as_json:
        told = [{"name": name, "lines": lines} for name, lines in found.items()]
        print_json({"release": asked.release.name, "instances": told})
        return 0
    for name, lines in found.items():
        for line in lines:
            print(prefixed(name, line, several=len(found) > 1))
    if not logs:
        print(f"no output of {asked.release.name} is kept", file=sys.stderr)
    return 0


def newest_lines(logs: Sequence[Log], count: int) -> list[str]:
    """Return the last lines of an instance, which may be in the logs of several processes."""
    found: list[str] = []
    for log in reversed(logs):
        found = last_lines(log, count - len(found)) + found
        if len(found) >= count:
            break
    return found


def prefixed(instance: str, line: str, *, several: bool) -> str:
    return f"{one_line(instance, 40)} | {line}" if several else line


def headed(log: Log) -> str:
    return f"-- {one_line(log.instance, 40)}: {release_name(log.release)}"
