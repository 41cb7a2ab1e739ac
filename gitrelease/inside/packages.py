"""Which Python runs the app, and which packages does it have? Printed as one JSON object for `edges/interpreter.py`.

Read where installers write it, and no further than needed: `importlib.metadata` reads every description to its end,
which takes several times as long, and a release does not wait for it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable

# Where a package is described: in a folder of this kind, in one of these files; by old installers in a file of it.
_KINDS = (".dist-info", ".egg-info")
_FILES = ("/METADATA", "/PKG-INFO", "")


def main() -> None:
    """Print version and packages, and the folders that they were looked for in."""
    signal.alarm(30)  # whoever asked may be gone
    packages: dict[str, str] = {}
    folders: list[str] = []
    for folder in sys.path[1:]:
        try:
            found = sorted(entry.path for entry in os.scandir(folder) if entry.name.endswith(_KINDS))
        except OSError:  # an archive, or nothing
            continue
        folders.append(folder)
        for path in found:
            name, version = described(path)
            if name:
                packages.setdefault(name, version)
    print(json.dumps({"python": sys.version.split()[0], "packages": packages, "folders": folders}))


def described(path: str) -> tuple[str, str]:
    """Return name and version of the package that is described at `path`; both empty where nothing says so."""
    for file in _FILES:
        try:
            with open(path + file, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123  # pathlib costs most
                return headed(lines)
        except OSError:
            continue
    return "", ""


def headed(lines: Iterable[str]) -> tuple[str, str]:
    """Return the name and the version that stand in the head of a description, which an empty line ends."""
    said = {"Name": "", "Version": ""}
    for line in lines:
        label, colon, value = line.partition(":")
        if not line.strip():
            break
        if colon and label in said:
            said[label] = value.strip()
    return said["Name"], said["Version"]


if __name__ == "__main__":
    main()
