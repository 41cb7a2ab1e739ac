"""Asks the app's own Streamlit which options count for it in a slot; asked again only when something has changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec

import gitrelease
from gitrelease.core.reading import ReadAs
from gitrelease.core.settings import App, Instance
from gitrelease.core.streamlit_config import CERT, KEY, OVERRULED, Option, Problem, StreamlitConfig
from gitrelease.core.text import one_line

_ASKED = Path(gitrelease.__file__).parent / "inside" / "streamlit_config.py"
_LIMIT = 20.0  # seconds
_FILE = Path(".streamlit", "config.toml")
_OURS = {"STREAMLIT_LOGGER_ENABLE_RICH"}  # set for everything that we start
_NOTHING = StreamlitConfig()
_MOST = 64  # answers that are kept


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `inside/streamlit_config.py` prints; paths are absolute."""

    version: str = ""
    module: str = ""
    options: dict[str, tuple[bool | int | float | str, str]] = {}
    problems: tuple[tuple[str, str, str], ...] = ()
    unknown: str = ""


_ANSWER = ReadAs(_Answer)
_known: dict[Any, tuple[tuple[int, ...], str, StreamlitConfig]] = {}


def read(app: App, instance: Instance, *, python: Path, folder: Path, environment: dict[str, str]) -> StreamlitConfig:
    """Return the options that count when the app runs from `folder` for `instance`, in that environment.

    Nothing is asked of an app that is no Streamlit, nor where no file and no variable sets anything.
    """
    if app.kind != "streamlit":
        return _NOTHING
    script = instance.script or app.script
    places = _places(folder, script, environment)
    texts = tuple(_content(place) for place in places)
    variables = {name: value for name, value in environment.items() if name.startswith("STREAMLIT_")}
    if not any(texts) and variables.keys() <= _OURS:
        return _NOTHING
    key = (str(python), script, texts, tuple(sorted(environment.items())))
    known = _known.get(key)
    if known is None or known[0] != _stamp(python, known[1]):
        answer = _ask(python, script, folder=folder, environment=environment)
        known = (_stamp(python, answer.module), answer.module, _config(answer, folder, environment))
        if len(_known) >= _MOST:
            _known.clear()
        if not answer.unknown:
            _known[key] = known
    config = known[2]
    missing = _missing_files(config, folder)
    return msgspec.structs.replace(config, problems=(*config.problems, *missing)) if missing else config


def _places(folder: Path, script: str, environment: dict[str, str]) -> tuple[Path, ...]:
    """Return every file that some version of Streamlit reads; which of them count, and how, is Streamlit's to say."""
    home = environment.get("HOME") or str(Path.home())
    return tuple(dict.fromkeys((Path(home) / _FILE, folder / _FILE, (folder / script).parent / _FILE)))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        return str(error).encode()  # Streamlit says what is wrong with it


def _stamp(python: Path, module: str) -> tuple[int, ...]:
    """Return what changes when another Python or another Streamlit is there."""
    return tuple(_changed(path) for path in (str(python), module))


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116  # the module's path is empty where nothing was said
    except OSError:
        return 0


def _ask(python: Path, script: str, *, folder: Path, environment: dict[str, str]) -> _Answer:
    try:
        asked = subprocess.run(
            [str(python), str(_ASKED), script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=_LIMIT, check=False,
        )  # fmt: skip
        lines = asked.stdout.splitlines()
        if not lines:
            said = one_line(asked.stderr.decode(errors="replace").strip()[-200:], 200)
            return _Answer(unknown=f"it ended with {asked.returncode}: {said}")
        return _ANSWER.decode(lines[-1])
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as error:
        return _Answer(unknown=one_line(str(error), 200))


def _config(answer: _Answer, folder: Path, environment: dict[str, str]) -> StreamlitConfig:
    home = environment.get("HOME") or str(Path.home())

    def shown(where: str) -> str:
        for start, instead in ((f"{folder}/", ""), (f"{os.path.realpath(folder)}/", ""), (f"{home}/", "~/")):
            if where.startswith(start):
                return instead + where[len(start) :]
        return where

    problems = tuple(
        Problem(
            what=f"{f'{option} in ' if option else ''}{shown(where) or 'the configuration'} cannot be read: "
            f"{one_line(why, 200)}",
            remedy=f"Mend {shown(where) or 'it'}, or take it away",
            of_release=bool(where) and not shown(where).startswith(("/", "~", "environment ")),
        )
        for where, option, why in answer.problems
        if option not in OVERRULED  # the command line says it, and what a variable says is not even read
    )
    options = {name: Option(value, shown(where)) for name, (value, where) in answer.options.items()}
    return StreamlitConfig(version=answer.version, options=options, problems=problems, unknown=answer.unknown)


def _missing_files(config: StreamlitConfig, folder: Path) -> tuple[Problem, ...]:
    """Return what keeps Streamlit from its certificate: one of two options, or files that are not there."""
    given = [name for name in (CERT, KEY) if config.text(name)]
    if len(given) == 1:
        lacking = KEY if given == [CERT] else CERT
        what = f"{config.source(given[0])} is set and {lacking} is not"
        return (
            Problem(what=what, remedy="Streamlit takes both or none: set both, or take the one out", of_release=True),
        )
    found = []
    for name in given:
        path = Path(config.text(name))
        if not (folder / path).is_file():
            remedy = (
                "Bring it back" if path.is_absolute() else f"Commit it, add {path} to app.shared, or name it in full"
            )
            what = f"{config.source(name)}: there is no such file"
            found.append(Problem(what=what, remedy=remedy, of_release=False))
    return tuple(found)
