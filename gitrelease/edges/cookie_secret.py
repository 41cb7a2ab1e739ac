"""Keeps one secret for the cookies of all processes of a production, where the app sets none of its own."""

from __future__ import annotations

import secrets
from pathlib import Path

from gitrelease.edges.home import MODE, Home, write_atomically

_BYTES = 32


def cookie_secret(home: Home) -> Path:
    """Return the file that holds the secret, for its owner only; it is made where there is none, or an empty one.

    Groups of instances have one each: what signs for production says nothing to those who are let into a test.
    """
    path = home.root / "cookie-secret"
    if not _holds_one(path):
        home.root.mkdir(mode=MODE, parents=True, exist_ok=True)
        write_atomically(path, secrets.token_hex(_BYTES).encode())
    return path


def _holds_one(path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if found.st_mode & 0o077:
        path.chmod(0o600)  # also where it is restored from an archive
    return found.st_size > 0
