"""How are the hooks put into `.git/hooks`, and taken out again? Small shims with absolute paths; others are chained.

A hook that was there is kept beside the shim as `NAME.chained` and runs first; one that another tool writes over the
shim later is kept as `NAME.chained.02` and runs after that, and so on. A `core.hooksPath` that points elsewhere is
overruled for this repository: its hooks are linked or chained, so they run as before.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gitrelease
from gitrelease.core.errors import RepositoryError
from gitrelease.core.text import quoted
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
_CHAIN = "chain"  # the shim that stays where several hooks were chained
_ASIDE = ".legacy"  # as the pre-commit tool names what it finds
_MOST = 99  # hooks of one name
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
        _keep_other(folder / name)
        _write(folder / name, _text(shim, git, home, branch=branch))
        _drop_ours_behind(folder / name)
    return [name for name in SHIMS if chained(folder, name)], links


def chained(folder: Path, name: str) -> list[Path]:
    """Return the hooks that run before our shim of that name, in their order."""
    first = folder / (name + CHAINED)
    return [*([first] if os.path.lexists(first) else []), *sorted(folder.glob(f"{name}{CHAINED}.[0-9][0-9]"))]


def _keep_other(path: Path) -> None:
    """Chain the hook that stands where a shim of ours belongs, unless it is one of ours, or chained already."""
    if not os.path.lexists(path) or _is_ours(path):
        return
    if not any(_is_same(path, one) for one in chained(path.parent, path.name)):
        path.rename(_next_place(path.parent, path.name))


def _drop_ours_behind(path: Path) -> None:
    """Remove a shim of ours that the pre-commit tool has put aside, which runs it after its own hook."""
    if _is_ours(aside := path.with_name(path.name + _ASIDE)):
        aside.unlink()


def _runs_ours_behind(path: Path) -> bool:
    """Is a hook the pre-commit tool's, which runs ours that it has put aside?"""
    aside = path.with_name(path.name + _ASIDE)
    return _is_ours(aside) and _is_hook(aside) and b"pre-commit" in path.read_bytes()


def _next_place(folder: Path, name: str) -> Path:
    """Return where one more hook is chained, behind the others."""
    others = chained(folder, name)
    if not others:
        return folder / (name + CHAINED)
    place = 2 if others[-1].suffix == CHAINED else int(others[-1].suffix[1:]) + 1
    if place > _MOST:
        raise RepositoryError(
            f"{folder} has {_MOST} hooks {name}{CHAINED} already",
            hint=f"Take away those that are needed no more: ls {quoted(folder)}; then try again",
        )
    return folder / f"{name}{CHAINED}.{place:02}"


def _is_same(one: Path, other: Path) -> bool:
    """Whether two hooks say the same: one that a tool has written once more."""
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


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
    text = shim_source(shim).replace("@BRANCH@", safe_branch(branch))
    for placeholder, value in (("HOME", home.root), ("ROOT", git.root), ("PYTHON", _python())):
        text = text.replace(f"'@{placeholder}@'", shlex.quote(str(value)))
    return text


def _python() -> Path:
    """Return the interpreter of this installation, by one name, whichever of its names it was started by."""
    python = Path(sys.executable)
    usual = python.with_name("python3")
    return usual if usual.exists() and usual.samefile(python) else python


def _write(path: Path, text: str) -> None:
    """Replace a hook as a whole: a shell that is just running the old one reads on in it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as scratch:
        scratch.write(text)
    Path(scratch.name).chmod(0o755)
    Path(scratch.name).replace(path)


def uninstall(git: Git, *, links: Sequence[str]) -> list[str]:
    """Remove the shims and `links`, and let the hooks run on that were chained.

    One gets its name back. Of several git would run only one: a small script stays under the name and runs them all;
    the names of those are returned.
    """
    folder = git.directory / "hooks"
    for name in links:
        if (folder / name).is_symlink():
            (folder / name).unlink()
    for name in SHIMS:
        path, before = folder / name, chained(folder, name)
        if before:
            _keep_other(path)
        _drop_ours_behind(path)
        if before or _is_ours(path):
            _give_back(path, chained(folder, name))
    return [name for name in SHIMS if chained(folder, name)]


def _give_back(path: Path, hooks: list[Path]) -> None:
    """Put the chained hooks in the place of our shim."""
    if len(hooks) > 1:
        _write(path, shim_source(_CHAIN))
        return
    path.unlink(missing_ok=True)
    if hooks:
        hooks[0].rename(path)


def _link_other_folder(git: Git, folder: Path) -> list[str]:
    elsewhere = _other_folder(git, folder)
    links: list[str] = []
    for hook in sorted(elsewhere.iterdir()) if elsewhere else ():
        if not _is_hook(hook):
            continue
        link = _link_of(hook, folder)
        if not os.path.lexists(link):
            link.symlink_to(hook)
        if link.is_symlink() and link.readlink() == hook:
            links.append(link.name)
    return links


def _link_of(hook: Path, folder: Path) -> Path:
    """Return where a hook of another folder is linked, or is to be: behind what is chained where the place is ours."""
    if hook.name not in SHIMS:
        return folder / hook.name
    linked = (one for one in chained(folder, hook.name) if one.is_symlink() and one.readlink() == hook)
    return next(linked, None) or _next_place(folder, hook.name)


def missing(git: Git) -> list[str]:
    """Return the hooks that are not ours, or cannot be executed."""
    folder = git.directory / "hooks"
    return [name for name in SHIMS if not _is_hook(folder / name) or not _works(folder / name)]


def _works(path: Path) -> bool:
    return _is_ours(path) or _runs_ours_behind(path)


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
    """Is it a shim of ours? A link is not: what it leads to is another's."""
    if path.is_symlink() or not path.is_file():
        return False
    return _MARK.encode() in path.read_bytes()[:200]


def safe_branch(branch: str) -> str:
    """Return `branch` as it can stand inside single quotes of a shell script."""
    if "'" in branch or "\n" in branch:
        raise RepositoryError(
            f"the branch name {branch!r} has a quote in it", hint="Choose another: gitrelease init --branch NAME"
        )
    return branch
