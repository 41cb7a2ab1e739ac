"""What can be typed? One verb a file in `commands/`; here they become one command line, with one error handler.

Heavy imports stay inside the commands: `--help` and `status` must answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.edges.environment import forget_local_variables


def main() -> None:
    """Run the command line; ends the process with one of the codes in `core/errors.py`."""
    forget_local_variables()
    if sys.argv[1:2] == ["hook"]:
        # Hooks run on every push: they do without the command-line library.
        from gitrelease.commands.hook import main as hook

        sys.exit(_guarded(lambda: hook(sys.argv[2:])))
    sys.exit(_guarded(_run))


def _run() -> int:
    from gitrelease.commands.application import application

    application()()  # ends with SystemExit, usage errors included
    return Exit.DONE


def _guarded(command: Callable[[], int]) -> int:
    try:
        return command()
    except ReleaseError as error:
        return _explain(error.message, error.hint, error.code)
    except KeyboardInterrupt:
        return _explain("interrupted", "See what is live: gitrelease status", Exit.UNEXPECTED)
    except BrokenPipeError:
        # The reader of a pipe has seen enough (`gitrelease history | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:  # noqa: BLE001  # the one handler for bugs: saved and named, never hidden
        hint = f"This is a bug in gitrelease; the traceback is in {_save_traceback()}"
        return _explain(f"unexpected: {type(error).__name__}: {error}", hint, Exit.UNEXPECTED)


def _explain(message: str, hint: str, code: Exit) -> int:
    if "--json" in sys.argv:
        from gitrelease.commands.client import print_json

        print_json({"outcome": "refused", "error": message, "reason": message, "hint": hint})
    print(f"error: {message}\n  {hint}", file=sys.stderr)
    return code


def _save_traceback() -> str:
    import tempfile
    import time
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix=f"gitrelease-{time.strftime('%Y%m%d-%H%M%S')}-", suffix=".txt", delete=False
    ) as file:
        file.write(f"{sys.argv}\n{traceback.format_exc()}")
    return file.name
