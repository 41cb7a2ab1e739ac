"""What do refs say that git keeps as files of their own? Read there, they cost no process; git is asked for the rest.

Such a file goes before a packed ref, and git replaces it as a whole. What reads differently (a packed, a symbolic or a
broken ref, a linked work tree, a repository that keeps refs in tables) is None here, and git's to say.
"""

from __future__ import annotations

import re
from pathlib import Path

_ID = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?)\n?")
_HEAD = re.compile(rb"ref: (refs/heads/\S+)\n?")
_IN_TABLES = "refs/heads/.invalid"  # what HEAD names where it is not kept in its file


def read(root: Path, name: str) -> str | None:
    """Return the id in the file of the full ref `name`, in the repository whose main work tree is `root`."""
    if not name.startswith("refs/") or ".." in name:
        return None
    found = _ID.fullmatch(_content(root / ".git" / name))
    return found[1].decode() if found else None


def branch_of(root: Path) -> str | None:
    """Return the branch that HEAD names, in the repository whose main work tree is `root`."""
    found = _HEAD.fullmatch(_content(root / ".git" / "HEAD"))
    branch = found[1].decode(errors="surrogateescape") if found else ""
    return None if branch in ("", _IN_TABLES) else branch


def _content(path: Path) -> bytes:
    """Return what is in a file; nothing where it is none, or a link, as which git once kept symbolic refs."""
    try:
        return b"" if path.is_symlink() else path.read_bytes()
    except (OSError, ValueError):  # missing, a folder, a name that is no path: git is asked, and says what is wrong
        return b""
