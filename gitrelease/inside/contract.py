"""Does the app still answer as it promised? Asked inside its own interpreter, one check after the other.

Usage: python contract.py SPEC.json, in the folder of the app. The spec is a JSON object:

    script    the app's file, an absolute path
    classes   names of the classes that can be constructed without an argument
    checks    the file of a contract module with CHECKS, or null
    patterns  a list of [name, pattern, ...]: regular expressions that compile
    result    the file to which the results are appended

The results are JSON lines: {"started": name} when a check begins, then {"name", "kind", "status", "detail", "seconds"}
with the status passed, failed or skipped. Whoever reads them knows the check that hung or ended the process: the
last one started. A contract module has CHECKS, rows of (name, kind, names of the classes it needs, function); the
function is given the app's module, raises when the contract is broken, and returns why if it could not be judged.

Standard library only, Python 3.8 and later: this is the app's interpreter, not ours.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

LONGEST_DETAIL = 300  # characters


class Broken(Exception):
    """A promise is broken; the message says which, and needs no type in front of it."""


class Check(NamedTuple):
    """One promise. `holds` raises when it is broken, and returns why if it could not be judged."""

    name: str
    kind: str
    holds: Callable[[], str | None]


class Row(NamedTuple):
    """A row of CHECKS in a contract module; `needs` names classes of the app."""

    name: str
    kind: str
    needs: tuple[str, ...]
    function: Callable[[ModuleType], str | None]


class App:
    """The app under contract; `module` is empty until it has been imported."""

    def __init__(self, script: Path) -> None:
        self.script = script
        self.module = ModuleType(script.stem)
        self.imported = False

    def load(self) -> None:
        """Import the file under its own name, so that its `if __name__ == "__main__"` stays quiet."""
        self.module = import_file(self.script, self.script.stem)
        self.imported = True

    def construct(self, name: str) -> None:
        """Construct the class `name`."""
        if not hasattr(self.module, name):
            raise Broken("the app no longer has it")
        getattr(self.module, name)()

    def judge(self, row: Row, promised: set[str]) -> str | None:
        """Run a check of the contract module, unless one of the classes it needs is not there to be asked."""
        for name in row.needs:
            if name not in promised:
                return f"{name} is not in the contract"
            if not hasattr(self.module, name):
                return f"the app no longer has {name}"
        return row.function(self.module)


def import_file(path: Path, name: str) -> ModuleType:
    """Import the file at `path` as the module `name`."""
    spec = importlib.util.spec_from_file_location(name, str(path))
    if spec is None or spec.loader is None:
        raise Broken(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def checks_of(spec: dict[str, Any], app: App) -> list[Check]:
    """Return the checks of `spec` that need the imported app, in their order."""
    promised = set(spec["classes"])
    checks = [Check(f"class {name}", "major", functools.partial(app.construct, name)) for name in spec["classes"]]
    for name, *patterns in spec["patterns"]:
        checks.append(Check(f"pattern {name}", "pattern", functools.partial(compile_all, patterns)))
    if spec["checks"]:
        # Read before the app is imported: the app must not get between the contract and its judge.
        for row in read_contract(Path(spec["checks"])):
            checks.append(Check(row.name, row.kind, functools.partial(app.judge, row, promised)))
    return checks


def read_contract(path: Path) -> list[Row]:
    """Return the CHECKS of the contract module at `path`; one that cannot be read is itself a failing check."""
    try:
        return [Row(*row) for row in import_file(path, "gitrelease_contract").CHECKS]
    except Exception as error:  # noqa: BLE001 - a contract that cannot be read must not look like one that holds
        problem = Broken(f"{path.name} cannot be read: {describe(error, path)}")

    def fail(_: ModuleType) -> None:
        raise problem

    return [Row("contract", "major", (), fail)]


def compile_all(patterns: list[str]) -> None:
    """Compile regular expressions as the app does, case ignored."""
    for pattern in patterns:
        try:
            re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            raise Broken(f"does not compile: {error}, in {pattern}") from error


def perform(check: Check, script: Path) -> dict[str, Any]:
    """Run one check and return its result, whatever the app raises."""
    began = time.perf_counter()
    try:
        why = check.holds()
        status, detail = ("skipped", str(why)) if why else ("passed", "")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - sys.exit() in the app is a failed check as well
        status, detail = "failed", describe(error, script)
    spent = round(time.perf_counter() - began, 4)
    return {"name": check.name, "kind": check.kind, "status": status, "detail": detail, "seconds": spent}


def describe(error: BaseException, script: Path) -> str:
    """Return type, message and the line of the app where it happened, in one short line."""
    try:
        message = str(error.msg if isinstance(error, SyntaxError) else error)
        message = " ".join(message.encode(errors="replace").decode().split())  # no half characters in the results
    except Exception:  # noqa: BLE001 - the app's own exceptions may raise when they are shown
        message = ""
    where = line_of(error, script.parent)
    # What a check itself asserts is a sentence about the app; the type would only stand in its way.
    ours = isinstance(error, Broken) or (isinstance(error, AssertionError) and not where)
    if not (ours and message):
        message = ": ".join(filter(None, (type(error).__name__, message)))
    if len(message) > LONGEST_DETAIL:
        message = f"{message[:LONGEST_DETAIL]}…"
    return f"{message} ({where})" if where else message


def line_of(error: BaseException, folder: Path) -> str:
    """Return "file.py:line" of the innermost frame under `folder`, or ""."""
    places = [(frame.f_code.co_filename, number) for frame, number in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno or 0))
    for file, number in reversed(places):
        if Path(file).is_absolute() and folder in Path(file).parents:
            return f"{Path(file).relative_to(folder)}:{number}"
    return ""


def append(path: Path, *lines: dict[str, Any]) -> None:
    """Add lines to the results in one write, to a file of our own: the app may print what it likes."""
    with path.open("ab", buffering=0) as file:
        file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def run(spec: dict[str, Any]) -> None:
    """Run all checks of `spec`."""
    app, result = App(Path(spec["script"])), Path(spec["result"])
    prepare(app.script)
    checks = [Check("import", "major", app.load), *checks_of(spec, app)]
    append(result, {"started": checks[0].name})
    for check, following in itertools.zip_longest(checks, checks[1:]):
        askable = app.imported or check is checks[0]
        said = perform(check if askable else check._replace(holds=lambda: "the app could not be imported"), app.script)
        # A result and the start of the next check are one write: between them nothing can end unnoticed.
        append(result, said, *([{"started": following.name}] if following else []))


def prepare(script: Path) -> None:
    """Make this process look like one that runs `script`: its folder first on sys.path, its name as argument."""
    here = str(Path(__file__).parent)
    sys.path[:] = [str(script.parent), *(folder for folder in sys.path if folder != here)]
    sys.argv[:] = [str(script)]
    sys.dont_write_bytecode = True  # the slot holds what the commit holds, nothing else
    # Outside of a server, each call of Streamlit warns that it is outside of a server; errors still show.
    logging.disable(logging.WARNING)


def main(arguments: list[str]) -> int:
    """Run the contract that the spec file describes."""
    if len(arguments) != 1:
        sys.stderr.write("usage: contract.py SPEC.json\n")
        return 2
    run(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the app may have closed it
        sys.stdout.flush()
    # The app may have left threads behind; nobody waits for them, and nothing is left to be done.
    os._exit(code)
