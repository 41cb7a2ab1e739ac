"""How are the settings of this host kept in git, for when nobody can read them any more? A blob under a ref of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from gitrelease.core import refs, settings_text
from gitrelease.core.errors import SettingsError
from gitrelease.core.reading import ReadAs
from gitrelease.edges.git import Git, RefUpdate

_SHA256 = 64  # hex digits
_TABLE = ReadAs(dict[str, Any])


def keep(git: Git, host: Mapping[str, Any]) -> None:
    """Keep the settings of this host, as `tables_of_host` has read them, for when nobody can read them any more.

    Whoever may fetch can ask for them: who is told, whose addresses are secrets, is not among them.
    """
    content = msgspec.json.encode(host)
    known = git.ref(refs.HOST)
    if known != _id_of(content, like=known):
        git.update_refs([RefUpdate(refs.HOST, git.write_blob(content))], reason="settings of the host")


def _id_of(content: bytes, *, like: str | None) -> str:
    """Return the id of a blob, in a repository that has the id `like`."""
    blob = b"blob %d\0" % len(content) + content
    if like is not None and len(like) == _SHA256:
        return hashlib.sha256(blob).hexdigest()
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


def kept(git: Git) -> dict[str, Any] | None:
    """Return the settings of this host that were read well last; None where none are kept, or none that hold now."""
    blob = git.ref(refs.HOST)
    content = git.blobs([blob]).get(blob) if blob else None
    try:
        table = _TABLE.decode(content or b"")
        settings_text.from_table(table, refs.HOST)
    except (msgspec.DecodeError, SettingsError):  # of a later version, say
        return None
    return table
