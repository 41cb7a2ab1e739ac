"""Repositories of the formats that are to be git 3.0's defaults: objects named by SHA-256, refs kept in tables."""

from __future__ import annotations

import subprocess

import pytest


def _has_tables() -> bool:
    said = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.split()[2].split(".")[:2]) >= (2, 45)


needs_tables = pytest.mark.skipif(not _has_tables(), reason="reftable needs git 2.45")
# The variable by which git makes such a repository, its value, and the option of `git rev-parse` that shows it.
OTHER_FORMATS = [
    pytest.param("GIT_DEFAULT_HASH", "sha256", "--show-object-format", id="objects named by SHA-256"),
    pytest.param("GIT_DEFAULT_REF_FORMAT", "reftable", "--show-ref-format", id="refs in tables", marks=needs_tables),
]
