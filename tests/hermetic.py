"""What keeps a test apart from the machine it runs on? An environment with no settings, a fixed name and date."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitrelease.edges.environment import LOCAL_VARIABLES

DATE = "2026-01-05T12:00:00 +0000"


def without_settings_of_this_machine(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Give git a name, a date and an empty `home`: commit ids are the same everywhere."""
    for name in (*LOCAL_VARIABLES, *(name for name in os.environ if name.startswith("GIT_"))):
        patch.delenv(name, raising=False)
    patch.setenv("HOME", str(home))
    patch.setenv("XDG_CONFIG_HOME", str(home))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{who}_NAME", "Ann Tester")
        patch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
        patch.setenv(f"GIT_{who}_DATE", DATE)
    patch.setenv("NO_COLOR", "1")
