"""What is known of FinDocPipeline, the app that is released without any settings: where is its profile?

`contract.py`, `additions.py` and `replay.py` are run in the app's interpreter, by their paths.
"""

from __future__ import annotations

from pathlib import Path

from gitrelease.profiles.findoc.contract import CLASSES

__all__ = ["CHECK_FILES", "CLASSES", "DOCUMENTS", "REPLAY"]

_HERE = Path(__file__).parent
CHECK_FILES = (_HERE / "contract.py", _HERE / "additions.py")
REPLAY = _HERE / "replay.py"
DOCUMENTS = _HERE / "documents"
