"""How are the hooks put into `.git/hooks`, and taken out again? Small shims with absolute paths; others are chained.

A hook that was there is kept beside the shim as `NAME.chained` and runs first. A `core.hooksPath` that points
elsewhere is overruled for this repository: its hooks are linked or chained, so they run as before.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import gitrelease
from gitrelease.core.errors import RepositoryError
from gitrelease.edges.git import Git
from gitrelease.edges.home import Home

# Git's name of the hook, and the shim that serves it.
SHIMS = {
    "pre-receive": "pre-receive",
    "update": "update",
    "push-to-checkout": "push-to-checkout",
    "post-receive": "post-receive",
    "post-merge": "poke",
    "post-checkout": "poke",
    "post-commit": "poke",
    "post-rewrite": "poke",
}
CHAINED = ".chained"
_MARK = "# gitrelease: "


def shim_source(name: str) -> str:
    """Return the text of a shim: from the installed package, or from `hooks/` of a source checkout."""
    package = Path(gitrelease.__file__).parent
    for folder in (package / "shims", package.parent / "hooks"):
        if (folder / name).is_file():
            return (folder / name).read_text()
    raise RepositoryError(
        f"the hook {name} is missing from this installation",
        hint="Install gitrelease again: pip install --force-reinstall …",
    )


def install(git: Git, home: Home, *, branch: str) -> tuple[list[str], list[str]]:
    """Install the shims; return the hooks that are chained, and the links made to another hooks folder."""
    folder = git.directory / "hooks"
    folder.mkdir(parents=True, exist_ok=True)
    links = _link_other_folder(git, folder)
    for name, shim in SHIMS.items():
        path = folder / name
        if path.exists() and not _is_ours(path):
            path.rename(path.with_name(name + CHAINED))
        _write(path, _text(shim, git, home, branch=branch))
    return [name for name in SHIMS if (folder / (name + CHAINED)).exists()], links


def refresh(git: Git, home: Home, *, branch: str) -> list[str]:
    """Bring the shims that are installed to those of this version; return their names. What is missing stays so."""
    renewed = stale(git, home, branch=branch)
    for name in renewed:
        _write(git.directory / "hooks" / name, _text(SHIMS[name], git, home, branch=branch))
    return renewed


def stale(git: Git, home: Home, *, branch: str) -> list[str]:
    """Return the shims that are installed and are not those of this version, interpreter and branch."""
    found: list[str] = []
    for name, shim in SHIMS.items():
        path = git.directory / "hooks" / name
        if path.is_file() and _is_ours(path) and path.read_text() != _text(shim, git, home, branch=branch):
            found.append(name)
    return found


def _text(shim: str, git: Git, home: Home, *, branch: str) -> str:
    text = shim_source(shim).replace("@BRANCH@", _safe_branch(branch))
    for placeholder, value in (("HOME", home.root), ("ROOT", git.root), ("PYTHON", sys.executable)):
        text = text.replace(f"'@{placeholder}@'", shlex.quote(str(value)))
    return text


def _write(path: Path, text: str) -> None:
    """Replace a hook as a whole: a shell that is just running the old one reads on in it."""
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_text(text)
    scratch.chmod(0o755)
    scratch.replace(path)


def uninstall(git: Git, *, links: Sequence[str]) -> None:
    """Remove the shims and `links`, and give chained hooks their names back."""
    folder = git.directory / "hooks"
    for name in links:
        if (folder / name).is_symlink():
            (folder / name).unlink()
    for name in SHIMS:
        path, chained = folder / name, folder / (name + CHAINED)
        if path.exists() and _is_ours(path):
            path.unlink()
        if chained.exists():
            chained.rename(path)


def _link_other_folder(git: Git, folder: Path) -> list[str]:
    elsewhere = _other_folder(git, folder)
    links: list[str] = []
    for hook in sorted(elsewhere.iterdir()) if elsewhere else ():
        name = hook.name + CHAINED if hook.name in SHIMS else hook.name
        if not _is_hook(hook):
            continue
        if not (folder / name).exists():
            (folder / name).symlink_to(hook)
        if (folder / name).is_symlink() and (folder / name).readlink() == hook:
            links.append(name)
    return links


def missing(git: Git) -> list[str]:
    """Return the hooks that are not ours, or cannot be executed."""
    folder = git.directory / "hooks"
    return [name for name in SHIMS if not _is_hook(folder / name) or not _is_ours(folder / name)]


def _other_folder(git: Git, ours: Path) -> Path | None:
    """Return the folder that `core.hooksPath` names, when it is another than ours."""
    named = git.configuration("core.hooksPath", local=False)
    if not named:
        return None
    # git takes a relative one from the work tree for commit hooks, from .git for receive hooks.
    folder = (git.root / Path(named).expanduser()).resolve()
    return folder if folder.is_dir() and folder != ours.resolve() else None


def _is_hook(path: Path) -> bool:
    return path.is_file() and path.stat().st_mode & 0o111 != 0 and path.suffix != ".sample"


def _is_ours(path: Path) -> bool:
    try:
        return _MARK in path.read_text()[:200]
    except UnicodeDecodeError:
        return False


def _safe_branch(branch: str) -> str:
    """Return `branch` as it can stand inside single quotes of a shell script."""
    if "'" in branch or "\n" in branch:
        raise RepositoryError(
            f"the branch name {branch!r} has a quote in it", hint="Choose another: init --branch NAME"
        )
    return branch
