"""What can be typed? One verb a file in `commands/`; here they become one command line, with one error handler.

Heavy imports stay inside the commands: `--help` and `status` must answer at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from gitrelease.core.errors import Exit, Interrupted, ReaderGone, ReleaseError, of_host
from gitrelease.core.signs import Told
from gitrelease.edges.environment import forget_local_variables
from gitrelease.edges.terminal import guard_streams, say


def main() -> None:
    """Run the command line; ends the process with one of the codes in `core/errors.py`."""
    forget_local_variables()
    guard_streams(people=_for_people(sys.argv[1:]))
    if sys.argv[1:2] == ["hook"]:
        # Hooks run on every push: they do without the command-line library.
        from gitrelease.commands.hook import main as hook

        _leave(_guarded(lambda: hook(sys.argv[2:])))
    if sys.argv[1:2] == ["_complete"]:
        # Tab was pressed: Ctrl-C ends it without a word.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        from gitrelease.commands.complete import main as complete

        _leave(_guarded(lambda: complete(sys.argv[2:])))
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # behind nohup it stays ignored
            signal.signal(number, signal.default_int_handler)
    _leave(_guarded(_run))


def _for_people(arguments: list[str]) -> bool:
    """Is what is printed to be read by people, not by a script, a spreadsheet or whoever pushes?"""
    forms = [word for word in arguments if word == "--json" or word.startswith("--format")]
    return not forms and arguments[:1] not in (["hook"], ["_complete"])


def _leave(code: int) -> NoReturn:
    """End at once: taking the interpreter apart takes longer than some commands."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _run() -> int:
    from gitrelease.commands.application import application

    try:
        application(sys.argv[1:])()  # ends with SystemExit, usage errors included
    except SystemExit as end:
        code = int(end.code or 0)
        if code == Exit.USAGE and "--json" in sys.argv:
            hint = "See: gitrelease --help"
            wrong = "the command line was not understood"
            _print_json_once({"error": wrong, "hint": hint, "commands": _commands(hint)})
        return code
    return Exit.DONE


def _guarded(command: Callable[[], int]) -> int:
    try:
        return command()
    except ReleaseError as error:
        return _explain(error.message, error.hint, error.code, outcome="refused")
    except (Interrupted, KeyboardInterrupt):
        return _explain("interrupted", "See what became of it: gitrelease status", Exit.INTERRUPTED)
    except (ReaderGone, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except FileNotFoundError as error:
        if not _stands_somewhere():
            hint = "Go to the production checkout, or name it by its whole path: gitrelease -C DIR …"
            return _explain("the directory that you stand in is gone", hint, Exit.USAGE)
        return _unexpected(error)
    except OSError as error:
        known = of_host(error, _repository())
        if known is None:
            return _unexpected(error)
        return _explain(known.message, known.hint, known.code)
    except Exception as error:  # noqa: BLE001  # the one handler for bugs: saved and named, never hidden
        return _unexpected(error)


def _repository() -> str:
    """Return where the repository is that the command line is about, as it can be typed from anywhere."""
    from pathlib import Path

    words = sys.argv[1:]
    start = Path(words[words.index("-C") + 1] if "-C" in words[:-1] else ".").absolute()
    found = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)
    return str(found / ".git")


def _stands_somewhere() -> bool:
    from pathlib import Path

    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _unexpected(error: Exception) -> int:
    hint = f"This is a bug in gitrelease; the traceback is in {_save_traceback()}"
    return _explain(f"unexpected: {type(error).__name__}: {error}", hint, Exit.UNEXPECTED)


def _explain(message: str, hint: str, code: Exit, *, outcome: str | None = None) -> int:
    """Say what is wrong, what production serves, and what to type next; as JSON too where that was asked for."""
    live, up = _live()
    if "--json" in sys.argv:
        told = {"release": live, "previous": None, "kind": None, "reason": message, "seconds": 0.0}
        remedy = {"error": message, "hint": hint, "commands": _commands(hint)}
        _print_json_once({**({"outcome": outcome} if outcome else {}), **told, **remedy})
    lines = [Told(f"error: {message}", "error"), f"  {hint}"]
    say([*lines, f"  production serves {live}"] if live and up else lines, error=True)
    return code


def _commands(hint: str) -> list[str]:
    from gitrelease.core.remedy import Remedy

    return [*Remedy(hint).commands]


def _print_json_once(value: dict[str, object]) -> None:
    from gitrelease.commands.client import print_json, printed

    if not printed():
        print_json(value)


def _live() -> tuple[str | None, bool]:
    """Return the release that is live in the checkout that the command line means, and whether production is to be up.

    As far as that can be told.
    """
    from pathlib import Path

    from gitrelease.core.refs import LIVE
    from gitrelease.edges.git import Git
    from gitrelease.edges.home import Home

    after = sys.argv.index("-C") + 1 if "-C" in sys.argv[:-1] else None
    try:
        git = Git.discover(Path(sys.argv[after]) if after else Path.cwd())
        tag = git.text("cat-file", "tag", LIVE) if git.ref(LIVE) else ""
        up = Home(git.directory).wanted.exists()
    except (ReleaseError, OSError):
        return None, False
    return next((line.removeprefix("tag ") for line in tag.splitlines() if line.startswith("tag ")), None), up


def _save_traceback() -> str:
    import tempfile
    import time
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix=f"gitrelease-{time.strftime('%Y%m%d-%H%M%S')}-", suffix=".txt", delete=False
    ) as file:
        file.write(f"{sys.argv}\n{traceback.format_exc()}")
    return file.name
