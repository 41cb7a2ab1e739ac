"""How is the output of the app printed that there is now?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from gitrelease.commands.client import print_json
from gitrelease.core.history import Release, no_release, nothing_live, release_name
from gitrelease.core.text import one_line
from gitrelease.edges.records import Records
from gitrelease.edges.terminal import say
from gitrelease.release.outputs import Log, last_lines, of_release
from gitrelease.release.selection import Selection, chosen
from gitrelease.world import World


@dataclass(frozen=True)
class Asked:
    """What somebody wants to read: some instances of a group, and a release that it serves or has served."""

    selection: Selection
    records: Records
    release: Release
    any_release: bool  # none was named: what is live is meant, as that changes

    @property
    def names(self) -> tuple[str, ...]:
        return self.selection.names

    def logs(self, release: Release | None = None) -> list[Log]:
        """Return the logs of the release, or of another one, the oldest first."""
        one = self.selection
        return of_release(one.world, one.running, release or self.release, one.names)


def asked_for(world: World, instance: str | None, release: str | None) -> list[Asked]:
    """Return what somebody wants to read, group by group; `ReleaseError` for what there is not."""
    found = []
    for one in chosen(world, instance, ended=True):
        records = one.world.records()
        found.append(Asked(one, records, _release(records, release), release is None))
    return found


def _release(records: Records, name: str | None) -> Release:
    found = records.live if name is None else records.release(name)
    if found is None and name is None:
        raise nothing_live()
    if found is None:
        raise no_release(name or "")
    return found


def print_output(asked: Sequence[Asked], count: int, *, as_json: bool) -> int:
    """Print the last lines of each instance."""
    found: list[tuple[str, str, list[str]]] = []
    for one in asked:
        logs = one.logs()
        for name in one.names:
            own = [log for log in logs if log.instance == name]
            found.append((name, one.release.name, newest_lines(own, count)))
        if not logs:
            print(f"no output of {one.release.name} is kept", file=sys.stderr)
    if as_json:
        told = [{"name": name, "release": release, "lines": lines} for name, release, lines in found]
        print_json({"release": asked[0].release.name, "instances": told})
        return 0
    shown = [prefixed(name, line, several=len(found) > 1) for name, _, lines in found for line in lines]
    if shown:
        say(shown)
    elif count and any(one.logs() for one in asked):
        print("nothing was printed", file=sys.stderr)
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
