"""Which variables stand in a file of `NAME=value` lines that host settings name (`app.variables_file`)?"""

from __future__ import annotations

import io
import os
from pathlib import Path

from gitrelease.core.errors import SettingsError
from gitrelease.core.variables import USABLE, why_no_variable
from gitrelease.edges.home import user_name


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
