"""How long do checks, replay, blame and bisect take? `python -m tests.benchmarks.meaning [--json] [--app DIR]`.

Every figure stands beside the time that the app takes to be imported in its own interpreter, measured in the same run.
Takes about a minute. `--app` names a checkout whose FinDocPipeline.py is measured instead of the sample app's; its
interpreter comes from `--python`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gitrelease.candidate import difference, of_branch
from gitrelease.checks import checking
from gitrelease.checks.findings import Findings
from gitrelease.core import refs
from gitrelease.edges import inside, records
from gitrelease.edges.cancel import Cancel
from gitrelease.release.bisect import bisect
from gitrelease.world import open_world
from tests.benchmarks.releases import _committed, _sample
from tests.checkout import make_checkout
from tests.hermetic import be_hermetic

RELEASES = 1000
CHANGED_AT = 437
MARKER = "self.financial_labels = ["
Row = dict[str, Any]


class Bench:
    """A checkout with a thousand releases; nothing of it is started."""

    def __init__(self, folder: Path, app: Path | None, python: str) -> None:
        self.python = python
        self.production = make_checkout(folder, _committed(app) if app else _sample())
        ended = self.production.gitrelease("init", "--port", str(self.production.port), "--python", python)
        assert ended.code == 0, ended.said
        self.script = self.production.read("FinDocPipeline.py")
        self._release(RELEASES)
        self.rows: list[Row] = []

    def row(self, name: str, value: float, unit: str, target: str = "", note: str = "") -> None:
        self.rows.append({"name": name, "value": round(value, 4), "unit": unit, "target": target, "note": note})
        print(f"{name:<46} {value:>9.3f} {unit:<5} {target:<18} {note}", file=sys.stderr, flush=True)

    def version(self, number: int) -> str:
        """Return the script of a release: a label of its own each, and from one release on one that is looked for."""
        labels = f'"label {number}", ' + ('"order book", ' if number >= CHANGED_AT else "")
        return self.script.replace(MARKER, MARKER + labels, 1)

    def _release(self, count: int) -> None:
        git = open_world(self.production.root).git
        head = git.resolve("HEAD") or ""
        stream = b"".join(self._stream(head, count))
        subprocess.run(["git", "fast-import", "--quiet", "--force"], input=stream, cwd=self.production.root, check=True)
        self.production.git("reset", "--quiet", "--hard", "deploy")
        self.production.git("update-ref", refs.LIVE, self.production.git("rev-parse", f"refs/tags/release/{count}"))

    def _stream(self, head: str, count: int) -> Iterator[bytes]:
        who = "Bench <bench@example.com> 1750000000 +0000"
        for number in range(1, count + 1):
            text = self.version(number).encode()
            parent = f"from {head}\n" if number == 1 else ""
            yield (
                (
                    f"commit refs/heads/deploy\nmark :{number}\ncommitter {who}\ndata 6\nchange\n{parent}"
                    f"M 100644 inline FinDocPipeline.py\ndata {len(text)}\n"
                ).encode()
                + text
                + b"\n"
            )
        yield b"checkpoint\n"
        for number in range(1, count + 1):
            # What a release is read from: its trailers. The commit of its own is as good a source as any.
            message = f"a label\n\nKind: dictionary\nRisk: low\nTrigger: push\nReleased-By: Bench\nSource: {head}\n"
            yield (f"tag release/{number}\nfrom :{number}\ntagger {who}\ndata {len(message)}\n{message}").encode()

    # -- what is measured --------------------------------------------------------------------------------------

    def measure_import(self) -> None:
        code = "import sys, runpy; sys.argv = ['x']; runpy.run_path('FinDocPipeline.py', run_name='app')"
        times = [
            self._timed(
                lambda: subprocess.run(
                    [self.python, "-c", code], cwd=self.production.root, check=True, capture_output=True
                )
            )
            for _ in range(5)
        ]
        self.imported = statistics.median(times)
        self.row("import of the app", self.imported, "s")

    def measure_checks(self) -> None:
        world = open_world(self.production.root)
        known = records.read(world.git)
        live = known.releases[-2]
        candidate = of_branch(world, known.releases[-1].commit, live=live, trigger="shell", by="", at=0)
        diff = difference(world, live.commit, candidate.commit)
        slot = world.slots.take(candidate.commit, shared=())
        cancel = Cancel()

        def checked() -> Findings:
            with checking.asked(world, slot, candidate, diff, judged_by=live.commit) as asked:
                return asked.collect(cancel)

        with_replay = statistics.median(self._timed(checked) for _ in range(5))
        found = checked()
        replay, checking.replay_spec = checking.replay_spec, lambda *_: None
        try:
            without = statistics.median(self._timed(checked) for _ in range(5))
        finally:
            checking.replay_spec = replay
            slot.release()
            cancel.close()
        ratio = without / self.imported
        self.row("checks of a dictionary change", without, "s", "<= 1.5 x import", f"{ratio:.2f} x the import")
        note = f"of {len(found.answers)} documents, import and checks left out"
        self.row("replay", with_replay - without, "s", "<= 3 s", note)

    def measure_patterns(self) -> None:
        world = open_world(self.production.root)
        patterns = checking._patterns(world, "HEAD")
        cancel = Cancel()

        def judged() -> None:
            with inside.backtracking(
                world.python, home=world.home.root, cwd=world.git.root, patterns=patterns, seconds=2.0
            ) as running:
                running.wait(time.monotonic() + 60, cancel)

        self.row(f"backtracking of all {len(patterns)} patterns", self._timed(judged), "s")
        cancel.close()

    def measure_blame(self) -> None:
        for term in ("order book", "revenue"):
            spent = statistics.median(
                self._timed(lambda term=term: self.production.gitrelease("blame", term)) for _ in range(3)
            )
            self.row(f"gitrelease blame {term!r}, {RELEASES} releases", spent, "s", "<= 1 s")

    def measure_bisect(self) -> None:
        world = open_world(self.production.root)
        begun = time.monotonic()
        found = bisect(world, records.read(world.git), "The order book is full.", tell=lambda _: None)
        spent = time.monotonic() - begun
        assert found.first is not None
        assert found.first.number == CHANGED_AT, found.first
        self.row(f"releases run by bisect, of {RELEASES}", len(found.ran), "", "<= 11", f"in {spent:.1f} s")

    def _timed(self, act: Callable[[], Any]) -> float:
        begun = time.monotonic()
        act()
        return time.monotonic() - begun


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--app", type=Path)
    options.add_argument("--python", default=sys.executable)
    given = options.parse_args()
    be_hermetic()
    with tempfile.TemporaryDirectory(prefix="gitrelease-bench-") as name:
        bench = Bench(Path(name), given.app, given.python)
        bench.measure_import()
        bench.measure_checks()
        bench.measure_patterns()
        bench.measure_blame()
        bench.measure_bisect()
    if given.json:
        print(json.dumps({"schema": 1, "figures": bench.rows}))


if __name__ == "__main__":
    main()
