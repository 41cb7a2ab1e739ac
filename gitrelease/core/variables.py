"""Which variables of a shell are the app's? Not those of git, of ours, of ssh, of a terminal, of a session, of CI.

They are for the moment and for who types: the app gets what it gets whoever starts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

# A shell, its terminal, its window.
_TERMINAL = """
    _ CLICOLOR CLICOLOR_FORCE COLORTERM COLUMNS DISPLAY EDITOR FORCE_COLOR HISTCONTROL HISTFILE HISTSIZE LESS LESSCLOSE
    LESSOPEN LINES LS_COLORS MAIL NO_COLOR OLDPWD PAGER PROMPT_COMMAND PS1 PS2 PS4 PWD SHLVL STY TERM TERMINFO VISUAL
    WAYLAND_DISPLAY WINDOWID XAUTHORITY
"""
# A session, and what starts services.
_SESSION = """
    DBUS_SESSION_BUS_ADDRESS DESKTOP_SESSION INVOCATION_ID JOURNAL_STREAM LISTEN_FDNAMES LISTEN_FDS LISTEN_PID MAINPID
    MANAGERPID NOTIFY_SOCKET SYSTEMD_EXEC_PID WATCHDOG_PID WATCHDOG_USEC
"""
# An environment of Python's that is active: the app has its own.
_PYTHON = "PYTHONHOME PYTHONSAFEPATH VIRTUAL_ENV VIRTUAL_ENV_PROMPT"
_CI = "CI CONTINUOUS_INTEGRATION TF_BUILD"
_NAMES = frozenset(f"{_TERMINAL} {_SESSION} {_PYTHON} {_CI}".split())
_PREFIXES = (
    "BASH_FUNC_", "BITBUCKET_", "BUILDKITE", "CIRCLE", "CI_", "CONDA_", "GITHUB_", "GITLAB_", "GITRELEASE_", "GIT_",
    "JENKINS_", "KITTY_", "PYTEST_", "RUNNER_", "SSH_", "SUDO_", "SUPERVISOR_", "TEAMCITY_", "TERM_", "TMUX", "TRAVIS",
    "VSCODE_", "XDG_SEAT", "XDG_SESSION", "XDG_VTNR",
)  # fmt: skip
# Every shell and every service has them; nobody needs to be told.
_USUAL = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TZ", "USER", "XDG_RUNTIME_DIR"})
_OF_SERVICES = (_USUAL - {"LANGUAGE", "TZ"}) | {"MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"}
_NEVER = ("GITRELEASE_", "GIT_", "SUPERVISOR_")
_MANAGERS = frozenset({"INVOCATION_ID", "SUPERVISOR_ENABLED"})  # of systemd, and of supervisord
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
USABLE = "a name of letters, digits and _ that does not begin with GIT_ or GITRELEASE_, and a text without NUL"
_GITS_OWN = "git-core"  # the folder of git's programs, which git puts in front of PATH for its hooks


def usable(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that are the app's."""
    kept = {name: value for name, value in environment.items() if not _is_apart(name)}
    if "PATH" in kept:
        kept["PATH"] = ":".join(folder for folder in kept["PATH"].split(":") if PurePath(folder).name != _GITS_OWN)
    return kept


def of_unit(environment: Mapping[str, str], pid: int) -> dict[str, str] | None:
    """Return what a service's unit has set for the app; None where no service manager has started the process `pid`.

    A terminal may be a service as well, and its shells inherit what tells of that.
    """
    started = environment.get("SYSTEMD_EXEC_PID")
    if not _MANAGERS & environment.keys() or (started is not None and started != str(pid)):
        return None
    return {name: value for name, value in environment.items() if not _is_no_units(name)}


def _is_no_units(name: str) -> bool:
    """Is a variable of a service none that its unit sets for the app? What it sets, it means: tokens of CI as well."""
    return name in _NAMES or name in _OF_SERVICES or name.startswith(_NEVER)


def why_no_variable(name: str, value: str) -> str:
    """Say why a variable that the host's settings name cannot be the app's, never with its value; nothing if it can."""
    if not _NAME.fullmatch(name):
        return "is no name of a variable"
    if name.startswith(_NEVER):
        return "is a name that gitrelease, git or supervisord uses"
    return "has a NUL in its value" if "\0" in value else ""


def unusual(names: Iterable[str]) -> list[str]:
    """Return the names that not every shell has, in order."""
    return sorted(name for name in names if name not in _USUAL and not name.startswith("LC_"))


def told(names: Iterable[str]) -> str:
    """Name variables: the usual ones together, in one word."""
    named, count = unusual(names), len(set(names))
    if not named:
        return "the usual ones alone"
    return ", ".join(named) + (" and the usual ones" if count > len(named) else "")


def _is_apart(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)
