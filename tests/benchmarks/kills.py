"""Is production whole after a kill at every point of every work? `python -m tests.benchmarks.kills [--rounds 1]`.

The tests take the points where the works differ; this takes all of them, and counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.checkout import Production, make_checkout, make_several
from tests.hermetic import be_hermetic
from tests.stories import test_killed as one
from tests.stories import test_killed_several as several


def make_one(folder: Path) -> Production:
    return make_checkout(folder).init()


@dataclass(frozen=True)
class Kind:
    """A kind of production, what can be done to it, and the points of each work."""

    name: str
    make: Callable[[Path], Production]
    work_on: Callable[[Production], one.Work]
    points: dict[str, tuple[str, ...]]


KINDS = (
    Kind("one instance", make_one, one.work_on, one.POINTS),
    Kind("three instances and a group", make_several, several.grouped_on, several.POINTS),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", metavar="WORK", help="a work such as `group rollback`")
    options = parser.parse_args()
    be_hermetic()
    killed, requests, begun = 0, 0, time.monotonic()
    for kind in KINDS * options.rounds:
        print(kind.name, flush=True)
        for name, points in kind.points.items():
            if options.only in ("", name):
                requests += kill_at_each(kind, name, points)
                killed += len(points)
                spent = time.monotonic() - begun
                print(f"  {name:<20} {len(points):>3} points, whole after each; {spent:.0f} s", flush=True)
    print(f"killed {killed} times, whole {killed} times; {requests} requests, none refused")


def kill_at_each(kind: Kind, name: str, points: tuple[str, ...]) -> int:
    """Kill at every point of a work, one after the other, in one production; return how many requests there were."""
    with tempfile.TemporaryDirectory(prefix="gitrelease-kills-") as folder:
        production = kind.make(Path(folder)).up()
        try:
            production.await_idle()
            work = kind.work_on(production)
            return sum(one.kill_at(work, name, point) for point in points)
        finally:
            production.clear_away()


if __name__ == "__main__":
    main()
