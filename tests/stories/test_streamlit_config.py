"""The app's own Streamlit configuration counts: base path, TLS, limits, secrets; what is overruled is said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.edges.inside import SESSION
from tests.checkout import Production, make_checkout

APP = "import streamlit as st\nst.title('the first')\n"
SETTINGS = """\
[app]
script = "app.py"
[limits]
start = "15s"
stop = "1s"
settle = "200ms"
[policy.major]
soak = "1s"
"""


def production_with(folder: Path, files: dict[str, str]) -> Production:
    """Return an initialised production of a small app with more `files`; it is not up."""
    return make_checkout(folder, {"app.py": APP, "gitrelease.toml": SETTINGS, **files}).init()


def session(production: Production, *more: str) -> dict[str, object]:
    """Open one real session through the front, as a browser does; return what it saw."""
    argv = [sys.executable, str(SESSION), "127.0.0.1", str(production.port), "15", *more]
    ran = subprocess.run(argv, capture_output=True, check=False, timeout=30)
    seen: dict[str, object] = json.loads(ran.stdout)
    return seen


@pytest.fixture
def productions(tmp_path: Path) -> Iterator[list[Production]]:
    """Collects productions that are cleared away at the end."""
    made: list[Production] = []
    yield made
    for one in made:
        one.clear_away()


def test_an_app_under_a_base_path_is_staged_released_seen_and_rolled_back(
    tmp_path: Path, productions: list[Production]
) -> None:
    production = production_with(tmp_path, {".streamlit/config.toml": '[server]\nbaseUrlPath = "/fin/docs/"\n'})
    productions.append(production)

    production.up()
    production.await_idle()
    production.replace("app.py", "the first", "the second")
    production.commit("Second")
    deployed = production.gitrelease("deploy", "--approve")

    assert deployed.code == 0, deployed.said
    status = production.status()
    assert status["instances"][0]["url"] == f"http://127.0.0.1:{production.port}/fin/docs"
    assert status["instances"][0]["health"] == "healthy"
    assert session(production, "/fin/docs")["ok"] is True
    assert session(production)["ok"] is False
    assert production.gitrelease("drill").code == 0
    assert production.gitrelease("rollback").code == 0
    assert session(production, "/fin/docs")["ok"] is True
