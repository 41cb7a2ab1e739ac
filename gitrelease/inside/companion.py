"""Starts the app with the companion in its process, which hands open pages to another process of the app.

Usage: python companion.py --socket PATH --root SLOT --canonical CHECKOUT -- PROGRAM run SCRIPT …

PROGRAM is the path of Streamlit's script, or `-m streamlit`. To the app everything is as if PROGRAM had been started.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType


def _launch(arguments: list[str], main: ModuleType) -> None:
    # Under a name of its own, and without our folder on sys.path: nothing of ours is in the app's way.
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "moving")
    init = os.path.join(folder, "__init__.py")
    spec = importlib.util.spec_from_file_location("_gitrelease_companion", init, submodule_search_locations=[folder])
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    importlib.import_module("_gitrelease_companion.launch").run(arguments, main)


if __name__ == "__main__":
    _launch(sys.argv[1:], sys.modules["__main__"])
