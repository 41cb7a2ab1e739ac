"""The file of the app's variables: what a unit has set, and processes that tell nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitrelease.edges import variables


def test_what_a_unit_sets_wins_and_stays_when_a_shell_is_recorded(tmp_path: Path) -> None:
    manager = {"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": str(os.getpid())}
    variables.record(tmp_path, {"DB": "of a shell", "REGION": "north"})
    variables.follow_unit(tmp_path, {**manager, "DB": "of the unit"})
    first = variables.for_app(tmp_path)
    variables.record(tmp_path, {"DB": "of another shell"})
    second = variables.for_app(tmp_path)
    variables.follow_unit(tmp_path, {"DB": "of no unit"})
    third = variables.for_app(tmp_path)
    variables.follow_unit(tmp_path, manager)

    assert first == {"DB": "of the unit", "REGION": "north"}
    assert second == third == {"DB": "of the unit"}
    assert variables.for_app(tmp_path) == {"DB": "of another shell"}


def test_groups_have_the_file_of_production(tmp_path: Path) -> None:
    variables.record(tmp_path, {"DB": "x"})

    assert variables.for_app(tmp_path / "groups" / "test") == {"DB": "x"}


def test_a_process_that_does_not_tell_what_it_was_started_with_is_not_taken_over(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], env={"DB": "x"}) as stranger:
        with pytest.raises(OSError, match="No data"):
            variables.of_process(stranger.pid)
        taken = variables.take_over(tmp_path, stranger.pid)
        stranger.kill()

    assert not taken
    assert variables.recorded(tmp_path) is None
