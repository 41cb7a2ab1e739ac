"""Can the app's interpreter import what the app imports? Run there by path: `python imports.py SPEC`.

The spec is JSON: `names`, and `result`, the file that gets a JSON line before and after each.
"""

from __future__ import annotations

import importlib
import json
import sys


def main(spec_file: str) -> None:
    """Import each name, and say how that went."""
    with open(spec_file, encoding="ascii") as file:  # noqa: PTH123  # nothing is imported that need not be
        spec = json.load(file)
    del sys.path[0]  # our own folder
    with open(spec["result"], "a", encoding="ascii") as result:  # noqa: PTH123

        def tell(**entry: str) -> None:
            result.write(json.dumps(entry) + "\n")
            result.flush()

        for name in spec["names"]:
            tell(started=name)
            problem = ""
            try:
                importlib.import_module(name)
            except BaseException as error:  # noqa: BLE001  # whatever a package does when it is imported
                problem = f"{type(error).__name__}: {error}"
            tell(name=name, problem=problem)


if __name__ == "__main__":
    main(sys.argv[1])
