"""What lies in the production checkout, what of it is in no commit, and how do its files follow a release?

The checkout is an inbox: nothing runs from it. `refs/gitrelease/checkout` is the commit last written to it,
carried files included; an edit is what differs from that.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gitrelease.core.documents import is_document
from gitrelease.core.errors import Exit, ReleaseError, RepositoryError
from gitrelease.core.refs import BACKUPS, CHECKOUT, LIVE
from gitrelease.core.text import one_line, quoted
from gitrelease.edges.faults import passing
from gitrelease.edges.git import Git, RefUpdate
from gitrelease.edges.tag_copies import way_back, with_copies

# A person is in the middle of something: the files on disk are no finished edit.
_IN_PROGRESS = {  # a rebase first: what it does one by one may look like one of the others
    "rebase-merge": "rebase",
    "rebase-apply/applying": "am",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}


REPLACED = "replaced"  # why a backup was made: something had to make way


class Checkout:
    """The work tree of a production checkout on its deploy branch."""

    def __init__(self, git: Git, *, branch_ref: str, carried: str) -> None:
        """`carried` is the managed file that is kept in releases even when git ignores it."""
        self.git = git
        self.branch_ref = branch_ref
        self.carried = carried
        self.directory = git.directory

    def on_branch(self) -> bool:
        return self.git.head_ref() == self.branch_ref

    def in_progress(self) -> str | None:
        """Return what a person has begun and not finished (`merge`, `rebase` …), or None."""
        found = (what for name, what in _IN_PROGRESS.items() if (self.directory / name).exists())
        return next(found, None)

    def require_no_rebase(self) -> None:
        """Raise `ReleaseError` while the deploy branch is rebased: its end sets it, whatever was pushed meanwhile."""
        names = (self.directory / folder / "head-name" for folder in ("rebase-merge", "rebase-apply"))
        if any(name.is_file() and name.read_text().strip() == self.branch_ref for name in names):
            branch = self.branch_ref.removeprefix("refs/heads/")
            raise ReleaseError(
                f"{branch} is being rebased on the production host, and would be set back when that ends",
                hint="On the host: git rebase --continue, or git rebase --abort; then push again",
                code=Exit.REFUSED,
            )

    def git_is_at_work(self) -> bool:
        """Does a git change the files just now, or was one killed while it did? What lies there is no edit then."""
        return (self.directory / "index.lock").exists()

    # -- what is on disk -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _scratch_index(self) -> Iterator[dict[str, str]]:
        """A copy of the index to work on: neither HEAD nor the index itself is touched."""
        # An agent that ends meanwhile must not complain that its git writes there still.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            scratch = Path(folder) / "index"
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(self.directory / "index", scratch)
            yield {"GIT_INDEX_FILE": str(scratch)}

    def disk_tree(self, *, untracked: bool = False, also: Sequence[str] = ()) -> str:
        """Write the tracked files as they are on disk, and the carried one, to a tree; return its id.

        With `untracked`, files that git neither tracks nor ignores are in it too; `also` names some that it ignores.
        """
        with self._scratch_index() as env:
            # A repository within ours that has no commit yet can be added by nobody, and is its own.
            apart = [f":(exclude,top,literal){path}" for path in self.repositories_within()] if untracked else []
            self.git.run("add", "-A" if untracked else "-u", "--", ":/", *apart, env=env)
            forced = [*also, *((self.carried,) if (self.git.root / self.carried).is_file() else ())]
            if forced:
                self.git.run("add", "--force", "--", *(f":(top,literal){path}" for path in forced), env=env)
            return self.git.text("write-tree", env=env)

    def repositories_within(self) -> list[str]:
        """Return untracked folders that are repositories of their own: git lists each as one, not what is in it."""
        listed = self.git.run("ls-files", "-z", "--others", "--exclude-standard").split(b"\0")
        return [os.fsdecode(path).rstrip("/") for path in listed if path.endswith(b"/")]

    def carries(self) -> bool:
        """Is the carried file one that git does not track?"""
        return not self.git.run("ls-files", "-z", "--", f":(top,literal){self.carried}")

    def ignores_carried(self) -> bool:
        return self.git.execute("check-ignore", "-q", "--no-index", "--", self.carried)[0] == 0

    def modified_paths(self) -> tuple[str, ...]:
        """Return the managed files that differ on disk from the index; nothing is written for it."""
        output = self.git.run("ls-files", "-z", "--modified", "--", ":/")
        paths = (os.fsdecode(path) for path in output.split(b"\0") if path)
        return tuple(path for path in paths if not is_document(path))

    def edited_paths(self, base: str, disk: str | None = None) -> tuple[str, ...]:
        """Return the managed files that differ on disk (or in the tree `disk`) from the commit or tree `base`."""
        changed = self.git.changed_paths(base, disk or self.disk_tree())
        return tuple(path for path in changed if not is_document(path))

    def age(self, paths: Sequence[str]) -> float:
        """Return how many seconds ago the youngest of `paths` was written; those that are gone count as long ago."""
        written = [(self.git.root / path).lstat().st_mtime for path in paths if os.path.lexists(self.git.root / path)]
        return time.time() - max(written, default=0.0)

    # -- an edit becomes a commit ----------------------------------------------------------------------------

    def identity(self) -> tuple[str, str]:
        """Return name and address for commits made here: git's identity on this host, else gitrelease's."""
        status, output, _ = self.git.execute("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
        if status == 0:
            name, _, rest = output.decode(errors="replace").partition(" <")
            return name, rest.partition(">")[0]
        return "gitrelease", f"gitrelease@{socket.gethostname() or 'localhost'}"

    def commit_edit(self, *, parent: str, paths: tuple[str, ...], subject: str, at: float) -> str:
        """Commit `paths` as they are on disk on top of `parent`; no ref, no index is touched."""
        disk = {entry.path: entry for entry in self.git.list_tree(self.disk_tree())}
        tracked = [path for path in paths if not (path == self.carried and self.carries())]
        files = {path: (disk[path].mode, disk[path].id) if path in disk else None for path in tracked}
        tree = self.git.tree_with(parent, files)
        if tree == self.git.tree_of(parent):
            return parent
        name, address = self.identity()
        message = f"{subject}\n\nEdited-By: {self._owner(paths)}\n"
        return self.git.commit_tree(tree, parents=[parent], message=message, env=identity_env(name, address, at))

    def _owner(self, paths: tuple[str, ...]) -> str:
        """Return the user who owns the first of `paths` that exists, else the one we run as."""
        existing = (self.git.root / path for path in paths if (self.git.root / path).exists())
        uid = next((path.stat().st_uid for path in existing), os.getuid())
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"uid {uid}"

    # -- files follow --------------------------------------------------------------------------------------

    def disk_follows(self, commit: str) -> bool:
        """Has somebody (a pull, a merge, a commit) brought the files to `commit` already?

        Yes when none of the files that it changes still is what we wrote last.
        """
        before = self.git.ref(CHECKOUT)
        if before is None or not self.on_branch():
            return True
        disk = self.disk_tree()
        moved = set(self.git.changed_paths(before, commit))
        return moved <= set(self.git.changed_paths(before, disk))

    def catch_up(self, commit: str) -> None:
        """Record that the files are at `commit`, which the branch is at, where somebody has brought them there."""
        before = self.git.ref(CHECKOUT)
        if before not in (None, commit) and self.on_branch() and self.disk_follows(commit):
            self.note(commit)

    def note(self, commit: str) -> None:
        """Record that the files are at `commit` now."""
        self.git.update_refs([RefUpdate(CHECKOUT, commit)], reason="files written")

    # -- nothing is lost -------------------------------------------------------------------------------------

    def snapshot(self, why: str, *, at: float | None = None, note: str = "", disk: str | None = None) -> str | None:
        """Keep what is on disk and in no commit under a `backup/…` tag; return its name, None if all is safe.

        `note` is a person's own word for it; `disk` the tree of what lies there, where it is known already.
        """
        head = self.git.resolve("HEAD")
        known = {self.git.tree_of(name) for name in (self.git.ref(CHECKOUT), head) if name}
        tree = disk or self.disk_tree(untracked=True)
        if tree in known or head is None:
            return None
        if why == REPLACED and (same := self._newest_of(tree, why)) is not None:
            return same  # who cannot be followed is tried again and again
        moment = time.time() if at is None else at
        name = f"backup/{time.strftime('%Y%m%d-%H%M%S', time.gmtime(moment))}-{why}"
        while self.git.ref(f"refs/tags/{name}"):
            name += "+"
        who, address = self.identity()
        commit = self.git.commit_tree(
            tree,
            parents=[head, *self._merged()],
            message=f"Work on disk that was in no commit ({why})\n",
            env=identity_env(who, address, moment),
        )
        first = one_line(note) or f"What lay in the checkout when something had to replace it ({why})"
        message = f"{first}\n\n{way_back(name)}\n"
        passing("snapshot: before its tag")
        tag = self.git.write_tag(name=name, commit=commit, message=message, at=moment)
        passing("snapshot: before its ref")
        made = RefUpdate(f"{BACKUPS}{name.removeprefix('backup/')}", tag)
        self.git.update_refs(with_copies([made]), reason="snapshot")
        return name

    def _newest_of(self, tree: str, why: str) -> str | None:
        """Return the newest backup of that kind when it holds just this tree."""
        newest = next((name for name in self.backups() if name.rstrip("+").endswith(f"-{why}")), None)
        return newest if newest is not None and self.git.tree_of(f"refs/tags/{newest}") == tree else None

    def backups(self) -> list[str]:
        """Return the names of all backups, newest first."""
        listed = self.git.lines("for-each-ref", "--sort=-creatordate", "--format=%(refname)", BACKUPS.rstrip("/"))
        return [name.removeprefix("refs/tags/") for name in listed]

    def backed_up(self, commit: str) -> tuple[str, ...]:
        """Return the paths that a backup changes against the commit that it was made on."""
        return self.git.changed_paths(f"{commit}^", commit)

    def moved_since(self, commit: str, paths: Sequence[str]) -> list[str]:
        """Return those of `paths` that are not any more what the backup `commit` was made on.

        The carried file is in no commit of a person: nothing tells what it was made on.
        """
        before, now = ({entry.path: entry for entry in self.git.list_tree(name)} for name in (f"{commit}^", "HEAD"))
        return [path for path in paths if path != self.carried and before.get(path) != now.get(path)]

    def in_no_snapshot(self, paths: Sequence[str]) -> list[str]:
        """Return what lies in the way of `paths` and would be kept by no snapshot, since git ignores it."""
        kept = {entry.path for entry in self.git.list_tree(self.disk_tree(untracked=True))}
        found: list[str] = []
        for path in paths:
            here = self.git.root / path
            above = [folder for folder in here.parents if folder.is_relative_to(self.git.root)]
            if (here.is_dir() and not here.is_symlink()) or (os.path.lexists(here) and path not in kept):
                found.append(path)
            found += [str(one.relative_to(self.git.root)) for one in above if one.is_file()]
        return list(dict.fromkeys(found))

    def restore(self, commit: str, paths: Sequence[str]) -> None:
        """Bring `paths` to what `commit` has, or remove what it does not have.

        Neither the branch nor the index moves: what comes back is an edit on disk, as it was.
        """
        there = {entry.path for entry in self.git.list_tree(commit)}
        wanted = [f":(top,literal){path}" for path in paths if path in there]
        if wanted:
            self.git.run("restore", "--source", commit, "--worktree", "--", *wanted)
        for path in paths:
            if path not in there:
                (self.git.root / path).unlink(missing_ok=True)

    def _merged(self) -> list[str]:
        """Return the other heads of a merge that is under way."""
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / "MERGE_HEAD").read_text().split()
        return []

    def require_branch(self) -> None:
        """Raise `RepositoryError` unless HEAD is on the deploy branch and has a commit."""
        head = self.git.head_ref()
        branch = self.branch_ref.removeprefix("refs/heads/")
        if self.git.ref(self.branch_ref) is None:
            raise no_branch(self.git, branch)
        if head is None:
            raise detached_head(self.git, branch)
        if head != self.branch_ref:
            raise RepositoryError(
                f"the checkout is on {head.removeprefix('refs/heads/')}, releases come from {branch}",
                hint=f"Run: git checkout {quoted(branch)}",
            )


def no_branch(git: Git, branch: str) -> RepositoryError:
    """Return the error for a deploy branch that is not there, or has no commit yet."""
    if git.ref(LIVE) is not None:
        return RepositoryError(
            f"the branch {branch} is gone, and releases were made from it", hint="Put it back: gitrelease recover"
        )
    if git.resolve("HEAD") is None:
        return RepositoryError(
            f"{git.root} has no commits yet", hint="Commit the app first: git add … && git commit; then type it again"
        )
    return RepositoryError(
        f"there is no branch {branch}, and releases come from it",
        hint=f"Make it here: git checkout -b {quoted(branch)}",
    )


def detached_head(git: Git, branch: str) -> RepositoryError:
    """Return the error for a HEAD on no branch, with what brings it to the deploy branch and moves no branch."""
    commit = git.resolve("HEAD") or ""
    if any((git.directory / folder).exists() for folder in ("rebase-merge", "rebase-apply")):
        why, hint = "a rebase is under way", "End it: git rebase --continue, or git rebase --abort"
    elif (git.directory / "BISECT_START").exists():
        why, hint = "a bisect is under way", "End it: git bisect reset"
    elif git.ref(f"refs/heads/{branch}") is None:
        return no_branch(git, branch)
    elif not git.text("for-each-ref", "--contains", "HEAD", "--count=1"):
        why = "its commits are on no branch"
        hint = f"Keep them: git branch work-{commit[:10]}; then go to the branch: git checkout {quoted(branch)}"
    else:
        why, hint = f"releases come from {branch}", f"Go there: git checkout {quoted(branch)}"
    return RepositoryError(f"HEAD is detached at {commit[:10]}: {why}", hint=hint)


def identity_env(name: str, address: str, at: float) -> dict[str, str]:
    """Return the environment that gives a commit this author, committer and date."""
    date = f"{int(at)} +0000"
    return {
        "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address, "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": address, "GIT_COMMITTER_DATE": date,
    }  # fmt: skip
