"""Git without the machine's own settings, and a production checkout to try things on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.edges.environment import LOCAL_VARIABLES
from tests.checkout import Production, make_checkout

DATE = "2026-01-05T12:00:00 +0000"


@pytest.fixture(autouse=True)
def hermetic_git(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No settings of this machine, a fixed name and date: commit ids are the same everywhere."""
    for name in (*LOCAL_VARIABLES, *(name for name in os.environ if name.startswith("GIT_"))):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ann Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
        monkeypatch.setenv(f"GIT_{who}_DATE", DATE)
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Production]:
    """A repository with the small server, not initialised yet."""
    production = make_checkout(tmp_path)
    yield production
    production.clear_away()


@pytest.fixture
def production(checkout: Production) -> Production:
    """A production checkout with release/1 live and good."""
    checkout.init().up()
    checkout.await_idle()
    return checkout
