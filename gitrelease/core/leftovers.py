"""Which files that lie beside those of a commit may be somebody's work? Not what programs write to be faster."""

from __future__ import annotations

from pathlib import PurePosixPath

CACHES = frozenset(
    {
        ".DS_Store", ".idea", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".vscode",
        "__pycache__", "node_modules",
    }
)  # fmt: skip
SCRATCH = (".pyc", ".pyo", ".swp", ".swo", ".egg-info", ".tmp")


def is_scratch(path: str) -> bool:
    """Is a file or a folder a cache, or what an editor or an interpreter leaves?"""
    plain = PurePosixPath(path)
    return bool(CACHES & set(plain.parts)) or plain.suffix in SCRATCH or plain.name.endswith("~")
