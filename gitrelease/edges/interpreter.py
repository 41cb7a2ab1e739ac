"""Which Python runs the app, and with which packages? Asked once, and again when something was installed there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec

import gitrelease
from gitrelease.core.errors import ReleaseError
from gitrelease.core.reading import ReadAs
from gitrelease.core.text import one_line
from gitrelease.edges.backends import environment

_ASKED = Path(gitrelease.__file__).parent / "inside" / "packages.py"
_LIMIT = 20.0  # seconds

_Stamp = tuple[tuple[str, int], ...]


class Interpreter(msgspec.Struct, frozen=True):
    """The app's Python: its version, its packages with theirs, the folders that those lie in."""

    python: str
    packages: dict[str, str]
    folders: tuple[str, ...]


_INTERPRETER = ReadAs(Interpreter)
_known: dict[Path, tuple[_Stamp, Interpreter]] = {}


def describe(python: Path, home: Path) -> Interpreter:
    """Return what the interpreter `python` is; `ReleaseError` where it does not say so."""
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
        raise ReleaseError(f"{python} ended with {error.returncode}: {said}", hint="See: gitrelease init") from error
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as error:
        raise ReleaseError(f"{python} does not say what it is: {error}", hint="See: gitrelease init") from error
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
