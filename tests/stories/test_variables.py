"""Which variables does the app get? Those that its owner has recorded, whoever starts what, and nobody else's."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
from pathlib import Path

import psutil
import pytest

from tests.checkout import Production, until
from tests.remedies import typed
from tests.stories.test_remedies_doctor import Patient, fix_of, told

SECRET, NEXT = "correct-horse-battery", "staple"  # nobody's


def variables_of_app(production: Production) -> dict[str, str]:
    """Return what the process that serves was started with."""
    return psutil.Process(production.backend_pid()).environ()


@pytest.fixture
def recorded(checkout: Production) -> Production:
    """A production that was started first in a shell with a password."""
    checkout.init()
    up = checkout.gitrelease("up", env={"DB_PASSWORD": SECRET})
    assert up.code == 0, up.said
    assert "DB_PASSWORD" in up.said
    assert SECRET not in up.said
    checkout.await_idle()
    assert variables_of_app(checkout)["DB_PASSWORD"] == SECRET
    return checkout


def expect_recorded(production: Production) -> None:
    """See that the app has the recorded password, and nothing of anybody else."""
    given = variables_of_app(production)
    assert given["DB_PASSWORD"] == SECRET
    assert not {"TOKEN", "PYTHONPATH", "SSH_CONNECTION", "CI"} & given.keys()
    assert not [name for name in given if name.startswith("GIT_")]
    assert "git-core" not in given["PATH"]


PUSHER = {
    "TOKEN": "of the pusher",
    "PYTHONPATH": "/nowhere",
    "DB_PASSWORD": "another",
    "SSH_CONNECTION": "x",
    "CI": "1",
}


@pytest.mark.parametrize("gone", [False, True], ids=["the agent runs", "the agent was killed"])
def test_a_push_by_path_gives_the_app_nothing_of_the_pushers(
    recorded: Production, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    developer = recorded.clone()
    developer.commit_term("second")
    if gone:
        recorded.kill(recorded.agent_pid())
    for name, value in PUSHER.items():
        monkeypatch.setenv(name, value)

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    recorded.await_live("release/2")
    expect_recorded(recorded)


def test_whatever_starts_a_process_it_gets_what_is_recorded(recorded: Production) -> None:
    def expect_new(before: int) -> int:
        until(lambda: recorded.backend_pid() not in (0, before), "another process serves")
        expect_recorded(recorded)
        return recorded.backend_pid()

    pid = recorded.backend_pid()
    assert recorded.gitrelease("restart", env=PUSHER).code == 0
    pid = expect_new(pid)
    recorded.kill(pid)
    pid = expect_new(pid)
    recorded.gitrelease("down")
    assert recorded.gitrelease("up", env=PUSHER).code == 0
    pid = expect_new(pid)
    assert recorded.gitrelease("recover", env=PUSHER).code == 0
    expect_recorded(recorded)
    recorded.commit_term("second")
    recorded.await_live("release/2")
    expect_recorded(recorded)
    recorded.await_idle()
    assert recorded.gitrelease("rollback", env=PUSHER).code == 0
    expect_recorded(recorded)


def test_variables_are_recorded_anew_when_that_is_asked_for(recorded: Production) -> None:
    asked = recorded.gitrelease("up", "--variables", env={"DB_PASSWORD": "new", "REGION": "north"})

    assert asked.code == 0, asked.said
    assert "DB_PASSWORD" in asked.said
    assert "REGION" in asked.said
    assert "gitrelease restart" in asked.words
    assert variables_of_app(recorded)["DB_PASSWORD"] == SECRET
    assert recorded.gitrelease("restart").code == 0
    given = variables_of_app(recorded)
    assert (given["DB_PASSWORD"], given["REGION"]) == ("new", "north")


def test_a_first_up_that_fails_does_not_fix_what_is_recorded(checkout: Production) -> None:
    checkout.replace("server.py", "import sys\n", "import os\nimport sys\n\nos.environ['DB_PASSWORD']\n")
    checkout.commit("It needs a password")
    checkout.init()

    without = checkout.gitrelease("up")
    given = checkout.gitrelease("up", env={"DB_PASSWORD": SECRET})

    assert without.code != 0
    assert given.code == 0, given.said
    assert variables_of_app(checkout)["DB_PASSWORD"] == SECRET


def test_values_stand_in_one_file_of_the_owners_and_nowhere_else(recorded: Production) -> None:
    developer = recorded.clone()
    developer.commit_term("second")
    developer.push()
    recorded.await_idle()
    kept = recorded.home / "variables.json"

    said = "".join(recorded.gitrelease(*words).said for words in (["status", "--json"], ["history"], ["doctor"]))

    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert SECRET not in said
    assert SECRET not in recorded.git("for-each-ref", "--format=%(refname) %(contents)")
    for ref in recorded.git("for-each-ref", "--format=%(objectname)", "refs/gitrelease").split():
        assert SECRET not in recorded.git("cat-file", "-p", ref)
    holding = [path for path in files_below(recorded.home) if path != kept and SECRET.encode() in path.read_bytes()]
    assert not holding


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def test_what_an_earlier_version_has_started_tells_its_variables(recorded: Production) -> None:
    (recorded.home / "variables.json").unlink()
    recorded.kill(recorded.agent_pid())

    up = recorded.gitrelease("up", env=PUSHER)

    assert up.code == 0, up.said
    status = recorded.status()["variables"]
    assert status["source"] == "process"
    assert "DB_PASSWORD" in status["names"]
    assert "TOKEN" not in status["names"]
    said = recorded.gitrelease("status").said
    assert re.search("variables taken over from the process that runs: .*DB_PASSWORD", said)
    recorded.gitrelease("restart")
    expect_recorded(recorded)


def test_a_file_that_cannot_be_read_is_told_with_what_makes_it_anew(recorded: Production) -> None:
    (recorded.home / "variables.json").write_text("{")

    refused = recorded.gitrelease("restart")
    assert refused.code != 0
    assert "gitrelease up --variables" in refused.words
    assert variables_of_app(recorded)["DB_PASSWORD"] == SECRET
    assert recorded.gitrelease("up", "--variables", env={"DB_PASSWORD": SECRET}).code == 0

    assert recorded.gitrelease("restart").code == 0
    expect_recorded(recorded)


def test_recover_takes_a_file_that_cannot_be_read_from_the_process_that_runs(recorded: Production) -> None:
    (recorded.home / "variables.json").write_text("{")

    recovered = recorded.gitrelease("recover")

    assert recovered.code == 0, recovered.said
    assert "variables.json" in recovered.said
    expect_recorded(recorded)
    assert recorded.gitrelease("restart").code == 0
    expect_recorded(recorded)


@typed("edges.variables.recorded: gitrelease up --variables")
def test_variables_that_cannot_be_read_are_recorded_anew_by_what_is_said(recorded: Production) -> None:
    (recorded.home / "variables.json").write_text("{")

    refused = recorded.gitrelease("up")

    assert "the app's variables, cannot be read" in refused.words
    anew = recorded.type(refused.said, "gitrelease up --variables", env={"DB_PASSWORD": SECRET})
    assert anew.code == 0, anew.said
    restarted = recorded.gitrelease("restart", env={"DB_PASSWORD": "another"})
    assert restarted.code == 0, restarted.said
    expect_recorded(recorded)


@typed("doctor.case.Case.restart: gitrelease restart", "doctor.running.variables: gitrelease up --variables")
def test_doctor_says_where_the_app_has_others_than_the_next_process_would_get(recorded: Production) -> None:
    assert not [line for line in recorded.gitrelease("doctor").said.splitlines() if "warning  variables" in line]
    recorded.gitrelease("up", "--variables", env={"DB_PASSWORD": "new", "REGION": "north"})

    fix = fix_of(told(recorded), "variables", "DB_PASSWORD, REGION")
    assert recorded.type(fix, "gitrelease up --variables", env={"DB_PASSWORD": "newer", "REGION": "east"}).code == 0
    Patient(recorded).type("variables", "DB_PASSWORD, ", "gitrelease restart")
    given = variables_of_app(recorded)
    assert (given["DB_PASSWORD"], given["REGION"]) == ("newer", "east")


def test_a_value_that_is_no_text_reaches_the_app_as_it_is(
    checkout: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = os.fsdecode(b"caf\xe9")
    monkeypatch.setenv("ODD", odd)
    checkout.init().up()

    assert variables_of_app(checkout)["ODD"] == odd


def set_on_host(production: Production, lines: str, *, app: str = "") -> None:
    """Add lines to the end of the host's settings, and keys to their `[app]`."""
    file = production.home / "host.toml"
    file.write_text(file.read_text().replace("[app]\n", f"[app]\n{app}", 1) + lines)


