"""Is HEAD on the deploy branch, can refs and index be read? What a power cut emptied is put back from what remains."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from gitrelease.core import refs
from gitrelease.core.errors import RepositoryError
from gitrelease.core.text import counted, short
from gitrelease.edges import records, ref_tables
from gitrelease.edges.checkout import Checkout
from gitrelease.edges.following import follow
from gitrelease.edges.git import Git, RefUpdate

_REBASES = ("rebase-merge", "rebase-apply")
_REF = re.compile(rb"(ref: refs/\S+|[0-9a-f]{40}|[0-9a-f]{64})\n?")


def mend_head(directory: Path, branch: str) -> Iterator[str]:
    """Give a HEAD that nobody can read its branch back: without one, git does not know the repository at all."""
    if not head_is_readable(directory):
        in_tables = ref_tables.list_of(directory) is not None
        (directory / "HEAD").write_text(ref_tables.STUB if in_tables else f"ref: refs/heads/{branch}\n")
        yield f"HEAD could not be read; it is on {branch} again"


def head_is_readable(directory: Path) -> bool:
    head = directory / "HEAD"
    return head.is_file() and _REF.fullmatch(head.read_bytes()) is not None


def mend_refs(directory: Path) -> Iterator[str]:
    """Remove files of refs that hold no id: git can neither read nor replace them."""
    if ref_tables.list_of(directory) is not None:
        return
    for path in sorted((directory / "refs").rglob("*")):
        if path.is_file() and path.suffix != ".lock" and not _REF.fullmatch(path.read_bytes()):
            path.unlink()
            yield f"removed {path.relative_to(directory)}, which held no commit"


def mend_unreadable(git: Git) -> Iterator[str]:
    """Remove our refs whose object, or whose commit's tree, nobody can read: over one of them every look fails."""
    for name in unreadable(git):
        git.run("update-ref", "--no-deref", "-d", name)
        yield f"removed {name}, whose object cannot be read any more"


def unreadable(git: Git) -> list[str]:
    """Return our refs whose object, or whose commit's tree, nobody can read."""
    found = git.lines("for-each-ref", "--format=%(refname)", refs.RELEASES.rstrip("/"), refs.OURS.rstrip("/"))
    blobs = (refs.STATE, refs.HOST)
    names = {ref: ref if ref.startswith(blobs) else f"{ref}^{{tree}}" for ref in found}
    asked = "".join(f"{name}\n" for name in names.values()).encode(errors="surrogateescape")
    status, output, _ = git.execute("cat-file", "--batch-check", stdin=asked)
    answers = output.splitlines()
    if status == 0 and len(answers) == len(names) and not any(line.endswith(b"missing") for line in answers):
        return []
    # A damaged object may end git half-way: each is asked for by itself.
    return [ref for ref, name in names.items() if git.execute("cat-file", "-e", name)[0] != 0]


def mend_branch(git: Git, branch: str) -> Iterator[str]:
    """Put the deploy branch back where its commit is gone, and HEAD on it; what HEAD was at stays reachable.

    `RepositoryError` when nothing tells where the branch was.
    """
    ref = f"refs/heads/{branch}"
    if git.resolve(ref) is None:
        commit = _last_of(git, ref)
        git.update_refs([RefUpdate(ref, commit)], reason="recover")
        yield f"the branch {branch} was gone; it is at {short(commit)} again"
    if git.head_ref() != ref:
        at = git.resolve("HEAD")
        if any((git.directory / name).exists() for name in _REBASES):
            # Gone on with from here, it would move the deploy branch. What it was to bring is on its own branch still.
            git.run("rebase", "--quit")
            yield "gave up a rebase that was under way; its branch is as it was before"
        if at is not None and not git.is_ancestor(at, ref):
            git.update_refs([records.keep(at)], reason="recover")
        git.run("symbolic-ref", "HEAD", ref)
        yield f"HEAD was at {short(at)}; it is on {branch} again"


def _last_of(git: Git, ref: str) -> str:
    """Return the commit that a lost branch was at: as its reflog has it, else as the live release or HEAD has it."""
    reflog = git.directory / "logs" / ref
    lines = reflog.read_text(errors="replace").splitlines() if reflog.is_file() else []
    logged = (line.split(" ")[1] for line in reversed(lines) if line.count(" ") >= 2)
    known = records.read(git)
    releases = (one.source for one in (known.live, known.good, *reversed(known.releases)) if one is not None)
    for commit in (*logged, *releases, "HEAD"):
        found = git.resolve(commit)
        if found is not None:
            return found
    raise RepositoryError(
        f"nothing is left that says where {ref.removeprefix('refs/heads/')} was",
        hint="Fetch it from another repository: git fetch --update-head-ok URL BRANCH:BRANCH; then: gitrelease recover",
    )


def mend_index(git: Git) -> Iterator[str]:
    """Make the index anew where git cannot read it; files on disk are left alone."""
    if git.execute("ls-files", "--stage")[0] != 0:
        (git.directory / "index").unlink(missing_ok=True)
        git.run("read-tree", "HEAD")
        yield "the index could not be read; it is made anew from HEAD"


def mend_files(checkout: Checkout, commit: str, source: str, *, torn: bool) -> Iterator[str]:
    """Bring the work tree to the branch where a git was cut off in it (`torn`), or where all of it is gone."""
    git = checkout.git
    paths = git.run("ls-files", "-z").split(b"\0")[:-1]
    gone = [path for path in paths if not (git.root / path.decode(errors="surrogateescape")).exists()]
    if not torn and len(gone) < len(paths):
        return
    if not torn and not paths:
        return
    if len(gone) == len(paths):
        # Nothing lies there that could be lost, and an edit that removes all is none.
        git.run("read-tree", "--reset", "-u", source)
        follow(checkout, commit, source, at=time.time())
        yield f"the files of the work tree were gone; brought back {counted(len(paths), 'file')}"
        return
    before = checkout.edited_paths(commit)
    backups = follow(checkout, commit, source, at=time.time(), clean=True)
    if before:
        kept = f"; what lay there is kept as {' and '.join(backups)}" if backups else ""
        yield f"brought {counted(len(before), 'file')} to {short(source)}{kept}"
