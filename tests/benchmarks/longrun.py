"""Does anything grow? `python -m tests.benchmarks.longrun [--releases 1000]` deploys and goes back on a small server.

Prints, every hundred releases, what the agent and the front hold, what lies on disk, and how long a release took. At
the end the first hundred stand beside the last.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from gitrelease.edges import process_table, wire
from gitrelease.edges.backends import MARK
from tests.benchmarks.users import Users
from tests.checkout import Production, make_checkout
from tests.hermetic import be_hermetic
from tests.whole import assert_whole

BETWEEN = 100  # releases between two samples


@dataclass(frozen=True)
class Sample:
    """What is held after so many releases; seconds are medians of those since the last sample."""

    releases: int
    deploy_s: float
    rollback_s: float
    agent_mb: float
    agent_files: int
    agent_threads: int
    front_mb: float
    front_files: int
    processes: int
    worktrees: int
    home_mb: float

    def row(self) -> str:
        return (
            f"{self.releases:>8} {self.deploy_s:>9.3f} {self.rollback_s:>10.3f} {self.agent_mb:>8.1f} "
            f"{self.agent_files:>6} {self.agent_threads:>8} {self.front_mb:>8.1f} {self.front_files:>6} "
            f"{self.processes:>9} {self.worktrees:>9} {self.home_mb:>8.2f}"
        )


HEAD = "releases  deploy s rollback s agent MB  files  threads front MB  files processes worktrees  home MB"


def ask(production: Production, verb: str, arguments: dict[str, object]) -> float:
    """Ask the agent as the command line does, without its start; return how many seconds it took."""
    begun = time.monotonic()
    end = wire.ask(production.home / "run" / "agent.sock", verb, arguments, lambda _: None)
    assert end.get("outcome") in ("released", "rolled_back"), end
    return time.monotonic() - begun


def sample(production: Production, releases: int, deploys: list[float], rollbacks: list[float]) -> Sample:
    agent, front = psutil.Process(production.agent_pid()), psutil.Process(production.front_pid())
    files = (path for path in production.home.rglob("*") if path.is_file() and "slots" not in path.parts)
    return Sample(
        releases=releases,
        deploy_s=statistics.median(deploys),
        rollback_s=statistics.median(rollbacks),
        agent_mb=agent.memory_info().rss / 1e6,
        agent_files=agent.num_fds(),
        agent_threads=agent.num_threads(),
        front_mb=front.memory_info().rss / 1e6,
        front_files=front.num_fds(),
        processes=len(process_table.marked(MARK, str(production.home))),
        worktrees=len(production.git("worktree", "list").splitlines()),
        home_mb=sum(path.stat().st_size for path in files) / 1e6,
    )


def commits(production: Production, count: int) -> list[str]:
    """Make a chain of commits, a term each, beside the branch; return them."""
    developer = production.clone()
    made = [developer.commit_version(f"version{number}") for number in range(count)]
    developer.git("push", "--quiet", "origin", "HEAD:refs/heads/side")
    return made


def run(production: Production, releases: int) -> list[Sample]:
    """Two deploys, then a rollback of the second, over and over."""
    samples: list[Sample] = []
    deploys: list[float] = []
    rollbacks: list[float] = []
    chain = commits(production, releases)
    print(HEAD, flush=True)
    for done, commit in enumerate(chain, start=1):
        deploys.append(ask(production, "deploy", {"revision": commit, "approve": True, "by": "longrun"}))
        if done % 2 == 0:
            rollbacks.append(ask(production, "rollback", {"by": "longrun"}))
        if done % BETWEEN == 0:
            samples.append(sample(production, done, deploys, rollbacks))
            print(samples[-1].row(), flush=True)
            deploys.clear()
            rollbacks.clear()
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=int, default=1000)
    options = parser.parse_args()
    be_hermetic()
    with tempfile.TemporaryDirectory(prefix="gitrelease-longrun-") as folder:
        production = make_checkout(Path(folder)).init().up()
        try:
            with Users(production.port, 20) as users:
                samples = run(production, options.releases)
            production.await_idle()
            assert_whole(production)
            print(f"first and last:\n{samples[0].row()}\n{samples[-1].row()}")
            print(f"requests {users.asked}, failed {users.failed}, longest gap {users.longest_gap_ms:.0f} ms")
        finally:
            production.clear_away()


if __name__ == "__main__":
    main()
