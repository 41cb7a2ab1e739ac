"""How do we talk to git? Plumbing commands, hermetic, through GitPython's runner.

Only this module imports GitPython. Every command is an argument list; data from outside stands behind
`--end-of-options` or on standard input. Ids are 40 hex digits, or 64 where objects are named by SHA-256.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from gitrelease.core.errors import Exit, ReleaseError, RepositoryError
from gitrelease.core.exports import LARGEST
from gitrelease.core.text import quoted
from gitrelease.edges import loose_refs
from gitrelease.edges.home import for_sudo
from gitrelease.edges.locks import clear_locks_of

ZERO = "0" * 40  # what a ref must be that is not there, whatever its repository names objects by

# Our own checkouts must not run the repository's hooks; durable objects and refs survive a power cut.
# A monitor of the file system is a program that the checkout may name; ours look for themselves.
_ALWAYS = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false",
    "-c", "gc.auto=0",
)  # fmt: skip
_DURABLE = ("-c", "core.fsync=all")
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LEFT = 5.0  # seconds after which a lock that no git at work may hold was left behind
_LOCKED = ("File exists", "cannot lock references")  # what git says of a lock on a file, and on tables of refs
_LOOSE_OBJECTS = 6_700  # git's own measure of too many
_ANSWERS = 16  # answers that are remembered,
_ANSWER_BYTES = 1 << 16  # unless they are longer
_LISTED = 4  # trees whose files are remembered,
_LISTED_FILES = 5_000  # unless they have more: the agent stays small


def is_zero(name: str) -> bool:
    """Is an id the one that git names what is not there by?"""
    return not name.strip("0")


class GitError(ReleaseError):
    """A git command failed; `stderr` is what it said. Who knows why says it better; else git's words must do."""

    def __init__(self, command: Sequence[str], status: int, stderr: str) -> None:
        self.command = tuple(command)
        self.status = status
        self.stderr = stderr.strip()
        verb = next(word for at, word in enumerate(command) if word != "-c" and (at == 0 or command[at - 1] != "-c"))
        super().__init__(
            f"git {verb} ended with {status}: {self.stderr or 'no message'}",
            hint="Mend what git says (a full disk, a lock, rights, a name that is taken), then type it again",
            code=Exit.UNEXPECTED,
        )


@dataclass(frozen=True)
class TreeEntry:
    """One file of a tree; `mode` is git's, such as `100644`; `path` uses surrogate escapes."""

    mode: str
    kind: str
    id: str
    path: str


@dataclass(frozen=True)
class RefUpdate:
    """Move `ref` to `new`, or delete it when `new` is None; `old` is what it must be now (ZERO: absent)."""

    ref: str
    new: str | None
    old: str | None = None


