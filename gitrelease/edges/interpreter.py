"""Which Python runs the app, and with which packages?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

import gitrelease
from gitrelease.core.errors import SettingsError
from gitrelease.core.reading import ReadAs
from gitrelease.core.text import one_line, quoted
from gitrelease.edges.backends import environment

_ASKED = Path(gitrelease.__file__).parent / "inside" / "packages.py"
_LIMIT = 20.0  # seconds

_Stamp = tuple[tuple[str, int], ...]


class Silent(Exception):
    """A Python does not say what it is."""


class Interpreter(msgspec.Struct, frozen=True):
    """The app's Python: its version, its packages with theirs, the folders that those lie in."""

    python: str
    packages: dict[str, str]
    folders: tuple[str, ...]


_INTERPRETER = ReadAs(Interpreter)
_known: dict[Path, tuple[_Stamp, Interpreter]] = {}


def describe(python: Path, home: Path) -> Interpreter:
    """Return what the interpreter `python` is; `Silent` where it does not say so.

    It is asked once, and again when something was installed there.
    """
    known = _known.get(python)
    if known is not None and known[0] == _stamp(python, known[1]):
        return known[1]
    try:
        asked = subprocess.run(
            [str(python), "-I", str(_ASKED)], cwd=home, env=environment(python, home), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=_LIMIT, check=True,
        )  # fmt: skip
        found = _INTERPRETER.decode(asked.stdout)
    except subprocess.CalledProcessError as error:
        said = one_line(error.stderr.decode(errors="replace").strip()[-200:])
        raise Silent(f"{python} ended with {error.returncode}: {said}") from error
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as error:
        raise Silent(f"{python} does not say what it is: {error}") from error
    _known[python] = (_stamp(python, found), found)
    return found


def _stamp(python: Path, found: Interpreter) -> _Stamp:
    """Return what changes when another Python is there, or when something is installed or removed."""
    return tuple((path, _changed(Path(path))) for path in (str(python), *found.folders))


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def usual() -> Iterator[str]:
    """Yield where the app's Python may be: in the checkout, else what is active, ours, the host's."""
    yield from (".venv/bin/python", "venv/bin/python", "env/bin/python")
    if os.environ.get("VIRTUAL_ENV"):
        yield f"{os.environ['VIRTUAL_ENV']}/bin/python"
    yield sys.executable
    found = shutil.which("python3")
    if found:
        yield found


def require(python: Path, *, streamlit: bool) -> None:
    """Raise unless it is a Python that runs, and has `streamlit` where that is asked for."""
    question = "import importlib.util; print(importlib.util.find_spec('streamlit') is not None)"
    try:
        asked = subprocess.run([str(python), "-c", question], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _no_python(python, str(error)) from error
    answer = asked.stdout.decode(errors="replace").strip().rpartition("\n")[2]
    if asked.returncode != 0 or answer not in ("True", "False"):  # there are programs that take any argument
        said = asked.stderr.decode(errors="replace").strip()[-200:]
        raise _no_python(python, said or f"it ended with {asked.returncode}, and answers as none")
    if streamlit and answer == "False":
        raise SettingsError(
            f"{python} has no Streamlit",
            hint=f"Install it there: {quoted(python)} -m pip install streamlit; or name another: "
            "gitrelease init --python PATH",
        )


def _no_python(python: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{python} is no Python that runs: {why}", hint="Name the app's Python: gitrelease init --python PATH"
    )
