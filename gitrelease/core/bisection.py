"""Between which two of many versions did something change, asked of as few as can be?

Most often it changed once and has stayed since: then half of what is left can be passed over each time. Where the
oldest is like the newest it may have come and gone in between: what is left of the questions goes into the gaps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable


def last_change(count: int, alike: Callable[[int], bool], *, most: int) -> tuple[int, int] | None:
    """Return places `(n, n + 1)` of which the first is unlike and the second like the newest version, or None.

    Places are 0 to `count` - 1, oldest first; `count` itself stands for the newest version. `alike` says whether one
    is like it. The search of a single change takes what it takes, about log2(count) questions; looking for one that
    came and went ends where `most` questions might be exceeded.
    """
    known: dict[int, bool] = {}

    def asked(place: int) -> bool:
        known[place] = alike(place)
        return known[place]

    def narrowed(unlike: int, like: int) -> tuple[int, int]:
        while like - unlike > 1:
            middle = (unlike + like) // 2
            if asked(middle):
                like = middle
            else:
                unlike = middle
        return unlike, like

    unlike, like = narrowed(-1, count)
    while unlike < 0:
        ends = [-1, *sorted(known), count]
        gaps = [gap for gap in itertools.pairwise(ends) if gap[1] - gap[0] > 1]
        affordable = [gap for gap in gaps if math.ceil(math.log2(gap[1] - gap[0])) <= most - len(known)]
        if not affordable:
            return None
        first, last = max(affordable, key=lambda gap: gap[1] - gap[0])
        middle = (first + last) // 2
        if not asked(middle):
            unlike, like = narrowed(middle, last)
    return unlike, like
