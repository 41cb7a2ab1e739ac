"""Does git look for hooks elsewhere than where ours are? Somebody may say so later: for all, or a tool like husky."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gitrelease.edges.git import Git

KEY = "core.hooksPath"


def elsewhere(git: Git) -> str | None:
    """Return where git looks for hooks, None where that is where ours are."""
    named = git.configuration(KEY, local=False)
    return named if named and Path(named) != git.directory / "hooks" else None


class HooksPath:
    """Looks whether that has changed; git is asked only where one of its files of settings has."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._stamps: list[object] = []
        self._elsewhere: str | None = None

    def look(self) -> str | None:
        """Return where git looks for hooks just now, None where that is where ours are."""
        stamps = [_stamp(path) for path in self._files()]
        if stamps != self._stamps:
            self._elsewhere = elsewhere(self._git)
            self._stamps = stamps
        return self._elsewhere

    def _files(self) -> Iterator[Path]:
        home = Path(os.environ.get("HOME", "/"))
        yield self._git.directory / "config"
        yield Path(os.environ.get("GIT_CONFIG_GLOBAL") or home / ".gitconfig")
        yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"
        yield Path(os.environ.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig")


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
