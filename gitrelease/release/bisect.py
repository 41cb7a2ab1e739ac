"""Which release changed what a text extracts to? The app's pipeline is run over it in as few releases as can be.

Which ones, `core/bisection.py` says.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gitrelease.checks.check_slot import check_slot
from gitrelease.checks.samples import is_findoc, replay_of
from gitrelease.core.bisection import last_change
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.history import Release, nothing_live
from gitrelease.core.replay import Answer, ReplayDiff, compare
from gitrelease.core.settings import seconds
from gitrelease.edges import inside
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.records import Records
from gitrelease.world import World

NAME = "text.txt"
MOST = 11  # releases to run, in a history of a thousand


@dataclass(frozen=True)
class Bisected:
    """The release since which it is what live extracts, the one before it, and what differs; `ran` were run."""

    live: Answer
    first: Release | None  # None: no release that was run extracts anything else
    before: Release | None
    difference: ReplayDiff | None
    ran: tuple[str, ...]


def bisect(world: World, known: Records, text: str, *, tell: Callable[[str], None]) -> Bisected:
    """Search the releases up to the live one; `tell` hears of each run."""
    if not is_findoc(world):
        raise ReleaseError(
            f"{world.settings.app.script} has no replay",
            hint="bisect runs the pipeline of FinDocPipeline.py; search the history by hand: gitrelease blame TERM",
            code=Exit.USAGE,
        )
    live = known.live
    if live is None:
        raise nothing_live()
    older = list(known.releases.newest(below=live.number))[::-1]
    answers: dict[int, Answer] = {}

    def answer(release: Release) -> Answer:
        began = time.monotonic()
        answers[release.number] = found = extract(world, release, text)
        how = "" if release is live else ", as live" if _same(found, answers[live.number]) else ", another result"
        tell(f"{release.name}  {time.monotonic() - began:.1f} s{how}")
        return found

    wanted = answer(live)
    change = last_change(len(older), lambda place: _same(answer(older[place]), wanted), most=MOST - 1)
    ran = tuple(release.name for release in (*older, live) if release.number in answers)
    if change is None:
        return Bisected(wanted, None, None, None, ran)
    before, first = ((*older, live)[place] for place in change)
    return Bisected(wanted, first, before, compare({NAME: answers[before.number]}, {NAME: wanted}), ran)


def _same(one: Answer, other: Answer) -> bool:
    values = [sorted((item.metric, item.value) for item in answer.metrics) for answer in (one, other)]
    return values[0] == values[1] and one.signs == other.signs and bool(one.failed) == bool(other.failed)


def extract(world: World, release: Release, text: str) -> Answer:
    """Return what the app of `release` makes of `text`, in the slot that is set aside for checks."""
    cancel = Cancel()
    with contextlib.closing(cancel), tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        (Path(scratch) / NAME).write_text(text)
        slot = check_slot(world, release.commit, cancel)
        limit = seconds(world.settings.limits.checks)
        spec = {"script": world.settings.app.script, "classes": [], "checks": [], "patterns": []}
        replay = replay_of(world, [Path(scratch)])
        try:
            with inside.contract(
                world.python, home=world.home.root, slot=slot.path, spec=spec, replay=replay
            ) as running:
                finished = running.wait(running.started + limit, cancel)
                said = inside.contract_results(running, finished=finished)
                answers = inside.replay_results(running)
        finally:
            slot.release()
    failed = [f"{check.name}: {check.detail}" for check in said.checks if check.status in ("failed", "unknown")]
    return answers.get(NAME) or Answer(document=NAME, failed="; ".join(failed) or "it gave nothing")
