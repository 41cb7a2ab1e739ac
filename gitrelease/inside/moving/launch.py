"""Starts the app as its own program would have, in this process, with the companion beside it.

Once `prepare` has run, the interpreter looks as if it had been started with the program itself: `sys.argv`, `sys.path`,
`sys.orig_argv` and the module `__main__`. Whatever fails in the companion is told once, and the app runs without it.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, NamedTuple

# What a module has that the interpreter was started with.
_OF_MAIN = {"__name__", "__package__", "__spec__", "__builtins__", "__annotations__", "__cached__"}


class Arguments(NamedTuple):
    """The command line: the companion's options, and the command that it stands for."""

    socket: str
    root: str
    canonical: str
    command: list[str]
    cookie_secret: str = ""  # the file with it; empty where there is none
    cache: str = ""  # the folder for what the app caches on disk; empty: Streamlit's own


def parse(argv: list[str]) -> Arguments:
    """Return what the companion was started with; `ValueError` where something is missing."""
    end = argv.index("--") if "--" in argv else len(argv)
    options = dict(zip(argv[:end:2], argv[1:end:2]))  # noqa: B905  # `strict` is not in Python 3.8
    command = argv[end + 1 :]
    secret, cache = options.pop("--cookie-secret", ""), options.pop("--cache", "")
    if set(options) != {"--socket", "--root", "--canonical"} or not command:
        usage = "--socket PATH --root DIR --canonical DIR [--cookie-secret PATH] [--cache DIR] -- PROGRAM run SCRIPT …"
        raise ValueError(f"usage: companion.py {usage}")
    return Arguments(options["--socket"], options["--root"], options["--canonical"], command, secret, cache)


def run(argv: list[str], main: ModuleType) -> None:
    """Run the app as `main`, the module that the interpreter was started with, and the companion beside it."""
    arguments = parse(argv)
    execute = _prepare(arguments.command, main)
    _start_companion(arguments)
    try:
        execute()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001  # told as the interpreter tells it, but for our own frames
        traceback = _without_ours(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        sys.exit(1)


def _prepare(command: list[str], main: ModuleType) -> Callable[[], None]:
    if command[0] == "-m":
        return _prepare_module(command[1], command[2:])
    with open(command[0], "rb") as file:
        source = file.read()
    try:
        code = compile(source, command[0], "exec", dont_inherit=True)
    except (SyntaxError, ValueError):  # a program that is no Python
        os.execv(command[0], command)  # noqa: S606
    if not _path_is_safe():
        sys.path[0] = os.path.dirname(os.path.realpath(command[0]))
    _become(command, [command[0]])
    namespace = _clean(main, command[0])

    def execute() -> None:
        exec(code, namespace)  # noqa: S102  # the app's own program

    return execute


def _prepare_module(name: str, arguments: list[str]) -> Callable[[], None]:
    import runpy

    if not _path_is_safe():
        sys.path[0] = os.getcwd()  # as the interpreter does for -m
    _become(["-m", *arguments], ["-m", name])

    def execute() -> None:
        runpy._run_module_as_main(name)  # type: ignore[attr-defined]

    return execute


def _path_is_safe() -> bool:
    return bool(getattr(sys.flags, "safe_path", False))


def _become(argv: list[str], started: list[str]) -> None:
    sys.argv[:] = argv
    original = getattr(sys, "orig_argv", None)  # Python 3.10
    if original is not None:
        flags = original[: original.index(_companion(original))]
        sys.orig_argv = [*flags, *started, *argv[1:]]


def _companion(original: list[str]) -> str:
    return next(one for one in original[1:] if one.endswith("companion.py"))


def _clean(main: ModuleType, program: str) -> dict[str, Any]:
    namespace = vars(main)
    for name in set(namespace) - _OF_MAIN:
        del namespace[name]
    namespace["__doc__"] = None
    namespace["__file__"] = program
    namespace["__loader__"] = importlib.machinery.SourceFileLoader("__main__", program)
    return namespace


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    ours = {
        os.path.realpath(__file__),
        os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "companion.py"),
    }
    while traceback is not None and os.path.realpath(traceback.tb_frame.f_code.co_filename) in ours:
        traceback = traceback.tb_next
    return traceback


def _start_companion(arguments: Arguments) -> None:
    try:
        from . import start

        start.start(arguments)
    except Exception as error:  # noqa: BLE001  # the app is served whatever is wrong with the companion
        tell(f"the companion did not start, the app is served without it ({type(error).__name__}: {error})")


def failure(error: BaseException) -> str:
    """Say what failed and where, without the words of the error: they may be what somebody has entered on a page."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return type(error).__name__
    return f"{type(error).__name__} in {os.path.basename(place.tb_frame.f_code.co_filename)}, line {place.tb_lineno}"


def tell(line: str) -> None:
    """Write one line to the app's log."""
    sys.stderr.write(f"gitrelease: {line}\n")
    sys.stderr.flush()