class Git:
    """A repository, by its work tree. Holds no process and no handle: safe to keep and to share."""

    def __init__(self, root: Path) -> None:
        from git import Git as Runner

        self.root = root.absolute()
        self._runner = Runner("/")
        self._listed: dict[str, tuple[TreeEntry, ...]] = {}
        self._answers: dict[tuple[str, ...], bytes] = {}

    @classmethod
    def discover(cls, directory: Path) -> Git:
        """Return the repository whose work tree `directory` is in; `RepositoryError` where there is none."""
        if not directory.is_dir():
            raise RepositoryError(f"{directory} is no directory", hint="Name an existing checkout: gitrelease -C DIR …")
        here = cls(directory)
        try:
            top = here._top()
        except GitError as error:
            if "dubious ownership" in error.stderr:
                raise _not_trusted(directory.resolve()) from error
            raise RepositoryError(
                f"{directory} is no git repository with a work tree",
                hint="Go to the production checkout or name it: gitrelease -C DIR …; a new one: git clone URL DIR",
            ) from error
        if not top:
            raise RepositoryError(
                f"{directory} is a bare repository, production needs a work tree",
                hint="Make one beside it: git clone REPOSITORY DIR, then: gitrelease -C DIR init",
            )
        if not (Path(top) / ".git").exists():
            repository = here.text("rev-parse", "--absolute-git-dir")
            raise RepositoryError(
                f"{top} is the work tree of {repository} by core.worktree only, it has no .git",
                hint=f"It needs a .git of its own: git clone {quoted(repository)} DIR; then: gitrelease -C DIR init",
            )
        return cls(Path(top))

    def _top(self) -> str:
        """Return the work tree that this directory is in; nothing of a bare repository, `GitError` outside of any."""
        asked = ("rev-parse", "--is-bare-repository", "--show-toplevel")
        status, output, error = self.execute(*asked)
        bare, _, top = output.decode(errors="surrogateescape").partition("\n")
        if status != 0 and bare != "true":
            raise GitError(asked, status, error)
        return top.rstrip("\n") if bare == "false" else ""

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        ok: Iterable[int] = (0,),
        timeout: float | None = None,
    ) -> bytes:
        """Run `git ARGUMENTS` and return its output as it is; `GitError` for an exit code not in `ok`."""
        status, output, error = self.execute(*arguments, stdin=stdin, env=env, cwd=cwd, timeout=timeout)
        if status not in ok:
            raise GitError(arguments, status, error)
        return output

    def execute(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
    ) -> tuple[int, bytes, str]:
        """Run `git ARGUMENTS` and return exit code, output and what it said on standard error."""
        # By `-C`: GitPython expands variables in a directory, and where that is gone git would work in ours.
        where = ("-C", str(cwd or self.root))
        # Look-ups must not take index.lock under a person's own git command.
        # A pushed refs/replace/… would let one tree be checked and another one be served.
        environment = {
            "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C",
            **(env or {}),
        }  # fmt: skip
        # In memory: the disk may be full, and looking must work all the same.
        with os.fdopen(os.memfd_create("git", os.MFD_CLOEXEC), "w+b") as given:
            if stdin:
                given.write(stdin)
                given.seek(0)
            status, output, error = self._runner.execute(
                ["git", *where, *(() if arguments[0] == "config" else _ALWAYS), *arguments],
                istream=given,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                env=environment,
                kill_after_timeout=timeout,
            )
        return (
            int(status),
            bytes(output),
            error if isinstance(error, str) else bytes(error).decode(errors="replace"),
        )

    def text(self, *arguments: str, **options: object) -> str:
        """Run `git ARGUMENTS` and return its output as text, without the newline at its end."""
        return self.run(*arguments, **options).decode(errors="surrogateescape").rstrip("\n")  # type: ignore[arg-type]

    def lines(self, *arguments: str) -> list[str]:
        """Run `git ARGUMENTS` and return its lines; a name or a subject may have other ends of lines in it."""
        return [line for line in self.text(*arguments).split("\n") if line]

    # -- looking -------------------------------------------------------------------------------------------

    @cached_property
    def directory(self) -> Path:
        """The repository's own directory (`.git`), absolute; of a linked worktree, the common one."""
        if (self.root / ".git").is_dir():
            return (self.root / ".git").resolve()
        found = Path(self.text("rev-parse", "--git-common-dir"))
        return found if found.is_absolute() else (self.root / found).resolve()

    def resolve(self, revision: str, kind: str = "commit") -> str | None:
        """Return the id that `revision` names, peeled to `kind`, or None."""
        status, output, _ = self.execute(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{{kind}}}"
        )
        return output.decode().strip() if status == 0 else None

    def ref(self, name: str) -> str | None:
        """Return what the full ref `name` points at, unpeeled, or None."""
        if (found := loose_refs.read(self.root, name)) is not None:
            return found
        status, output, _ = self.execute("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return output.decode().strip() if status == 0 else None

    def head_ref(self) -> str | None:
        """Return the full name of the branch that HEAD is on, None when it is detached."""
        if (found := loose_refs.branch_of(self.root)) is not None:
            return found
        status, output, _ = self.execute("symbolic-ref", "--quiet", "HEAD")
        return output.decode().strip() if status == 0 else None

    def tree_of(self, commit: str) -> str:
        return self.text("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}")

    def _remembered(self, *arguments: str, fixed: Sequence[str]) -> bytes | None:
        """Run `git ARGUMENTS` and return its output, or None where it fails; once, where `fixed` are all full ids.

        What an id names never changes, and one release asks the same again and again.
        """
        known = self._answers.get(arguments)
        if known is not None:
            return known
        status, output, _ = self.execute(*arguments)
        if status != 0:
            return None
        if len(output) <= _ANSWER_BYTES and all(_ID.fullmatch(name) for name in fixed):
            self._answers = {**dict(list(self._answers.items())[1 - _ANSWERS :]), arguments: output}
        return output

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self.execute("merge-base", "--is-ancestor", older, newer)[0] == 0

    def list_tree(self, tree: str) -> tuple[TreeEntry, ...]:
        """Return every file of `tree` (or commit), recursively, in git's order."""
        listed = self._listed.get(tree)
        if listed is None:
            listed = tuple(_tree_entries(self.run("ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0")))
            # What an id names never changes; one release looks at the same few trees again and again.
            if _ID.fullmatch(tree) and len(listed) <= _LISTED_FILES:
                self._listed = {**dict(list(self._listed.items())[1 - _LISTED :]), tree: listed}
        return listed

    def size_of(self, tree: str) -> tuple[int, int]:
        """Return the bytes of all files of `tree` (or commit), and how many files and folders it has."""
        listed = self.run("ls-tree", "-r", "-t", "-l", "-z", "--full-tree", tree).split(b"\0")
        sizes = [entry.split(b"\t", 1)[0].split()[3] for entry in listed if entry]
        return sum(int(size) for size in sizes if size.isdigit()), len(sizes)

    def entry(self, tree: str, path: str) -> TreeEntry | None:
        """Return the file `path` of `tree` (or commit), or None where it has no such file."""
        listed = self._listed.get(tree)
        if listed is None:
            listed = tuple(_tree_entries(self.run("ls-tree", "-z", "--full-tree", tree, "--", path).split(b"\0")))
        return next((entry for entry in listed if entry.path == path), None)

    def files(self, tree: str, paths: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of `paths` in `tree` (or commit), by path; what it does not have is left out."""
        entries = (self.entry(tree, path) for path in paths)
        wanted = {entry.path: entry.id for entry in entries if entry}
        contents = self.blobs(list(wanted.values()))
        return {path: contents[name] for path, name in wanted.items() if name in contents}

    def blob(self, tree: str, path: str) -> bytes | None:
        """Return the content of `path` in `tree` (or commit), or None where it has no such file."""
        listed = self._listed.get(tree)
        if listed is not None and all(entry.path != path for entry in listed):
            return None
        return self._remembered("cat-file", "blob", f"{tree}:{path}", fixed=(tree,))

    def blobs(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the contents of the blobs `ids`; those that do not exist (submodules, zeros) are left out."""
        return self.objects(ids, "blob")

    def objects(self, ids: Sequence[str], kind: Literal["blob", "tag"]) -> dict[str, bytes]:
        """Return the contents of the objects `ids`; those that do not exist, or are of another kind, are left out."""
        wanted = [name for name in dict.fromkeys(ids) if name.strip("0")]
        if not wanted:
            return {}
        output = self.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in wanted).encode())
        return dict(_batch(output, kind.encode()))

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Return how many bytes each of the objects `ids` has; those that do not exist are left out."""
        wanted = [name for name in dict.fromkeys(ids) if name.strip("0")]
        if not wanted:
            return {}
        asked = "".join(f"{name}\n" for name in wanted).encode()
        lines = self.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked).decode().splitlines()
        pairs = (line.split() for line in lines)
        return {name: int(size) for name, size in pairs if size.isdigit()}

    def ids_at(self, trees: Sequence[str], path: str) -> list[str | None]:
        """Return the id of `path` in each of many trees (or commits), None where one has no such file."""
        asked = "".join(f"{tree}:{path}\n" for tree in trees).encode(errors="surrogateescape")
        answers = self.run("cat-file", "--batch-check=%(objectname)", stdin=asked).decode(errors="replace")
        return [line if _ID.fullmatch(line) else None for line in answers.split("\n")[:-1]]  # the path is in some

    def changed_paths(self, before: str, after: str) -> tuple[str, ...]:
        """Return the paths in which two trees (or commits) differ; a renamed file has two."""
        asked = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after)
        output = self._remembered(*asked, fixed=(before, after))
        if output is None:
            output = self.run(*asked)
        return tuple(os.fsdecode(path) for path in output.split(b"\0") if path)

    def diff_tree(self, before: str, after: str) -> bytes:
        """Return the raw and patch output of two trees, in the form that `core/changes.py` reads."""
        return self.run(
            # Of what is larger, only that it differs: its lines would all come to us.
            "-c", f"core.bigFileThreshold={LARGEST}",
            "diff-tree", "-r", "-z", "--raw", "-p", "-U0", "-M", "--no-ext-diff", "--no-textconv", "--no-color",
            before, after,
        )  # fmt: skip

    def tags_at(self, commit: str) -> tuple[tuple[str, str], ...]:
        """Return the annotated tags that point at `commit`, each as its full name and the id of its object."""
        # Not `for-each-ref --points-at`: it opens every tag, where packed refs say already what each one peels to.
        status, listed, error = self.execute("show-ref", "--tags", "--dereference")
        if status not in (0, 1):  # 1: there are none
            raise GitError(("show-ref",), status, error)
        lines = listed.decode(errors="surrogateescape").rstrip("\n").split("\n")
        wanted = {line[len(commit) + 1 : -3] for line in lines if line.startswith(commit) and line.endswith("^{}")}
        pairs = (line.split(" ", 1) for line in lines) if wanted else ()
        return tuple((name, tag) for tag, name in pairs if name in wanted)

    # -- writing -------------------------------------------------------------------------------------------

    def tree_with(self, tree: str, files: Mapping[str, tuple[str, str] | None]) -> str:
        """Return `tree` (or a commit's) with `files` (path to mode and blob id, None to remove) laid over it."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self.run("read-tree", tree, env=env)
            gone = ("0", ZERO if all(files.values()) else self.tree_of(tree))  # of mode 0 any id will do
            entries = {path: entry or gone for path, entry in files.items()}
            lines = b"".join(os.fsencode(f"{mode} {name}\t{path}") + b"\0" for path, (mode, name) in entries.items())
            self.run("update-index", "-z", "--index-info", stdin=lines, env=env)
            return self.text(*_DURABLE, "write-tree", env=env)

    def write_blob(self, content: bytes) -> str:
        """Write a blob and return its id; no tree and no ref names it yet."""
        return self.text(*_DURABLE, "hash-object", "-w", "--stdin", stdin=content)

    def commit_tree(
        self, tree: str, *, parents: Sequence[str], message: str, env: Mapping[str, str] | None = None
    ) -> str:
        """Write a commit of `tree`; author and committer come from `env` (`GIT_AUTHOR_NAME` …) or from git."""
        parent_arguments = [argument for parent in parents for argument in ("-p", parent)]
        return self.text(*_DURABLE, "commit-tree", tree, *parent_arguments, "-F", "-", stdin=_message(message), env=env)

    def write_tag(self, *, name: str, commit: str, message: str, at: float) -> str:
        """Write an annotated tag object and return its id; no ref points at it yet."""
        body = (
            f"object {commit}\ntype commit\ntag {name}\n"
            f"tagger gitrelease <gitrelease@localhost> {int(at)} +0000\n\n{message}"
        )
        return self.text(*_DURABLE, "hash-object", "-t", "tag", "-w", "--stdin", stdin=_message(body))

    def update_refs(self, updates: Sequence[RefUpdate], *, reason: str) -> None:
        """Move refs in one durable transaction: all of them, or `GitError` and none.

        Locks on them that a git which was killed has left are taken away.
        """
        self._transaction(updates, reason=reason, end="commit")

    def prove_refs(self, updates: Sequence[RefUpdate]) -> None:
        """Raise `GitError` where refs could not be moved just now; none of them is."""
        self._transaction(updates, reason="tried", end="abort")

    def _transaction(self, updates: Sequence[RefUpdate], *, reason: str, end: Literal["commit", "abort"]) -> None:
        lines = ["start"]
        for update in updates:
            if update.new is None:
                lines.append(f"delete {update.ref}" + (f" {update.old}" if update.old else ""))
            elif update.old == ZERO:
                lines.append(f"create {update.ref} {update.new}")
            else:
                lines.append(f"update {update.ref} {update.new}" + (f" {update.old}" if update.old else ""))
        lines += ["prepare", end]
        command = (*_DURABLE, "update-ref", "-m", f"gitrelease: {reason}", "--stdin")
        content = ("\n".join(lines) + "\n").encode(errors="surrogateescape")
        try:
            self.run(*command, stdin=content)
        except GitError as error:
            locked = ("HEAD", "packed-refs", *(update.ref for update in updates))
            is_locked = any(words in error.message for words in _LOCKED)
            cleared = is_locked and clear_locks_of(self.root, self.directory, locked, age=_LEFT)
            if not cleared:
                raise
            self.run(*command, stdin=content)

    def pack_refs(self, prefixes: Sequence[str], *, beyond: int) -> None:
        """Pack refs into one file when more than `beyond` below `prefixes` are files of their own: each is opened."""
        if sum(1 for prefix in prefixes for _ in (self.directory / prefix).glob("*")) > beyond:
            self.run("pack-refs", "--all")

    def pack_loose_objects(self) -> None:
        """Let git pack its loose objects where there are many, thousands say; takes seconds then."""
        self.run("-c", f"gc.auto={_LOOSE_OBJECTS}", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")

    def configuration(self, key: str, *, local: bool = True) -> str | None:
        status, output, _ = self.execute("config", *(("--local",) if local else ()), "--get", key)
        return output.decode(errors="surrogateescape").rstrip("\n") if status == 0 else None


def _not_trusted(directory: Path) -> RepositoryError:
    """Return the error for a repository that git does not trust: it, or its work tree, belongs to another user.

    Trust alone lets nobody release from another user's repository.
    """
    top = next((folder for folder in (directory, *directory.parents) if (folder / ".git").exists()), directory)
    repository = top / ".git" if (top / ".git").exists() else top
    uid = repository.stat().st_uid
    message = f"git does not trust {top}: it belongs to another user"
    if uid == os.getuid():
        remedy = f"git config --global --add safe.directory {quoted(top)}"
        return RepositoryError(message, hint=f"The repository in it is yours, so trust it: {remedy}")
    owner = for_sudo(uid)
    return RepositoryError(message, hint=f"Run it as that user: sudo -u {owner} gitrelease …")


def _message(text: str) -> bytes:
    """Encode a message; bytes of a name that are no UTF-8 are written as `\\udcff`, so that git can show it."""
    return text.encode(errors="backslashreplace")


def _tree_entries(listed: Sequence[bytes]) -> Iterator[TreeEntry]:
    for entry in listed:
        if entry:
            facts, path = entry.split(b"\t", 1)
            mode, kind, name = facts.decode().split()
            yield TreeEntry(mode=mode, kind=kind, id=name, path=os.fsdecode(path))


def _batch(output: bytes, kind: bytes) -> Iterator[tuple[str, bytes]]:
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        header = output[position:end].split()
        position = end + 1
        if len(header) == 3 and header[1] != b"missing":
            size = int(header[2])
            if header[1] == kind:
                yield header[0].decode(), output[position : position + size]
            position += size + 1
