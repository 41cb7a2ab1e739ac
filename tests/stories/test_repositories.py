"""Repositories as they are out there: other umasks, other users, shared, bare, shallow, fed by a timer."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.edges.backends import free_port
from tests.checkout import Clone, Ended, Production, make_checkout, until
from tests.formats import OTHER_FORMATS, needs_tables
from tests.remedies import typed

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
TIMER = shlex.split(OPERATIONS.read_text().partition("\n* * * * * ")[2].partition("\n")[0])
STRANGER = 4217  # a user and a group that nobody has


# -- umask, core.sharedRepository ------------------------------------------------------------------------------------


@pytest.fixture(params=[0o077, 0o002, 0o000], ids=lambda mask: f"{mask:04o}")
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def assert_private(home: Path) -> None:
    """Nobody but the owner comes in, and what is not a copy of the repository is closed by itself as well."""
    folders = [home, *(path for path in home.iterdir() if path.is_dir())]
    assert {path.name: stat.filemode(path.stat().st_mode) for path in folders} == dict.fromkeys(
        (path.name for path in folders), "drwx------"
    )
    secret = [home / name for name in ("host.toml", "installed.json", "journal.jsonl", "run/processes.json")]
    assert {path.name: path.stat().st_mode & 0o077 for path in secret} == {path.name: 0 for path in secret}
    assert (home / "run" / "agent.sock").stat().st_mode & 0o077 == 0


def test_under_any_umask_what_is_ours_stays_ours_and_releases_go_live(umask: int, checkout: Production) -> None:
    checkout.init().up()
    developer = checkout.clone()
    developer.commit_term("liquidity")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert checkout.answer() == "one revenue liquidity profit"
    assert_private(checkout.home)
    assert checkout.git("fsck", "--no-dangling") == ""
    assert checkout.gitrelease("rollback").code == 0
    assert checkout.git("status", "--porcelain") == ""


@pytest.mark.parametrize("shared", ["group", "all", "0666"])
def test_a_shared_repository_shares_its_objects_and_nothing_of_ours(checkout: Production, shared: str) -> None:
    checkout.git("config", "core.sharedRepository", shared)
    checkout.init().up()
    developer = checkout.clone()
    developer.commit_term("liquidity")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert checkout.answer() == "one revenue liquidity profit"
    assert_private(checkout.home)
    ref = checkout.root / ".git" / "refs" / "tags" / "release" / "2"
    assert ref.stat().st_mode & stat.S_IWGRP


# -- other users -----------------------------------------------------------------------------------------------------


class Stranger:
    """Another user of the host, who trusts every repository or none."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()
        os.chown(home, STRANGER, STRANGER)

    def trusts_everything(self) -> Stranger:
        (self.home / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
        return self

    def run(self, *command: str, cwd: Path | None = None, **environment: str) -> Ended:
        ran = subprocess.run(
            command, cwd=cwd or self.home, user=STRANGER, group=STRANGER, extra_groups=[], capture_output=True,
            text=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(self.home), **environment},
        )  # fmt: skip
        return Ended(ran)

    def gitrelease(self, *arguments: str) -> Ended:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        for python in (sys.executable, "/usr/bin/python3"):
            try:
                tried = self.run(python, "-c", "import gitrelease.cli, msgspec, psutil", PYTHONPATH=path)
            except PermissionError:
                continue
            if tried.code == 0:
                return self.run(python, "-m", "gitrelease", *arguments, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1")
        pytest.skip("needs a Python, with what is installed here, that another user can run")


@pytest.fixture
def shared_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that other users can go into, which those of pytest are not."""
    if os.getuid() != 0:
        pytest.skip("needs root: there are two users in it")
    folder = Path(tempfile.mkdtemp(prefix="gitrelease-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def visited(shared_folder: Path) -> Iterator[Production]:
    """A production checkout of ours, its repository shared with the stranger's group."""
    production = make_checkout(shared_folder)
    production.git("config", "core.sharedRepository", "group")
    for folder, _, files in os.walk(production.root / ".git"):
        os.chown(folder, -1, STRANGER)
        Path(folder).chmod(0o2775)
        for name in files:
            os.chown(Path(folder) / name, -1, STRANGER)
            if name != "description":
                (Path(folder) / name).chmod(0o664)
    production.init().up()
    yield production
    production.clear_away()


def test_a_push_of_another_user_is_refused_with_whom_to_push_as(visited: Production, shared_folder: Path) -> None:
    stranger = Stranger(shared_folder / "home").trusts_everything()
    assert stranger.run("git", "clone", "--quiet", str(visited.root), "clone").code == 0
    clone = Clone(stranger.home / "clone")
    stranger.run("git", "commit", "--quiet", "--allow-empty", "-m", "Mine", cwd=clone.root)

    for options in ((), ("-o", "approve")):
        pushed = stranger.run("git", "push", *options, "origin", "deploy", cwd=clone.root)

        assert pushed.code != 0
        assert "production belongs to root" in pushed.words
        assert "Push as root: git push ssh://root@HOST" in pushed.words
        assert "denied" not in pushed.said
    assert stranger.run("git", "push", "origin", "deploy:mine", cwd=clone.root).code == 0
    assert visited.live() == "release/1"
    until(lambda: visited.status()["lock"] is None, "nobody has the turn")  # not the agent, which looks at `mine`


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["history"],
        ["diff"],
        ["regions"],
        ["deploy"],
        ["rollback"],
        ["up"],
        ["down"],
        ["check"],
        ["pin", "release/1"],
        ["init"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_of_another_user_is_refused_with_whom_to_be(
    visited: Production, shared_folder: Path, command: list[str]
) -> None:
    stranger = Stranger(shared_folder / "home").trusts_everything()

    ended = stranger.gitrelease("-C", str(visited.root), *command)

    assert ended.code in (2, 3), ended.said
    assert "production belongs to root" in ended.words
    assert "sudo -u root gitrelease" in ended.words
    assert visited.live() == "release/1"


def test_an_agent_answers_its_own_user_only(visited: Production, shared_folder: Path) -> None:
    """Should somebody have opened the folders."""
    for folder in (visited.home, visited.home / "run"):
        folder.chmod(0o755)
    (visited.home / "run" / "agent.sock").chmod(0o777)
    stranger = Stranger(shared_folder / "home").trusts_everything()

    for command in ("rollback", "deploy", "down"):
        ended = stranger.gitrelease("-C", str(visited.root), command)

        assert ended.code == 2, ended.said
        assert "belongs to root" in ended.words
        assert "sudo -u root gitrelease" in ended.words
    assert visited.answer().startswith("one")


def test_a_checkout_of_another_user_is_refused_with_the_remedy(shared_folder: Path) -> None:
    production = make_checkout(shared_folder)
    for folder, folders, files in os.walk(production.root):
        for path in (folder, *(Path(folder) / name for name in (*folders, *files))):
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)

    untrusted = production.gitrelease("init", "--python", sys.executable)
    Path(os.environ["HOME"], ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
    trusted = production.gitrelease("init", "--python", sys.executable)
    by_sudo = production.gitrelease("init", "--python", sys.executable, env={"SUDO_UID": str(STRANGER)})

    assert untrusted.code == 2
    assert "git does not trust" in untrusted.words
    assert "safe.directory" not in untrusted.said  # trust alone would not let him release there
    for ended in (trusted, by_sudo):
        assert ended.code == 2
        assert f"belongs to uid {STRANGER}" in ended.words
    for ended in (untrusted, trusted, by_sudo):
        assert f"Run it as that user: sudo -u '#{STRANGER}' gitrelease" in ended.words
    assert not production.home.exists()


@typed("edges.git._not_trusted: git config --global --add safe.directory {top}")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
@pytest.mark.parametrize("below", [".", "docs"])
def test_a_work_tree_of_another_user_with_our_repository_in_it_can_be_trusted(checkout: Production, below: str) -> None:
    checkout.write("docs/read.md", "Read me\n")
    os.chown(checkout.root, STRANGER, STRANGER)
    try:
        untrusted = Production(checkout.root / below, 1).gitrelease("init", "--python", sys.executable)

        assert f"git does not trust {checkout.root}: it belongs to another user" in untrusted.words
        trusting = checkout.type(untrusted.said, f"git config --global --add safe.directory {checkout.root}")
        assert trusting.code == 0, trusting.said
        assert checkout.init().up().answer() == "one revenue profit"
    finally:
        os.chown(checkout.root, 0, 0)


def test_nobody_starts_the_agent_of_another_user(visited: Production) -> None:
    """With sudo, out of habit: what root writes there would be in the owner's way."""
    visited.gitrelease("down")
    os.chown(visited.home, STRANGER, STRANGER)
    Path(os.environ["HOME"], ".gitconfig").write_text("[safe]\n\tdirectory = *\n")

    for arguments in (["up"], ["up", "--foreground"]):
        ended = visited.gitrelease(*arguments)

        assert ended.code == 2
        assert f"production belongs to uid {STRANGER}" in ended.words
    os.chown(visited.home, 0, 0)


# -- bare, linked, elsewhere -----------------------------------------------------------------------------------------


def bare(checkout: Production) -> Path:
    repository = checkout.root.parent / "central.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(checkout.root), str(repository)], check=True)
    return repository


def init_in(folder: Path) -> Ended:
    return Production(folder, 1).gitrelease("init", "--python", sys.executable)


@pytest.fixture
def clone(checkout: Production) -> Production:
    """Where a clone is made, by what the refusals say."""
    return Production(checkout.root.parent / "a clone", free_port())


def assert_serves(clone: Production, *typed_there: Ended) -> None:
    """What was typed has made a production checkout."""
    for one in typed_there:
        assert one.code == 0, one.said
    try:
        assert clone.init().up().answer() == "one revenue profit"
    finally:
        clone.gitrelease("down")


@typed("edges.git.Git.discover: gitrelease -C DIR …", "edges.git.Git.discover: git clone URL DIR")
def test_who_is_not_in_a_repository_names_one_or_makes_one(checkout: Production, tmp_path: Path) -> None:
    checkout.init()
    (tmp_path / "empty").mkdir()
    nowhere, empty = (Production(tmp_path / name, 1).gitrelease("status") for name in ("nowhere", "empty"))

    for ended in (nowhere, empty):
        assert ended.code == 2
        named = checkout.type(ended.said, "gitrelease -C DIR …", DIR=str(checkout.root), rest="status --json")
        assert named.code == 0, named.said
        assert named.json["branch"] == "deploy"
    new = tmp_path / "new"
    assert checkout.type(empty.said, "git clone URL DIR", URL=str(checkout.root), DIR=str(new)).code == 0
    assert Production(new, 1).gitrelease("init").code == 0


@typed("edges.git.Git.discover: git clone REPOSITORY DIR", "edges.git.Git.discover: gitrelease -C DIR init")
def test_a_bare_repository_is_refused_with_the_remedy(checkout: Production, clone: Production) -> None:
    repository = bare(checkout)

    ended = init_in(repository)

    assert ended.code == 2
    assert "is a bare repository, production needs a work tree" in ended.words
    there = str(clone.root)
    cloned = checkout.type(ended.said, "git clone REPOSITORY DIR", REPOSITORY=str(repository), DIR=there)
    assert_serves(clone, cloned, checkout.type(ended.said, "gitrelease -C DIR init", DIR=there))


@typed("edges.git.Git.discover: git clone {repository} DIR", "edges.git.Git.discover: gitrelease -C DIR init")
def test_a_bare_repository_whose_work_tree_is_elsewhere_is_refused_with_the_remedy(
    checkout: Production, clone: Production
) -> None:
    """The way of `git --work-tree=/srv/app checkout -f` in a hook of the central repository."""
    repository = bare(checkout)
    tree = checkout.root.parent / "tree"
    tree.mkdir()
    for key, value in (("core.bare", "false"), ("core.worktree", str(tree))):
        subprocess.run(["git", "config", key, value], cwd=repository, check=True)
    subprocess.run(["git", "checkout", "--quiet", "--force", "deploy"], cwd=repository, check=True)

    by_repository, by_tree = init_in(repository), init_in(tree)

    assert by_repository.code == by_tree.code == 2
    assert f"is the work tree of {repository} by core.worktree only" in by_repository.words
    cloned = checkout.type(by_repository.said, f"git clone {repository} DIR", DIR=str(clone.root))
    assert_serves(clone, cloned, checkout.type(by_repository.said, "gitrelease -C DIR init", DIR=str(clone.root)))
    assert "is no git repository with a work tree" in by_tree.words
    assert "git clone" in by_tree.words


@typed(
    "installation.require_own_repository: git clone {directory} DIR",
    "installation.require_own_repository: gitrelease -C DIR init",
)
@pytest.mark.parametrize("kind", ["linked worktree", "separate git dir"])
def test_a_checkout_whose_repository_lies_elsewhere_is_refused_with_the_remedy(
    checkout: Production, clone: Production, kind: str
) -> None:
    root = checkout.root.parent / "elsewhere"
    repository = bare(checkout)
    if kind == "linked worktree":
        subprocess.run(["git", "worktree", "add", "--quiet", str(root), "deploy"], cwd=repository, check=True)
    else:
        command = ["git", "clone", "--quiet", f"--separate-git-dir={repository}2", str(repository), str(root)]
        subprocess.run(command, check=True)

    ended = init_in(root)

    assert ended.code == 2
    assert "is a linked worktree or a submodule: its repository is" in ended.words
    directory = ended.said.splitlines()[0].partition("its repository is ")[2]
    cloned = checkout.type(ended.said, f"git clone {directory} DIR", DIR=str(clone.root))
    assert_serves(clone, cloned, checkout.type(ended.said, "gitrelease -C DIR init", DIR=str(clone.root)))


# -- a central repository, a timer -----------------------------------------------------------------------------------


class Central:
    """A bare repository that developers push to, and the production checkout that pulls from it."""

    def __init__(self, production: Production) -> None:
        self.production = production
        self.repository = bare(production)
        production.git("remote", "add", "origin", str(self.repository))
        production.git("fetch", "--quiet", "origin")
        production.git("branch", "--quiet", "--set-upstream-to", "origin/deploy")
        root = production.root.parent / "developer"
        subprocess.run(["git", "clone", "--quiet", str(self.repository), str(root)], check=True)
        self.developer = Clone(root)

    def publish(self, *options: str) -> None:
        pushed = self.developer.push(*options, "origin", "deploy")
        assert pushed.code == 0, pushed.said

    def pull(self) -> Ended:
        """Do what the line for the crontab in the documents does."""
        command = [str(self.production.root) if word == "/srv/findoc" else word for word in TIMER]
        return Ended(subprocess.run(command, capture_output=True, text=True, check=False))

    def reset(self) -> Ended:
        """What other timers run: what is central, whatever is here."""
        fetched = self.production.git("fetch", "--quiet", "origin")
        command = ["git", "-C", str(self.production.root), "reset", "--quiet", "--hard", "origin/deploy"]
        assert fetched == ""
        return Ended(subprocess.run(command, capture_output=True, text=True, check=False))


@pytest.fixture
def central(production: Production) -> Central:
    return Central(production)


def assert_whole(production: Production) -> None:
    production.await_idle()
    assert production.git("status", "--porcelain") == "", production.agent_log()
    assert production.status()["checkout"]["in_sync"]


def test_a_timer_that_pulls_releases_whatever_is_published(central: Central) -> None:
    production, over = central.production, threading.Event()

    def tick() -> None:
        while not over.wait(0.05):
            central.pull()

    timer = threading.Thread(target=tick)
    timer.start()
    try:
        for number, term in enumerate(("second", "third", "fourth"), start=2):
            central.developer.commit_term(term)
            central.publish()
            until(lambda number=number: production.live() == f"release/{number}", f"release/{number} goes live")
            until(lambda term=term: term in production.answer(), f"{term} is served")
        for term in ("fifth", "sixth", "seventh"):
            central.developer.commit_term(term)
            central.publish()
        until(lambda: "seventh" in production.answer(), "the last one is served")
    finally:
        over.set()
        timer.join()
    assert production.git("rev-parse", "deploy") == central.developer.git("rev-parse", "HEAD")
    assert_whole(production)
    assert [one["outcome"] for one in production.gitrelease("history", "--json").json["attempts"]].count("refused") == 0


def test_what_is_pulled_and_unfit_is_never_served_until_a_fix_is_published(central: Central) -> None:
    production, developer = central.production, central.developer
    developer.replace("server.py", 'VERSION = "one"', 'raise SystemExit("no licence")')
    developer.commit("Break it")
    central.publish()
    before = production.git("rev-parse", "deploy")

    for _ in range(4):
        assert central.pull().code == 0
        until(lambda: production.git("rev-parse", "deploy") == before, "the branch is back")
        assert_whole(production)
    assert production.answer() == "one revenue profit"
    assert "no licence" in production.status()["quarantined"][0]["reason"]
    attempts = production.gitrelease("history", "--json").json["attempts"]
    assert len([one for one in attempts if one["outcome"] == "refused"]) == 2  # unfit; and "taken back before", once

    developer.replace("server.py", 'raise SystemExit("no licence")', 'VERSION = "one"')
    developer.commit_term("mended")
    central.publish()
    assert central.pull().code == 0
    until(lambda: "mended" in production.answer(), "the fix is served")
    assert_whole(production)


@pytest.mark.long
def test_a_rewritten_central_history_is_not_pulled_and_changes_nothing(central: Central) -> None:
    production, developer = central.production, central.developer
    developer.commit_term("second")
    central.publish()
    central.pull()
    production.await_live("release/2")
    kept = production.git("rev-parse", "deploy")
    developer.git("reset", "--quiet", "--hard", "HEAD~1")
    developer.commit_term("another")
    central.publish("--force")

    pulled = central.pull()

    assert pulled.code != 0
    assert "Not possible to fast-forward" in pulled.words
    assert_whole(production)
    assert production.live() == "release/2"
    assert production.git("rev-parse", "deploy") == kept
    assert production.gitrelease("deploy", "origin/deploy").code == 0
    assert production.answer() == "one revenue another profit"
    assert kept in production.git("rev-list", "--all")
    assert central.pull().code == 0
    assert_whole(production)


@pytest.mark.long
def test_a_timer_that_resets_follows_a_rewritten_history_and_loses_no_commit(central: Central) -> None:
    production, developer = central.production, central.developer
    developer.commit_term("second")
    central.publish()
    assert central.reset().code == 0
    production.await_live("release/2")
    kept = production.git("rev-parse", "deploy")
    developer.git("reset", "--quiet", "--hard", "HEAD~1")
    developer.commit_term("another")
    central.publish("--force")

    assert central.reset().code == 0

    production.await_live("release/3")
    assert production.answer() == "one revenue another profit"
    assert kept in production.git("rev-list", "--all")
    assert_whole(production)
    assert production.gitrelease("rollback").code == 0
    assert production.answer() == "one revenue second profit"
    assert_whole(production)


@pytest.mark.long
def test_a_timer_does_not_bring_back_what_was_rolled_back(central: Central) -> None:
    production, developer = central.production, central.developer
    developer.commit_term("regretted")
    central.publish()
    central.pull()
    production.await_live("release/2")
    assert production.gitrelease("rollback").code == 0
    before = production.git("rev-parse", "deploy")

    for _ in range(2):
        assert central.pull().code == 0
        until(lambda: production.git("rev-parse", "deploy") == before, "the branch is back")
        assert_whole(production)
        assert production.answer() == "one revenue profit"

    developer.replace("server.py", '    "regretted",\n', "")
    developer.commit_term("better")
    central.publish()
    assert central.pull().code == 0
    until(lambda: production.answer() == "one revenue better profit", "the fix is served")
    assert_whole(production)


def test_an_edit_on_the_host_is_released_and_stops_pulls_until_it_is_published(central: Central) -> None:
    production, developer = central.production, central.developer
    production.replace("server.py", '"profit",\n', '"profit",\n    "edited",\n')
    production.await_live("release/2")
    developer.write("README.md", "Read me\n")
    developer.commit("Document")
    central.publish()

    diverged = central.pull()

    assert diverged.code != 0
    assert "fast-forward" in diverged.said
    assert production.answer() == "one revenue profit edited"
    assert_whole(production)
    production.git("pull", "--quiet", "--rebase")
    production.git("push", "--quiet", "origin", "deploy")
    assert_whole(production)
    assert production.read("README.md") == "Read me\n"
    assert production.answer() == "one revenue profit edited"
    developer.git("pull", "--quiet", "--ff-only")
    developer.commit_term("next")
    central.publish()
    assert central.pull().code == 0
    until(lambda: production.answer() == "one revenue next profit edited", "what is published next is served")
    assert_whole(production)


def test_a_pull_does_not_run_over_an_edit_that_is_in_no_commit(central: Central) -> None:
    production = central.production
    production.replace("server.py", "TERMS = [", "TERMS = [[[")  # does not parse: it stays an edit
    until(lambda: "server.py" in production.status()["checkout"]["dirty"], "the edit is seen")
    central.developer.commit_term("pulled")
    central.publish()

    pulled = central.pull()

    assert pulled.code != 0
    assert "would be overwritten" in pulled.words
    assert "TERMS = [[[" in production.read("server.py")
    assert production.answer() == "one revenue profit"
    production.git("checkout", "--quiet", "--", "server.py")
    assert central.pull().code == 0
    until(lambda: "pulled" in production.answer(), "what was pulled is served")
    assert_whole(production)


# -- not all of the history, not all of the objects ------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--depth=1", "--filter=blob:none", "--filter=tree:0", "--no-tags"])
def test_a_clone_without_the_whole_history_is_a_production_checkout(checkout: Production, option: str) -> None:
    upstream = checkout
    upstream.commit_term("earlier")
    upstream.git("config", "uploadpack.allowFilter", "true")
    root = upstream.root.parent / "partial"
    subprocess.run(["git", "clone", "--quiet", option, f"file://{upstream.root}", str(root)], check=True)
    production = Production(root, free_port())
    try:
        production.init().up()
        production.await_idle()
        developer = upstream.clone()
        developer.commit_term("pushed")
        developer.git("remote", "set-url", "origin", str(root))
        pushed = developer.push()
        assert pushed.code == 0, pushed.said
        assert production.answer() == "one revenue pushed earlier profit"

        upstream.commit_version("two")
        production.git("fetch", "--quiet", "origin")
        assert production.gitrelease("deploy", "--approve", "origin/deploy").code == 0
        assert production.answer() == "two revenue earlier profit"

        upstream.root.rename(upstream.root.with_name("gone"))
        assert production.gitrelease("rollback").code == 0
        assert production.answer() == "one revenue pushed earlier profit"
        assert production.git("status", "--porcelain") == ""
    finally:
        production.clear_away()


# -- sparse checkout -------------------------------------------------------------------------------------------------


ODD = ["\x85", "\xa0", "\u2028", "\u2029", "\u3000", "\udce9"]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_tags_with_odd_ends_of_lines_and_blanks_in_their_names_stop_nothing(production: Production, odd: str) -> None:
    """Git takes such names; Python ends a line or a word there, or cannot write them as UTF-8."""
    theirs = [f"first{odd}version", f"release/1{odd}again", f"backup/odd{odd}one"]
    for name in theirs:
        production.git("tag", "--annotate", "-m", "Ours", name)
    developer = production.clone()
    developer.commit_term("second")

    pushed = developer.push()
    production.git("tag", "--annotate", "-m", "Ours", f"second{odd}version")
    ended = [production.gitrelease(*words) for words in (("deploy", "deploy"), ("rollback",), ("recover",))]

    assert pushed.code == 0, pushed.said
    assert [one.code for one in ended] == [0, 0, 0], "\n".join(one.said for one in ended)
    assert production.live() == "release/1"
    assert production.answer() == "one revenue profit"
    assert {row["release"] for row in production.gitrelease("history", "--json").json["releases"]} == {
        "release/1", "release/2",
    }  # fmt: skip
    down = [production.gitrelease(*words) for words in (("down",), ("uninstall",))]
    assert [one.code for one in down] == [0, 0], "\n".join(one.said for one in down)
    assert production.git("for-each-ref", "refs/gitrelease") == ""
    assert set(theirs) < set(production.git("tag").split("\n"))


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_subjects_with_odd_ends_of_lines_are_kept_in_the_state_before_a_release(
    production: Production, end: str
) -> None:
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "second",\n')
    production.commit(f"Know{end}second")
    production.await_live("release/2")
    production.await_idle()

    state = production.gitrelease("show", "release/2", "--json").json["state"]

    assert state["missing"] == {}
    assert [row["commit"] for row in state["facts"]["git"]["commits"]] == production.git(
        "log", "--format=%H", "release/2^{}"
    ).split()


def test_what_runs_is_whole_where_the_checkout_is_sparse(checkout: Production) -> None:
    checkout.write("parts/needed.py", "WORD = 'whole'\n")
    checkout.replace("server.py", "import sys\n", "import sys\n\nfrom parts.needed import WORD\n")
    checkout.replace("server.py", 'f"{VERSION} ', 'f"{WORD} {VERSION} ')
    checkout.commit("It needs a part")
    checkout.git("sparse-checkout", "set", "--no-cone", "/*", "!/parts/")
    assert not (checkout.root / "parts").exists()
    checkout.init().up()
    checkout.await_idle()
    developer = checkout.clone()
    developer.commit_term("liquidity")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    checkout.await_idle()
    assert checkout.answer() == "whole one revenue liquidity profit"
    assert not (checkout.root / "parts").exists()
    assert checkout.gitrelease("rollback").code == 0
    assert checkout.answer() == "whole one revenue profit"
    assert checkout.git("status", "--porcelain") == ""
    assert checkout.git("tag", "--list", "backup/*") == ""


# -- an app in a folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("comes_later", [False, True])
def test_the_export_of_an_app_in_a_folder_is_carried_though_git_ignores_it(
    checkout: Production, comes_later: bool
) -> None:
    name = "complete_system_schema_export.json"
    settings = checkout.read("gitrelease.toml").replace('script = "server.py"', 'script = "app/server.py"')
    checkout.write("gitrelease.toml", settings.replace('schema = "schema.json"\n', ""))
    (checkout.root / "app").mkdir()
    checkout.git("mv", "server.py", "app/server.py")
    checkout.replace("gitrelease.toml", '"{python}", "server.py"', '"{python}", "app/server.py"')
    checkout.replace("gitrelease.toml", 'assign = "TERMS"', 'assign = "TERMS"\nfile = "app/server.py"')
    checkout.write(".gitignore", f"{name}\n")
    checkout.commit("The app has a folder")
    if comes_later:
        checkout.init()
    checkout.write(f"app/{name}", '{"page": {"type": "integer"}}')
    if not comes_later:
        checkout.init()

    checkout.up()
    checkout.await_idle()

    assert f'schema = "app/{name}"' in (checkout.home / "host.toml").read_text()
    assert checkout.git("cat-file", "-p", f"release/1:app/{name}") == '{"page": {"type": "integer"}}'
    checkout.write(f"app/{name}", '{"page": {"type": "integer"}, "text": {"type": "string"}}')
    checkout.await_live("release/2")
    assert "text" in checkout.git("cat-file", "-p", f"release/2:app/{name}")
    assert checkout.gitrelease("rollback").code == 0
    assert checkout.read(f"app/{name}") == '{"page": {"type": "integer"}}'


# -- objects named by SHA-256, refs kept in tables -------------------------------------------------------------------


@pytest.mark.parametrize(("variable", "value", "shown"), OTHER_FORMATS)
def test_a_repository_of_another_format_goes_through_a_whole_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
) -> None:
    monkeypatch.setenv(variable, value)
    production = make_checkout(tmp_path)
    try:
        assert production.git("rev-parse", shown) == value
        production.init().up()
        production.await_idle()
        developer = production.clone()
        developer.commit_term("liquidity")
        assert developer.push().code == 0
        production.await_idle()
        production.commit_term("solvency")
        production.await_live("release/3")
        production.await_idle()
        production.kill(production.agent_pid())
        assert production.gitrelease("rollback").code == 0
        assert production.live() == "release/2"
        assert "solvency" not in production.answer()
        deleted = developer.push("origin", "--delete", "deploy")
        assert "cannot be deleted" in deleted.words
        production.git("tag", "--delete", "release/2")
        until(lambda: production.git("tag", "--list", "release/2"), "the tag comes back")
        assert production.gitrelease("recover").code == 0
        assert production.gitrelease("doctor").code == 0
        assert production.gitrelease("history", "--json").json["releases"][0]["commit"]
        production.replace("server.py", '"revenue",', '"revenue", "edited",')
        production.await_live("release/4")
        production.await_idle()
        assert production.gitrelease("restart").code == 0
        assert production.gitrelease("down").code == 0
        assert production.gitrelease("uninstall").code == 0
        assert production.git("fsck", "--strict", "--no-dangling") == ""
    finally:
        production.clear_away()


@needs_tables
def test_a_lock_on_the_tables_of_refs_that_a_killed_git_has_left_bars_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DEFAULT_REF_FORMAT", "reftable")
    production = make_checkout(tmp_path)
    try:
        production.init().up()
        production.await_idle()
        production.commit_term("solvency")
        production.await_live("release/2")
        production.await_idle()
        lock = production.root / ".git" / "reftable" / "tables.list.lock"
        lock.touch()
        long_ago = time.time() - 3600
        os.utime(lock, (long_ago, long_ago))

        assert production.gitrelease("rollback").code == 0

        assert production.live() == "release/1"
    finally:
        production.clear_away()
