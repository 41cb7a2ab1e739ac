"""When is output read in a pager, in which one, and what if that does not work?

The pager is the user's own command, so a shell runs it, as git does; nothing of ours or of the output is in it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

VARIABLE = "GITRELEASE_PAGER"
_NONE = ("", "cat")
# What git sets where the user has not: end at the end of a short text, let colours through, leave it on the screen.
_USUAL = {"LESS": "FRX", "LV": "-c"}
# The shell did not find or could not run it; or it says itself that it could not work. `less` that is interrupted
# ends with 2, others by the signal: that is how somebody leaves.
_BROKEN = (1, 126, 127)


def switch_off() -> None:
    """Let this command, and what it starts, print directly."""
    os.environ[VARIABLE] = "cat"


def read_in_pager(text: str) -> bool:
    """Let the person read `text`, which is safe to show; False where there is no pager, or one that does not work."""
    pager = _chosen()
    if pager in _NONE:
        return False
    # The shell is told what the setting says, and nothing else; the text comes to the pager's standard input.
    child = subprocess.Popen(["/bin/sh", "-c", pager], stdin=subprocess.PIPE, env=_USUAL | dict(os.environ))
    with _interrupts_are_the_pagers(), contextlib.suppress(BrokenPipeError):  # it was left early
        child.communicate(text.encode(errors="backslashreplace"))
    return child.wait() not in _BROKEN


def _chosen() -> str:
    """Return the pager: ours, else the one that git would take; empty for none."""
    own = os.environ.get(VARIABLE)
    if own is not None:
        return own.strip()
    found = subprocess.run(
        ["git", "var", "GIT_PAGER"], capture_output=True, text=True, errors="replace", check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return found.stdout.strip()


@contextlib.contextmanager
def _interrupts_are_the_pagers() -> Iterator[None]:
    """Ignore Ctrl-C while the context is open: in a pager it ends a search, not the command."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