@typed("doctor.case.Case.restart: gitrelease restart")
def test_what_host_settings_set_wins_with_the_next_process(recorded: Production, tmp_path: Path) -> None:
    secrets = tmp_path / "findoc.env"
    secrets.write_text("# of the host\nexport DB_PASSWORD='from a file'\nREGION=south\nURL=\"${HOME}/x\"\n\n")
    secrets.chmod(0o600)
    set_on_host(recorded, '\n[variables]\nREGION = "north"\n', app=f'variables_file = "{secrets}"\n')

    says = "the process that serves has others than the next one would get: DB_PASSWORD, REGION, URL"
    Patient(recorded).type("variables", says, "gitrelease restart")

    given = variables_of_app(recorded)
    assert (given["DB_PASSWORD"], given["REGION"], given["URL"]) == ("from a file", "north", "${HOME}/x")
    recorded.gitrelease("up", "--variables", env={"DB_PASSWORD": "of a shell"})
    recorded.commit_term("second")
    recorded.await_live("release/2")
    assert variables_of_app(recorded)["DB_PASSWORD"] == "from a file"
    for ref in recorded.git("for-each-ref", "--format=%(objectname)", "refs/gitrelease").split():
        assert "north" not in recorded.git("cat-file", "-p", ref)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("", "cannot be read: No such file or directory"),
        ("FINE=1\n= x\n", "line 2 is no NAME=value"),
        ("FINE=1\nDB_PASSWORD\n", "line 2 is no NAME=value"),
        ("FINE=1\nGIT_DIR=hidden-value\n", "line 2 is a name that gitrelease, git or supervisord uses"),
        ('A="hidden-value\n', "line 1 is no NAME=value"),
    ],
    ids=["gone", "no name", "no value", "git's", "no end"],
)
def test_a_file_of_variables_that_is_wrong_is_told_and_what_was_read_last_holds(
    recorded: Production, tmp_path: Path, broken: str, said: str
) -> None:
    secrets = tmp_path / "findoc.env"
    secrets.write_text("REGION=south\n")
    secrets.chmod(0o600)
    set_on_host(recorded, "", app=f'variables_file = "{secrets}"\n')
    assert recorded.gitrelease("restart").code == 0

    if broken:
        secrets.write_text(broken)
    else:
        secrets.unlink()
    told = [" ".join(recorded.gitrelease(word).said.split()) for word in ("status", "doctor")]
    assert recorded.gitrelease("restart").code == 0

    assert all(said in one and "hidden-value" not in one for one in told), told
    assert "the variables that were read last hold on, also for an up" in told[0]
    assert "gitrelease recover" not in told[0]
    assert recorded.gitrelease("down").code == 0
    recorded.up().await_idle()
    assert variables_of_app(recorded)["REGION"] == "south"
    assert "FINE" not in variables_of_app(recorded)


