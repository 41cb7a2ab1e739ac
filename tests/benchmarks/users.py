"""Users in a process of their own: `python -m tests.benchmarks.users PORT RATE`, until standard input ends.

Prints what they saw as JSON. `Users` runs it from a benchmark.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Self

from gitrelease.demo.load import Load


class Users:
    """`with Users(port, rate) as users: …`; afterwards `asked`, `failed` and `longest_gap_ms` are set."""

    def __init__(self, port: int, rate: float) -> None:
        self._command = [sys.executable, "-m", "tests.benchmarks.users", str(port), str(rate)]
        self.asked = self.failed = 0
        self.longest_gap_ms = 0.0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        said = json.loads(self._process.communicate("")[0])
        self.asked, self.failed, self.longest_gap_ms = said["asked"], said["failed"], said["longest_gap_ms"]


def main() -> None:
    load = Load(int(sys.argv[1]), rate=float(sys.argv[2])).start()
    sys.stdin.read()
    load.stop()
    seen = load.since(0)
    print(json.dumps({"asked": seen.asked, "failed": seen.failed, "longest_gap_ms": round(seen.longest_gap * 1000, 1)}))


if __name__ == "__main__":
    main()
