"""Is production whole? What must hold after anything that went wrong, read with plain git and from the kernel."""

from __future__ import annotations

import http.client
import re
import threading
import time
from pathlib import Path

from gitrelease.edges import process_table
from gitrelease.edges.backends import MARK
from gitrelease.edges.journal import Journal
from tests.checkout import Production, until

REFS = re.compile(
    r"refs/(stash|heads/.+|remotes/.+|tags/release/\d+|tags/backup/.+"
    r"|gitrelease/((live|good)(-[\w-]+)?|only/[\w-]+/\d+|checkout|frozen|(bad|pinned|state)/\d+|(kept|quarantine)/[0-9a-f]{40}))"
)


def assert_whole(production: Production, told: str = "") -> None:
    """Fail unless refs, files, processes, journal and what users get agree, and nothing is left over."""
    release = production.live()
    assert release is not None, told
    live = production.git("rev-parse", "refs/gitrelease/live")
    assert production.git("rev-parse", f"refs/tags/{release}") == live, f"{told}: tag and pointer disagree"
    assert production.answer() == expected(production, "refs/gitrelease/live"), f"{told}: users get something else"
    # The agent may be having a look just then; nobody keeps the turn.
    until(lambda: not production.busy(), f"{told}: the turn is free")
    state = production.status()
    assert state["checkout"]["in_sync"] or state["waiting"] or state["refused_edits"], f"{told}: {state['checkout']}"
    assert production.git("diff", "--name-only", "HEAD") == "" or state["refused_edits"], (
        f"{told}: an edit is left, {state}"
    )
    assert [ref for ref in refs(production) if not REFS.fullmatch(ref)] == [], told
    left: list[Path] = []

    def nothing_left() -> bool:  # one may just be writing
        left[:] = left_over(production)
        return not left

    try:
        until(nothing_left)
    except AssertionError:
        raise AssertionError(f"{told}: left over {left}") from None
    assert strays(production) == [], f"{told}: processes that nobody knows"
    assert "prunable" not in production.git("worktree", "list", "--porcelain"), told
    production.git("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
    journal = Journal(production.home / "journal.jsonl")
    lines = [line for line in journal.path.read_bytes().split(b"\n") if line]
    assert len(lines) - len(list(journal.events())) <= 1, f"{told}: the journal has torn lines"
    assert journal.memory().unfinished is None, f"{told}: a promotion is still begun"


def expected(production: Production, commit: str) -> str:
    """Return what the app of `commit` answers."""
    scope: dict[str, object] = {"__name__": "read"}
    exec(production.git("show", f"{commit}^{{commit}}:server.py"), scope)  # noqa: S102  # the tests' own server
    terms = scope["TERMS"]
    assert isinstance(terms, list)
    return f"{scope['VERSION']} {' '.join(terms)}"


def refs(production: Production) -> list[str]:
    return production.git("for-each-ref", "--format=%(refname)").split()


def left_over(production: Production) -> list[Path]:
    """Return lock files of git, and scratch files of ours, that nobody will remove."""
    git = production.root / ".git"
    locks = [path for path in git.rglob("*.lock") if not path.is_relative_to(production.home)]
    return [*locks, *(path for path in production.home.glob("**/.*.json.*") if "slots" not in path.parts)]


def strays(production: Production) -> list[int]:
    """Return processes that were started for this production, and that its list of processes does not name."""
    named = {production.front_pid(), *(one["identity"]["pid"] for one in production.backends())}
    marked = {identity.pid for identity in process_table.marked(MARK, str(production.home)) if identity.alive}
    return sorted(marked - named)


class Users:
    """Ask the public port 50 times a second, each time with a new connection, while the context is open."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers: list[str] = []
        self.failed: list[str] = []

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.02):
            begun = time.monotonic()
            try:
                self.answers.append(self._production.answer(timeout=30))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{error!r} after {time.monotonic() - begun:.2f} s")

    def came(self, answer: str) -> None:
        """Wait until a user has got this answer."""
        until(lambda: answer in self.answers[-3:], f"users get {answer!r}")
