"""What keeps a test or a benchmark apart from its machine? An environment with no settings, a fixed name and date."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitrelease.edges.environment import LOCAL_VARIABLES

DATE = "2026-01-05T12:00:00 +0000"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ann Tester"), ("EMAIL", "ann@example.com"))
}


# The whole suite may be run with one of them.
FORMATS = ("GIT_DEFAULT_HASH", "GIT_DEFAULT_REF_FORMAT")


def without_settings_of_this_machine(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Give git a name, a date and an empty `home`: commit ids are the same everywhere.

    Python is started as on any host, too: what is not flushed, say, stays in its buffer.
    """
    settings = [name for name in os.environ if name.startswith(("GIT_", "PYTHON")) and name not in FORMATS]
    for name in (*LOCAL_VARIABLES, *settings):
        patch.delenv(name, raising=False)
    patch.setenv("HOME", str(home))
    patch.setenv("XDG_CONFIG_HOME", str(home))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name, value in IDENTITY.items():
        patch.setenv(name, value)
    for who in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{who}_DATE", DATE)
    patch.setenv("NO_COLOR", "1")


def be_hermetic() -> None:
    """Let this process, which is a benchmark, and all that it starts be without settings of this machine."""
    os.environ.update({"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **IDENTITY})
    compile_once()


def compile_once() -> None:
    """Let what this process and its children import be compiled once, as what pip installs is: not by every process."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
