"""Which files does a candidate miss that the checkout has? What git ignores and no setting names is in no slot."""

from __future__ import annotations

import re

from gitrelease.candidate import Candidate
from gitrelease.core.data_folders import is_in
from gitrelease.world import World

_PATH = re.compile(r"(?<![\w/])[\w.][\w./-]{2,200}")


def what_no_slot_gets(world: World, candidate: Candidate, reason: str) -> str:
    """Say which files that a failure names are in the checkout and in no slot: secrets that came after `init`, say."""
    named = dict.fromkeys(path.rstrip(".").removeprefix("./") for path in _PATH.findall(reason))
    app, root = world.settings.app, world.git.root
    found = [
        path
        for path in named
        if ".." not in path.split("/")
        and not is_in(path, (*app.shared, *app.data))
        and (root / path).is_file()
        and world.git.entry(candidate.commit, path) is None
        and world.git.execute("check-ignore", "--quiet", "--", path)[0] == 0  # what `init` looks for
    ]
    if not found:
        return ""
    return f"{', '.join(found)}: in the checkout, and no slot gets it. On the host: gitrelease init. "
