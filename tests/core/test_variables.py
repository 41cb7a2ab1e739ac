"""Which variables are the app's."""

from __future__ import annotations

import pytest

from gitrelease.core.variables import of_unit, told, unusual, usable


@pytest.mark.parametrize(
    "name",
    ["GIT_DIR", "GIT_AUTHOR_NAME", "GITRELEASE_APP", "SSH_CONNECTION", "TERM", "PWD", "_", "SUDO_USER", "CI",
     "GITHUB_TOKEN", "XDG_SESSION_ID", "BASH_FUNC_x%%", "VIRTUAL_ENV", "INVOCATION_ID", "PYTEST_CURRENT_TEST"],
)  # fmt: skip
def test_what_belongs_to_the_moment_is_not_the_apps(name: str) -> None:
    assert usable({name: "x", "DB_PASSWORD": "y"}) == {"DB_PASSWORD": "y"}


@pytest.mark.parametrize(
    "name", ["HOME", "PATH", "TZ", "LC_ALL", "PYTHONPATH", "STREAMLIT_THEME_BASE", "CIVIL", "GITEA"]
)
def test_what_an_app_may_need_is_its(name: str) -> None:
    assert usable({name: "x"}) == {name: "x"}


def test_the_folder_of_gits_own_programs_is_not_in_its_path() -> None:
    assert usable({"PATH": "/usr/lib/git-core:/opt/app/bin:/usr/bin"}) == {"PATH": "/opt/app/bin:/usr/bin"}


@pytest.mark.parametrize("manager", [{"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "17"}, {"SUPERVISOR_ENABLED": "1"}])
def test_a_unit_sets_what_not_every_service_has(manager: dict[str, str]) -> None:
    given = {"PATH": "/bin", "HOME": "/srv", "LANG": "C", "GIT_DIR": "y"}
    meant = {"DB_PASSWORD": "x", "TZ": "Europe/Berlin", "GITHUB_TOKEN": "z"}

    assert of_unit(manager | given | meant, 17) == meant
    assert of_unit(given, 17) is None


def test_a_shell_in_a_terminal_that_is_a_service_is_none() -> None:
    assert of_unit({"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "16", "DB_PASSWORD": "x"}, 17) is None


def test_names_are_told_without_those_that_everybody_has() -> None:
    assert unusual(["PATH", "B", "LC_ALL", "A"]) == ["A", "B"]
    assert told(["PATH", "B", "A"]) == "A, B and the usual ones"
    assert told(["B"]) == "B"
    assert told(["PATH", "HOME"]) == "the usual ones alone"
