"""How was the page started: for which checkout, may it act, and what must an address hold to be let in?

The command hands this over in the environment, where only the same user can read it, and not on the command line,
which everybody on the host sees.
"""

from __future__ import annotations

import functools
import hmac
import os

import msgspec

from gitrelease.core.reading import ReadAs

VARIABLE = "GITRELEASE_DASHBOARD"


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What `gitrelease dashboard` was told; `by` is who started it, and so who asks for what the page does."""

    root: str
    token: str
    by: str
    address: str
    port: int
    actions: bool = False

    def admits(self, token: str) -> bool:
        """Is `token`, as an address has it, the one that was printed? Wrong ones take as long as nearly right ones."""
        return hmac.compare_digest(token.encode("utf-8", "backslashreplace"), self.token.encode())


_STARTED = ReadAs(Started)


@functools.cache
def started() -> Started:
    """Return how this process was started; what it starts itself does not get to see it."""
    return _STARTED.decode(os.environ.pop(VARIABLE).encode())
