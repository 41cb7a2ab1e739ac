"""Is production whole? What must hold after anything that went wrong, read with plain git and from the kernel."""

from __future__ import annotations

import http.client
import re
import threading
import time
from pathlib import Path

from gitrelease.edges import process_table
from gitrelease.edges.backends import MARK
from gitrelease.edges.git import Git
from gitrelease.edges.journal import Journal
from gitrelease.edges.slots import Slots
from tests.checkout import Production, until

LIVE = "refs/gitrelease/live"
ONLY = "refs/gitrelease/only/"
REFS = re.compile(
    r"refs/(stash|heads/.+|remotes/.+|tags/release/\d+|tags/backup/.+"
    r"|gitrelease/((live|good)(-[\w-]+)?|only/[\w-]+/\d+|checkout|frozen|host|tags/(release/\d+|backup/.+)"
    r"|(bad|pinned|state)/\d+|(kept|quarantine)/[0-9a-f]{40,64}))"
)


def assert_whole(production: Production, told: str = "") -> None:
    """Fail unless refs, files, processes, journals and what users get agree, and nothing is left over."""
    # The agent may be having a look just then; nobody keeps the turn.
    until(lambda: not production.busy(), f"{told}: the turn is free")
    for group in groups_of(production):
        _assert_group_is_whole(production, group, f"{told}: {group}")
    state = production.status()
    assert state["checkout"]["in_sync"] or state["waiting"] or state["refused_edits"], f"{told}: {state['checkout']}"
    assert production.git("diff", "--name-only", "HEAD") == "" or state["refused_edits"], (
        f"{told}: an edit is left, {state}"
    )
    assert [ref for ref in refs(production) if not REFS.fullmatch(ref)] == [], told
    _assert_marks_of_groups(production, told)
    left: list[Path] = []

    def nothing_left() -> bool:  # one may just be writing
        left[:] = left_over(production)
        return not left

    try:
        until(nothing_left)
    except AssertionError:
        raise AssertionError(f"{told}: left over {left}") from None
    assert "prunable" not in production.git("worktree", "list", "--porcelain"), told
    production.git("fsck", "--connectivity-only", "--no-dangling", "--no-progress")


def groups_of(production: Production) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place.group for place in production.places.values()))


def live_of(group: str) -> str:
    return LIVE if group == "production" else f"{LIVE}-{group}"


def serves(production: Production, group: str) -> bool:
    """Has a group been given a release?"""
    return production.git("for-each-ref", live_of(group)) != ""


def _assert_group_is_whole(production: Production, group: str, told: str) -> None:
    """One release for all instances of the group, from one backend each, and nobody else at work."""
    journal = Journal(production.home_of(group) / "journal.jsonl")
    if journal.path.exists():
        lines = [line for line in journal.path.read_bytes().split(b"\n") if line]
        assert len(lines) - len(list(journal.events())) <= 1, f"{told}: the journal has torn lines"
        assert journal.memory().unfinished is None, f"{told}: a promotion is still begun"
    mine = {name: place for name, place in production.places.items() if place.group == group}
    if not serves(production, group):
        until(lambda: not running(production, group), f"{told}: nothing runs for what serves nothing")
        return
    live = production.git("rev-parse", live_of(group))
    release = production.git("cat-file", "-p", live).split("tag ")[1].split("\n")[0]
    assert production.git("rev-parse", f"refs/tags/{release}") == live, f"{told}: tag and pointer disagree"
    for name, place in mine.items():
        answer = production.answer(port=place.port)
        assert answer == expected(production, live, place.script), f"{told}: users of {name} get {answer!r}"
    until(lambda: not production.processes(group)["leaving"], f"{told}: who was replaced ends")
    written = production.processes(group)
    assert written["live"]["number"] == int(release.removeprefix("release/")), told
    for role in ("live", "standby"):
        assert written[role] is None or set(written[role]["workers"]) == set(mine), f"{told}: {role}"
    until(lambda: not strays(production, group), f"{told}: no processes that nobody knows")
    slots = Slots(Git.discover(production.root), production.home_of(group) / "slots")
    held = {one["slot"] for one in production.backends(group)}
    # The agent itself holds one for the moment in which it saves what the app has written there.
    until(lambda: set(slots.held()) <= held, f"{told}: only {held} are held, which are known; that")


