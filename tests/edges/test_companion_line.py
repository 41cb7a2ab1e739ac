"""Is an app with a companion started by the same interpreter, with the same options, as without?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitrelease.core.settings import App, Instance
from gitrelease.edges.backends import COMPANION, InProcess, command_line

PLACE = InProcess(Path("/run/c.socket"), Path("/srv/checkout"))
OURS = [str(COMPANION), "--socket", "/run/c.socket", "--root", "/slots/a", "--canonical", "/srv/checkout", "--"]


def line(folder: Path, companion: InProcess | None, app: App | None = None) -> list[str]:
    python = folder / "python"
    return command_line(app or App(), Instance(), python=python, slot=Path("/slots/a"), port=1, companion=companion)


@pytest.mark.parametrize(
    ("first", "interpreter"),
    [
        pytest.param("#!/opt/venv/bin/python3", ["/opt/venv/bin/python3"], id="an interpreter"),
        pytest.param("#!/usr/bin/python3 -sP", ["/usr/bin/python3", "-sP"], id="options"),
        pytest.param("#!/bin/sh", None, id="a shell that finds a long path"),
        pytest.param("", None, id="none"),
    ],
)
def test_the_script_of_streamlit_says_by_what_it_is_run(tmp_path, first, interpreter):
    (tmp_path / "streamlit").write_text(f"{first}\nimport sys\n")

    plain, ours = line(tmp_path, None), line(tmp_path, PLACE)

    assert plain[0] == str(tmp_path / "streamlit")
    assert ours == [*(interpreter or [str(tmp_path / "python")]), *OURS, *plain]


def test_without_that_script_the_module_is_run(tmp_path):
    plain, ours = line(tmp_path, None), line(tmp_path, PLACE)

    assert plain[:3] == [str(tmp_path / "python"), "-m", "streamlit"]
    assert ours == [plain[0], *OURS, *plain[1:]]


def test_an_app_that_is_no_streamlit_has_none(tmp_path):
    app = App(kind="command", command=("serve", "{port}"))

    assert line(tmp_path, PLACE, app) == line(tmp_path, None, app) == ["serve", "1"]


def test_a_companion_started_without_its_command_says_how_it_is_used():
    done = subprocess.run(
        [sys.executable, COMPANION, "--socket", "x"], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 1
    assert "usage: companion.py" in done.stderr