@typed("doctor.running._set_by_host: chmod 600 {one}")
def test_variables_that_others_on_the_host_may_read_are_told_of(recorded: Production, tmp_path: Path) -> None:
    secrets = tmp_path / "fin doc.env"
    secrets.write_text("REGION=south\n")
    secrets.chmod(0o644)
    set_on_host(recorded, "", app=f'variables_file = "{secrets}"\n')
    assert recorded.gitrelease("restart").code == 0

    Patient(recorded).type("variables", "others may read it", f"chmod 600 '{secrets}'")

    assert secrets.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("lines", ['[variables]\nREGION = "north"\n', '[app]\nvariables_file = "x.env"\n'])
def test_a_commit_cannot_set_variables(recorded: Production, lines: str) -> None:
    developer = recorded.clone()
    developer.write("gitrelease.toml", lines)
    developer.commit("variables for everybody")

    pushed = developer.push()

    assert pushed.code != 0
    assert "for host settings only" in pushed.words
    assert recorded.status()["live"]["release"] == "release/1"


def test_commands_that_run_on_an_event_get_what_is_recorded(
    recorded: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    set_on_host(recorded, f'\n[[on]]\nevent = "released"\nrun = ["/bin/sh", "-c", "env > {seen}"]\n')
    developer = recorded.clone()
    developer.commit_term("second")
    recorded.kill(recorded.agent_pid())

    for name, value in PUSHER.items():
        monkeypatch.setenv(name, value)
    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    until(lambda: seen.exists() and "GITRELEASE_EVENT=released" in seen.read_text(), "the command has run")
    given = dict(line.split("=", 1) for line in seen.read_text().splitlines() if "=" in line)
    assert given["DB_PASSWORD"] == SECRET
    assert not {"TOKEN", "PYTHONPATH", "SSH_CONNECTION"} & given.keys()


def tell_region(production: Production, region: str) -> None:
    """Let host settings set the app's region, another one than before."""
    file = production.home / "host.toml"
    file.write_text(file.read_text().split("\n[variables]\n")[0] + f'\n[variables]\nREGION = "{region}"\n')


def test_what_host_settings_set_is_there_for_the_first_process(checkout: Production) -> None:
    checkout.init()
    tell_region(checkout, "north")

    checkout.up()

    assert variables_of_app(checkout)["REGION"] == "north"


def test_what_host_settings_set_while_production_was_down_is_there_when_it_comes_up(checkout: Production) -> None:
    checkout.init().up().await_idle()
    checkout.gitrelease("down")
    tell_region(checkout, "north")

    checkout.up()

    assert variables_of_app(checkout)["REGION"] == "north"


def test_a_process_that_comes_back_after_a_crash_has_what_host_settings_set_by_then(checkout: Production) -> None:
    checkout.init().up().await_idle()
    tell_region(checkout, "north")
    before = checkout.backend_pid()

    checkout.kill(before)

    until(lambda: checkout.backend_pid() != before, "another process serves")
    assert variables_of_app(checkout)["REGION"] == "north"


@pytest.fixture
def two(recorded: Production) -> Production:
    """A production with a release that stands by, which was started with the same password."""
    recorded.commit_term("second")
    recorded.await_live("release/2")
    recorded.await_idle()
    return recorded


def test_a_way_back_is_a_switch_where_nothing_differs(two: Production) -> None:
    warm = two.backend("standby")["identity"]["pid"]

    back = two.gitrelease("rollback")

    assert back.code == 0, back.said
    assert two.backend_pid() == warm


@pytest.mark.parametrize("by", ["up --variables", "host settings"])
def test_a_way_back_brings_no_old_variables_back(two: Production, by: str) -> None:
    old = psutil.Process(two.backend("standby")["identity"]["pid"])
    if by == "host settings":
        set_on_host(two, f'\n[variables]\nDB_PASSWORD = "{NEXT}"\n')
    else:
        assert two.gitrelease("up", "--variables", env={"DB_PASSWORD": NEXT}).code == 0
        assert two.gitrelease("restart").code == 0
    said = two.gitrelease("doctor").said

    back = two.gitrelease("rollback")

    assert back.code == 0, back.said
    assert two.live() == "release/1"
    assert variables_of_app(two)["DB_PASSWORD"] == NEXT
    until(lambda: not old.is_running(), "the process with the old password has ended")
    assert NEXT not in said
    others = {
        "up --variables": "release/1 stands by with others (DB_PASSWORD): a way back there starts it anew",
        "host settings": "the process that serves has others than the next one would get: DB_PASSWORD",
    }
    assert others[by] in " ".join(said.split())


def lose(production: Production, what: str) -> None:
    """Lose what is recorded, while nothing of production runs."""
    tell_region(production, "north")
    production.kill(production.agent_pid())
    for pid in production.marked():
        if psutil.pid_exists(pid):
            production.kill(pid)
    if what == "variables.json":
        (production.home / what).unlink()
    else:
        shutil.rmtree(production.home)


def expect_nobodys(production: Production) -> None:
    """See that the app has what every process of its user has, and nothing of who has started it."""
    given = variables_of_app(production)
    assert given["HOME"] == pwd.getpwuid(os.getuid()).pw_dir
    assert not PUSHER.keys() & given.keys()
    assert not [name for name in given if name.startswith("GIT_")]


@typed(
    "edges.variables.ANEW: gitrelease up --variables",
    "edges.variables.ANEW: gitrelease restart",
    "commands.status._variables: gitrelease restart",
)
def test_whoever_pushes_where_nothing_is_recorded_gives_the_app_nothing(
    recorded: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    developer = recorded.clone()
    developer.commit_term("second")
    lose(recorded, "variables.json")

    with monkeypatch.context() as pusher:
        for name, value in PUSHER.items():
            pusher.setenv(name, value)
        pushed = developer.push()

    assert pushed.code == 0, pushed.said
    recorded.await_live("release/2")
    expect_nobodys(recorded)
    assert variables_of_app(recorded)["REGION"] == "north"
    said = recorded.gitrelease("status").said
    assert "variables none are recorded: the app has REGION and the usual ones" in said
    logged = next(line for line in recorded.agent_log().splitlines() if "no variables are recorded for the app" in line)
    for remedy in (logged, said):
        assert recorded.type(remedy, "gitrelease up --variables", env={"DB_PASSWORD": SECRET}).code == 0
        assert recorded.type(remedy, "gitrelease restart").code == 0
        expect_recorded(recorded)
        assert "variables none" not in recorded.gitrelease("status").said


def test_an_up_that_is_typed_where_nothing_is_recorded_records_its_shell(recorded: Production) -> None:
    lose(recorded, "variables.json")
    assert recorded.gitrelease("recover").code == 0

    up = recorded.gitrelease("up", env={"DB_PASSWORD": SECRET})

    assert "DB_PASSWORD" in up.said
    assert recorded.type(up.said, "gitrelease restart").code == 0
    expect_recorded(recorded)


@pytest.mark.parametrize("lost", ["variables.json", "all of it"])
@typed("doctor.running.variables: gitrelease up --variables", "edges.variables.ANEW: gitrelease up --variables")
def test_recover_says_that_variables_that_are_lost_have_to_be_recorded_again(recorded: Production, lost: str) -> None:
    lose(recorded, lost)

    recovered = recorded.gitrelease("recover", env=PUSHER)

    assert recovered.code == 0, recovered.said
    assert "the app's variables are recorded nowhere" in recovered.words
    expect_nobodys(recorded)
    assert ("REGION" in variables_of_app(recorded)) == (lost == "variables.json")
    recorded.await_idle()
    fix = fix_of(told(recorded), "variables", "none are recorded: the app gets ")
    for said in (recovered.said, fix):
        assert recorded.type(said, "gitrelease up --variables", env={"DB_PASSWORD": SECRET}).code == 0
        assert recorded.type(said, "gitrelease restart").code == 0
        expect_recorded(recorded)
    assert not [detail for about, detail in told(recorded) if about == "variables"]


def test_variables_that_are_lost_while_production_runs_are_taken_from_what_serves(recorded: Production) -> None:
    kept = recorded.home / "variables.json"
    kept.unlink()

    until(kept.exists, "they are recorded again")

    assert recorded.status()["variables"]["source"] == "process"
    assert not [detail for about, detail in told(recorded) if about == "variables"]
    before = recorded.backend_pid()
    recorded.kill(before)
    until(lambda: recorded.backend_pid() != before, "another process serves")
    expect_recorded(recorded)
