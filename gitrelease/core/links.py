"""What cannot be released as it stands: links, submodules, and what stands in for a large file? No I/O."""

from __future__ import annotations

import posixpath

from gitrelease.core.text import quoted

LINK = "120000"
SUBMODULE = "160000"

_LFS = b"version https://git-lfs.github.com/spec/v1"


def no_file(path: str, mode: str, content: bytes | None) -> str:
    """Say why a file that the app stands on is none, and what to do; nothing where it is one."""
    if mode == LINK:
        return f"{path} is a symbolic link: commit the file itself"
    if mode == SUBMODULE:
        return f"{path} is a submodule: commit the file itself"
    if content is not None and content.split(b"\n", 1)[0].strip() == _LFS:
        return (
            f"{path} is a Git LFS pointer, not the file: take its line out of .gitattributes, then commit the file "
            f"itself: git add --renormalize .gitattributes {quoted(path)} && git commit"
        )
    return ""


def leads_outside(path: str, target: str) -> bool:
    """Does the link `path` lead out of the tree that it is in?"""
    return target.startswith("/") or posixpath.normpath(posixpath.join(posixpath.dirname(path), target)).startswith(
        ".."
    )
