"""The file of the app's variables: what a unit has set, and processes that tell nothing."""

from __future__ import annotations

import os
import pwd
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


def has_lived(home: Path) -> None:
    """Leave what `up` does."""
    (home / "run").mkdir(parents=True)
    (home / "run" / "up").touch()


def test_where_nothing_is_recorded_nothing_of_this_process_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / ".git" / "gitrelease"
    monkeypatch.setenv("TOKEN", "of who pushes")
    before = variables.for_app(home)
    has_lived(home)
    (home / "host.toml").write_text('[variables]\nREGION = "north"\n')

    given = variables.for_app(home)

    assert before["TOKEN"] == "of who pushes"
    assert given["HOME"] == pwd.getpwuid(os.getuid()).pw_dir
    assert given["REGION"] == "north"
    assert given.keys() <= {"HOME", "LANG", "LOGNAME", "PATH", "REGION", "SHELL", "USER"}
    assert variables.for_reactions(home) == given
    assert variables.recorded(home) is None


def test_what_host_settings_set_is_read_at_each_start_and_holds_on_when_they_are_broken(tmp_path: Path) -> None:
    home = tmp_path / ".git" / "gitrelease"
    has_lived(home)
    variables.record(home, {"DB": "x"})
    settings = home / "host.toml"
    settings.write_text('[variables]\nREGION = "north"\n')
    first = variables.brought_up_to_date(home)
    settings.write_text("[variables\n")
    second = variables.brought_up_to_date(home / "groups" / "test")

    assert first.all == second.all == {"DB": "x", "REGION": "north"}
    assert first.mark == second.mark
    assert variables.recorded(home) == second


def test_a_mark_tells_variables_apart_and_says_nothing_of_them(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    first = variables.record(one, {"DB": "x"})
    again = variables.record(one, {"DB": "x"})
    differs = variables.record(one, {"DB": "y"})
    elsewhere = variables.record(other, {"DB": "x"})

    assert first.mark == again.mark
    assert len({first.mark, differs.mark, elsewhere.mark}) == 3


def test_a_file_of_an_earlier_version_is_read_and_gets_a_salt(tmp_path: Path) -> None:
    (tmp_path / "variables.json").write_text('{"at": 1.0, "source": "shell", "values": {"DB": "x"}}')

    now = variables.brought_up_to_date(tmp_path)

    assert now.all == {"DB": "x"}
    assert variables.recorded(tmp_path) == now
    assert now.salt
