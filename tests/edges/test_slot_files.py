"""The data of an app, and what it has left in a slot: nothing is lost, whatever lies there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gitrelease.edges.git import Git
from gitrelease.edges.slots import Slots
from tests.checkout import Clone, make_checkout

DATA = ("output",)


@pytest.fixture
def checkout(tmp_path: Path) -> Clone:
    return make_checkout(tmp_path, {"app.py": "x = 1\n", "kept/a.csv": "1\n", ".gitignore": "output/\n"})


@pytest.fixture
def slots(checkout: Clone, tmp_path: Path) -> Slots:
    (tmp_path / "home").mkdir()
    return Slots(Git(checkout.root), tmp_path / "home" / "slots")


@pytest.fixture
def take(checkout: Clone, slots: Slots) -> Callable[..., Path]:
    """Take the first slot for what serves, or is only `tried`, and give up the hold on it; return its path."""

    def taken(*, tried: bool = False) -> Path:
        slot = slots.take(checkout.git("rev-parse", "HEAD"), shared=(), data=DATA, tried=tried, names=("a",))
        slot.release()
        return slot.path

    return taken


def kept(slots: Slots) -> dict[str, str]:
    """Return what is kept for a while, by its path below the folder of its slot."""
    place = slots.files.leftovers
    files = [path for path in place.rglob("*") if path.is_file()] if place.exists() else []
    return {"/".join(path.relative_to(place).parts[1:]): path.read_text() for path in files}


def own_folder(slot: Path, **files: str) -> Path:
    """Let the app put a folder of its own in the place of its link."""
    (slot / "output").unlink()
    (slot / "output").mkdir()
    for name, text in files.items():
        (slot / "output" / name).write_text(text)
    return slot / "output"


def test_data_begins_with_what_the_checkout_has_and_what_is_tried_writes_to_a_copy(
    checkout: Clone, slots: Slots, take: Callable[..., Path]
) -> None:
    checkout.write("output/before.txt", "old")

    slot = take(tried=True)
    (slot / "output" / "before.txt").write_text("tried")
    (slot / "output" / "new.txt").write_text("tried")
    slots.files.serve("a")

    assert [path.name for path in (slot / "output").iterdir()] == ["before.txt"]
    assert (slots.files.data.place / "output" / "before.txt").read_text() == "old"
    assert checkout.read("output/before.txt") == "old"


def test_what_served_from_its_copies_is_the_apps_data_as_well(slots: Slots, take: Callable[..., Path]) -> None:
    slot = take(tried=True)
    (slot / "output" / "report.csv").write_text("of a user")

    slots.files.serve("a", late=True)

    assert (slots.files.data.place / "output" / "report.csv").read_text() == "of a user"


def test_what_was_taken_over_in_part_is_taken_over_to_the_end(slots: Slots, take: Callable[..., Path]) -> None:
    """As after a SIGKILL between two files: the link leads to the data already, and a copy still has one."""
    slot = take(tried=True)
    (slot / "output" / "second.csv").write_text("of a user")
    place = slots.files.data.place / "output"
    (slot / "output").unlink()
    (slot / "output").symlink_to(place)
    (place / "first.csv").write_text("of a user")

    slots.files.serve("a", late=True)

    assert {path.name for path in (slot / "output").iterdir()} == {"first.csv", "second.csv"}


def test_a_link_within_the_data_leads_within_the_copy(slots: Slots, take: Callable[..., Path]) -> None:
    slot = take()
    place = slots.files.data.place / "output"
    (place / "results.csv").write_text("of a user")
    (place / "latest").symlink_to(place / "results.csv")

    slot = take(tried=True)
    (slot / "output" / "latest").write_text("tried")

    assert (place / "results.csv").read_text() == "of a user"


def test_what_cannot_be_read_and_what_is_no_file_is_left_out_of_a_copy(
    checkout: Clone, take: Callable[..., Path]
) -> None:
    checkout.write("output/fine.txt", "fine")
    os.mkfifo(checkout.root / "output" / "pipe")
    (checkout.root / "output" / "link").symlink_to("nowhere")

    slot = take(tried=True)

    assert sorted(path.name for path in (slot / "output").iterdir()) == ["fine.txt", "link"]


def test_of_a_file_that_is_in_both_the_newer_one_stays(slots: Slots, take: Callable[..., Path]) -> None:
    slot = take()
    place = slots.files.data.place / "output"
    own = own_folder(slot, newer="own", older="own", same="same")
    for name, at in (("newer", 1), ("older", 3), ("same", 2)):
        (place / name).write_text("same" if name == "same" else "data")
        os.utime(place / name, (at, at))
        os.utime(own / name, (2, 2))

    take()

    assert {name: (place / name).read_text() for name in ("newer", "older", "same")} == {
        "newer": "own", "older": "data", "same": "same",
    }  # fmt: skip
    assert kept(slots) == {"output/newer": "data", "output/older": "own"}


def test_a_file_that_somebody_has_open_is_not_replaced(slots: Slots, take: Callable[..., Path]) -> None:
    slot = take()
    place = slots.files.data.place / "output"
    own = own_folder(slot, db="own")
    (place / "db").write_text("data")
    os.utime(place / "db", (1, 1))
    os.utime(own / "db", (2, 2))

    with (place / "db").open():
        take()

    assert (place / "db").read_text() == "data"
    assert kept(slots) == {"output/db": "own"}


def test_a_folder_and_a_file_of_one_name_are_both_kept(slots: Slots, take: Callable[..., Path]) -> None:
    slot = take()
    (slots.files.data.place / "output" / "x").mkdir()
    own_folder(slot, x="a file")

    take()

    assert (slots.files.data.place / "output" / "x").is_dir()
    assert kept(slots) == {"output/x": "a file"}


def test_what_else_was_written_is_kept_but_for_caches_and_links(slots: Slots, take: Callable[..., Path]) -> None:
    slot = take()
    (slot / "notes.txt").write_text("notes")
    (slot / "kept" / "b.csv").write_text("2")
    (slot / "__pycache__").mkdir()
    (slot / "__pycache__" / "app.pyc").write_text("")
    (slot / "link").symlink_to("app.py")

    named = slots.files.named("a")
    again = take()

    assert sorted(named) == ["kept/b.csv", "notes.txt"]
    assert kept(slots) == {"notes.txt": "notes", "kept/b.csv": "2"}
    assert sorted(path.name for path in again.iterdir()) == [".git", ".gitignore", "app.py", "kept", "output"]


def test_nothing_is_kept_of_what_was_only_tried(slots: Slots, take: Callable[..., Path]) -> None:
    (take(tried=True) / "notes.txt").write_text("notes")

    take()

    assert kept(slots) == {}


@pytest.mark.parametrize("damaged", ["the index", "git's record of the slot"])
def test_a_slot_that_git_cannot_read_is_kept_as_a_whole_and_made_anew(
    checkout: Clone, slots: Slots, take: Callable[..., Path], damaged: str
) -> None:
    slot = take()
    (slot / "notes.txt").write_text("notes")
    record = Path((slot / ".git").read_text().removeprefix("gitdir: ").strip())
    if damaged == "the index":
        (record / "index").write_bytes(b"nothing that git knows")
    else:
        (record / "HEAD").unlink()

    again = take()

    assert (again / "app.py").read_text() == "x = 1\n"
    assert kept(slots)["notes.txt"] == "notes"


def test_a_folder_that_git_tracks_is_no_data(checkout: Clone, slots: Slots) -> None:
    slot = slots.take(checkout.git("rev-parse", "HEAD"), shared=(), data=("kept",), tried=False, names=("a",))
    slot.release()

    slots.take(slot.commit, shared=(), data=("kept",), names=("a",)).release()

    assert (slot.path / "kept" / "a.csv").read_text() == "1\n"
    assert not (slots.files.data.place / "kept" / "a.csv").exists()
