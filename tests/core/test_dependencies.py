"""What an app imports when it starts is read from its files, those of its own followed."""

from __future__ import annotations

import pytest

from gitrelease.core.dependencies import closure, imported


def outside(files: dict[str, str], script: str = "app.py") -> dict[str, str]:
    return closure(script, files.keys(), lambda path: files[path].encode())


def test_only_what_is_always_imported_counts() -> None:
    source = b"""
import numpy, os.path
from pandas import DataFrame
from . import near
try:
    import fitz
except ImportError:
    fitz = None
if numpy:
    import later
def run():
    import cv2
"""
    assert imported(source) == ("numpy", "os.path", "pandas")


def test_files_of_the_repository_are_followed_and_named() -> None:
    files = {
        "app.py": "import streamlit\nimport rates.daily\nimport helpers\n",
        "rates/__init__.py": "import numpy\n",
        "rates/daily.py": "import pandas\nimport app\n",
        "helpers.py": "import streamlit\n",
    }

    assert outside(files) == {"streamlit": "app.py", "numpy": "rates/__init__.py", "pandas": "rates/daily.py"}


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"web/app.py": "import near\n", "web/near.py": ""}, id="beside the script"),
        pytest.param({"web/app.py": "import near\n", "src/near.py": ""}, id="in another folder"),
        pytest.param({"web/app.py": "import near.x\n", "near/x.py": ""}, id="in a folder without a file of its own"),
        pytest.param({"web/app.py": "import near\n", "near/x.py": ""}, id="the folder alone"),
        pytest.param({"web/app.py": "import far\n", "far.py": "def ("}, id="one that does not parse"),
    ],
)
def test_what_the_repository_has_comes_not_from_outside(files: dict[str, str]) -> None:
    assert outside(files, "web/app.py") == {}


def test_a_name_that_only_ends_alike_is_another_one() -> None:
    assert outside({"app.py": "import rates\n", "old_rates.py": ""}) == {"rates": "app.py"}
