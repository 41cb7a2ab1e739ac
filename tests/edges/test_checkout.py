"""The files follow a release over whatever lies in the checkout, and nothing of it is lost, nor what comes late."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitrelease.core.refs import CHECKOUT
from gitrelease.edges.checkout import Checkout
from gitrelease.edges.following import follow
from gitrelease.edges.git import Git, GitError

EDITS = 7  # at most, saved one after the other while git reads the file


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout that stands on the second of two commits; HEAD has gone back to the first, as a rollback lets it."""
    root = tmp_path / "checkout"
    git(tmp_path, "init", "--quiet", "-b", "deploy", str(root))
    git(root, "config", "user.name", "Ann Tester")
    git(root, "config", "user.email", "ann@example.com")
    for text in ("first\n", "second\n"):
        (root / "app.py").write_text(text)
        git(root, "add", "app.py")
        git(root, "commit", "--quiet", "-m", text)
    git(root, "update-ref", CHECKOUT, "HEAD")
    git(root, "update-ref", "HEAD", "HEAD~1")
    return Checkout(Git(root), branch_ref="refs/heads/deploy", carried="export.json")


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def root_of(checkout: Checkout) -> Path:
    return checkout.git.root


def rolled_back(checkout: Checkout) -> tuple[str, ...]:
    head = git(root_of(checkout), "rev-parse", "HEAD").strip()
    return follow(checkout, head, head, at=1_700_000_000, clean=True)


def everything_kept(checkout: Checkout) -> str:
    """Return all that lies in the checkout or in a backup."""
    backups = [git(root_of(checkout), "show", f"{name}:app.py") for name in checkout.backups()]
    return "".join([(root_of(checkout) / "app.py").read_text(), *backups])


def test_an_edit_that_is_saved_while_the_files_are_replaced_is_kept(checkout: Checkout, tmp_path: Path) -> None:
    root = root_of(checkout)
    editor = tmp_path / "editor"
    # Git reads a file through its filter: each time that it has read this one, somebody saves it once more.
    editor.write_text(
        f"""#!/bin/sh
cat
count=$(cat {tmp_path}/count)
[ "$count" -lt {EDITS} ] || exit 0
echo $((count + 1)) > {tmp_path}/count
echo "edit $count" >> {root}/app.py
"""
    )
    editor.chmod(0o755)
    (tmp_path / "count").write_text("0")
    git(root, "config", "filter.late.clean", str(editor))
    (root / ".git" / "info" / "attributes").write_text("app.py filter=late\n")
    (root / "app.py").write_text("second\nan edit\n")

    rolled_back(checkout)

    kept, saved = everything_kept(checkout), int((tmp_path / "count").read_text())
    assert saved > 1
    assert [number for number in range(saved) if f"edit {number}\n" not in kept] == []


def test_what_is_untracked_stays_unless_the_release_has_a_file_of_that_name(checkout: Checkout) -> None:
    root = root_of(checkout)
    git(root, "rm", "--quiet", "--cached", "app.py")
    (root / "app.py").write_text("mine\n")
    (root / "notes.txt").write_text("untracked\n")
    (root / "other.py").write_text("an edit\n")
    git(root, "add", "other.py")

    backups = rolled_back(checkout)

    assert (root / "app.py").read_text() == "first\n"
    assert (root / "notes.txt").read_text() == "untracked\n"
    assert not (root / "other.py").exists()
    assert git(root, "show", f"{backups[0]}:app.py") == "mine\n"
    assert git(root, "show", f"{backups[0]}:other.py") == "an edit\n"
    assert git(root, "status", "--porcelain") == "?? notes.txt\n"


def test_a_folder_in_the_place_of_a_file_makes_way(checkout: Checkout) -> None:
    root = root_of(checkout)
    (root / "app.py").unlink()
    (root / "app.py").mkdir()
    (root / "app.py" / "deeper.py").write_text("mine\n")

    backups = rolled_back(checkout)

    assert (root / "app.py").read_text() == "first\n"
    assert git(root, "show", f"{backups[0]}:app.py/deeper.py") == "mine\n"
    assert git(root, "status", "--porcelain") == ""


def test_an_ignored_file_in_the_way_is_kept(checkout: Checkout) -> None:
    """The live release stopped tracking a file, and this host has put its own there."""
    root = root_of(checkout)
    git(root, "update-ref", "HEAD", CHECKOUT)
    git(root, "rm", "--quiet", "--cached", "app.py")
    (root / ".gitignore").write_text("app.py\n")
    git(root, "add", ".gitignore")
    git(root, "commit", "--quiet", "-m", "ignore it")
    git(root, "update-ref", CHECKOUT, "HEAD")
    (root / "app.py").write_text("secrets of this host\n")
    git(root, "update-ref", "HEAD", "HEAD~2")

    backups = rolled_back(checkout)

    assert (root / "app.py").read_text() == "first\n"
    assert git(root, "show", f"{backups[0]}:app.py") == "secrets of this host\n"


def test_a_repository_in_the_way_is_set_aside_with_its_commits(checkout: Checkout) -> None:
    root = root_of(checkout)
    (root / "app.py").unlink()
    git(root, "init", "--quiet", "app.py")
    git(root / "app.py", "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "mine")

    rolled_back(checkout)

    assert (root / "app.py").read_text() == "first\n"
    aside = next(root.glob("app.py.replaced-*"))
    assert git(aside, "log", "--format=%s") == "mine\n"


def test_what_cannot_be_followed_makes_one_backup_however_often_it_is_tried(checkout: Checkout) -> None:
    root = root_of(checkout)
    (root / "app.py").write_text("an edit\n")
    (root / "app.py").chmod(0o644)
    git(root, "update-index", "--skip-worktree", "app.py")
    (root / "other.py").write_text("more\n")
    git(root, "add", "other.py")
    lock = root / ".git" / "index.lock"
    lock.touch()

    for _ in range(3):
        with pytest.raises(GitError):
            rolled_back(checkout)
    lock.unlink()

    assert len(checkout.backups()) == 1


def test_a_rollback_gives_an_unfinished_am_up(checkout: Checkout) -> None:
    root = root_of(checkout)
    patch = git(root, "format-patch", "--stdout", "HEAD..refs/gitrelease/checkout").replace("-first", "-another")
    ran = subprocess.run(["git", "am", "--quiet"], cwd=root, input=patch, text=True, capture_output=True, check=False)
    assert ran.returncode != 0
    assert checkout.in_progress() == "am"

    rolled_back(checkout)

    assert checkout.in_progress() is None
    assert (root / "app.py").read_text() == "first\n"
