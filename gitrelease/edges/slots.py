"""Where does a release run? In a slot: a git worktree of its own, reused, free when no process holds its lock.

The lock is a file that the backend inherits: it stays locked as long as any process of that backend lives,
whatever becomes of the agent.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gitrelease.core.errors import Busy, Exit, ReleaseError
from gitrelease.core.reading import ReadAs
from gitrelease.core.text import quoted
from gitrelease.edges import process_table, ref_tables, worktrees
from gitrelease.edges.git import Git, GitError
from gitrelease.edges.process_table import Identity
from gitrelease.edges.slot_files import SlotFiles

# Live, standby, those that are kept for their pages (`sessions.keep`), the candidate, one that is just ending.
NAMES = ("a", "b", "c", "d", "e", "f", "g", "h")
CHECK = "check"

_TAKER = ReadAs(Identity)


@dataclass
class Slot:
    """A slot that is ours until `release`: `path` holds exactly the files of `commit`."""

    name: str
    path: Path
    commit: str
    lock: int  # an open file descriptor; pass it to the backend

    def release(self) -> None:
        """Give up our hold; a backend that inherited the lock keeps the slot taken."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


class Slots:
    """The slots of a production checkout, under `.git/gitrelease/slots/`."""

    def __init__(self, git: Git, folder: Path) -> None:
        self.git = git
        self.folder = folder
        self.files = SlotFiles(git, folder, standing=self.standing, held=self.held)

    def take(
        self,
        commit: str,
        *,
        shared: tuple[str, ...],
        data: tuple[str, ...] = (),
        tried: bool = True,
        names: tuple[str, ...] = NAMES,
    ) -> Slot:
        """Take a free slot, one that holds `commit` already if possible, and bring it to `commit`.

        It gets links to the run-time files `shared` and to the folders `data`; what is only `tried` gets copies of the
        latter until it is to `serve`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(names, key=lambda name: self.standing(name) != commit):
            lock = self._lock(name)
            if lock is None:
                continue
            try:
                if not self.files.save(name, data):
                    os.close(lock)
                    continue
                self._bring(name, commit, shared)
                self.files.give(name, data, tried=tried)
            except BaseException:
                os.close(lock)
                raise
            # Whoever else runs in it shares it: the one that brings it to another commit needs it alone.
            fcntl.flock(lock, fcntl.LOCK_SH)
            return Slot(name=name, path=self.folder / name, commit=commit, lock=lock)
        if names == (CHECK,):
            raise Busy("another check is running", hint="Try again when it has ended; production is not concerned")
        raise ReleaseError(
            f"no free slot: {', '.join(names)} are all held by running processes",
            hint="See which are left over: gitrelease doctor; end those: gitrelease recover",
            code=Exit.REFUSED,
        )

    def share(self, name: str, commit: str) -> Slot:
        """Return a slot in which `commit` runs already, for one more process of it; take another where it is gone."""
        descriptor = os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            if self.standing(name) == commit:
                return Slot(name=name, path=self.folder / name, commit=commit, lock=descriptor)
            os.close(descriptor)
        raise ReleaseError(
            f"slot {name} does not hold {commit[:10]} any more",
            hint="Somebody has changed what lies there; start it in another slot: gitrelease restart",
            code=Exit.REFUSED,
        )

    def changed(self, slot: Slot) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the files of a slot that are not as its commit has them, and those that it does not have at all.

        Links to run-time files are ours.
        """
        return self._changed(slot.path)

    def _changed(self, path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
        # Not `status`: it names a folder that holds nothing but a link of ours, and not what is in it.
        output = self.git.run("ls-files", "-z", "-t", "--others", "--modified", cwd=path)
        lines = [(line[:1], os.fsdecode(line[2:])) for line in output.split(b"\0") if line]
        others = [name for tag, name in lines if tag == b"?" and "__pycache__" not in Path(name).parts]
        return (
            tuple(dict.fromkeys(name for tag, name in lines if tag != b"?")),
            tuple(name for name in others if not (path / name).is_symlink()),
        )

    def clear_free(self) -> list[str]:
        """Remove the slots that no process holds, with git's record of them; return their names."""
        cleared: list[str] = []
        for name in (*NAMES, CHECK):
            if not (self.folder / name).exists():
                continue
            lock = self._lock(name)
            if lock is None:
                continue
            try:
                if self.files.save(name):
                    shutil.rmtree(self.folder / name, ignore_errors=not (self.folder / name).exists())
            finally:
                os.close(lock)
            cleared.append(name)
        self.git.run("worktree", "prune")
        return cleared

    def drop_tried(self, name: str) -> None:
        """Drop the copies of the app's data that a candidate had which has ended, unless another one has its slot."""
        with contextlib.suppress(OSError):  # a full disk: they are dropped when it is used again
            lock = self._lock(name)
            if lock is not None:
                self.files.drop_copies(name)
                os.close(lock)

    def settle(self, data: tuple[str, ...], *, but: Collection[str]) -> None:
        """Save what was written in the slots that have served and that nothing holds any more; drop what was tried.

        Those that are left out (`but`) belong to what serves: it may just be started again there.
        """
        self.files.drop_what_was_tried()
        for name in set(NAMES) - set(but):
            if self.files.needs_settling(name) and (lock := self._lock(name)) is not None:
                try:
                    self.files.save(name, data)
                    self.files.drop_copies(name)
                finally:
                    os.close(lock)

    def held(self) -> tuple[str, ...]:
        """Return the slots that a running process holds."""
        return tuple(name for name in NAMES if self._is_held(name))

    def _is_held(self, name: str) -> bool:
        try:
            descriptor = os.open(self.folder / f"{name}.lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def put_back(self, name: str, paths: Sequence[str]) -> None:
        """Bring files of a slot that runs back to what its commit has."""
        where = [f":(top,literal){path}" for path in paths]
        self.git.run("restore", "--source=HEAD", "--worktree", "--", *where, cwd=self.folder / name)

    def remove_all(self) -> None:
        """Remove every slot and git's record of it; for `uninstall`."""
        for name in (*NAMES, CHECK):
            if (self.folder / name).exists():
                if not self.files.save(name):
                    raise ReleaseError(
                        f"the disk is full: what the app has written in slot {name} cannot be kept",
                        hint=f"Make room (df -h {quoted(self.folder)}), then once more: gitrelease uninstall",
                    )
                self.git.execute("worktree", "remove", "--force", "--force", str(self.folder / name))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.git.run("worktree", "prune")

    def _lock(self, name: str) -> int | None:
        descriptor = os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        try:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(process_table.identify(os.getpid())), 0)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def left_behind(self, name: str) -> list[Identity]:
        """Return what still holds a slot whose taker has ended: nobody else will end it."""
        lock = self.folder / f"{name}.lock"
        try:
            taker = _TAKER.decode(lock.read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return []
        return [] if taker.alive else process_table.with_open(lock)

    def standing(self, name: str) -> str | None:
        """Return the commit that a slot's HEAD names, read without starting git where that is possible."""
        with contextlib.suppress(OSError):
            pointer = (self.folder / name / ".git").read_text().removeprefix("gitdir: ").strip()
            head = (Path(pointer) / "HEAD").read_text()
            return head.strip() if head != ref_tables.STUB else self._asked(name)
        return None

    def _asked(self, name: str) -> str | None:
        """Return the commit that a slot's HEAD names, as git says it."""
        status, output, _ = self.git.execute("rev-parse", "--verify", "--quiet", "HEAD", cwd=self.folder / name)
        return output.decode().strip() if status == 0 else None

    def _bring(self, name: str, commit: str, shared: tuple[str, ...]) -> None:
        path = self.folder / name
        self.files.unlink(name)
        if self.standing(name) is None:
            self._create(path, commit)
        else:
            self._clear_stale_lock(path)
            try:
                self._check_out(path, commit)
            except GitError:
                # On a full disk git cannot note that all is there already: the release must come up again all the same.
                if self.standing(name) != commit or any(self._changed(path)):
                    # A slot is only a copy: a damaged one is made anew.
                    self._create(path, commit)
        for relative in shared:
            self._link(path, relative)

    def _create(self, path: Path, commit: str) -> None:
        if path.exists():
            shutil.rmtree(path)
        self.git.run("worktree", "prune")
        worktrees.add(self.git, path, commit)
        self._check_out(path, commit)

    def _check_out(self, path: Path, commit: str) -> None:
        # A sparse checkout is the person's: what runs is whole.
        whole = ("-c", "core.sparseCheckout=false", "-c", "index.sparse=false")
        self.git.run(*whole, "checkout", "--quiet", "--force", "--detach", commit, "--", cwd=path)
        # What an earlier release left in the slot must not be seen by the next one.
        self.git.run("clean", "-ffdxq", cwd=path)

    def _clear_stale_lock(self, path: Path) -> None:
        """A checkout that was killed leaves index.lock; we hold the slot, so nobody else can own it."""
        pointer = (path / ".git").read_text().removeprefix("gitdir: ").strip()
        (Path(pointer) / "index.lock").unlink(missing_ok=True)

    def _link(self, slot: Path, relative: str) -> None:
        """Link a run-time file of the checkout into the slot; a tracked file of that name wins."""
        target, link = self.git.root / relative, slot / relative
        if target.exists() and not link.exists() and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
