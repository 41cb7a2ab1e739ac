"""The variables that the app gets: recorded once, in a file of this host, and from then on whoever starts what.

Recorded are those of the shell in which the owner has typed `gitrelease up`, and what host settings set as they were
read well last. Values stand there and nowhere else.
"""

from __future__ import annotations

import errno
import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from gitrelease.core.errors import SettingsError
from gitrelease.core.reading import ReadAs
from gitrelease.core.variables import USABLE, of_unit, usable, why_no_variable
from gitrelease.edges.home import user_name, write_atomically

FILE = "variables.json"
_OURS = "GITRELEASE_"  # what every process of ours has
Source = Literal["shell", "process"]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded: `values` from a shell, or from a process of an earlier version.

    What wins over it: what a service's `unit` sets, and over that what the settings of this `host` set.
    """

    at: float  # seconds since 1970
    source: Source
    values: dict[str, str]
    unit: dict[str, str] = {}
    host: dict[str, str] = {}

    @property
    def all(self) -> dict[str, str]:
        return {**self.values, **self.unit, **self.host}


_RECORDED = ReadAs(Recorded)


def file_of(root: Path) -> Path:
    """Return the file for a home, which groups of instances have in common with production."""
    return (root.parent.parent if root.parent.name == "groups" else root) / FILE


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
        new = msgspec.structs.replace(new, unit=known.unit, host=known.host)
    _write(root, new)
    return new


def follow_unit(root: Path, environment: Mapping[str, str]) -> None:
    """Let what the unit sets that has started this process win over what is recorded."""
    known, unit = recorded(root), of_unit(environment, os.getpid())
    if known is not None and unit is not None and known.unit != unit:
        _write(root, msgspec.structs.replace(known, unit=unit))


def follow_host(root: Path, values: dict[str, str]) -> None:
    """Let what host settings set win over what is recorded; nothing is recorded of them alone."""
    known = recorded(root)
    if known is not None and known.host != values:
        _write(root, msgspec.structs.replace(known, host=values))


def of_file(path: Path) -> dict[str, str]:
    """Return the variables of a file of `NAME=value` lines; `SettingsError` where it cannot be read, or is none.

    A reference such as `${NAME}` in a value stays as it is: it would be replaced from whoever has started the agent.
    """
    from dotenv.parser import parse_stream

    found: dict[str, str] = {}
    try:
        lines = list(parse_stream(io.StringIO(path.read_text())))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingsError(
            f"app.variables_file, {path}, cannot be read: {why}",
            hint=f"Let {user_name(os.getuid())} read it, or take app.variables_file out of .git/gitrelease/host.toml",
        ) from error
    for line in lines:
        if line.key is None and not line.error:
            continue  # a comment, or nothing
        wrong = "is no NAME=value"
        if not line.error and line.key is not None and line.value is not None:
            wrong = why_no_variable(line.key, line.value)
        if wrong:
            where = f"app.variables_file, {path}, line {line.original.line}"
            raise SettingsError(f"{where} {wrong}", hint=f"Mend that line; accepted is {USABLE}")
        found[str(line.key)] = str(line.value)
    return found


def for_app(root: Path) -> dict[str, str]:
    """Return the variables that the app gets: the recorded ones, and those of this process where nothing is."""
    known = recorded(root)
    return known.all if known is not None else usable(os.environ)


def for_reactions(root: Path) -> dict[str, str]:
    """Return the variables for what runs when something has happened: the app's, whoever has started this process.

    Where they cannot be read, those of this process: somebody has to be told all the same.
    """
    try:
        return for_app(root)
    except SettingsError:
        return usable(os.environ)


def of_process(pid: int) -> dict[str, str]:
    """Return the app's variables that a process of ours was started with.

    `OSError` where it is gone, or another user's, or where it has written something else there, a title for `ps` say.
    """
    listed = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="surrogateescape").split("\0")
    found = dict(one.split("=", 1) for one in listed if "=" in one)
    if not any(name.startswith(_OURS) for name in found):
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
    return usable(found)


def take_over(root: Path, pid: int) -> bool:
    """Record the variables of a process that an earlier version has started, where nothing is recorded yet."""
    if recorded(root) is not None:
        return False
    try:
        values = of_process(pid)
    except OSError:
        return False
    _write(root, Recorded(at=time.time(), source="process", values=values))
    return True


def _write(root: Path, new: Recorded) -> None:
    # Not by msgspec: a value that is no UTF-8 has surrogates in it.
    write_atomically(file_of(root), json.dumps(msgspec.to_builtins(new), indent=1).encode())
