"""Is production whole after a kill at every point of every work? `python -m tests.benchmarks.kills [--rounds 1]`.

The tests take the points where the works differ; this takes all of them, and counts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.benchmarks.races import IDENTITY
from tests.checkout import make_checkout
from tests.stories.test_killed import POINTS, kill_at, work_on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    os.environ.update({"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **IDENTITY})
    killed, begun = 0, time.monotonic()
    for _ in range(options.rounds):
        for name, points in POINTS.items():
            with tempfile.TemporaryDirectory(prefix="gitrelease-kills-") as folder:
                production = make_checkout(Path(folder)).init().up()
                try:
                    production.await_idle()
                    work = work_on(production)
                    for point in points:
                        kill_at(work, name, point)
                        killed += 1
                finally:
                    production.clear_away()
            print(f"{name:<14} {len(points):>3} points, whole after each; {time.monotonic() - begun:.0f} s", flush=True)
    print(f"killed {killed} times, whole {killed} times")


if __name__ == "__main__":
    main()
