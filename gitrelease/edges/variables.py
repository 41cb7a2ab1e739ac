"""The variables that the app gets: recorded once, in a file of this host, and from then on whoever starts what.

Recorded are those of the shell in which the owner has typed `gitrelease up`, and what host settings set as they were
read well last. Values stand there and nowhere else. Where nothing is recorded the app gets the few that every process
of its user has: who has started this one may be anybody.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import pwd
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from gitrelease.core.errors import SettingsError
from gitrelease.core.reading import ReadAs
from gitrelease.core.refs import LIVE
from gitrelease.core.variables import of_unit, usable
from gitrelease.edges import names, settings
from gitrelease.edges.home import Home, user_name, write_atomically

log = logging.getLogger("gitrelease.agent")

FILE = "variables.json"
ANEW = "Record them, in a shell that has them: gitrelease up --variables; then: gitrelease restart"
_OURS = "GITRELEASE_"  # what every process of ours has
# Of no shell, and not of who has started this process: where programs are, and texts that are UTF-8.
_OF_ALL = {"LANG": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
Source = Literal["shell", "process", "nobody"]
_writing = threading.Lock()  # instances start side by side


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded: `values` from a shell, or from a process that still ran; by `nobody`, what each process has.

    What wins over it: what a service's `unit` sets, and over that what the settings of this `host` set.
    """

    at: float  # seconds since 1970
    source: Source
    values: dict[str, str]
    unit: dict[str, str] = {}
    host: dict[str, str] = {}
    salt: str = ""  # of `mark`; empty where an earlier version has written it

    @property
    def all(self) -> dict[str, str]:
        return {**self.values, **self.unit, **self.host}

    @property
    def mark(self) -> str:
        """What tells these variables from others, and nothing of what they are to who does not have the salt."""
        told = json.dumps(self.all, sort_keys=True).encode()
        return hashlib.blake2b(told, key=self.salt.encode(), digest_size=16).hexdigest()


_RECORDED = ReadAs(Recorded)


def file_of(root: Path) -> Path:
    """Return the file for a home, which groups of instances have in common with production."""
    return _top(root) / FILE


def _top(root: Path) -> Path:
    return root.parent.parent if root.parent.name == "groups" else root


def recorded(root: Path) -> Recorded | None:
    """Return what was recorded for the home `root`, None where nothing was; `SettingsError` where it is damaged."""
    path = file_of(root)
    try:
        return _RECORDED.convert(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path}, the app's variables, cannot be read: {error}",
            hint="Record them anew, in a shell that has them: gitrelease up --variables",
        ) from error


def record(root: Path, environment: Mapping[str, str]) -> Recorded:
    """Record the app's variables of a shell in the place of what was recorded; what a unit has set stays."""
    try:
        known = recorded(root)
    except SettingsError:  # it is made anew
        known = None
    new = Recorded(at=time.time(), source="shell", values=usable(environment))
    if known is not None:
        new = msgspec.structs.replace(new, unit=known.unit, host=known.host, salt=known.salt)
    new = _salted(new)
    _write(root, new)
    return new


def follow_unit(root: Path, environment: Mapping[str, str]) -> None:
    """Let what the unit sets that has started this process win over what is recorded."""
    known, unit = recorded(root), of_unit(environment, os.getpid())
    if known is not None and unit is not None and known.unit != unit:
        _write(root, msgspec.structs.replace(known, unit=unit))


def current(root: Path) -> Recorded:
    """Return what a process gets that is started now: what is recorded, and over it what host settings set by now.

    Where those cannot be read, what was read last holds on. `SettingsError` where what is recorded cannot be read.
    """
    return _current(recorded(root), root)[0]


