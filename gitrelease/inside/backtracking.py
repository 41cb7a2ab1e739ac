"""Does a regular expression take ever longer over the wrong text? Timed on texts that are made to be wrong.

Usage: python backtracking.py SPEC.json. The spec is a JSON object:

    patterns  a list of [name, pattern]
    seconds   how much processor time each pattern gets
    result    the file to which the results are appended

The results are JSON lines: {"started": name}, then {"name", "pattern", "verdict", "growth", "input", "seconds"}. The
verdict is `fine`, `slow` (it grows faster than quadratically; `input` is a Python expression for a text that shows it)
or `invalid` (it does not compile; other checks say so).

How: a text that makes a backtracking matcher slow repeats what a repeat of the pattern takes, and then ends in
something that does not fit. So each repeat is pumped: a text that leads up to it, more and more of what it repeats,
and a misfit. Time is the processor's, so that a busy host makes nothing look slow. `search` is what is timed, as the
app does: it tries every place, which makes a harmless repeat quadratic; that is allowed.

Standard library only, Python 3.8 and later: this is the app's interpreter, whose `re` is the one that counts.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

try:
    from re import _constants as sre  # type: ignore[attr-defined]
    from re import _parser as sre_parse  # type: ignore[attr-defined]
except ImportError:  # before Python 3.11
    import sre_constants as sre
    import sre_parse

Nodes = Any  # what the parser of `re` makes of a pattern: pairs of an operation and its arguments
Node = Any
Items = Any  # of a set of characters

CAP = 0.5  # seconds of one search: what takes longer has shown enough
CLEAR = 0.01  # seconds below which a time says nothing about growth
STEEP = 2.5  # the exponent above which it is no quadratic growth any more
FEW = 64  # repetitions: what takes long over so few may grow exponentially
MORE = 4  # repetitions more multiply what grows exponentially
TIMES = 4.5  # by more than this; over as many as take long, no power below the seventh gets so far
SHORT = (8, 16, 32, FEW)
LONG = (FEW, 128, 256, 512, 1024, 2048, 4096)
MOST_PUMPS = 2000  # of a pattern
MANY = 10  # a repeat that ends before this cannot be pumped
MISFITS = ("!", "\n\0", "")
VARIANTS = 4  # texts that one part of a pattern is tried with
AMPLE = 200  # characters: what takes each repeat twice doubles with each level of them
REPRESENTATIVES = "a1 _.,:;-+|$%()'\"/\\\t\nZ!\0"


class Pump(NamedTuple):
    """A text that grows: `before`, `again` repeated, `after`."""

    before: str
    again: str
    after: str

    def text(self, times: int) -> str:
        return self.before + self.again * times + self.after

    def expression(self, times: int) -> str:
        parts = [repr(self.before) if self.before else "", f"{self.again!r} * {times}"]
        return " + ".join(filter(None, [*parts, repr(self.after) if self.after else ""]))


class Late(Exception):
    """One search took longer than CAP."""


def pumps(pattern: str, flags: int) -> Iterator[Pump]:
    """Yield the texts to try, those for repeats within repeats first."""
    found = sorted(repeats(sre_parse.parse(pattern, flags), [""], 0), key=lambda item: -item[0])
    for (_, before, bodies), after in itertools.product(found, MISFITS):
        for lead, again in itertools.product(before[:2], bodies):
            if again:
                yield Pump(lead, again, after)


def repeats(nodes: Nodes, before: Sequence[str], depth: int) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield each repeat without a close end: how deep it is in others, what leads up to it, what it takes."""
    lead = list(before)
    for node in nodes:
        for inner, repeated in parts(node):
            if repeated:
                yield depth, lead, list(dict.fromkeys([*texts(inner), ample(inner)]))
            yield from repeats(inner, lead, depth + repeated)
        lead = joined(lead, text_of(node))


def parts(node: Node) -> Iterator[tuple[Any, bool]]:
    """Yield what a node is made of, and whether it is repeated."""
    what, value = node
    if what in REPEATS:
        _, most, inner = value
        yield inner, most >= MANY
    elif what is sre.SUBPATTERN:
        yield value[-1], False
    elif what is sre.BRANCH:
        for inner in value[1]:
            yield inner, False
    elif what in (sre.ASSERT, sre.ASSERT_NOT):
        yield value[1], False
    elif what is getattr(sre, "ATOMIC_GROUP", None):
        yield value, False


