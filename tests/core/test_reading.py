"""Types are prepared before a second thread can use one: msgspec ends the process where it is still at it."""

from __future__ import annotations

import subprocess
import sys

TYPES = """
from __future__ import annotations
import msgspec
class Inner(msgspec.Struct):
    number: int
    text: str
class Outer(msgspec.Struct):
    one: Inner
    many: list[Inner]
    named: dict[str, Inner]
"""
# Each round has types that were never used. In the worst case threads change places after every step.
TWO_AT_ONCE = """
import sys, threading
from gitrelease.core.reading import ReadAs
sys.setswitchinterval(1e-6)
for _ in range(300):
    exec(sys.argv[1], globals())
    outer, inner = ReadAs(Outer), b'{"number": 1, "text": "2"}'
    together = threading.Barrier(2)
    def read():
        together.wait()
        outer.decode(b'{"one": %s, "many": [%s], "named": {"x": %s}}' % (inner, inner, inner))
        outer.convert({"one": {"number": 1, "text": "2"}, "many": [], "named": {}})
    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def test_two_threads_may_read_the_same_type_at_once_also_for_the_first_time() -> None:
    ran = subprocess.run([sys.executable, "-c", TWO_AT_ONCE, TYPES], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
