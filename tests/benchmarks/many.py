"""How fast is a look at a long history? `python -m tests.benchmarks.many [--json] [--releases N]`.

Ten thousand releases, four events of the journal for each, nine instances: `status`, `history` and `show` are timed
with an agent and without one, what Tab offers behind some verbs, and the agent's memory is read. Prints a table, or
JSON. Takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psutil

from gitrelease.core.events import AnyEvent, Attempted, Promoted, Promoting, Proved, Superseded, WentBack
from gitrelease.core.state import State, encoded
from gitrelease.edges.backends import free_port
from gitrelease.world import open_world
from tests.checkout import SERVER, SETTINGS, Production, make_checkout, until
from tests.hermetic import be_hermetic

INSTANCES = 9
BEGUN = 1_700_000_000  # when the first release was made, in seconds since 1970
APART = 600  # seconds between two
LOOKS = (("status",), ("history", "-n", "20"), ("history", "--json"), ("show", "5000"))
TABS = (("show", ""), ("rollback", "--only", ""), ("restart", ""), ("",))  # the last word is being typed
TARGETS = {("status",): 0.3, ("history", "-n", "20"): 0.3}


def make(folder: Path, releases: int) -> Production:
    """Make a production checkout of nine instances with so many releases behind it; it is not up."""
    production = make_checkout(
        folder, {"server.py": SERVER, "gitrelease.toml": SETTINGS, "README.md": "The app\n", ".gitignore": "*.json\n"}
    )
    production.init()
    host = production.home / "host.toml"
    ports = [production.port, *(free_port() for _ in range(INSTANCES - 1))]
    tables = [f'[[instance]]\nname = "worker-{place}"\nport = {port}\n' for place, port in enumerate(ports)]
    host.write_text(host.read_text().split("[[instance]]")[0] + "\n".join(tables))
    write_history(production, releases)
    return production


def write_history(production: Production, releases: int) -> None:
    """Write `releases` releases as git and the journal have them; every hundredth was rolled back."""
    script = production.read("server.py")
    head = production.git("rev-parse", "HEAD")
    marks = production.home / "marks"
    _import(production, f"--export-marks={marks}", stream="".join(_commits(script, head, releases)))
    commits = {int(mark[1:]): commit for mark, commit in map(str.split, marks.read_text().splitlines())}
    marks.unlink()
    _import(production, stream="".join(_tags(commits)))
    production.git("reset", "--quiet", "--hard")
    listed = production.git("for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", "refs/tags/release")
    tags = {int(number): tag for number, tag in map(str.split, listed.splitlines())}
    for pointer, name in (("live", tags[releases]), ("good", tags[releases]), ("checkout", commits[releases])):
        production.git("update-ref", f"refs/gitrelease/{pointer}", name)
    for number in range(50, releases + 1, 100):
        production.git("update-ref", f"refs/gitrelease/bad/{number}", tags[number])
        production.git("update-ref", f"refs/gitrelease/quarantine/{commits[number]}", tags[number])
    _keep_states(production, releases)
    production.git("pack-refs", "--all")
    with (production.home / "journal.jsonl").open("wb") as journal:
        for number, tag in sorted(tags.items()):
            for event in _events(number, tag, commits[number]):
                journal.write(msgspec.json.encode(event) + b"\n")


def _import(production: Production, *options: str, stream: str) -> None:
    command = ["git", "fast-import", "--quiet", "--force", *options]
    subprocess.run(command, cwd=production.root, input=stream.encode(), check=True)


def _commits(script: str, parent: str, releases: int) -> Iterator[str]:
    """Yield the commits of the releases as `git fast-import` reads them, each with one more term."""
    for number in range(1, releases + 1):
        text = script.replace('"revenue",', f'"revenue", "term {number}",')
        message = f"Know term {number}"
        yield (
            f"commit refs/heads/deploy\nmark :{number}\n"
            f"committer Ann Tester <ann@example.com> {BEGUN + APART * number} +0000\ndata {len(message)}\n{message}\n"
            f"from {parent if number == 1 else f':{number - 1}'}\n"
            f"M 100644 inline server.py\ndata {len(text)}\n{text}\n"
        )


def _tags(commits: Mapping[int, str]) -> Iterator[str]:
    for number, commit in sorted(commits.items()):
        message = (
            f"terms +1 (term {number})\n\nKind: dictionary\nRisk: low\nTrigger: push\nReleased-By: ann\n"
            f"Source: {commit}\n" + (f"Previous: release/{number - 1}\n" if number > 1 else "")
        )
        yield (
            f"tag release/{number}\nfrom {commit}\n"
            f"tagger gitrelease <gitrelease@localhost> {BEGUN + APART * number + 2} +0000\n"
            f"data {len(message)}\n{message}\n"
        )


def _keep_states(production: Production, releases: int) -> None:
    """Let every release have something that was kept of how things stood before it."""
    git = open_world(production.root).git
    state = git.write_blob(encoded(State(at=float(BEGUN), facts={"host": {"load": [0.1, 0.1, 0.1], "cores": 2}})))
    lines = [f"create refs/gitrelease/state/{number} {state}\n" for number in range(1, releases + 1)]
    git.run("update-ref", "--stdin", stdin="".join(lines).encode())


def _events(number: int, tag: str, commit: str) -> Iterator[AnyEvent]:
    at = float(BEGUN + APART * number)
    if number % 20 == 0:
        yield Attempted(
            at=at - 60, commit=commit, trigger="push", outcome="refused", reason="class Answer is gone",
            by="ben", key=commit, kind="major",
        )  # fmt: skip
    yield Promoting(at=at, number=number, tag=tag, commit=commit, source=commit, previous=number - 1 or None)
    yield Promoted(at=at + 1, number=number, seconds=1.25)
    yield Attempted(
        at=at + 2, commit=commit, trigger="push", outcome="released", reason=f"terms +1 (term {number})", by="ann",
        key=commit, kind="dictionary",
    )  # fmt: skip
    if number % 100 == 50:
        yield WentBack(at=at + 5, number=number, to=number - 1, reason="it is slow", by="ann", automatic=False)
    elif number % 10 == 5:
        yield Superseded(at=at + 9, number=number)
    else:
        yield Proved(at=at + 20, number=number)


class Bench:
    def __init__(self, production: Production) -> None:
        self.production = production
        self.rows: list[dict[str, Any]] = []

    def looks(self, when: str) -> None:
        for arguments in LOOKS:
            self.row(f"{' '.join(arguments)}, {when}", self.look(*arguments), "s", TARGETS.get(arguments))

    def tabs(self) -> None:
        for words in TABS:
            self.row(f"Tab behind {' '.join(words).strip() or 'nothing'}", self.tab(*words), "s", 0.2)

    def look(self, *arguments: str, times: int = 9) -> float:
        """Return the median of the seconds that a command takes, start of the interpreter included."""
        spent: list[float] = []
        for _ in range(times):
            begun = time.monotonic()
            ended = self.production.gitrelease(*arguments)
            spent.append(time.monotonic() - begun)
            assert ended.code == 0, ended.said
        return statistics.median(spent)

    def tab(self, *words: str, times: int = 9) -> float:
        """Return the same for what a shell asks when Tab is pressed."""
        ask = [sys.executable, "-I", "-m", "gitrelease", "_complete", "words", "-C", str(self.production.root), *words]
        spent: list[float] = []
        for _ in range(times):
            begun = time.monotonic()
            ran = subprocess.run(ask, capture_output=True, check=True)
            spent.append(time.monotonic() - begun)
            assert ran.stdout
        return statistics.median(spent)

    def row(self, name: str, value: float, unit: str, target: float | None = None) -> None:
        self.rows.append({"name": name, "value": round(value, 4), "unit": unit, "target": target})
        wanted = f"<= {target:g} {unit}" if target else ""
        print(f"{name:<44} {value:>9.3f} {unit:<4} {wanted}", file=sys.stderr, flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--releases", type=int, default=10_000)
    given = options.parse_args()
    be_hermetic()
    with tempfile.TemporaryDirectory(prefix="gitrelease-bench-") as name:
        production = make(Path(name), given.releases)
        bench = Bench(production)
        try:
            production.up()
            until(lambda: all(row["health"] == "healthy" for row in production.status()["instances"]))
            bench.looks("with an agent")
            agent = psutil.Process(production.agent_pid())
            bench.row("the agent's memory", agent.memory_info().rss / 1e6, "MB", 60)
            production.kill(agent.pid)
            bench.looks("without one")
            bench.tabs()
        finally:
            production.clear_away()
    if given.json:
        print(json.dumps({"schema": 1, "figures": bench.rows}))


if __name__ == "__main__":
    main()