def brought_up_to_date(root: Path) -> Recorded:
    """Return the same for a process that is about to be started, and record it: it holds on from now on."""
    with _writing:
        known = recorded(root)
        now, wrong = _current(known, root)
        if wrong is not None:
            log.warning("the app's variables cannot be read, those that were read last hold on: %s", wrong)
        if now.source == "nobody" and has_lived(root):
            who = user_name(os.getuid())
            log.warning("no variables are recorded for the app: it gets what every process of %s has. %s", who, ANEW)
        if now == known or (known is None and not has_lived(root)):  # before the first `up`, which records a shell
            return now
        try:
            _write(root, now)
        except OSError as error:  # a full disk, say: it is started all the same
            log.warning("the app's variables are not recorded: %s", error)
        return now


def _current(known: Recorded | None, root: Path) -> tuple[Recorded, SettingsError | OSError | None]:
    """Return what a process gets that is started now, and what is wrong with those that host settings set."""
    now = known or Recorded(at=time.time(), source="nobody", values=_of_nobody(root))
    directory = _top(root).parent
    try:
        host = settings.variables_of_host(Home(directory).settings, directory.parent)
    except (SettingsError, OSError) as error:
        return _salted(now), error
    return _salted(msgspec.structs.replace(now, host=host)), None


def _of_nobody(root: Path) -> dict[str, str]:
    """Return what the app gets where nothing is recorded; before the first `up`, who sets it up is who asks."""
    return of_user() if has_lived(root) else usable(os.environ)


def has_lived(root: Path) -> bool:
    """Was anything ever released here?"""
    home = Home(_top(root).parent)
    return home.wanted.exists() or home.down.exists() or bool(names.refs(_top(root).parent, LIVE))


def of_user() -> dict[str, str]:
    """Return the few variables that every process of this user has, whoever has started this one."""
    try:
        known = pwd.getpwuid(os.getuid())
    except KeyError:  # one without a name, in a container say
        return {"HOME": "/", **_OF_ALL}
    name, shell = known.pw_name, known.pw_shell or "/bin/sh"
    return {"HOME": known.pw_dir, "LOGNAME": name, "SHELL": shell, "USER": name, **_OF_ALL}


def for_app(root: Path) -> dict[str, str]:
    """Return the variables that the app gets."""
    return current(root).all


def for_reactions(root: Path) -> dict[str, str]:
    """Return the variables for what runs when something has happened: the app's, whoever has started this process.

    Where they cannot be read, those of every process of the user: somebody has to be told all the same.
    """
    try:
        return for_app(root)
    except SettingsError:
        return of_user()


def of_process(pid: int) -> dict[str, str]:
    """Return the app's variables that a process of ours was started with; `OSError` as below."""
    return usable(started_with(pid))


def started_with(pid: int) -> dict[str, str]:
    """Return all that a backend was started with, but for our marks and, in PATH, the folder of its interpreter.

    `OSError` where it is gone, or another user's, or where it has written something else there, a title for `ps` say.
    """
    listed = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="surrogateescape").split("\0")
    found = dict(one.split("=", 1) for one in listed if "=" in one)
    if not any(name.startswith(_OURS) for name in found):
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
    # The first folder is that of the app's interpreter.
    found["PATH"] = found.get("PATH", "").partition(os.pathsep)[2]
    return {name: value for name, value in found.items() if not name.startswith(_OURS)}


def take_over(root: Path, pid: int) -> bool:
    """Record the variables of a process that runs where none are: by an earlier version, or lost. Has it told them?"""
    with _writing:
        if recorded(root) is not None:
            return False
        try:
            values = of_process(pid)
        except OSError:
            return False
        _write(root, Recorded(at=time.time(), source="process", values=values))
        return True


def _salted(one: Recorded) -> Recorded:
    return one if one.salt else msgspec.structs.replace(one, salt=secrets.token_hex(16))


def _write(root: Path, new: Recorded) -> None:
    # Not by msgspec: a value that is no UTF-8 has surrogates in it.
    write_atomically(file_of(root), json.dumps(msgspec.to_builtins(_salted(new)), indent=1).encode())
