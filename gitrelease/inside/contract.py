"""Does the app still answer as it promised? Asked inside its own interpreter, one check after the other.

Usage: python contract.py SPEC.json, in the folder of the app. The spec is a JSON object:

    script    the app's file, from the folder of the app
    classes   names of the classes that can be constructed without an argument
    checks    the files of contract modules
    patterns  a list of [name, pattern, ...]: regular expressions that compile
    change    what the candidate changes: {"kinds": [...], "regions": [{"region", "kind", "added", "removed"}]}, or null
    own       the file with the repository's own checks, or null
    replay    what is run over sample documents at the end, or null: {"module", "documents": [folder, ...], "result",
              "each": seconds for a batch of them, "until": when all must have ended, by `time.monotonic()`}
    limits    {"cpu": seconds, "memory_mb", "output_mb"}: what this process may use
    result    the file to which the results are appended

The results are JSON lines: {"started": name} when a check begins, then {"name", "kind", "status", "detail", "seconds"}
with the status passed, failed, warned or skipped, and "absolute": true where what fails on the live release too is no
excuse. Whoever reads them knows the check that hung or ended the process: the last one started.

A check is a function that is given the app's module. It raises when the promise is broken; it returns a text (or
several) to warn; it raises `unittest.SkipTest` when it could not be judged. A contract module may have

    CHECKS            rows of (name, kind, names of the classes it needs, function)
    rows_for(change)  more of them, about what a change adds
    facts(app)        what is to be known of the app, which becomes the result line {"facts": …}

The repository's own file has functions `check_…`. Its table KINDS, {"check_…": "pattern"}, says for which kind of
change one runs; one that is not in there runs for every change.

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
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import SkipTest

LONGEST_DETAIL = 300  # characters
LONGEST_WARNING = 2000


class Broken(Exception):
    """A promise is broken; the message says which, and needs no type in front of it."""


class Check(NamedTuple):
    """One promise. `holds` raises when it is broken, and returns a text to warn."""

    name: str
    kind: str
    holds: Callable[[], Any]
    absolute: bool = False


class Row(NamedTuple):
    """A row of CHECKS in a contract module; `needs` names classes of the app."""

    name: str
    kind: str
    needs: tuple[str, ...]
    function: Callable[[ModuleType], Any]


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
            raise Broken("the app does not have it")
        getattr(self.module, name)()

    def judge(self, row: Row, promised: set[str]) -> object:
        """Run a check of the contract module, unless one of the classes it needs is not there to be asked."""
        for name in row.needs:
            if name not in promised:
                raise SkipTest(f"{name} is not in the contract")
            if not hasattr(self.module, name):
                raise SkipTest(f"the app no longer has {name}")
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
    # Read before the app is imported: the app must not get between the contract and its judge.
    for path in map(Path, spec["checks"]):
        module = read_module(path, f"gitrelease_{path.stem}")
        if isinstance(module, Broken):
            checks.append(Check("contract", "major", functools.partial(fail, module)))
            continue
        added = module.rows_for(spec["change"]) if spec.get("change") and hasattr(module, "rows_for") else ()
        for absolute, rows in ((False, getattr(module, "CHECKS", ())), (True, added)):
            for row in (Row(*values) for values in rows):
                checks.append(Check(row.name, row.kind, functools.partial(app.judge, row, promised), absolute))
    if spec.get("own"):
        checks += own_checks(Path(spec["own"]), app, spec.get("change"))
    return checks


def own_checks(path: Path, app: App, change: dict[str, Any] | None) -> list[Check]:
    """Return the repository's own checks that concern `change` (all of them where it is null), in the file's order."""
    module = read_module(path, "gitrelease_checks")
    if isinstance(module, Broken):
        return [Check(path.name, "major", functools.partial(fail, module))]
    kinds = getattr(module, "KINDS", {})
    changed = set(change["kinds"]) if change else {"major"}
    return [
        Check(name, kinds.get(name, "major"), functools.partial(call_own, function, app))
        for name, function in vars(module).items()
        if name.startswith("check_") and callable(function)
        if "major" in changed or name not in kinds or kinds[name] in changed
    ]


def call_own(function: Callable[[ModuleType], Any], app: App) -> object:
    return function(app.module)


def read_module(path: Path, name: str) -> ModuleType | Broken:
    """Import a file with checks; one that cannot be read must not look like one that holds."""
    try:
        return import_file(path, name)
    except BaseException as error:  # noqa: BLE001 - sys.exit() in there is no excuse either
        return Broken(f"{path.name} cannot be read: {describe(error, path)}")


def fail(problem: Broken) -> None:
    raise problem


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
    short: dict[str, bool] = {}
    try:
        status, detail = told(check.holds())
    except KeyboardInterrupt:
        raise
    except SkipTest as reason:
        status, detail = "skipped", str(reason)
    except BaseException as error:  # noqa: BLE001 - sys.exit() in the app is a failed check as well
        status, detail = "failed", describe(error, script)
        short = {"out_of_memory": True} if isinstance(error, MemoryError) else {}
    spent = round(time.perf_counter() - began, 4)
    result = {"name": check.name, "kind": check.kind, "status": status, "detail": detail, "seconds": spent, **short}
    return {**result, "absolute": True} if check.absolute else result


def told(answer: object) -> tuple[str, str]:
    """Return status and detail for what a check returned: nothing is fine, a text or several warn."""
    if answer is None or answer is True:
        return "passed", ""
    if answer is False:
        raise Broken("it returned False")
    texts = (
        [answer] if isinstance(answer, str) else list(answer) if isinstance(answer, (list, tuple)) else [repr(answer)]
    )
    detail = " ".join("; ".join(str(text) for text in texts).split())
    return ("warned", detail[:LONGEST_WARNING]) if detail else ("passed", "")


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
        file.write(b"".join(line_of_json(line) for line in lines))


def line_of_json(value: dict[str, Any]) -> bytes:
    """Return one line of JSON; half characters, which no reader takes, become question marks."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n"


