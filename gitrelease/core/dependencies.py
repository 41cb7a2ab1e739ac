"""What does a file import when it starts, and what of that is in the repository? Read from the source, never run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from pathlib import PurePosixPath


def imported(source: bytes) -> tuple[str, ...]:
    """Return the modules that a file imports whenever it runs, by their full names; `SyntaxError` where it has none.

    What stands in a function, under a condition or in a `try` may well be missing.
    """
    found: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return tuple(dict.fromkeys(found))


def modules_of(name: str, folder: PurePosixPath) -> Iterator[str]:
    """Yield where the files of module `name` may lie, below the `folder` of the script: its packages' and its own."""
    place = folder
    for part in name.split("."):
        place /= part
        yield f"{place}.py"
        yield f"{place}/__init__.py"


def closure(script: str, tracked: Collection[str], read: Callable[[str], bytes]) -> dict[str, str]:
    """Return the modules that come from outside of the repository, each with the file that imports it first.

    Files of the repository are followed, wherever they lie in it: an app may look for modules in any folder of its own.
    One that does not parse is passed over.
    """
    outside: dict[str, str] = {}
    seen, waiting = set[str](), [script]
    while waiting:
        file = waiting.pop(0)
        if file in seen:
            continue
        seen.add(file)
        try:
            names = imported(read(file))
        except (SyntaxError, ValueError, RecursionError):
            continue
        for name in names:
            ours = [path for path in tracked if f"/{path}".endswith(tuple(modules_of(name, PurePosixPath("/"))))]
            waiting += ours
            package = f"/{name.split('.')[0]}/"  # it need not have a file that says so
            if not ours and not any(package in f"/{path}" for path in tracked):
                outside.setdefault(name, file)
    return outside
