"""Which files say what packages an app needs? Where they differ, an environment that fits one release may not do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

_NAMES = frozenset(
    {
        "Pipfile", "Pipfile.lock", "environment.yaml", "environment.yml", "pdm.lock", "poetry.lock", "pyproject.toml",
        "setup.cfg", "setup.py", "uv.lock",
    }
)  # fmt: skip
_REQUIREMENTS = re.compile(r"(requirements|constraints)[\w.-]*\.(txt|in)")


def say_packages(paths: Iterable[str]) -> bool:
    """Does one of these files say which packages an app needs?"""
    plain = [PurePosixPath(path) for path in paths]
    return any(
        one.name in _NAMES
        or _REQUIREMENTS.fullmatch(one.name)
        or (one.suffix == ".txt" and "requirements" in one.parts)
        for one in plain
    )