def run(spec: dict[str, Any]) -> None:
    """Run all checks of `spec`."""
    app, result = App(Path(spec["script"]).absolute()), Path(spec["result"])
    prepare(app.script)
    limit(spec.get("limits") or {})
    checks = [Check("import", "major", app.load), *checks_of(spec, app)]
    append(result, {"started": checks[0].name})
    for check, following in itertools.zip_longest(checks, checks[1:]):
        askable = app.imported or check is checks[0]
        said = perform(check if askable else check._replace(holds=not_imported), app.script)
        # A result and the start of the next check are one write: between them nothing can end unnoticed.
        append(result, said, *([{"started": following.name}] if following else []))
    if app.imported:
        append(result, *facts_of(spec, app))
    if app.imported and spec.get("replay"):
        append(result, {"started": "replay"}, replay(app, spec["replay"]))


def facts_of(spec: dict[str, Any], app: App) -> Iterator[dict[str, Any]]:
    """Yield what the contract modules have to tell of the app; one that cannot tell has nothing to say."""
    for path in spec["checks"]:
        module = sys.modules.get(f"gitrelease_{Path(path).stem}")
        tell = getattr(module, "facts", None)
        if tell is not None:
            with contextlib.suppress(Exception):  # what is broken is a failed check already
                yield {"facts": tell(app.module)}


def not_imported() -> None:
    raise SkipTest("the app could not be imported")


def replay(app: App, wanted: dict[str, Any]) -> dict[str, Any]:
    """Run the pipeline over the sample documents; what each gave goes to a file of its own, a line a document."""
    module = read_module(Path(wanted["module"]), "gitrelease_replay")
    replaying = import_file(Path(__file__).with_name("replaying.py"), "gitrelease_replaying")
    folders = [Path(folder) for folder in wanted["documents"]]
    names = {
        path: path.relative_to(folder).as_posix()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

    def run(paths: Sequence[Path]) -> list[dict[str, Any]] | str:
        try:
            answers: list[dict[str, Any]] = module.replay(app.module, paths)  # type: ignore[union-attr]
        except BaseException as error:  # noqa: BLE001 - whatever the app raises over a document, the others are run
            return describe(error, app.script)
        return answers

    def run_all() -> None:
        if isinstance(module, Broken):
            raise module
        limits = replaying.Limits(wanted["each"], wanted["until"])
        batches = module.batches(list(names), replaying.workers())
        with Path(wanted["result"]).open("wb", buffering=0) as file:
            for path, gave in replaying.answers(run, batches, limits):
                file.write(line_of_json({"document": names[path], **gave}))

    return perform(Check("replay", "pattern", run_all), app.script)


def limit(limits: dict[str, Any]) -> None:
    """Bound what this process and its children use; the wall clock is the business of whoever waits."""
    bounds = (
        (resource.RLIMIT_CPU, limits.get("cpu")),
        (resource.RLIMIT_AS, limits.get("memory_mb", 0) << 20),
        (resource.RLIMIT_FSIZE, limits.get("output_mb", 0) << 20),
    )
    for what, most in bounds:
        if most:
            hard = resource.getrlimit(what)[1]
            resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))


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
