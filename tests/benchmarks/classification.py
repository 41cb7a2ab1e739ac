"""How long does it take to say what a change means? Run by hand: `python tests/benchmarks/classification.py [--json]`.

Writes a source of 1,500 lines and one of 100,000, edits each in the ways below and classifies both sides in this
process; the diff is at hand already, as it is from git. The targets are 30 ms and 2 s.
"""

from __future__ import annotations

import argparse
import ast
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[2]))

from gitrelease.core.changes import Hunk
from gitrelease.core.classify import FileChange, classify
from gitrelease.core.kinds import Kind
from gitrelease.core.regions import Region
from tests.hermetic import be_hermetic

SIZES = {1_500: (0.030, 15), 100_000: (2.0, 3)}  # lines: target in seconds, runs

REGIONS = tuple(
    region
    for number in range(5)
    for region in (
        Region(name=f"terms_{number}", kind=Kind.DICTIONARY, symbol=f"Part{number}.has_terms", assign="terms"),
        Region(name=f"patterns_{number}", kind=Kind.PATTERN, symbol=f"Part{number}.__init__", assign="self.patterns"),
    )
)

CLASS = '''\
class Part{number}:
    """One part of the app."""

    def __init__(self):
        self.patterns = {{
            "metric_a": [r"metric a: ([\\d,.]+)", r"a of ([\\d,.]+)"],
            "metric_b": [r"metric b: ([\\d,.]+)"],
        }}
        self.results = []

    def has_terms(self, text):
        terms = [
            "revenue", "profit", "earnings", "assets",
            "equity", "cash flow", "margin", "growth",
        ]
        return any(term in text.lower() for term in terms)

'''
METHOD = '''\
    def method_{number}(self, text, limit=10):
        """Goes through the text."""
        found = {{"number": {number}, "text": text, "count": len(text.split())}}
        for index, word in enumerate(text.split()):
            # a comment of the usual length stands here
            if word.startswith("a") and index < limit:
                found["count"] += len(word) * 2 + index
            elif index % 7 == 0:
                self.results.append((word, index, found["count"] / 3))
        return {{key: value for key, value in found.items() if value}}

'''


def source(lines: int) -> str:
    """Return a source of about as many lines: classes of ten methods each."""
    parts: list[str] = ['"""An app."""\n\nimport re\n\n']
    count = 4
    number = 0
    while count < lines:
        parts.append(CLASS.format(number=number))
        parts += [METHOD.format(number=number * 10 + index) for index in range(10)]
        count += CLASS.count("\n") + 10 * METHOD.count("\n")
        number += 1
    return "".join(parts)


def hunks(old: str, new: str) -> tuple[Hunk, ...]:
    """Return the hunks of two texts with as many lines."""
    pairs = enumerate(zip(old.split("\n"), new.split("\n"), strict=True), start=1)
    return tuple(Hunk(number, 1, number, 1) for number, (mine, its) in pairs if mine != its)


EDITS: dict[str, Callable[[str], str]] = {
    "one term": lambda text: text.replace('"cash flow"', '"cash flow", "esg score"', 1),
    "a term and the last method": lambda text: "* 3".join(text.replace('"cash flow"', '"esg"', 1).rsplit("* 2", 1)),
    "a pattern in the first five classes": lambda text: text.replace("metric b: ", "metric b ", 5),
    "every method": lambda text: text.replace("index % 7", "index % 9"),
    "nothing but comments": lambda text: text.replace("of the usual length", "of usual length"),
}


def seconds(work: Callable[[], object], runs: int) -> float:
    """Return the median time of `work`; the first run warms up."""
    work()
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def measure() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for size, (target, runs) in SIZES.items():
        old = source(size)
        parsing = seconds(lambda text=old: ast.parse(text), runs)
        rows.append({"lines": old.count("\n"), "what": "ast.parse of one side", "seconds": parsing})
        for name, edit in EDITS.items():
            new = edit(old)
            change = FileChange(
                old_path="app.py", new_path="app.py", old_mode="100644", new_mode="100644",
                old=old.encode(), new=new.encode(), hunks=hunks(old, new),
            )  # fmt: skip
            kind = classify([change], REGIONS, script="app.py").kind
            taken = seconds(lambda change=change: classify([change], REGIONS, script="app.py"), runs)
            rows.append({"lines": old.count("\n"), "what": name, "kind": kind, "seconds": taken, "target": target})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    wanted = parser.parse_args()
    be_hermetic()
    rows = measure()
    if wanted.json:
        print(json.dumps({"schema": 1, "python": platform.python_version(), "rows": rows}))
        return
    print(f"{'lines':>8}  {'what changed':<36} {'kind':<10} {'median':>10} {'target':>10}")
    for row in rows:
        goal = f"{float(str(row['target'])) * 1000:.0f} ms" if "target" in row else ""
        taken = f"{float(str(row['seconds'])) * 1000:.1f} ms"
        print(f"{row['lines']:>8}  {row['what']:<36} {row.get('kind', ''):<10} {taken:>10} {goal:>10}")


if __name__ == "__main__":
    main()
