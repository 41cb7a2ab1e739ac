"""How does a command fare whose user is held back by rights? Root is not: it runs here without that privilege."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

from tests.checkout import Ended, Production

_PR_CAPBSET_DROP = 24  # see prctl(2)
_OVERRIDE_RIGHTS = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, see capabilities(7)


def run(production: Production, *arguments: str) -> Ended:
    """Run the command line as an ordinary owner of the checkout."""
    words = [sys.executable, "-m", "gitrelease", "-C", str(production.root), *arguments]
    ran = subprocess.run(
        words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=production.root.parent,
        preexec_fn=_give_up_the_privilege if os.getuid() == 0 else None,
    )  # fmt: skip
    return Ended(ran)


def _give_up_the_privilege() -> None:
    # A program that root starts gets what is in this set, and no more.
    kernel = ctypes.CDLL(None)
    for capability in _OVERRIDE_RIGHTS:
        kernel.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