REPEATS = tuple(filter(None, (sre.MAX_REPEAT, sre.MIN_REPEAT, getattr(sre, "POSSESSIVE_REPEAT", None))))


def texts(nodes: Nodes) -> list[str]:
    """Return some texts that a sequence of nodes takes, short ones first."""
    found = [""]
    for node in nodes:
        found = joined(found, text_of(node))
    return found


def ample(nodes: Nodes) -> str:
    """Return a text that takes each repeat twice and nothing that is merely possible.

    Where one repeat ends and the next begins, or the same one in the next turn, it can be divided in several ways.
    """
    found = ""
    for node in nodes:
        what, value = node
        if what in REPEATS:
            least, most, inner = value
            found += ample(inner) * (max(least, 2) if most >= 2 else least)
        elif what in (sre.ASSERT, sre.ASSERT_NOT):
            continue
        else:
            inner = next((inner for inner, _ in parts(node)), None)
            found += text_of(node)[0] if inner is None else ample(inner)
    return found[:AMPLE]


def joined(one: Sequence[str], other: Sequence[str]) -> list[str]:
    both = (left + right for right, left in itertools.product(other, one))
    return list(itertools.islice(dict.fromkeys(both), VARIANTS)) or [""]


def text_of(node: Node) -> list[str]:
    """Return some texts that one node takes."""
    what, value = node
    if what is sre.LITERAL:
        return [chr(value)]
    if what is sre.NOT_LITERAL:
        return [next(char for char in REPRESENTATIVES if char != chr(value))]
    if what is sre.ANY:
        return ["a", "1"]
    if what is sre.IN:
        return members(value)
    if what in REPEATS:
        least, _, inner = value
        once = texts(inner)
        return list(dict.fromkeys([text * max(least, 1) for text in once] + ([] if least else [""])))[:VARIANTS]
    return list(dict.fromkeys(text for inner, _ in parts(node) for text in texts(inner)))[:VARIANTS] or [""]


def members(items: Items) -> list[str]:
    """Return some characters of a set, of each of its parts one first."""
    chosen = []
    for what, value in items:
        if what is sre.LITERAL:
            chosen.append(chr(value))
        elif what is sre.RANGE:
            chosen += map(chr, value)
    fitting = [char for char in REPRESENTATIVES if belongs(items, char)]
    return list(dict.fromkeys([*fitting[:2], *(char for char in chosen if belongs(items, char)), *fitting]))[:VARIANTS]


CATEGORIES: dict[Any, Callable[[str], bool]] = {
    sre.CATEGORY_DIGIT: str.isdigit,
    sre.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    sre.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    sre.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


def belongs(items: Items, char: str) -> bool:
    """Is a character in a set?"""
    negated = bool(items) and items[0][0] is sre.NEGATE
    for what, value in items:
        if (
            (what is sre.LITERAL and chr(value) == char)
            or (what is sre.RANGE and value[0] <= ord(char) <= value[1])
            or (what is sre.CATEGORY and value in CATEGORIES and CATEGORIES[value](char))
        ):
            return not negated
    return negated


def spent(compiled: re.Pattern[str], text: str) -> float:
    """Return the processor seconds of one search; infinity when it was cut off."""
    began = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, CAP)
    try:
        compiled.search(text)
    except Late:
        return math.inf
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - began


def grows(compiled: re.Pattern[str], pump: Pump, sizes: Sequence[int]) -> tuple[float, int, float]:
    """Return how steeply the time grows with the text (an exponent), and the repetitions and seconds that show it."""
    before = 0.0
    for times in sizes:
        took = spent(compiled, pump.text(times))
        steep, shown, took = confirmed(compiled, pump, times, before, took)
        if steep > STEEP:
            if shown <= FEW and multiplies(compiled, pump, shown):
                steep = math.inf
            return steep, shown, min(took, CAP)
        if took > CAP / 4:
            break
        before = took
    return 0.0, 0, 0.0


