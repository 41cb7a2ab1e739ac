"""A slot holds exactly the files of its commit, and tells when it no longer does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.core.errors import ReleaseError
from gitrelease.edges.git import Git
from gitrelease.edges.slots import NAMES, Slot, Slots
from tests.checkout import Clone, make_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Clone:
    made = make_checkout(tmp_path, {"app.py": "x = 1\n", "data/a.csv": "1\n", ".gitignore": "*.log\n.streamlit/\n"})
    made.write(".streamlit/secrets.toml", "token = 1\n")
    return made


@pytest.fixture
def slots(checkout: Clone, tmp_path: Path) -> Slots:
    return Slots(Git(checkout.root), tmp_path / "slots")


@pytest.fixture
def slot(checkout: Clone, slots: Slots) -> Iterator[Slot]:
    taken = slots.take(checkout.git("rev-parse", "HEAD"), shared=(".streamlit/secrets.toml",))
    yield taken
    taken.release()


def test_a_slot_as_it_was_taken_has_not_changed(slots: Slots, slot: Slot) -> None:
    assert (slot.path / ".streamlit" / "secrets.toml").read_text() == "token = 1\n"
    assert slots.changed(slot) == ((), ())


@pytest.mark.parametrize(
    ("name", "text", "tracked"),
    [
        ("app.py", "x = 2\n", True),
        ("new.txt", "x", False),
        ("folder/new.txt", "x", False),
        ("ignored.log", "x", False),
        (".streamlit/config.toml", "", False),
    ],
    ids=["changed", "new", "in a new folder", "ignored", "beside a link of ours"],
)  # fmt: skip
def test_what_was_written_into_a_slot_is_named(slots: Slots, slot: Slot, name: str, text: str, tracked: bool) -> None:
    path = slot.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)

    assert slots.changed(slot) == (((name,), ()) if tracked else ((), (name,)))


def test_what_was_deleted_is_named_and_compiled_python_is_not(slots: Slots, slot: Slot) -> None:
    (slot.path / "data" / "a.csv").unlink()
    (slot.path / "__pycache__").mkdir()
    (slot.path / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"")

    assert slots.changed(slot) == (("data/a.csv",), ())


def test_a_slot_is_cleaned_when_it_is_taken_again(checkout: Clone, slots: Slots, slot: Slot) -> None:
    (slot.path / "left.log").write_text("x")
    (slot.path / "app.py").write_text("x = 2\n")
    slot.release()

    again = slots.take(checkout.git("rev-parse", "HEAD"), shared=())

    assert again.name == slot.name
    assert (again.path / "app.py").read_text() == "x = 1\n"
    assert not (again.path / "left.log").exists()
    again.release()


def test_a_slot_that_was_damaged_is_made_anew(checkout: Clone, slots: Slots, slot: Slot) -> None:
    slot.release()
    (slot.path / ".git").write_text("gitdir: /nowhere\n")

    again = slots.take(checkout.git("rev-parse", "HEAD"), shared=(), names=(slot.name,))

    assert (again.path / "app.py").read_text() == "x = 1\n"
    again.release()


def test_slots_that_are_all_taken_are_said_so(checkout: Clone, slots: Slots, slot: Slot) -> None:
    head = checkout.git("rev-parse", "HEAD")
    others = [slots.take(head, shared=()) for _ in NAMES[1:]]

    with pytest.raises(ReleaseError, match="no free slot"):
        slots.take(head, shared=())

    for other in others:
        other.release()


class Heads(threading.Thread):
    """What is read, all the time, in the HEAD of every work tree."""

    def __init__(self, worktrees: Path) -> None:
        super().__init__(daemon=True)
        self.found: set[str] = set()
        self._worktrees = worktrees
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._over.is_set():
            for head in self._worktrees.glob("*/HEAD"):
                with contextlib.suppress(FileNotFoundError):
                    self.found.add(head.read_text().strip())

    def end(self) -> set[str]:
        self._over.set()
        self.join()
        return self.found


@pytest.mark.parametrize("of_its_own", [False, True], ids=["", "with settings for each work tree"])
def test_while_a_slot_is_made_every_head_can_be_read(checkout: Clone, slots: Slots, of_its_own: bool) -> None:
    """Git refuses a push of a moment in which one cannot: what it looks at first is all that can be reached."""
    if of_its_own:
        checkout.git("config", "extensions.worktreeConfig", "true")
        checkout.git("config", "--worktree", "core.eol", "lf")
    commit = checkout.git("rev-parse", "HEAD")
    heads = Heads(checkout.root / ".git" / "worktrees")

    for name in NAMES:
        slots.take(commit, shared=(), names=(name,)).release()

    assert heads.end() == {commit}


def test_a_slot_finds_a_name_for_its_record_beside_others(checkout: Clone, slots: Slots, tmp_path: Path) -> None:
    checkout.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "a"))

    slots.take(checkout.git("rev-parse", "HEAD"), shared=(), names=("a",)).release()

    listed = checkout.git("worktree", "list")
    assert str(slots.folder / "a") in listed
    assert str(tmp_path / "a") in listed
    assert checkout.git("-C", str(slots.folder / "a"), "status", "--porcelain") == ""
    assert checkout.git("fsck", "--no-dangling") == ""


def test_a_record_that_was_being_made_when_somebody_was_killed_is_in_nobodys_way(checkout: Clone, slots: Slots) -> None:
    (slots.folder / ".a.record" / "HEAD").mkdir(parents=True)
    (slots.folder / "a").mkdir()
    (slots.folder / "a" / ".git").write_text(f"gitdir: {checkout.root}/.git/worktrees/a\n")

    slots.take(checkout.git("rev-parse", "HEAD"), shared=(), names=("a",)).release()

    assert checkout.git("-C", str(slots.folder / "a"), "status", "--porcelain") == ""
    assert sorted(path.name for path in slots.folder.iterdir()) == ["a", "a.lock"]


def test_settings_for_each_work_tree_are_those_that_git_gives_it(checkout: Clone, slots: Slots) -> None:
    checkout.git("config", "extensions.worktreeConfig", "true")
    checkout.git("config", "--worktree", "core.eol", "lf")
    checkout.git("config", "--worktree", "core.worktree", str(checkout.root))

    slots.take(checkout.git("rev-parse", "HEAD"), shared=(), names=("a",)).release()

    slot = str(slots.folder / "a")
    assert checkout.git("-C", slot, "config", "--worktree", "--list") == "core.eol=lf"
    assert checkout.git("-C", slot, "rev-parse", "--show-toplevel") == slot
    assert checkout.git("config", "--worktree", "core.worktree") == str(checkout.root)
