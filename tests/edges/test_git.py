"""Git works in the directory that it was given, whatever that is called, and nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitrelease.edges.git import Git, GitError


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