def _assert_marks_of_groups(production: Production, told: str) -> None:
    """What is a group's alone is a release with its tag, and none that production serves or has proved good."""
    ours = [production.git("rev-parse", ref) for ref in (LIVE, "refs/gitrelease/good") if ref in refs(production)]
    for ref in refs(production):
        if ref.startswith(ONLY):
            tag = production.git("rev-parse", ref)
            assert production.git("rev-parse", f"refs/tags/release/{ref.rpartition('/')[2]}") == tag, f"{told}: {ref}"
            assert tag not in ours, f"{told}: {ref} is production's"


def expected(production: Production, commit: str, script: str = "server.py") -> str:
    """Return what a script of the app of `commit` answers."""
    scope: dict[str, object] = {"__name__": "read"}
    exec(production.git("show", f"{commit}^{{commit}}:{script}"), scope)  # noqa: S102  # the tests' own server
    terms = scope["TERMS"]
    assert isinstance(terms, list)
    return f"{scope['VERSION']} {' '.join(terms)}"


def expected_everywhere(production: Production) -> dict[str, str]:
    """Return what the users of each instance should get just now, by the refs; nothing where a group serves none."""
    return {
        name: expected(production, live_of(place.group), place.script)
        for name, place in production.places.items()
        if serves(production, place.group)
    }


def refs(production: Production) -> list[str]:
    return production.git("for-each-ref", "--format=%(refname)").split()


def left_over(production: Production) -> list[Path]:
    """Return lock files of git, and scratch files of ours, that nobody will remove."""
    git = production.root / ".git"
    locks = [path for path in git.rglob("*.lock") if not path.is_relative_to(production.home)]
    return [*locks, *(path for path in production.home.glob("**/.*.json.*") if "slots" not in path.parts)]


def strays(production: Production, group: str = "production") -> list[int]:
    """Return processes that were started for a group, and that its list of processes does not name."""
    home = production.home_of(group)
    named: set[int] = set()
    if (home / "run" / "processes.json").exists():
        front = production.processes(group)["front"]
        named = {*([front["pid"]] if front else []), *(one["identity"]["pid"] for one in production.backends(group))}
    return sorted(running(production, group) - named)


def running(production: Production, group: str) -> set[int]:
    """Return the processes that were started for a group."""
    home = str(production.home_of(group))
    return {identity.pid for identity in process_table.marked(MARK, home) if identity.alive}


class Users:
    """Ask a public port 50 times a second, each time with a new connection, while the context is open."""

    def __init__(self, production: Production, port: int | None = None, *, every: float = 0.02) -> None:
        self._production = production
        self._port = port
        self._every = every
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
        while not self._over.wait(self._every):
            begun = time.monotonic()
            try:
                self.answers.append(self._production.answer(timeout=30, port=self._port))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{error!r} after {time.monotonic() - begun:.2f} s")

    def came(self, answer: str) -> None:
        """Wait until a user has got this answer."""
        until(lambda: answer in self.answers[-3:], f"users get {answer!r}")


class Everybody:
    """Users of every instance whose group serves something, each as `Users`, 50 requests a second in all."""

    def __init__(self, production: Production) -> None:
        serving = [name for name, one in production.places.items() if serves(production, one.group)]
        self.of = {name: Users(production, production.places[name].port, every=0.02 * len(serving)) for name in serving}

    def __enter__(self) -> Everybody:
        for users in self.of.values():
            users.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for users in self.of.values():
            users.__exit__()

    @property
    def failed(self) -> list[str]:
        return [f"{name}: {why}" for name, users in self.of.items() for why in users.failed]

    @property
    def requests(self) -> int:
        return sum(len(users.answers) + len(users.failed) for users in self.of.values())
