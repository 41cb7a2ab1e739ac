"""Is one state of gitrelease slower than another? `python -m tests.benchmarks.pairs BEFORE AFTER releases --quick`.

BEFORE and AFTER are checkouts, each with its `.venv`. A benchmark of this folder is run in both, in turn, seven times;
each figure is told with its medians and the median of the ratios. What follows the name goes to the benchmark. The
benchmarks of AFTER are run in both: copy its `tests/` to where they are not there yet.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def figures(checkout: Path, benchmark: str, arguments: list[str]) -> dict[str, float]:
    """Run a benchmark in a checkout; return its numbers by name."""
    command = [str(checkout / ".venv" / "bin" / "python"), "-m", f"tests.benchmarks.{benchmark}", "--json", *arguments]
    ran = subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, check=True)
    return dict(_numbers("", json.loads(ran.stdout)["figures"]))


def _numbers(name: str, told: Any) -> Iterator[tuple[str, float]]:
    match told:
        case bool():
            return
        case int() | float():
            yield name, float(told)
        case {"name": str(of), "value": int() | float() as value}:
            yield of, float(value)
        case dict():
            head = " ".join(str(told[key]) for key in ("site", "part") if key in told)
            for key, value in told.items():
                yield from _numbers(" ".join(filter(None, (name, head, key))), value)
        case list():
            for one in told:
                yield from _numbers(name, one)


def compared(pairs: list[tuple[dict[str, float], dict[str, float]]]) -> list[dict[str, Any]]:
    """Return a row for each number that is in every run of both."""
    rows = []
    for name in pairs[0][0]:
        told = [(before[name], after[name]) for before, after in pairs if name in before and name in after]
        if len(told) < len(pairs):
            continue
        ratios = [after / before for before, after in told if before]
        rows.append(
            {
                "name": name,
                "before": statistics.median(before for before, _ in told),
                "after": statistics.median(after for _, after in told),
                "ratio": round(statistics.median(ratios), 3) if len(ratios) == len(told) else None,
            }
        )
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pairs", type=int, default=7)
    options.add_argument("before", type=Path)
    options.add_argument("after", type=Path)
    options.add_argument("benchmark")
    options.add_argument("arguments", nargs=argparse.REMAINDER)
    given = options.parse_args()
    pairs = []
    for number in range(given.pairs):
        order = [given.before, given.after] if number % 2 == 0 else [given.after, given.before]
        run = {one: figures(one.resolve(), given.benchmark, given.arguments) for one in order}
        pairs.append((run[given.before], run[given.after]))
        print(json.dumps({"schema": 1, "pairs": number + 1, "figures": compared(pairs)}), flush=True)
        print(f"{number + 1} of {given.pairs}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
