"""What `status` tells people to type shows what it is about, or puts it right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkout import Ended, Place, Production, reserved_port, until
from tests.locks import fresh_lock
from tests.remedies import typed
from tests.stories.test_cold_start import NEEDS, gone_back
from tests.stories.test_groups import Grouped, grouped  # noqa: F401  # a fixture
from tests.stories.test_instances import answer
from tests.stories.test_interpreter import Python, lose
from tests.stories.test_keeping import release_terms


def status(production: Production) -> str:
    ended = production.gitrelease("status")
    assert ended.code == 0, ended.said
    return ended.out


def well(ended: Ended) -> None:
    assert ended.code == 0, ended.said


# -- up and down -----------------------------------------------------------------------------------------------------


@typed("commands.status.lines: gitrelease up")
def test_what_is_checked_out_is_released_as_it_is_said_before_anything_was(checkout: Production) -> None:
    checkout.init()

    well(checkout.type(status(checkout), "gitrelease up"))

    assert checkout.live() == "release/1"
    assert checkout.git("rev-parse", "release/1^{commit}") == checkout.git("rev-parse", "HEAD")
    assert "nothing yet" not in status(checkout)


@typed("commands.status._START: gitrelease up")
@pytest.mark.parametrize("killed", [False, True], ids=["down was asked for", "all was killed"])
def test_production_that_is_down_is_started_as_it_is_said(production: Production, killed: bool) -> None:
    if killed:
        production.kill(production.agent_pid())
        production.kill(production.front_pid())
        production.kill(production.backend_pid())
    else:
        production.gitrelease("down")
    down = status(production)

    well(production.type(down, "gitrelease up"))

    assert "nobody is served" in down
    assert "agent     not running" in down
    now = status(production)
    assert "nobody is served" not in now
    assert "not running" not in now
    assert production.answer() == "one revenue profit"


@typed("commands.status._START: gitrelease up")
def test_an_agent_that_is_gone_is_started_as_it_is_said_and_who_serves_goes_on(production: Production) -> None:
    production.kill(production.agent_pid())
    backend = production.backend_pid()

    well(production.type(status(production), "gitrelease up"))

    assert "not running" not in status(production)
    assert production.backend_pid() == backend


@typed(
    "commands.status._down: gitrelease doctor",
    "commands.status._down: gitrelease logs",
    "commands.status._down: gitrelease restart",
)
def test_why_nobody_is_served_is_read_and_mended_as_it_is_said(checkout: Production, tmp_path: Path) -> None:
    installed = tmp_path / "thelib"
    installed.write_text("1")
    checkout.replace("server.py", "import sys\n", f"import sys\n{NEEDS.format(place=str(installed), fits='1')}")
    checkout.commit("It needs thelib")
    checkout.init().up()
    checkout.await_idle()
    installed.write_text("2")
    checkout.kill(checkout.backend_pid())
    until(lambda: "nobody is served" in status(checkout), "nobody is served")
    down = status(checkout)

    doctor = checkout.type(down, "gitrelease doctor")
    logs = checkout.type(down, "gitrelease logs")
    installed.write_text("1")
    well(checkout.type(down, "gitrelease restart"))

    assert doctor.code != 0
    assert "ImportError: thelib" in logs.out
    assert "nobody is served" not in status(checkout)
    assert checkout.answer() == "one revenue profit"


@typed("commands.status._down: gitrelease doctor", "commands.status._down: gitrelease restart")
def test_what_the_host_lacks_is_told_where_status_says_and_production_is_up_when_it_is_there(
    checkout: Production, tmp_path: Path
) -> None:
    python = Python(tmp_path)
    well(checkout.gitrelease("init", "--port", str(checkout.port), "--python", str(python.path)))
    checkout.up()
    checkout.await_idle()
    lose(checkout, python)
    down = status(checkout)

    doctor = checkout.type(down, "gitrelease doctor")
    python.put_back()
    well(checkout.type(down, "gitrelease restart"))

    assert f"there is no Python at {python.path}" in doctor.words
    assert "nobody is served" not in status(checkout)
    assert checkout.status()["person_needed"] is None
    assert checkout.answer() == "one revenue profit"


@typed("commands.status._acknowledged: gitrelease ack")
def test_who_is_needed_acknowledges_it_as_it_is_said(checkout: Production) -> None:
    checkout.replace("gitrelease.toml", '[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "60s"')
    checkout.commit("Longer soak")
    checkout.init().up()
    checkout.kill(checkout.backend_pid())
    until(lambda: checkout.state()["person_needed"], "a person is needed")
    needed = status(checkout)

    well(checkout.type(needed, "gitrelease ack"))

    assert "nobody has acknowledged it yet" in needed
    assert "acknowledged by" in status(checkout)
    assert "nobody has acknowledged" not in status(checkout)


@typed("commands.status._start: gitrelease restart{within}")
def test_a_live_release_that_would_not_start_again_is_restarted_as_it_is_said(
    checkout: Production, tmp_path: Path
) -> None:
    installed = tmp_path / "thelib"
    installed.write_text("1")
    gone_back(checkout, installed, fits="1")
    until(lambda: checkout.status()["start"]["tried"] is False, "it has been tried")
    doubtful, backend = status(checkout), checkout.backend_pid()

    installed.write_text("1")
    well(checkout.type(doubtful, "gitrelease restart"))

    assert "no new process of the live release has been shown to start" in doubtful
    assert "has been shown to start" not in status(checkout)
    assert checkout.backend_pid() != backend
    assert checkout.live() == "release/1"


# -- groups ----------------------------------------------------------------------------------------------------------


@typed(
    "commands.status._groups: gitrelease deploy REV --to {name}",
    "commands.watching._not_up: gitrelease deploy REV --to {group}",
)
def test_a_group_that_serves_nothing_is_given_a_release_as_it_is_said(grouped: Grouped) -> None:  # noqa: F811
    production = grouped.production
    grouped.branch_with("two")
    said, watched = status(production), production.gitrelease("monitor", "test")

    well(production.type(said, "gitrelease deploy REV --to test", REV="next"))

    assert watched.code == 3
    well(production.type(watched.said, "gitrelease deploy REV --to test", REV="next"))
    assert "group     test serves release/2" in status(production)
    assert answer(grouped.ports["test-1"]) == answer(grouped.ports["test-2"]) == "two revenue profit"
    assert production.answer() == "one revenue profit"


@typed("commands.watching._not_up: gitrelease up")
@pytest.mark.parametrize("whose", ["production", "test"])
def test_what_is_not_up_is_started_as_it_is_said(grouped: Grouped, whose: str) -> None:  # noqa: F811
    production = grouped.production
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    production.gitrelease("down")
    down = production.gitrelease("monitor", whose)

    well(production.type(down.said, "gitrelease up"))

    assert down.code == 3
    well(production.gitrelease("monitor", whose, "--for", "300ms"))
    assert production.answer() == "one revenue profit"
    assert answer(grouped.ports["test-1"]) == "two revenue profit"


@typed("commands.status._groups: gitrelease down && gitrelease up")
def test_a_group_that_no_instance_names_is_ended_as_it_is_said(grouped: Grouped) -> None:  # noqa: F811
    production = grouped.production
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    production.others = {"second": Place(reserved_port())}
    production.set_instances()
    assert production.gitrelease("restart").code == 0
    until(lambda: "no instance names test any more" in status(production), "it is told")

    well(production.type(status(production), "gitrelease down && gitrelease up"))

    assert "test" not in status(production)
    assert not (production.home_of("test") / "run" / "processes.json").exists()
    assert production.answer() == answer(production.others["second"].port) == "one revenue profit"


# -- out of the ordinary ---------------------------------------------------------------------------------------------


@typed("commands.status._unusual: gitrelease unfreeze")
def test_a_freeze_is_ended_as_it_is_said(production: Production) -> None:
    production.gitrelease("freeze", "-m", "quarter end")
    frozen = status(production)
    production.commit_term("second")

    well(production.type(frozen, "gitrelease unfreeze"))

    production.await_live("release/2")
    assert "frozen" not in status(production)


@typed("commands.status._unusual: gitrelease doctor --fix")
def test_hooks_that_git_looks_for_elsewhere_are_put_right_as_it_is_said(production: Production, tmp_path: Path) -> None:
    (tmp_path / "hooks of others").mkdir()
    production.git("config", "core.hooksPath", str(tmp_path / "hooks of others"))
    until(lambda: "pushes are not checked" in status(production), "it is told")

    well(production.type(status(production), "gitrelease doctor --fix"))

    until(lambda: "pushes are not checked" not in status(production), "it is over")
    developer = production.clone()
    developer.commit_term("second")
    assert "release/2 is live" in developer.push().said


@typed("commands.status._unusual: gitrelease doctor", "commands.status._unusual: gitrelease recover")
def test_what_is_in_the_way_of_a_release_is_named_and_cleared_away_as_it_is_said(production: Production) -> None:
    lock = production.root / ".git" / "refs" / "gitrelease" / "live.lock"
    at_work = fresh_lock(lock)
    commit = production.commit_term("second")
    until(lambda: f"{commit[:10]} was taken and is not live yet" in status(production), "it is told")
    said = status(production)

    doctor = production.type(said, "gitrelease doctor")
    at_work.set()
    recovered = production.type(said, "gitrelease recover")

    assert "refs/gitrelease/live.lock" in doctor.words
    well(recovered)
    assert not lock.exists()
    production.await_live("release/2")
    until(lambda: "not live yet" not in status(production), "it is over")


@typed("commands.status._unusual: gitrelease recover")
def test_what_a_git_that_was_cut_off_left_is_cleared_away_as_it_is_said(production: Production) -> None:
    lock = production.root / ".git" / "index.lock"
    lock.touch()
    until(lambda: "git is at work there, or was cut off" in status(production), "it is told")

    well(production.type(status(production), "gitrelease recover"))

    assert not lock.exists()
    assert "git is at work there" not in status(production)
    production.commit_term("second")
    production.await_live("release/2")


@typed("commands.status._variables: gitrelease up --variables")
@pytest.mark.parametrize("left", ["an earlier version", "a broken file"])
def test_variables_are_recorded_as_it_is_said(checkout: Production, left: str) -> None:
    checkout.init()
    assert checkout.gitrelease("up", env={"DB_PASSWORD": "first"}).code == 0
    checkout.await_idle()
    kept = checkout.home / "variables.json"
    if left == "an earlier version":
        kept.unlink()
        checkout.kill(checkout.agent_pid())
        checkout.up()
    else:
        kept.write_text("{")
    said = status(checkout)

    well(checkout.type(said, "gitrelease up --variables", env={"DB_PASSWORD": "second"}))

    assert "\nvariables " in said
    assert "\nvariables " not in status(checkout)
    well(checkout.gitrelease("restart"))
    assert b"DB_PASSWORD=second" in Path(f"/proc/{checkout.backend_pid()}/environ").read_bytes().split(b"\0")


@typed("commands.status._files: gitrelease doctor")
def test_what_keeps_the_files_of_the_app_is_told_where_it_is_said(checkout: Production) -> None:
    write = 'import pathlib\n\npathlib.Path("output").mkdir(exist_ok=True)\npathlib.Path("output/a.txt").touch()\n'
    checkout.replace("server.py", "import sys\n", f"import sys\n{write}")
    checkout.write(".gitignore", "output/\n")
    checkout.commit("It writes")
    checkout.init()
    checkout.up()
    checkout.commit_term("second")
    until(lambda: "not in the next release" in status(checkout), "it is told of")

    doctor = checkout.type(status(checkout), "gitrelease doctor")

    assert 'data = ["output/"]; then: gitrelease restart' in doctor.words


# -- what came in and is not live ------------------------------------------------------------------------------------


@typed("commands.status._waiting: gitrelease diff --worktree", "core.remedy.TAKE_BACK: git checkout HEAD -- FILE")
@pytest.mark.parametrize("added", [False, True], ids=["on disk", "in the index too"])
def test_an_edit_that_is_refused_is_seen_and_taken_back_as_it_is_said(production: Production, added: bool) -> None:
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "well",\n')  # which is released, and stays
    production.await_live("release/2")
    production.await_idle()
    production.write("README.md", "Words\n")
    production.replace("server.py", "import http.server\n", "import http.server(\n")
    if added:
        production.git("add", "server.py")
    until(lambda: "refused   the edit on disk" in status(production) and not production.busy(), "it is refused")
    refused = status(production)

    diff = production.type(refused, "gitrelease diff --worktree")
    back = production.type(refused, "git checkout HEAD -- FILE", FILE="server.py")

    assert "server.py" in diff.out
    well(back)
    until(lambda: "refused" not in status(production), "the edit is gone")
    assert (production.live(), production.answer()) == ("release/2", "one revenue well profit")
    assert '"well"' in production.read("server.py")
    assert production.read("README.md") == "Words\n"


@typed("core.remedy.TAKE_BACK: git rm -f --cached FILE")
def test_a_new_file_of_a_refused_edit_is_taken_back_as_it_is_said_and_stays_on_disk(production: Production) -> None:
    production.write("helper.py", "def broken(:\n")
    production.git("add", "helper.py")
    production.replace("server.py", "import http.server\n", "import http.server, helper\n")
    until(lambda: "refused   the edit on disk" in status(production) and not production.busy(), "it is refused")
    refused = status(production)
    production.write("helper.py", "def mended():\n    return 1\n")  # git has another content than the disk and HEAD

    well(production.type(refused, "git checkout HEAD -- FILE", FILE="server.py"))
    well(production.type(refused, "git rm -f --cached FILE", FILE="helper.py"))

    until(lambda: "refused" not in status(production), "the edit is gone")
    assert "in sync with live" in status(production)
    assert "mended" in production.read("helper.py")


@typed(
    "core.remedy.OF_IGNORED: git restore --source=refs/gitrelease/checkout -W FILE",
    "agent.desk.Desk._of_refused_edit: gitrelease status",
)
def test_a_refused_edit_of_a_file_that_git_ignores_is_told_by_deploy_and_taken_back_as_it_is_said(
    checkout: Production,
) -> None:
    checkout.write(".gitignore", "*.json\n")
    checkout.commit("The export is made here")
    checkout.write("schema.json", '{"fields": {"a": 1}}')
    checkout.init().up().await_idle()
    checkout.write("schema.json", "{ not")
    until(lambda: "refused   the edit on disk" in status(checkout) and not checkout.busy(), "it is refused")

    deployed = checkout.gitrelease("deploy")
    refused = checkout.type(deployed.said, "gitrelease status")
    well(checkout.type(refused.said, "git restore --source=refs/gitrelease/checkout -W FILE", FILE="schema.json"))

    assert deployed.code == 0, deployed.said
    assert "nothing that runs has changed" in deployed.words
    assert "An edit on disk is refused: schema export: schema.json is not JSON" in deployed.words
    until(lambda: "refused" not in status(checkout), "the edit is gone")
    assert "in sync with live" in status(checkout)
    assert checkout.read("schema.json") == '{"fields": {"a": 1}}'
    assert "An edit on disk" not in checkout.gitrelease("deploy").words


@typed("core.remedy.TAKE_BACK: git checkout HEAD -- FILE")
def test_an_edit_is_taken_back_in_part_as_it_is_said_and_the_rest_is_judged_by_itself(production: Production) -> None:
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "well",\n')
    production.write("broken.py", "def broken(:\n")
    production.git("add", "broken.py")
    production.replace("gitrelease.toml", "[limits]\n", "[limits]\nno_such_limit = 1\n")
    until(lambda: "refused   the edit on disk" in status(production) and not production.busy(), "it is refused")

    well(production.type(status(production), "git checkout HEAD -- FILE", FILE="gitrelease.toml"))

    until(lambda: "\nwaiting " in status(production), "what is left waits")
    assert "refused" not in status(production)
    assert '"well"' in production.read("server.py")


@typed("core.remedy.TAKE_BACK: git checkout HEAD -- FILE")
def test_an_edit_that_was_refused_is_taken_back_as_it_is_said_on_another_branch_too(production: Production) -> None:
    production.replace("server.py", "import http.server\n", "import http.server(\n")
    until(lambda: "refused   the edit on disk" in status(production) and not production.busy(), "it is refused")
    refused = status(production)

    production.git("checkout", "--quiet", "-b", "other")
    until(lambda: "refused" not in status(production), "it is no edit of what production follows")
    well(production.type(refused, "git checkout HEAD -- FILE", FILE="server.py"))
    production.git("checkout", "--quiet", "deploy")

    until(lambda: "in sync with live" in status(production), "it is as live")
    assert "refused" not in status(production)


@typed("commands.status._waiting: gitrelease status --json")
def test_all_that_went_bad_is_seen_as_it_is_said(production: Production) -> None:
    terms = ("two", "three", "four", "five")
    for term in terms:
        release_terms(production, term)
        well(production.gitrelease("rollback", "-m", f"{term} is wrong"))
        production.await_idle()
    well(production.gitrelease("prune", "--keep", "1"))
    said = status(production)

    seen = production.type(said, "gitrelease status --json")

    assert "and 1 more" in said
    assert [one["reason"] for one in seen.json["quarantined"]] == [f"{term} is wrong" for term in terms]
