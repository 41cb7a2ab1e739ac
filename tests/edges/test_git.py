"""Git works in the directory that it was given, whatever that is called, and nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gitrelease.edges.git import Git, GitError, RefUpdate


@pytest.mark.parametrize("name", ["$HOME", "~", "a b", "-C", "caf\udce9"])
def test_a_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()

    Git(place).run("init", "--quiet")

    assert Git.discover(place).root == place
    assert (place / ".git").is_dir()


def test_a_directory_may_be_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Git(tmp_path).run("init", "--quiet")
    monkeypatch.chdir(tmp_path)

    assert Git.discover(Path()).root == tmp_path


def test_in_a_directory_that_is_gone_git_does_not_work_in_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    ours.mkdir()
    other.mkdir()
    Git(other).run("init", "--quiet")
    monkeypatch.chdir(other)
    shutil.rmtree(ours)

    with pytest.raises(GitError, match="ours"):
        Git(ours).run("update-ref", "--stdin")
    assert Git(ours).ref("HEAD") is None


def _asked(git: Git, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the first word of every command that git is asked to run."""
    asked: list[str] = []
    execute = git.execute

    def told(*arguments: str, **options: Any) -> tuple[int, bytes, str]:
        asked.append(arguments[0])
        return execute(*arguments, **options)

    monkeypatch.setattr(git, "execute", told)
    return asked


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """A repository with one commit on the branch `deploy`."""
    found = Git(tmp_path / "here")
    found.root.mkdir()
    found.run("init", "--quiet", "--initial-branch", "deploy")
    found.run("commit", "--quiet", "--allow-empty", "-m", "One")
    return found


@pytest.mark.parametrize("how", ["loose", "packed", "packed and moved", "symbolic", "deleted", "emptied", "damaged"])
def test_a_ref_reads_as_git_reads_it_however_it_is_kept(git: Git, how: str) -> None:
    name = "refs/gitrelease/some"
    first = git.text("rev-parse", "HEAD")
    git.run("update-ref", name, first)
    path = git.directory / name
    match how:
        case "packed":
            git.run("pack-refs", "--all")
        case "packed and moved":
            git.run("pack-refs", "--all")
            git.run("commit", "--quiet", "--allow-empty", "-m", "Two")
            git.run("update-ref", name, "HEAD")
        case "symbolic":
            git.run("symbolic-ref", name, "refs/heads/deploy")
        case "deleted":
            git.run("update-ref", "-d", name)
        case "emptied":
            path.write_bytes(b"")
        case "damaged":
            path.write_text(first[:39] + "\n")

    status, said, _ = git.execute("rev-parse", "--verify", "--quiet", name)

    assert git.ref(name) == (said.decode().strip() if status == 0 else None)
    assert (git.ref(name) is None) == (how in ("deleted", "emptied", "damaged"))


def test_what_a_file_says_costs_no_process(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = git.tree_of("HEAD")
    other = git.tree_with(tree, {"a": ("100644", git.write_blob(b"A"))})
    asked = _asked(git, monkeypatch)

    assert git.ref("refs/heads/deploy")
    assert git.head_ref() == "refs/heads/deploy"
    assert asked == []
    assert [git.changed_paths(tree, other) for _ in range(2)] == [("a",)] * 2
    assert [git.blob(other, "a") for _ in range(2)] == [b"A"] * 2
    assert asked == ["diff-tree", "cat-file"]


def test_what_is_no_id_is_asked_for_each_time(git: Git) -> None:
    (git.root / "a").write_text("one")
    git.run("add", "a")
    git.run("commit", "--quiet", "-m", "A")
    assert git.blob("HEAD", "a") == b"one"
    (git.root / "a").write_text("two")
    git.run("commit", "--quiet", "-a", "-m", "A again")

    assert git.blob("HEAD", "a") == b"two"
    assert git.changed_paths("HEAD^", "HEAD") == ("a",)


def test_a_linked_work_tree_has_a_head_of_its_own(git: Git, tmp_path: Path) -> None:
    git.run("worktree", "add", "--quiet", "-b", "beside", str(tmp_path / "beside"))
    beside = Git(tmp_path / "beside")

    assert beside.head_ref() == "refs/heads/beside"
    assert beside.ref("refs/heads/deploy") == git.ref("refs/heads/deploy")
    beside.run("checkout", "--quiet", "--detach")
    assert beside.head_ref() is None
    assert git.head_ref() == "refs/heads/deploy"


@pytest.mark.parametrize(
    "name",
    [
        "refs/../HEAD",
        "HEAD",
        "ORIG_HEAD",
        "refs/heads",
        "refs/heads/deploy/x",
        pytest.param("refs/" + "x" * 300, id="long"),
    ],
)
def test_what_is_no_ref_is_none_of_ours(git: Git, name: str) -> None:
    status, said, _ = git.execute("rev-parse", "--verify", "--quiet", "--end-of-options", name)

    assert git.ref(name) == (said.decode().strip() if status == 0 else None)


def test_what_failed_is_named_whatever_was_set_for_it(tmp_path: Path) -> None:
    git = Git(tmp_path)
    git.run("init", "--quiet")

    with pytest.raises(GitError, match="git update-ref ended with 128"):
        git.update_refs([RefUpdate("refs/heads/x", "1" * 40)], reason="test")


@pytest.mark.parametrize("name", ["a b", "a\u2028b", "a\x85b", "a\rb", "caf\udce9"], ids=ascii)
def test_which_commits_have_a_file_is_told_whatever_it_is_called(git: Git, name: str) -> None:
    (git.root / name).write_text("x")
    git.run("add", "--all")
    git.run("commit", "--quiet", "-m", "Two")
    trees = [git.text("rev-parse", commit) for commit in ("HEAD", "HEAD^", "HEAD")]
    there = git.text("rev-parse", f"HEAD:{name}")

    assert git.ids_at(trees, name) == [there, None, there]