def confirmed(
    compiled: re.Pattern[str], pump: Pump, times: int, before: float, took: float
) -> tuple[float, int, float]:
    """Return how steep the last doubling is, to `times`, and the repetitions and seconds that show it.

    `before` and `took` were measured once each. What looks steep is measured again; so is what looks harmless and takes
    so long that nothing longer is tried: where the shorter one was disturbed it is not.
    """
    # From below CLEAR to beyond CAP in one doubling is steeper than any small power. Otherwise, what came before may be
    # too short to say anything: then this is the least that it can be.
    floor = CLEAR / 4 if took == math.inf else CLEAR
    found = exponent(before, took, floor) if took > 4 * CLEAR else 0.0, times, took
    if found[0] > STEEP:
        found = measured_again(compiled, pump, times)
    elif CAP / 4 < took < math.inf:
        before = min(before, *(spent(compiled, pump.text(times // 2)) for _ in range(3)))
        if exponent(before, took, floor) > STEEP:
            found = measured_again(compiled, pump, times)
    if found[0] <= STEEP and took == math.inf:
        # Cut off, it says too little: it may take many times CAP. The doubling before it was not.
        shorter = measured_again(compiled, pump, times // 2)
        found = shorter if shorter[0] > STEEP else found
    return found


def exponent(half: float, whole: float, floor: float) -> float:
    """Return the power that makes the time of twice as long a text `whole` out of `half`; what is cut off took CAP."""
    return math.log2(max(min(whole, CAP), floor) / max(min(half, CAP), floor))


def measured_again(compiled: re.Pattern[str], pump: Pump, times: int) -> tuple[float, int, float]:
    """Return the exponent of a doubling, to `times`, when it is measured up to five times; `times`; and its seconds.

    The median counts, and is known once three of them are steep: a busy host disturbs one measurement or another, the
    short one as well as the long one. Both of a pair are measured one after the other, as a host may be slower now than
    a moment ago.
    """
    steep: list[float] = []
    least = math.inf
    while len(steep) < 5 and sum(one > STEEP for one in steep) < 3:
        half, whole = spent(compiled, pump.text(times // 2)), spent(compiled, pump.text(times))
        steep.append(exponent(half, whole, CLEAR / 4))
        least = min(least, whole)
    return sorted(steep)[len(steep) // 2], times, least


def multiplies(compiled: re.Pattern[str], pump: Pump, most: int) -> bool:
    """Do a few repetitions more multiply the time, as they do where it grows exponentially, however fast the host is?

    Asked where the time begins to say something, at the latest over `most` repetitions.
    """
    for times in range(most // 2, most + 1, MORE):
        took = quickest(compiled, pump.text(times))
        if took > CLEAR:
            return min(spent(compiled, pump.text(times + MORE)), CAP) > TIMES * min(took, CAP / 5)
    return False


def quickest(compiled: re.Pattern[str], text: str) -> float:
    """Return the processor seconds of the least disturbed of three searches; of one that says nothing or is cut off."""
    took = spent(compiled, text)
    return took if took <= CLEAR or took == math.inf else min(took, spent(compiled, text), spent(compiled, text))


def judge(name: str, pattern: str, seconds: float) -> dict[str, Any]:
    """Try one pattern until it is found slow, everything was tried, or its time is up."""
    told: dict[str, Any] = {"name": name, "pattern": pattern, "verdict": "fine", "growth": "", "input": ""}
    began = time.process_time()
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
        # What explodes shows over short texts: all of them are tried before any long one takes its time.
        tries = list(itertools.islice(pumps(pattern, re.IGNORECASE), MOST_PUMPS))
        for sizes, pump in itertools.product((SHORT, LONG), tries):
            steep, times, took = grows(compiled, pump, sizes)
            if steep > STEEP:
                growth = "exponentially" if steep == math.inf else f"with the power {steep:.1f}"
                told.update(verdict="slow", growth=growth, input=pump.expression(times), seconds=round(took, 3))
                return told
            if time.process_time() - began > seconds:
                break
    except (re.error, RecursionError, OverflowError):
        told["verdict"] = "invalid"
    told["seconds"] = round(time.process_time() - began, 3)
    return told


def line_of_json(value: dict[str, Any]) -> str:
    """Return a line of the results; half of a surrogate pair, which is no UTF-8, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False) + "\n"


def late(*_: object) -> None:
    raise Late


def main(arguments: list[str]) -> int:
    """Judge the patterns of the spec file."""
    if len(arguments) != 1:
        sys.stderr.write("usage: backtracking.py SPEC.json\n")
        return 2
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    signal.signal(signal.SIGVTALRM, late)
    with Path(spec["result"]).open("a", encoding="utf-8", errors="replace", buffering=1) as file:
        for name, pattern in spec["patterns"]:
            file.write(line_of_json({"started": name}))
            file.write(line_of_json(judge(name, pattern, spec["seconds"])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
