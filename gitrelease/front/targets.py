"""The target of an instance, and what became of its connections so far. No I/O."""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass, field
from typing import Any

PROTOCOLS = ("tcp", "http")


@dataclass(frozen=True)
class Target:
    """A backend's address; `backend` is the agent's name for it. `ValueError` when nothing can be reached there.

    `protocol`: "http" is read request by request, "tcp" is passed on byte for byte.
    """

    host: str
    port: int
    backend: str
    protocol: str = "tcp"

    def __post_init__(self) -> None:
        # A name would be looked up for each connection, and a wrong port noticed by the users only.
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in self.host else socket.AF_INET, self.host)
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.host!r} is no IP address") from error
        if not 1 <= self.port <= 65_535:
            raise ValueError(f"{self.port} is no port, ports go from 1 to 65535")
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"{self.protocol!r} is no protocol, there is: {', '.join(PROTOCOLS)}")

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `HOST:PORT:BACKEND`; the host may hold colons, as IPv6 addresses do."""
        host, port, backend = text.rsplit(":", 2)
        return cls(host, int(port), backend)


@dataclass
class Count:
    """Connections of one backend: open now, ever, and given up at their deadline while it was the target."""

    open: int = 0
    total: int = 0
    failed: int = 0


@dataclass
class Instance:
    """One public port. `held`: wait for a backend now; `failed`: given up, whatever the target was."""

    target: Target | None = None
    backends: dict[str, Count] = field(default_factory=dict)
    held: int = 0
    failed: int = 0

    def switch(self, target: Target | None) -> None:
        """Send the next connections to `target`, None holds them; backends that are done with are forgotten."""
        self.target = target
        current = target.backend if target else None
        self.backends = {name: count for name, count in self.backends.items() if count.open or name == current}
        if current is not None:
            self._count(current)  # shown from the start, with nothing yet

    def opened(self, backend: str) -> None:
        count = self._count(backend)
        count.open += 1
        count.total += 1

    def closed(self, backend: str) -> None:
        self._count(backend).open -= 1

    def gave_up(self) -> None:
        self.failed += 1
        if self.target is not None:
            self._count(self.target.backend).failed += 1

    def status(self) -> dict[str, Any]:
        return asdict(self)

    def _count(self, backend: str) -> Count:
        return self.backends.setdefault(backend, Count())
