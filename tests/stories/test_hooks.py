"""Hooks of others beside ours: whoever wrote them, and whenever, all run, in order, and none is ever lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkout import Clone, Production
from tests.remedies import typed

HEADER = "#!/bin/sh\n"


class Hooks:
    """The hooks of a checkout; each that is written here says its word to a file."""

    def __init__(self, checkout: Production, said: Path) -> None:
        self.checkout, self.folder, self._said = checkout, checkout.root / ".git/hooks", said

    def write(self, name: str, word: str, *, more: str = "") -> str:
        """Write a hook as a tool does that asks nobody; return its text."""
        text = f"{HEADER}echo {word} >> '{self._said}'\n{more}"
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return text

    def said(self) -> list[str]:
        """Return what the hooks have said since the last time."""
        words = self._said.read_text().split() if self._said.exists() else []
        self._said.unlink(missing_ok=True)
        return words

    def texts(self) -> set[str]:
        """Return the texts of all that is in the folder, but for the samples of git."""
        return {path.read_text() for path in self.folder.iterdir() if path.suffix != ".sample"}

    def fix(self) -> None:
        ended = self.checkout.gitrelease("doctor", "--fix")
        assert "installed the hooks" in ended.words, ended.said

    def uninstall(self) -> str:
        """Uninstall; return what that says."""
        ended = self.checkout.gitrelease("uninstall")
        assert ended.code == 0, ended.said
        return ended.said


@pytest.fixture
def hooks(checkout: Production, tmp_path: Path) -> Hooks:
    return Hooks(checkout, tmp_path / "said")


@pytest.fixture
def developer(checkout: Production) -> Clone:
    return checkout.clone()


def push(developer: Clone) -> bool:
    """Push a commit to a branch that production does not follow."""
    developer.commit()
    return developer.push("origin", "HEAD:refs/heads/side").code == 0


def test_a_hook_that_a_tool_writes_over_ours_runs_behind_the_one_that_was_there_first(
    hooks: Hooks, developer: Clone
) -> None:
    hooks.write("pre-receive", "first")
    hooks.checkout.init()
    hooks.write("pre-receive", "second")
    hooks.fix()
    hooks.write("pre-receive", "third")
    hooks.fix()

    assert push(developer)

    assert hooks.said() == ["first", "second", "third"]


@pytest.mark.parametrize("refusing", ["first", "second"])
def test_each_of_them_can_refuse_a_push(hooks: Hooks, developer: Clone, refusing: str) -> None:
    def write(word: str) -> None:
        hooks.write("update", word, more=f"[ {word} != {refusing} ]\n")

    write("first")
    hooks.checkout.init()
    write("second")
    hooks.fix()

    assert not push(developer)

    assert hooks.said() == ["first", "second"][: 1 if refusing == "first" else 2]


def test_each_of_them_reads_what_git_tells(hooks: Hooks, developer: Clone) -> None:
    reads = f"sed 's/.* //' >> '{hooks.folder}/refs'\n"
    for name in ("pre-receive", "post-receive"):
        hooks.write(name, name, more=reads)
    hooks.checkout.init()
    for name in ("pre-receive", "post-receive"):
        hooks.write(name, f"{name}-2", more=reads)
    hooks.fix()

    assert push(developer)

    assert hooks.said() == ["pre-receive", "pre-receive-2", "post-receive", "post-receive-2"]
    assert (hooks.folder / "refs").read_text().split() == ["refs/heads/side"] * 4


def test_each_of_them_reads_which_commits_were_rewritten(hooks: Hooks) -> None:
    reads = f"cut -d' ' -f1 >> '{hooks.folder}/rewritten'\n"
    hooks.write("post-rewrite", "first", more=reads)
    hooks.checkout.init()
    hooks.write("post-rewrite", "second", more=reads)
    hooks.fix()
    commit = hooks.checkout.commit()

    hooks.checkout.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "another word")

    assert hooks.said() == ["first", "second"]
    assert (hooks.folder / "rewritten").read_text().split() == [commit, commit]


def test_a_hook_that_its_tool_writes_once_more_runs_once(hooks: Hooks, developer: Clone) -> None:
    hooks.write("pre-receive", "tool")
    hooks.checkout.init()
    hooks.write("pre-receive", "tool")
    hooks.fix()

    assert push(developer)

    assert hooks.said() == ["tool"]


@typed("edges.hooks._next_place: ls {folder}")
def test_where_there_are_too_many_they_are_to_be_looked_at(hooks: Hooks, developer: Clone) -> None:
    hooks.write("pre-receive", "one")
    hooks.checkout.init()
    hooks.write("pre-receive", "more")
    for place in range(2, 100):
        (hooks.folder / f"pre-receive.chained.{place:02}").write_text(HEADER)

    refused = hooks.checkout.gitrelease("init")

    assert refused.code == 2
    assert "has 99 hooks pre-receive.chained already" in refused.words
    listed = hooks.checkout.type(refused.said, f"ls {hooks.folder}").out.split()
    for name in listed:
        if name.startswith("pre-receive.chained."):
            (hooks.folder / name).unlink()
    assert hooks.checkout.gitrelease("init").code == 0
    assert push(developer)
    assert hooks.said() == ["one", "more"]


def test_uninstall_gives_one_hook_its_name_back_and_lets_several_run_on(hooks: Hooks, developer: Clone) -> None:
    alone = hooks.write("post-commit", "alone")
    texts = {hooks.write("pre-receive", "first")}
    hooks.checkout.init()
    texts.add(hooks.write("pre-receive", "second"))
    hooks.fix()
    texts.add(hooks.write("pre-receive", "third"))  # and nobody has looked since

    said = hooks.uninstall()

    assert "there are several hooks named pre-receive: a script under that name runs all of them" in said
    assert (hooks.folder / "post-commit").read_text() == alone
    assert texts <= hooks.texts()
    assert push(developer)
    assert hooks.said() == ["first", "second", "third"]


def test_what_uninstall_left_is_taken_up_again_by_init(hooks: Hooks, developer: Clone) -> None:
    hooks.write("pre-receive", "first")
    hooks.checkout.init()
    hooks.write("pre-receive", "second")
    hooks.uninstall()

    hooks.checkout.init()
    assert push(developer)
    told = hooks.said()
    hooks.uninstall()
    assert push(developer)

    assert told == hooks.said() == ["first", "second"]


def test_a_hook_that_was_written_over_ours_alone_stays_what_it_is(hooks: Hooks) -> None:
    hooks.checkout.init()
    text = hooks.write("pre-receive", "other")

    hooks.uninstall()

    assert (hooks.folder / "pre-receive").read_text() == text
    assert not list(hooks.folder.glob("*.chained*"))


def test_a_link_that_leads_nowhere_is_kept_as_well(hooks: Hooks) -> None:
    link = hooks.folder / "pre-receive"
    link.symlink_to("gone")

    hooks.checkout.init()
    hooks.uninstall()

    assert link.is_symlink()
    assert str(link.readlink()) == "gone"


def test_a_file_of_somebody_beside_a_hook_is_not_written_over(hooks: Hooks) -> None:
    (hooks.folder / "pre-receive.new").write_text("mine\n")

    hooks.checkout.init()

    assert (hooks.folder / "pre-receive.new").read_text() == "mine\n"


def test_a_hook_of_another_hooks_path_runs_beside_one_that_was_here(
    hooks: Hooks, developer: Clone, tmp_path: Path
) -> None:
    elsewhere = Hooks(hooks.checkout, tmp_path / "said")
    elsewhere.folder = tmp_path / "shared-hooks"
    elsewhere.folder.mkdir()
    hooks.write("pre-receive", "here")
    hooks.checkout.init()
    text = elsewhere.write("pre-receive", "elsewhere")
    hooks.checkout.git("config", "core.hooksPath", str(elsewhere.folder))

    hooks.checkout.init()
    assert push(developer)

    assert hooks.said() == ["here", "elsewhere"]
    hooks.uninstall()
    assert elsewhere.texts() == {text}
    assert hooks.checkout.git("config", "core.hooksPath") == str(elsewhere.folder)


def test_the_pre_commit_tool_puts_ours_aside_and_nothing_of_ours_stays_behind(hooks: Hooks, developer: Clone) -> None:
    """As `pre-commit install` does: what it finds becomes NAME.legacy, and is run by what it writes."""
    hooks.checkout.init().up()
    hooks.checkout.await_idle()
    ours = hooks.folder / "post-commit"
    ours.rename(hooks.folder / "post-commit.legacy")
    theirs = hooks.write("post-commit", "theirs", more='# pre-commit\n"$0.legacy"\n')

    doctor = hooks.checkout.gitrelease("doctor").said
    hooks.checkout.commit_term("second")
    hooks.checkout.await_live("release/2")

    assert "not ours" not in doctor
    assert hooks.said() == ["theirs"]
    hooks.checkout.gitrelease("down")
    hooks.uninstall()
    assert hooks.texts() == {theirs}


def test_init_takes_what_the_pre_commit_tool_has_put_aside(hooks: Hooks) -> None:
    hooks.checkout.init()
    (hooks.folder / "post-commit").rename(hooks.folder / "post-commit.legacy")
    hooks.write("post-commit", "theirs", more='# pre-commit\n[ ! -e "$0.legacy" ] || "$0.legacy"\n')

    hooks.checkout.init()
    hooks.checkout.commit_term("second")

    assert hooks.said() == ["theirs"]
    assert not list(hooks.folder.glob("*.legacy"))
