"""Does git look for hooks elsewhere than where ours are? Somebody may say so later: for all, or a tool like husky."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from gitrelease.edges.git import Git

KEY = "core.hooksPath"
_INCLUDES = re.compile(r"include\.path|includeif\..*\.path", re.DOTALL)


def elsewhere(git: Git) -> str | None:
    """Return where git looks for hooks, None where that is where ours are."""
    named = git.configuration(KEY, local=False)
    return named if named and Path(named) != git.directory / "hooks" else None


def look_here(git: Git) -> None:
    """Let git look for hooks where ours are, whatever else it is told; `OSError` where that cannot be written."""
    ours = str(git.directory / "hooks")
    git.run("config", "--local", KEY, ours)
    if elsewhere(git) is None:
        return
    # A file that the repository's own settings include counts more than what stands before that line.
    git.run("config", "--local", "--unset-all", KEY)
    settings = git.directory / "config"
    quoted = ours.replace("\\", "\\\\").replace('"', '\\"')
    with (git.directory / "config.lock").open("x") as lock:  # as git does it
        lock.write(f'{settings.read_text().rstrip()}\n[core]\n\thooksPath = "{quoted}"\n')
    Path(lock.name).replace(settings)


class HooksPath:
    """Looks whether that has changed; git is asked only where one of its files of settings has."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._stamps: dict[Path, object] = {}
        self._elsewhere: str | None = None

    def look(self) -> str | None:
        """Return where git looks for hooks just now, None where that is where ours are."""
        if not self._stamps or any(_stamp(path) != stamp for path, stamp in self._stamps.items()):
            self._stamps = {path: _stamp(path) for path in (*self._usual(), *included(self._git))}
            self._elsewhere = elsewhere(self._git)  # after the stamps: what changes meanwhile is asked for once more
        return self._elsewhere

    def _usual(self) -> Iterator[Path]:
        """Yield the files that git reads, and reads once they are there."""
        home = Path(os.environ.get("HOME", "/"))
        yield self._git.directory / "config"
        yield Path(os.environ.get("GIT_CONFIG_GLOBAL") or home / ".gitconfig")
        yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"
        yield Path(os.environ.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig")


def included(git: Git) -> Iterator[Path]:
    """Yield the files that git's settings come from, and those that they include, in which nothing may be set yet."""
    status, listed, _ = git.execute("config", "--list", "--includes", "--show-origin", "--null")
    if status != 0:
        return
    fields = listed.decode(errors="surrogateescape").split("\0")
    for origin, setting in zip(fields[::2], fields[1::2], strict=False):
        file = git.root / origin.removeprefix("file:")
        if origin.startswith("file:"):
            yield file
        key, _, value = setting.partition("\n")
        if _INCLUDES.fullmatch(key) and value:
            yield file.parent / Path(value).expanduser()


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
