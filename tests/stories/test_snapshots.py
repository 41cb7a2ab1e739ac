"""What every command prints is as the snapshots have it: outputs, exit codes, help, and what a pusher sees.

Where a text was changed on purpose: `pytest tests/stories/test_snapshots.py --take`, and read what git says changed.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path

import pytest

from gitrelease.commands.application import VERBS
from gitrelease.core.variables import unusual, usable
from tests.hermetic import FORMATS, without_settings_of_this_machine
from tests.snapshot import FOLDER, difference
from tests.stories.outputs import SURROUNDINGS, tell

TAKE = "python -m pytest tests/stories/test_snapshots.py --take"
NAMES = ("gitrelease", "push", *VERBS)


@pytest.fixture(scope="session")
def printed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, str]:
    """What the commands print now, by the name of the snapshot; the story is told once, by the first worker."""
    folder = tmp_path_factory.getbasetemp()
    told = (folder if worker_id == "master" else folder.parent) / "printed.json"
    with told.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            told.write_text(json.dumps(_tell()))
    found: dict[str, str] = json.loads(told.read_text())
    return found


def _tell() -> dict[str, str]:
    # Not in pytest's own folder: its name is longer on some hosts, and lines would be filled differently.
    with tempfile.TemporaryDirectory(prefix="gr-", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        home = Path(folder, "home")
        home.mkdir()
        without_settings_of_this_machine(patch, home)
        for name in FORMATS:  # the snapshots have ids of SHA-1, also where the suite is run with another format
            patch.delenv(name, raising=False)
        for name in unusual(usable(os.environ)):  # the names of what is left are told
            if name != "XDG_CONFIG_HOME":
                patch.delenv(name)
        for name, value in SURROUNDINGS.items():
            patch.setenv(name, value)
        return tell(Path(folder))


@pytest.fixture
def take(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--take"))


@pytest.mark.parametrize("name", NAMES)
def test_a_command_prints_what_its_snapshot_says(name: str, printed: dict[str, str], take: bool) -> None:
    path = FOLDER / f"{name}.txt"
    if take:
        path.write_text(printed[name])

    kept = path.read_text() if path.exists() else ""

    if found := difference(name, kept, printed[name]):
        pytest.fail(f"{found}\n\nwhere that is meant: {TAKE}", pytrace=False)


def test_every_verb_is_in_the_story_with_more_than_its_help(printed: dict[str, str]) -> None:
    assert [verb for verb in VERBS if printed.get(verb, "").count("\n$ ") < 2] == []
    assert sorted(printed) == sorted(NAMES)


def test_every_snapshot_is_used() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{name}.txt" for name in NAMES)
