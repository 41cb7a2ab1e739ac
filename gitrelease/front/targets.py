"""Which backend does an instance's next connection go to, and how many connections does each backend have?"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """A backend's address; `backend` is the agent's name for it."""

    host: str
    port: int
    backend: str


@dataclass
class Count:
    """Connections of one backend: open now, and ever."""

    open: int = 0
    total: int = 0


@dataclass
class Targets:
    """The targets by instance, and what has been counted. `failed`: held to the deadline, and never served."""

    current: dict[str, Target] = field(default_factory=dict)
    counts: dict[str, Count] = field(default_factory=dict)
    held: int = 0
    failed: int = 0

    def opened(self, backend: str) -> None:
        count = self.counts.setdefault(backend, Count())
        count.open += 1
        count.total += 1

    def closed(self, backend: str) -> None:
        self.counts[backend].open -= 1

    def switch(self, instance: str, target: Target) -> None:
        """Send the next connections of `instance` to `target`; counts of backends that are gone are dropped."""
        self.current[instance] = target
        used = {one.backend for one in self.current.values()}
        self.counts = {name: count for name, count in self.counts.items() if count.open or name in used}
