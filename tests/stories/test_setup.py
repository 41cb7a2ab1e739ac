"""`init`, `uninstall`, and what stops a checkout from being released from."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gitrelease.edges import backends
from tests.checkout import SERVER, SETTINGS, Place, Production, make_checkout, make_several, reserved_port, until
from tests.remedies import typed


def test_init_can_be_repeated(checkout: Production) -> None:
    checkout.init()
    first = {path.name: path.read_text() for path in (checkout.root / ".git/hooks").iterdir()}
    settings = (checkout.home / "host.toml").read_text()

    checkout.init()

    assert {path.name: path.read_text() for path in (checkout.root / ".git/hooks").iterdir()} == first
    assert (checkout.home / "host.toml").read_text() == settings


def test_what_a_person_wrote_into_the_host_settings_stays_there(checkout: Production) -> None:
    checkout.init()
    settings = checkout.home / "host.toml"
    by_hand = """
# quick here
[policy.dictionary]
soak = "2s"  # seconds

[[region]]
name = "versions"
kind = "pattern"
assign = "VERSION"
"""
    settings.write_text(settings.read_text() + by_hand)
    before = settings.read_text()

    checkout.init()
    again = settings.read_text()
    port = backends.free_port()
    ended = checkout.gitrelease("init", "--port", str(port), "--branch", "deploy")

    assert again == before
    assert ended.code == 0, ended.said
    assert settings.read_text() == before.replace(f"port = {checkout.port}", f"port = {port}")


@typed("commands.init.run: gitrelease down && gitrelease up")
def test_init_says_when_what_it_changed_counts_for_a_production_that_is_up(production: Production) -> None:
    assert "production is up, and nothing was changed" in production.gitrelease("init").out

    port = str(backends.free_port())
    changed = production.gitrelease("init", "--port", port)
    told = production.gitrelease("init", "--port", str(production.port), "--json").json

    assert changed.code == 0
    assert "what was changed (instance.port) counts after: gitrelease down && gitrelease up" in changed.out
    assert "next: gitrelease up" not in changed.out
    assert (told["up"], told["changed"]) == (True, ["instance.port"])
    assert production.answer() == "one revenue profit"

    production.gitrelease("init", "--port", port)
    moved = production.type(changed.out, "gitrelease down && gitrelease up")

    assert moved.code == 0, moved.said
    assert production.answer(port=int(port)) == "one revenue profit"
    with pytest.raises(OSError, match="refused"):
        production.answer()


@typed("installation._require_its_branch: gitrelease down && gitrelease init --branch {wanted} && gitrelease up")
def test_a_production_that_is_up_is_given_no_other_branch(production: Production) -> None:
    """Its hooks would follow the new one, and its agent the old one."""
    settings = (production.home / "host.toml").read_text()
    production.git("checkout", "--quiet", "-b", "other")

    ended = production.gitrelease("init", "--branch", "other")

    assert ended.code == 3
    assert "production is up, and follows deploy" in ended.words
    assert (production.home / "host.toml").read_text() == settings
    changed = production.type(ended.said, "gitrelease down && gitrelease init --branch other && gitrelease up")
    assert changed.code == 0, changed.said
    assert production.status()["branch"] == "other"
    assert production.answer() == "one revenue profit"


def test_a_release_with_a_carried_file_can_be_deployed_again_by_its_name(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, {"server.py": SERVER, "gitrelease.toml": SETTINGS, ".gitignore": "*.json\n"})
    try:
        checkout.write("schema.json", '{"fields": {"a": 1}}')
        checkout.init().up()
        checkout.await_idle()
        first = checkout.git("rev-parse", "deploy")
        checkout.commit_term("second")
        checkout.await_live("release/2")

        ended = checkout.gitrelease("deploy", "1")

        assert ended.code == 0, ended.said
        assert checkout.answer() == "one revenue profit"
        assert checkout.git("rev-parse", "deploy") == first
        assert checkout.git("status", "--porcelain") == ""
        assert checkout.read("schema.json") == '{"fields": {"a": 1}}'
    finally:
        checkout.clear_away()


def test_hooks_that_were_there_still_run(checkout: Production, tmp_path: Path) -> None:
    for name in ("post-commit", "pre-receive", "post-receive"):
        hook = checkout.root / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/ran\n")
        hook.chmod(0o755)

    ended = checkout.gitrelease("init", "--port", str(checkout.port), "--python", sys.executable)
    checkout.up()
    checkout.write("README.md", "again\n")
    checkout.commit()
    developer = checkout.clone()
    developer.commit_term("chained")
    developer.push()

    assert "post-commit" in ended.out
    assert set((tmp_path / "ran").read_text().split()) == {"post-commit", "pre-receive", "post-receive"}


def test_hooks_of_another_hooks_path_still_run(checkout: Production, tmp_path: Path) -> None:
    hooks = tmp_path / "shared-hooks"
    hooks.mkdir()
    for name in ("post-commit", "commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    checkout.git("config", "core.hooksPath", str(hooks))

    said = checkout.gitrelease("init", "--port", str(checkout.port), "--python", sys.executable).out
    assert f"core.hooksPath was {hooks}: this repository runs its hooks from .git/hooks now" in said
    checkout.write("README.md", "again\n")
    checkout.commit()

    assert set((tmp_path / "ran").read_text().split()) == {"post-commit", "commit-msg"}


def test_uninstall_leaves_the_repository_as_it_was(checkout: Production) -> None:
    own = checkout.root / ".git/hooks/post-merge"
    own.write_text("#!/bin/sh\nexit 0\n")
    own.chmod(0o755)
    configuration = checkout.git("config", "--local", "--list")
    hooks = {path.name: path.read_text() for path in (checkout.root / ".git/hooks").iterdir()}
    checkout.init().up()
    checkout.commit_term("released")
    checkout.await_live("release/2")
    checkout.gitrelease("rollback")
    checkout.gitrelease("down")

    ended = checkout.gitrelease("uninstall")

    assert ended.code == 0, ended.said
    assert checkout.git("config", "--local", "--list") == configuration
    assert {path.name: path.read_text() for path in (checkout.root / ".git/hooks").iterdir()} == hooks
    assert not checkout.home.exists()
    assert checkout.git("for-each-ref", "refs/gitrelease") == ""
    assert checkout.git("worktree", "list").count("\n") == 0
    assert checkout.git("tag", "--list", "release/*").split() == ["release/1", "release/2"]


@typed("installation.uninstall: gitrelease down", "installation.uninstall: git tag -l 'release/*'")
@pytest.mark.parametrize("cut_off", [False, True], ids=["up", "not quite down"])
def test_uninstall_is_refused_before_production_is_down(production: Production, cut_off: bool) -> None:
    if cut_off:
        production.kill(production.agent_pid())
        (production.home / "run" / "up").unlink()

    ended = production.gitrelease("uninstall")

    assert ended.code == 3
    assert production.answer() == "one revenue profit"
    down = production.type(ended.said, "gitrelease down")
    assert down.code == 0, down.said
    assert production.marked() == []
    done = production.gitrelease("uninstall")
    assert done.code == 0, done.said
    assert production.type(done.said, "git tag -l 'release/*'").out.split() == ["release/1"]


def test_the_deploy_branch_is_made_when_there_is_none(checkout: Production) -> None:
    checkout.git("branch", "--move", "main")

    ended = checkout.gitrelease("init", "--port", str(checkout.port), "--python", sys.executable)

    assert ended.code == 0, ended.said
    assert checkout.git("symbolic-ref", "--short", "HEAD") == "deploy"


def test_a_branch_name_that_git_cannot_make_is_told_in_gits_words(checkout: Production) -> None:
    checkout.git("branch", "--move", "deploy", "deploy/x")

    ended = checkout.gitrelease("init", "--python", sys.executable)

    assert ended.code == 1
    assert "refs/heads/deploy/x" in ended.said
    assert "bug" not in ended.said


def test_an_ignored_schema_export_is_carried_into_every_release_and_back(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, {"server.py": SERVER, "gitrelease.toml": SETTINGS, ".gitignore": "*.json\n"})
    try:
        checkout.write("schema.json", '{"fields": {"a": 1}}')
        said = checkout.gitrelease("init", "--port", str(checkout.port), "--python", sys.executable).out
        checkout.up()
        checkout.await_idle()
        checkout.write("schema.json", '{"fields": {"a": 1, "b": 2}}')
        checkout.await_live("release/2")
        checkout.await_idle()
        rolled_back = checkout.gitrelease("rollback")

        assert "git ignores schema.json" in said
        assert "git add -f schema.json" in said
        assert checkout.git("show", "release/1:schema.json") == '{"fields": {"a": 1}}'
        assert checkout.git("show", "release/2:schema.json") == '{"fields": {"a": 1, "b": 2}}'
        assert rolled_back.code == 0, rolled_back.said
        assert checkout.read("schema.json") == '{"fields": {"a": 1}}'
        assert checkout.git("ls-files", "schema.json") == ""
    finally:
        checkout.clear_away()


@typed("commands.init.run: git add -f {carried} && git commit")
def test_a_carried_file_that_is_added_is_tracked_and_released_like_any_other(tmp_path: Path) -> None:
    settings = SETTINGS.replace('schema = "schema.json"', 'schema = "the schema.json"')
    files = {"server.py": SERVER, "gitrelease.toml": settings, ".gitignore": "*.json\n"}
    checkout = make_checkout(tmp_path, files)
    try:
        checkout.write("the schema.json", "{}")
        said = checkout.gitrelease("init", "--port", str(checkout.port), "--python", sys.executable).out

        added = checkout.type(said, "git add -f 'the schema.json' && git commit")
        again = checkout.gitrelease("init")
        checkout.up().await_idle()

        assert added.code == 0, added.said
        assert "git ignores" not in again.out
        assert checkout.git("ls-files", "the schema.json") == "the schema.json"
        assert checkout.git("show", "release/1:the schema.json") == "{}"
        assert checkout.git("rev-parse", "release/1^{commit}") == checkout.git("rev-parse", "deploy")
    finally:
        checkout.clear_away()


def test_what_is_carried_is_no_edit_before_the_first_release(tmp_path: Path) -> None:
    checkout = make_checkout(
        tmp_path,
        {"server.py": SERVER, "gitrelease.toml": SETTINGS, ".gitignore": "*.json\n", "schema.json": "{}\n"},
    )
    checkout.init()

    assert checkout.status()["checkout"]["dirty"] == []


def test_runtime_files_reach_the_slots_and_never_a_tag(tmp_path: Path) -> None:
    files = {"server.py": SERVER, "gitrelease.toml": SETTINGS, ".gitignore": "secrets.toml\nuploads/\n__pycache__/\n"}
    checkout = make_checkout(tmp_path, files)
    try:
        checkout.write(".streamlit/secrets.toml", "token = 1\n")
        checkout.write("uploads/report.csv", "a,b\n")
        checkout.init().up()

        slot = checkout.home / "slots" / checkout.backend("live")["slot"]
        assert (slot / ".streamlit/secrets.toml").read_text() == "token = 1\n"
        assert (slot / "uploads/report.csv").read_text() == "a,b\n"
        assert "secrets" not in checkout.git("ls-tree", "-r", "--name-only", "release/1")
    finally:
        checkout.clear_away()


def test_the_home_is_for_its_owner_only(production: Production) -> None:
    modes = {path.stat().st_mode & 0o777 for path in (production.home, *production.home.iterdir()) if path.is_dir()}
    sockets = {path.stat().st_mode & 0o777 for path in (production.home / "run").iterdir() if path.is_socket()}

    assert modes == {0o700}
    assert sockets == {0o600}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# -- bad input -------------------------------------------------------------------------------------------------


def gitrelease(folder: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "gitrelease", "-C", str(folder), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("verb", ["init", "status", "up", "rollback", "history", "diff"])
def test_outside_of_a_repository_every_verb_says_so(tmp_path: Path, verb: str) -> None:
    code, said = gitrelease(tmp_path, verb)

    assert code == 2
    assert "no git repository" in said


@typed("cli._guarded: gitrelease -C DIR …")
def test_who_stands_in_a_directory_that_is_gone_is_told_so(production: Production, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"cd {gone}; rmdir {gone}; {sys.executable} -m gitrelease status"

    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert ran.returncode == 2
    assert "the directory that you stand in is gone" in ran.stderr
    named = production.type(ran.stderr, "gitrelease -C DIR …", rest="status", DIR=str(production.root))
    assert named.code == 0
    assert "release/1" in named.out


def test_help_works_in_a_broken_checkout(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("nonsense")

    code, said = gitrelease(tmp_path, "--help")

    assert code == 0
    assert "rollback" in said


@typed("edges.checkout.no_branch: git add … && git commit")
def test_a_repository_without_commits_is_refused(checkout: Production) -> None:
    checkout.git("update-ref", "-d", "refs/heads/deploy")
    checkout.git("rm", "--quiet", "-r", "--cached", ".")

    ended = checkout.gitrelease("init")

    assert ended.code == 2
    assert "has no commits yet" in ended.words
    assert not checkout.home.exists()
    committed = checkout.type(ended.said, "git add … && git commit", rest=".")
    assert committed.code == 0, committed.said
    assert checkout.init().up().answer() == "one revenue profit"


@typed("edges.checkout.no_branch: git add … && git commit")
@pytest.mark.parametrize("verb", ["up", "doctor"])
def test_a_branch_that_has_lost_its_only_commits_before_the_first_up_gets_new_ones(
    checkout: Production, verb: str
) -> None:
    checkout.init()
    checkout.git("update-ref", "-d", "refs/heads/deploy")

    ended = checkout.gitrelease(verb)

    assert "has no commits yet" in ended.words
    assert checkout.type(ended.said, "git add … && git commit", rest=".").code == 0
    assert checkout.up().answer() == "one revenue profit"


@typed("edges.checkout.no_branch: gitrelease recover")
@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
@pytest.mark.parametrize("on", ["deploy", "other"])
def test_a_branch_that_is_gone_is_put_back_where_it_was(production: Production, on: str, up: bool) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    before = production.git("rev-parse", "deploy")
    if not up:
        production.gitrelease("down")
    production.git("checkout", "--quiet", "-B", on)
    production.git("update-ref", "-d", "refs/heads/deploy")

    refused = production.gitrelease("doctor" if up else "up")

    assert "the branch deploy is gone, and releases were made from it" in refused.words
    recovered = production.type(refused.said, "gitrelease recover")
    assert recovered.code == 0, recovered.said
    assert production.git("rev-parse", "deploy") == before
    assert production.git("symbolic-ref", "--short", "HEAD") == "deploy"
    assert production.up().answer() == "one revenue second profit"
    assert production.git("status", "--porcelain") == ""


@typed("edges.checkout.Checkout.require_branch: git checkout {branch}")
@pytest.mark.parametrize("verb", ["up", "doctor"])
def test_a_checkout_on_another_branch_is_told_how_to_go_to_the_right_one(checkout: Production, verb: str) -> None:
    checkout.init()
    checkout.git("checkout", "--quiet", "-b", "feature")

    ended = checkout.gitrelease(verb)

    assert "the checkout is on feature, releases come from deploy" in ended.words
    assert checkout.type(ended.said, "git checkout deploy").code == 0
    assert checkout.up().answer() == "one revenue profit"


@typed(
    "installation.require_own_repository: git clone {directory} DIR",
    "installation.require_own_repository: gitrelease -C DIR init",
)
def test_a_linked_worktree_is_refused_with_what_to_do_instead(checkout: Production, tmp_path: Path) -> None:
    checkout.git("worktree", "add", "--quiet", "-b", "linked", str(tmp_path / "linked"))

    code, said = gitrelease(tmp_path / "linked", "init", "--branch", "linked")

    assert code == 2
    assert "is a linked worktree or a submodule" in said
    assert not (checkout.root / ".git" / "gitrelease").exists()
    own = Production(tmp_path / "of its own", backends.free_port())
    assert checkout.type(said, f"git clone {checkout.root / '.git'} DIR", DIR=str(own.root)).code == 0
    assert checkout.type(said, "gitrelease -C DIR init", DIR=str(own.root)).code == 0
    assert own.gitrelease("status").code == 0
    assert not (checkout.root / ".git" / "gitrelease").exists()


def set_up(checkout: Production) -> dict[str, Any]:
    """Return `[app]` of the settings that `init` has written for this host."""
    app: dict[str, Any] = tomllib.loads((checkout.home / "host.toml").read_text())["app"]
    return app


@typed(
    "installation._must_make_branch: git checkout {branch}",
    "installation._must_make_branch: gitrelease init --branch {on}",
)
@pytest.mark.parametrize("branch", ["deploy", "feature$1"])
def test_another_branch_is_refused_with_the_commands_that_mend_it(checkout: Production, branch: str) -> None:
    checkout.git("checkout", "--quiet", "-b", "feature$1")

    ended = checkout.gitrelease("init")

    assert ended.code == 2
    assert not checkout.home.exists()
    if branch == "deploy":
        assert checkout.type(ended.said, "git checkout deploy").code == 0
        assert checkout.gitrelease("init").code == 0
    else:
        assert checkout.type(ended.said, f"gitrelease init --branch '{branch}'").code == 0
    assert set_up(checkout)["branch"] == checkout.git("symbolic-ref", "--short", "HEAD") == branch


@typed(
    "installation._must_make_branch: gitrelease init --branch deploy",
    "edges.hooks.safe_branch: gitrelease init --branch NAME",
)
@pytest.mark.parametrize(
    ("name", "remedy"), [("de..ploy", "gitrelease init --branch deploy"), ("it's", "gitrelease init --branch NAME")]
)
def test_a_name_that_is_none_for_a_branch_is_refused_before_anything_is_made(
    checkout: Production, name: str, remedy: str
) -> None:
    checkout.git("branch", "--move", "main")

    ended = checkout.gitrelease("init", "--branch", name)

    assert ended.code == 2
    assert not checkout.home.exists()
    filled = {"NAME": "deploy"} if "NAME" in remedy else {}
    assert checkout.type(ended.said, remedy, **filled).code == 0
    assert checkout.git("branch", "--format=%(refname:short)").split() == ["deploy", "main"]
    assert set_up(checkout)["branch"] == checkout.git("symbolic-ref", "--short", "HEAD") == "deploy"


@typed("installation._check_port: gitrelease init --port 8501")
def test_a_port_that_is_none_is_refused(checkout: Production) -> None:
    ended = checkout.gitrelease("init", "--port", "70000")

    assert ended.code == 2
    assert not checkout.home.exists()
    assert checkout.type(ended.said, "gitrelease init --port 8501").code == 0
    assert tomllib.loads((checkout.home / "host.toml").read_text())["instance"] == [{"port": 8501}]


@typed("installation.require_python_and_script: gitrelease init --script FILE")
def test_a_missing_script_is_named(checkout: Production) -> None:
    ended = checkout.gitrelease("init", "--script", "app.py")
    with_port = checkout.gitrelease("init", "--script", "app.py", "--port", "8600")

    assert ended.code == with_port.code == 2
    assert "app.py" in ended.said
    assert "gitrelease init --script FILE, and your other options as they were" in with_port.words
    assert "options" not in ended.said
    assert checkout.type(ended.said, "gitrelease init --script FILE", FILE="server.py").code == 0
    assert set_up(checkout)["script"] == "server.py"


@typed("installation.require_python_and_script: gitrelease init --python PATH")
def test_an_interpreter_that_is_none_is_refused(checkout: Production) -> None:
    ended = checkout.gitrelease("init", "--python", "/nowhere/python")

    assert ended.code == 2
    assert "/nowhere/python" in ended.said
    assert checkout.type(ended.said, "gitrelease init --python PATH", PATH=sys.executable).code == 0
    assert set_up(checkout)["python"] == sys.executable


@typed("edges.interpreter.require: gitrelease init --python PATH")
def test_an_interpreter_without_streamlit_is_refused(checkout: Production, tmp_path: Path) -> None:
    pytest.importorskip("streamlit")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    checkout.replace("gitrelease.toml", 'kind = "command"', 'kind = "streamlit"')
    checkout.replace("gitrelease.toml", 'command = ["{python}", "server.py", "{port}"]\n', "")
    checkout.commit("It is a Streamlit app")

    ended = checkout.gitrelease("init", "--python", str(tmp_path / "bare/bin/python"))

    assert ended.code == 2
    assert "has no Streamlit" in ended.words
    assert checkout.type(ended.said, "gitrelease init --python PATH", PATH=sys.executable).code == 0
    assert set_up(checkout)["python"] == sys.executable


@typed("edges.interpreter._no_python: gitrelease init --python PATH")
@pytest.mark.parametrize("program", ["/bin/ls", "/bin/true"])
def test_a_program_that_is_no_python_is_refused_whatever_the_app_is(checkout: Production, program: str) -> None:
    ended = checkout.gitrelease("init", "--python", program)

    assert ended.code == 2
    assert f"{program} is no Python that runs: " in ended.words
    assert not checkout.home.exists()
    assert checkout.type(ended.said, "gitrelease init --python PATH", PATH=sys.executable).code == 0
    assert set_up(checkout)["python"] == sys.executable


@pytest.mark.parametrize(
    ("line", "message", "accepted"),
    [
        ('[app]\nkindd = "x"', "gitrelease.toml, line 2: there is no setting app.kindd", "kind, script, schema"),
        ("[[instance]]\nport = 85010", "gitrelease.toml, line 2: instance.port is 85010", "1 to 65535"),
        ('[[instance]]\nname = "all"', "line 2: instance.name is 'all'", "another one: all means all instances"),
        ('[[instance]]\n[[instance]]\nname = "b"\nport = 1\ngroup = "all"', "instance.group is 'all'", "another one"),
        ('[policy.major]\nsoak = "soon"', "gitrelease.toml, line 2: policy.major.soak is 'soon'", "500ms"),
        ('[policy.major]\nautomation = "maybe"', "line 2: policy.major.automation is 'maybe'", "auto or approve"),
        ("[app", "gitrelease.toml is not TOML", "Mend that line"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line_and_what_is_accepted(
    checkout: Production, line: str, message: str, accepted: str
) -> None:
    checkout.write("gitrelease.toml", line + "\n")
    checkout.commit("Settings")

    ended = checkout.gitrelease("init", "--python", sys.executable)

    assert ended.code == 2
    assert message in ended.words
    assert accepted in ended.words


@typed("edges.front._cannot_listen: gitrelease init --port PORT", "edges.front._cannot_listen: gitrelease up")
def test_a_port_taken_by_a_stranger_is_named_with_its_pid(checkout: Production) -> None:
    checkout.init()
    command = [sys.executable, "-m", "http.server", str(checkout.port), "--bind", "127.0.0.1"]
    stranger = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(checkout.port), "the stranger listens")
        ended = checkout.gitrelease("up")

        assert ended.code == 2
        assert f"pid {stranger.pid}" in ended.words
        checkout.port = reserved_port()
        chosen = checkout.type(ended.said, "gitrelease init --port PORT", PORT=str(checkout.port))
        assert chosen.code == 0, chosen.said
        up = checkout.type(ended.said, "gitrelease up")
        assert up.code == 0, up.said
        assert checkout.answer() == "one revenue profit"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@typed(
    "edges.home.Home.require_folder: mv {root} {root}.old}",
    "edges.settings.of_host: mv {file} {file}.old}",
)
def test_what_is_in_the_way_is_moved_in_a_folder_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "it's (100%), no.1").mkdir()
    checkout = make_checkout(tmp_path / "it's (100%), no.1")
    settings = checkout.home / "host.toml"
    checkout.home.write_text("somebody's\n")

    for path in (checkout.home, settings):
        ended = checkout.gitrelease("init")

        assert ended.code == 2
        moved = checkout.type(ended.said, f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.old')}")
        assert moved.code == 0, moved.said
        if path == checkout.home:
            settings.mkdir(parents=True)
    assert checkout.type(ended.said, "gitrelease init").code == 0
    assert settings.is_file()


@typed("edges.front._cannot_listen: gitrelease up")
def test_a_port_of_several_that_is_taken_is_not_for_init_to_change(tmp_path: Path) -> None:
    checkout = make_several(tmp_path)
    try:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            before = checkout.others["second"]
            checkout.others["second"] = Place(stranger.getsockname()[1])
            checkout.set_instances()

            taken = checkout.gitrelease("up")

            assert "or choose another port in .git/gitrelease/host.toml; then: gitrelease up" in taken.words
            checkout.others["second"] = before
            checkout.set_instances()
            up = checkout.type(taken.said, "gitrelease up")
            assert up.code == 0, up.said
            assert checkout.answer(port=before.port) == "one revenue profit"
    finally:
        checkout.clear_away()


@typed("edges.front._cannot_listen: gitrelease up")
def test_an_address_that_this_host_has_not_is_named(checkout: Production) -> None:
    settings = checkout.init().home / "host.toml"
    kept = settings.read_text()
    settings.write_text(kept.replace("[[instance]]", '[[instance]]\naddress = "192.0.2.1"'))

    refused = checkout.gitrelease("up")

    assert f"192.0.2.1:{checkout.port} cannot be listened on" in refused.words
    settings.write_text(kept)
    up = checkout.type(refused.said, "gitrelease up")
    assert up.code == 0, up.said
    assert checkout.answer() == "one revenue profit"


@typed(
    "edges.home.Home.require_folder: mv {root} {root}.old}",
    "edges.home.Home.require_folder: gitrelease init",
)
def test_a_file_where_our_folder_belongs_is_named_and_left_alone(checkout: Production) -> None:
    checkout.home.write_text("somebody's\n")

    ended = checkout.gitrelease("init", "--python", sys.executable)

    assert ended.code == 2
    assert checkout.home.read_text() == "somebody's\n"
    assert checkout.type(ended.said, f"mv {checkout.home} {checkout.home}.old").code == 0
    assert checkout.type(ended.said, "gitrelease init").code == 0
    assert Path(f"{checkout.home}.old").read_text() == "somebody's\n"
    assert checkout.init().up().answer() == "one revenue profit"


@typed(
    "edges.home.Home.require_folder: mv {root} {root}.old}",
    "edges.home.Home.require_folder: gitrelease recover",
)
def test_a_file_where_our_folder_was_is_moved_away_and_production_comes_back(production: Production) -> None:
    production.gitrelease("down")
    production.home.rename(f"{production.home}.lost")
    production.home.write_text("somebody's\n")

    ended = production.gitrelease("up")

    assert ended.code == 2
    assert production.type(ended.said, f"mv {production.home} {production.home}.old").code == 0
    recovered = production.type(ended.said, "gitrelease recover")
    assert recovered.code == 0, recovered.said
    assert production.live() == "release/1"
    assert production.up().answer() == "one revenue profit"


def test_a_folder_where_our_settings_belong_is_named(checkout: Production) -> None:
    checkout.init()
    (checkout.home / "host.toml").unlink()
    (checkout.home / "host.toml").mkdir()

    for verb, code in ((("status",), 0), (("init", "--python", sys.executable), 2), (("up",), 2)):
        ended = checkout.gitrelease(*verb)

        assert ended.code == code, ended.said
        assert f"mv {checkout.home / 'host.toml'}" in ended.words

    assert "host.toml.broken-" in checkout.gitrelease("recover").said
    assert (checkout.home / "host.toml").is_file()


def test_before_init_a_verb_says_what_to_run(checkout: Production) -> None:
    ended = checkout.gitrelease("status")

    assert ended.code == 2
    assert "init" in ended.said


def test_before_up_a_deploy_says_what_to_run(checkout: Production) -> None:
    checkout.init()

    ended = checkout.gitrelease("deploy", "--json")

    assert ended.code == 3
    assert ended.json["hint"] == "Start it: gitrelease up"


def test_an_unknown_revision_is_refused(production: Production) -> None:
    ended = production.gitrelease("deploy", "no-such-thing")

    assert ended.code == 2
    assert "no-such-thing" in ended.said


def test_a_schema_export_that_is_no_json_is_refused(production: Production) -> None:
    production.write("schema.json", "{not json")
    commit = production.commit("Schema")

    ended = until(
        lambda: [a for a in production.gitrelease("history", "--json").json["attempts"] if a["commit"] == commit]
    )

    assert ended[0]["outcome"] == "refused"
    assert "schema.json is not JSON" in ended[0]["reason"]
    until(lambda: production.git("rev-parse", "deploy") != commit, "the branch is put back")


def test_an_app_that_does_not_come_up_at_first_leaves_nothing_running(checkout: Production) -> None:
    checkout.replace("server.py", "import sys\n", "import sys\nimport no_such_module\n")
    checkout.commit("Broken from the start")
    checkout.init()

    ended = checkout.gitrelease("up")

    assert ended.code == 3
    assert "no_such_module" in ended.said
    assert checkout.git("tag") == ""
    until(lambda: not (checkout.home / "run/agent.sock").exists())


def test_a_carried_file_is_no_difference_between_live_and_the_branch(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, {"server.py": SERVER, "gitrelease.toml": SETTINGS, ".gitignore": "*.json\n"})
    try:
        checkout.write("schema.json", '{"fields": {"a": 1}}')
        checkout.init().up()

        assert checkout.gitrelease("diff", "--json").json["kind"] == "none"
        assert checkout.status()["checkout"]["in_sync"] is True
    finally:
        checkout.clear_away()


def test_a_usage_error_prints_one_object_as_well(checkout: Production) -> None:
    ended = checkout.gitrelease("status", "--json", "--no-such-option")

    assert ended.code == 2
    assert ended.json["schema"] == 1


def test_a_failure_says_what_production_serves(production: Production) -> None:
    words = production.gitrelease("show", "release/77")
    told = production.gitrelease("rollback", "release/77", "--json")

    assert "production serves release/1" in words.words
    assert told.json["release"] == "release/1"
    assert (words.code, told.code) == (2, 2)


@pytest.mark.parametrize("words", [("rollback",), ("show", "release/77")], ids=" ".join)
def test_a_failure_says_of_no_release_that_production_serves_it_while_that_is_down(
    production: Production, words: tuple[str, ...]
) -> None:
    production.gitrelease("down")

    ended = production.gitrelease(*words)
    told = production.gitrelease(*words, "--json")

    assert ended.code == told.code != 0
    assert "error: " in ended.words
    assert "serves" not in ended.said
    assert told.json["release"] == "release/1"


def test_hooks_of_an_earlier_version_are_renewed_when_production_comes_up(checkout: Production) -> None:
    checkout.init()
    hook = checkout.root / ".git" / "hooks" / "update"
    ours = hook.read_text()
    hook.write_text(ours.replace("exit 1", "exit 0"))

    checkout.up()

    assert hook.read_text() == ours
    assert os.access(hook, os.X_OK)


def test_an_edit_of_the_carried_file_waits_as_long_as_it_lies_there_and_deploy_means_it(checkout: Production) -> None:
    checkout.write(".gitignore", "schema.json\n")
    checkout.commit("git ignores the export")
    checkout.write("schema.json", '{"page": {"type": "integer"}, "text": {"type": "string"}}')
    checkout.init().up()
    checkout.await_idle()
    checkout.write("schema.json", '{"page": {"type": "integer"}}')
    waiting = until(lambda: checkout.status()["waiting"], "it waits")
    assert "loses text" in waiting[0]["reason"]

    plain = checkout.gitrelease("deploy")
    still = checkout.status()["waiting"]
    approved = checkout.gitrelease("deploy", "--approve")

    assert plain.code != 0
    assert "loses text" in plain.words
    assert [one["commit"] for one in still] == [waiting[0]["commit"]]
    assert approved.code == 0, approved.said
    checkout.await_live("release/2")
    assert checkout.git("cat-file", "-p", "release/2:schema.json") == '{"page": {"type": "integer"}}'
    assert "superseded" not in checkout.gitrelease("history").out


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (["config", "receive.denyCurrentBranch", "refuse"], "put right: receive.denyCurrentBranch"),
        (["config", "--unset", "receive.advertisePushOptions"], "put right: receive.advertisePushOptions"),
        (None, "put right: the hook update"),
    ],
    ids=["a setting", "a setting that is gone", "a hook"],
)
def test_init_says_what_it_puts_right_while_production_is_up(
    production: Production, broken: list[str] | None, told: str
) -> None:
    if broken:
        production.git(*broken)
    else:
        (production.root / ".git" / "hooks" / "update").unlink()

    first, again = production.gitrelease("init"), production.gitrelease("init")

    assert told in first.out
    assert "nothing was changed" not in first.out
    assert "put right" not in again.out
    assert "nothing was changed" in again.out
