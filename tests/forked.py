"""How are many commands run without starting an interpreter for each? By one that has all of them imported, and forks.

A command is a process of its own as ever, with its own outputs and its own end; only what it would import is there.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import gitrelease
from tests.checkout import Ended


class Forks:
    """Runs `gitrelease` with words, again and again, while the context is open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder  # what commands are run in

    def __enter__(self) -> Forks:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.forked"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.communicate()

    def run(self, words: Sequence[str]) -> Ended:
        """Run one command to its end."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps([str(self._folder), *words]), file=self._server.stdin, flush=True)
        out, err, code = json.loads(self._server.stdout.readline())
        return Ended(subprocess.CompletedProcess(words, code, out, err))


def serve() -> None:
    """Run each command that is written to standard input, a line of JSON each; answer with what it printed."""
    _import_all()
    sys.modules["__main__"].__package__ = ""  # by which the command line names itself in its help
    for line in sys.stdin:
        folder, *words = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork() or _become(folder, words, out.fileno(), err.fileno())
            _, status = os.waitpid(child, 0)
            for file in (out, err):
                file.seek(0)
            answer = [out.read().decode(), err.read().decode(), os.waitstatus_to_exitcode(status)]
        print(json.dumps(answer), flush=True)


def _import_all() -> None:
    """Import what any command may; not what runs beside it, in a process of its own."""
    apart = ("gitrelease.dashboard", "gitrelease.demo", "gitrelease.front", "gitrelease.inside", "gitrelease.profiles")
    for one in pkgutil.walk_packages(gitrelease.__path__, "gitrelease."):
        if not one.name.startswith(apart) and not one.name.endswith("__main__"):
            importlib.import_module(one.name)


def _become(folder: str, words: list[str], out: int, err: int) -> NoReturn:
    """Be that command, in a process that was just forked."""
    from gitrelease import cli

    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, its in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(ours, its)
    sys.stdin = open(0)  # noqa: SIM115  # of this process to its end
    sys.argv = ["gitrelease", *words]
    cli.main()
    os._exit(0)


if __name__ == "__main__":
    serve()
