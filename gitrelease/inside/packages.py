"""Which Python runs the app, and which packages does it have? Printed as one JSON object for `edges/interpreter.py`."""

from __future__ import annotations

import json
import platform
import signal
import sys
from importlib import metadata
from pathlib import Path


def main() -> None:
    """Print version and packages, and the folders that they were looked for in."""
    signal.alarm(30)  # whoever asked may be gone
    packages: dict[str, str] = {}
    for found in metadata.distributions():
        name = found.metadata["Name"]
        if name:
            packages.setdefault(name, found.version)
    folders = [folder for folder in sys.path[1:] if Path(folder).is_dir()]
    print(json.dumps({"python": platform.python_version(), "packages": packages, "folders": folders}))


if __name__ == "__main__":
    main()
