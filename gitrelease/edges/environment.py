"""Which variables would lead git astray? Hooks inherit them; every entry point forgets them first."""

from __future__ import annotations

import os

# What `git rev-parse --local-env-vars` lists: hooks inherit them, and they point at another index or repository.
LOCAL_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY", "GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR", "GIT_INTERNAL_SUPER_PREFIX", "GIT_QUARANTINE_PATH", "GIT_DIFF_OPTS", "GIT_EXTERNAL_DIFF",
    "GIT_NAMESPACE", "GIT_CEILING_DIRECTORIES", "GIT_REFLOG_ACTION",
)  # fmt: skip


def forget_local_variables() -> None:
    """Remove git's own variables from this process, as every entry point does first."""
    for name in LOCAL_VARIABLES:
        os.environ.pop(name, None)
