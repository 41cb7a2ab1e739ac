"""How many notices go out when very much happens? A few of each kind; what is more is told as one, a little later."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gitrelease.core.notices import Notice

MOST = 5  # notices of one event and level
WITHIN = 60.0  # seconds


class Held(msgspec.Struct, frozen=True):
    """What was held back of one event and level: how many, and the last."""

    count: int
    last: Notice


class Bound:
    """Lets notices pass or holds them back. `now` is in monotonic seconds."""

    def __init__(self, held: Mapping[str, Held]) -> None:
        """Begin with what an earlier agent had held back."""
        self.held = dict(held)
        self._passed: dict[str, list[float]] = {}

    def admit(self, notice: Notice, now: float) -> Notice | None:
        """Return the notice where it may go out now; None when it was held back."""
        key = f"{notice.event} {notice.level}"
        if key in self.held or not self._free(key, now):
            before = self.held.get(key)
            self.held[key] = Held(before.count + 1 if before else 1, notice)
            return None
        self._passed[key].append(now)
        return notice

    def due(self, now: float) -> list[Notice]:
        """Return one notice for each event of which something was held back long enough."""
        free = [key for key in self.held if self._free(key, now)]
        held = [self.held.pop(key) for key in free]
        for key in free:
            self._passed[key].append(now)
        return [msgspec.structs.replace(one.last, more=one.count - 1) for one in held]

    def due_in(self, now: float) -> float | None:
        """Return in how many seconds something is due that was held back."""
        waits = [max(self._passed[key][0] + WITHIN - now, 0.0) if self._passed.get(key) else 0.0 for key in self.held]
        return min(waits, default=None)

    def _free(self, key: str, now: float) -> bool:
        recent = [at for at in self._passed.get(key, ()) if now - at < WITHIN]
        self._passed[key] = recent
        return len(recent) < MOST
