"""Does what `doctor` tells to type mend what it tells of, and nothing else?

Each command is typed as it stands in the line; then the line is not said any more, no other one has come, and the same
release is live.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitrelease.doctor import running
from gitrelease.edges import backends, process_table, units
from tests import ordinary, receivers
from tests.checkout import (
    PATIENCE,
    SERVER,
    SETTINGS,
    Ended,
    Place,
    Production,
    make_checkout,
    make_several,
    reserved_port,
    until,
)  # fmt: skip
from tests.remedies import typed
from tests.stories.test_doctor import write_host
from tests.stories.test_groups import Grouped
from tests.stories.test_instances import answer

Break = Callable[[Production], object]
Told = dict[tuple[str, str], str]


def told(production: Production) -> Told:
    """Return the remedies of all that is not well, by what a line is about and what it says."""
    checks = production.gitrelease("doctor", "--json").json["checks"]
    return {(line["name"], line["detail"]): line["fix"] for line in checks if line["status"] != "ok"}


def fix_of(found: Told, about: str, says: str) -> str:
    """Return the remedy of the one line that says something."""
    fixes = [fix for (name, detail), fix in found.items() if name == about and says in detail]
    assert len(fixes) == 1, found
    return fixes[0]


def expect_mended(before: Told, after: Told, about: str, says: str) -> None:
    """See that a line is not said any more, and that there is no other that was not there before."""
    left_out = [name for about, names in before if about == "not looked at" for name in names.split(", ")]
    assert not [detail for name, detail in after if name == about and says in detail]
    assert {name for name, _ in after} <= {*(name for name, _ in before), *left_out}, after


class Patient:
    """A production that doctor has something to say about."""

    def __init__(self, production: Production) -> None:
        self.production = production

    def type(self, about: str, says: str, *commands: str, rest: str = "", **filled: str) -> list[Ended]:
        """Type the commands of a line one after the other, which mends it; what is live stays so."""
        before, live = told(self.production), self.production.live()
        fix = fix_of(before, about, says)
        ended = [self.production.type(fix, command, rest=rest, **filled) for command in commands]
        assert [one.code for one in ended] == [0] * len(commands), [one.said for one in ended]
        expect_mended(before, told(self.production), about, says)
        assert self.production.live() == live
        return ended


def git(*arguments: str) -> Break:
    return lambda production: production.git(*arguments)


# -- what init has made ------------------------------------------------------------------------------------------------

INIT = [
    pytest.param(lambda p: (p.root / ".git/hooks/update").unlink(), "hooks", "update", id="a hook is gone"),
    pytest.param(
        lambda p: (p.root / ".git/hooks/post-receive").chmod(0o644), "hooks", "post-receive",
        id="a hook is not executable",
    ),
    pytest.param(
        lambda p: (p.root / ".git/hooks/update").write_text("#!/bin/sh\nexit 0\n"), "hooks", "not ours: update",
        id="a hook is another's",
    ),
    pytest.param(
        lambda p: p.replace(".git/hooks/update", "python3", "python4"), "hooks", "of another installation",
        id="a hook is of another installation",
    ),
    pytest.param(
        git("config", "receive.denyCurrentBranch", "refuse"), "git settings", "receive.denyCurrentBranch is refuse",
        id="pushes are refused",
    ),
    pytest.param(
        git("config", "core.hooksPath", "/elsewhere"), "git settings", "/elsewhere", id="hooks are looked for elsewhere"
    ),
    pytest.param(lambda p: shutil.rmtree(p.home), "init", "is not set up", id="what init made is gone"),
]  # fmt: skip


@typed("doctor.repository._INIT: gitrelease init")
@pytest.mark.parametrize(("break_it", "about", "says"), INIT)
def test_init_puts_back_what_pushes_need(checkout: Production, break_it: Break, about: str, says: str) -> None:
    checkout.init()
    break_it(checkout)

    Patient(checkout).type(about, says, "gitrelease init")


@typed("doctor.repository.configuration: git config {keys} false")
def test_a_setting_by_which_a_fetch_deletes_tags_is_set_off(checkout: Production) -> None:
    checkout.init()
    checkout.git("config", "fetch.pruneTags", "true")
    checkout.git("config", "remote.the.other.pruneTags", "true")

    Patient(checkout).type("git settings", "fetch.prunetags is set", "git config fetch.prunetags false")
    Patient(checkout).type("git settings", "other.prunetags is set", "git config remote.the.other.prunetags false")


@typed("doctor.repository.set_up: chmod {MODE} {root}")
def test_what_others_could_read_is_the_owners_again(tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    checkout = make_checkout(tmp_path / "a folder").init()
    checkout.home.chmod(0o755)

    Patient(checkout).type("init", "can be read by others", f"chmod 700 '{checkout.home}'")

    assert checkout.home.stat().st_mode & 0o777 == 0o700


@typed("doctor.host.rights: chmod -R u+rwX {names}")
def test_what_its_owner_could_not_write_can_be_written_again(checkout: Production) -> None:
    checkout.init()
    places = [checkout.root / ".git" / name for name in ("objects", "gitrelease/slots")]
    for place in places:
        place.chmod(0o500)
    checks = ordinary.run(checkout, "doctor", "--json").json["checks"]
    (fix,) = [line["fix"] for line in checks if line["name"] == "rights"]

    typed = checkout.type(fix, f"chmod -R u+rwX {' '.join(map(str, places))}")

    assert typed.code == 0
    checks = ordinary.run(checkout, "doctor", "--json").json["checks"]
    assert [line["status"] for line in checks if line["name"] == "rights"] == ["ok"]


# -- what would be released next ---------------------------------------------------------------------------------------


@typed("doctor.app.candidate: gitrelease check")
@pytest.mark.parametrize(
    ("name", "text", "says"),
    [("schema.json", "{", "schema.json is not JSON"), ("server.py", f"{SERVER}def (", "server.py does not compile")],
)
def test_check_shows_what_of_the_app_is_to_be_mended(checkout: Production, name: str, text: str, says: str) -> None:
    checkout.init()
    good = {path: (checkout.root / path).read_text() for path in (name,) if (checkout.root / path).exists()}
    checkout.write(name, text)
    checkout.commit("Broken")

    shown = checkout.type(fix_of(told(checkout), "app", says), "gitrelease check")

    assert shown.code == 3
    assert says.rpartition(" is ")[0].removesuffix(" does not compile") in shown.said
    checkout.write(name, good.get(name, "{}"))
    checkout.commit("Mended")
    mended = checkout.gitrelease("check")
    assert mended.code == 0, mended.said
    assert not [about for about, _ in told(checkout) if about == "app"]


@typed("doctor.app.imports: git add -f {path} && git commit {path}")
def test_a_module_that_only_the_disk_has_is_committed(checkout: Production) -> None:
    checkout.init()
    checkout.write("server.py", "import the.rates\n" + SERVER)
    checkout.commit("Know rates")
    checkout.write("the/rates.py", "RATE = 1\n")
    checkout.write("unfinished.txt", "nobody's yet\n")
    checkout.git("add", "unfinished.txt")

    Patient(checkout).type("imports", "the.rates", "git add -f the/rates.py && git commit the/rates.py")

    assert checkout.git("show", "--format=", "--name-only", "HEAD") == "the/rates.py"


@typed("doctor.app.regions: gitrelease regions", "doctor.app.regions: gitrelease init --script …")
def test_another_file_is_run_whose_regions_are_there(checkout: Production) -> None:
    checkout.init()
    checkout.write("server.py", SERVER.replace("TERMS", "WORDS"))
    checkout.write("the app.py", SERVER)
    checkout.commit("Another app")

    fix = fix_of(told(checkout), "regions", "1 of 1 are not in server.py")
    shown = checkout.type(fix, "gitrelease regions")
    assert shown.code == 0
    assert "TERMS" in shown.out
    assert "not" in shown.out

    Patient(checkout).type("regions", "are not in server.py", "gitrelease init --script …", rest="'the app.py'")
    assert 'script = "the app.py"' in (checkout.home / "host.toml").read_text()


@typed("doctor.repository.files: git add -f {schema}")
def test_a_schema_that_git_ignores_is_tracked(tmp_path: Path) -> None:
    settings = SETTINGS.replace('"schema.json"', '"the schema.json"')
    checkout = make_checkout(tmp_path, {"server.py": SERVER, "gitrelease.toml": settings, ".gitignore": "*.json\n"})
    checkout.write("the schema.json", "{}")
    checkout.init()
    checks = checkout.gitrelease("doctor", "--json").json["checks"]
    (said,) = [line["detail"] for line in checks if line["name"] == "ignored files"]

    typed = checkout.type(said, "git add -f 'the schema.json'")

    assert typed.code == 0
    assert checkout.git("status", "--porcelain") == 'A  "the schema.json"'


@typed("doctor.repository.files: git check-ignore -v --no-index {which}")
def test_the_line_is_shown_by_which_git_ignores_a_file_that_it_tracks(checkout: Production) -> None:
    checkout.init()
    checkout.write("the app.py", "")
    checkout.commit("More")
    checkout.write(".gitignore", "# ours\nserver.py\n*app.py\n")
    checkout.commit("Ignore them")
    fix = fix_of(told(checkout), "ignored files", "server.py, the app.py")

    shown = checkout.type(fix, "git check-ignore -v --no-index server.py 'the app.py'")

    assert [line.partition("\t")[0] for line in shown.out.splitlines()] == [
        ".gitignore:2:server.py", ".gitignore:3:*app.py"
    ]  # fmt: skip
    checkout.write(".gitignore", "# ours\n")
    assert not [name for name, _ in told(checkout) if name == "ignored files"]


@typed(
    "doctor.repository.pointers: gitrelease up",
    "doctor.repository.pointers: gitrelease recover",
    "doctor.running.variables: gitrelease up --variables",
)
@pytest.mark.parametrize(("command", "live"), [("gitrelease up", "release/3"), ("gitrelease recover", "release/2")])
def test_where_only_tags_tell_of_releases_something_is_live_again(
    production: Production, command: str, live: str
) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.git("commit", "--quiet", "--allow-empty", "-m", "Later")
    production.await_idle()
    for verb in ("down", "uninstall"):
        assert production.gitrelease(verb).code == 0
    production.init()
    before = told(production)

    typed = production.type(fix_of(before, "refs", "none was released here"), command)

    assert typed.code == 0, typed.said
    assert production.live() == live
    assert production.answer() == "one revenue second profit"
    if command == "gitrelease recover":  # it asks no shell for the app's variables
        Patient(production).type("variables", "none are recorded", "gitrelease up --variables")
        Patient(production).type("variables", "has others than the next one", "gitrelease restart")
    expect_mended(before, told(production), "refs", "none was released here")


@typed("doctor.running._port: gitrelease init --port PORT")
def test_a_port_that_somebody_has_is_changed_for_a_free_one(checkout: Production) -> None:
    checkout.init()
    free = reserved_port()
    with socket.create_server(("127.0.0.1", checkout.port)):
        Patient(checkout).type("ports", f"port {checkout.port} is taken", "gitrelease init --port PORT", PORT=str(free))

        checkout.up()

    assert checkout.answer(port=free) == "one revenue profit"


def test_the_port_of_one_of_several_instances_is_changed_in_their_settings(checkout: Production) -> None:
    checkout.init()
    checkout.others = {"test-1": Place(reserved_port(), group="test")}
    checkout.set_instances()
    with socket.create_server(("127.0.0.1", checkout.others["test-1"].port)):
        fix = fix_of(told(checkout), "ports", "is taken")

    assert fix == "end that process, or give test-1 another port in .git/gitrelease/host.toml"


@typed("doctor.examine.examine: gitrelease doctor")
def test_doctor_looks_at_all_once_what_stood_in_its_way_is_mended(checkout: Production) -> None:
    checkout.init()
    write_host(checkout, "[app]", "[app")
    before = told(checkout)
    fix = fix_of(before, "not looked at", "hooks, branch")
    write_host(checkout, "[app", "[app]")

    looked = checkout.type(fix, "gitrelease doctor")

    assert looked.code == 0
    assert {"ok       hooks", "ok       branch"} <= {line[:15].rstrip() for line in looked.out.splitlines()}
    assert "not looked at" not in looked.out


@typed("doctor.examine._within.run: gitrelease doctor")
def test_doctor_is_content_once_what_the_host_refused_is_mended(checkout: Production) -> None:
    checkout.init()
    slots = checkout.home / "slots"
    slots.rmdir()
    slots.touch()
    before = told(checkout)
    slots.unlink()
    slots.mkdir()

    looked = checkout.type(fix_of(before, "slots", "Not a directory"), "gitrelease doctor")

    assert looked.code == 0
    assert "ok       slots " in looked.out


# -- recover -----------------------------------------------------------------------------------------------------------

LOST = [
    pytest.param(lambda p: (p.root / ".git/index.lock").touch(), "locks", "index.lock", id="a lock is left over"),
    pytest.param(lambda p: (p.home / "run/recovering").touch(), "locks", "cut off", id="a recover was cut off"),
    pytest.param(lambda p: p.write(".git/HEAD", ""), "repository", "HEAD of", id="HEAD is empty"),
    pytest.param(lambda p: (p.home / "host.toml").unlink(), "settings", "is gone", id="the settings are gone"),
    pytest.param(
        lambda p: [p.git("update-ref", "-d", f"refs/{ref}/release/1") for ref in ("gitrelease/tags", "tags")], "refs",
        "release/1, is missing", id="the tag is gone",
    ),
    pytest.param(git("tag", "-f", "release/1", "HEAD"), "refs", "names something else", id="the tag is another"),
    pytest.param(git("update-ref", "-d", "refs/gitrelease/live"), "refs", "names none", id="the pointer is gone"),
    pytest.param(
        lambda p: p.write(".git/refs/tags/release/1", f"{'1' * 40}\n"), "refs", "cannot be read", id="a tag of nothing"
    ),
]  # fmt: skip


@typed("doctor.case.Case.recover: gitrelease recover")
@pytest.mark.parametrize(("break_it", "about", "says"), LOST)
def test_recover_puts_back_what_was_lost(checkout: Production, break_it: Break, about: str, says: str) -> None:
    checkout.init().up()
    checkout.await_idle()
    checkout.gitrelease("down")
    down = {name for name, _ in told(checkout)}
    break_it(checkout)
    before = told(checkout)
    fix = fix_of(before, about, says)
    assert "it brings production up, too" in fix

    typed = checkout.type(fix, "gitrelease recover")

    assert typed.code == 0, typed.said
    assert (checkout.live(), checkout.answer()) == ("release/1", "one revenue profit")
    assert {name for name, _ in told(checkout)} == down - {"agent"}


@typed("doctor.case.Case.recover: gitrelease recover")
def test_recover_ends_an_agent_that_hangs_and_has_another_serve(production: Production) -> None:
    hung = production.agent_pid()
    os.kill(hung, signal.SIGSTOP)

    Patient(production).type("agent", "does not answer", "gitrelease recover")

    until(lambda: not Path(f"/proc/{hung}").exists(), "the system has put the agent that hung away")
    assert production.answer() == "one revenue profit"


@typed("doctor.case.Case.recover: gitrelease recover")
def test_recover_brings_back_a_front_that_nobody_looks_after(production: Production) -> None:
    os.kill(production.agent_pid(), signal.SIGSTOP)
    production.kill(production.front_pid())

    Patient(production).type("ports", "no front serves it", "gitrelease recover")

    assert production.answer() == "one revenue profit"


HOLDS = """\
import fcntl, os, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("holds", flush=True)
sys.stdin.read()
"""


@typed("doctor.case.Case.recover: gitrelease recover")
def test_recover_ends_what_holds_a_slot_and_was_left_behind(production: Production) -> None:
    lock = production.home / "slots" / "d.lock"
    command = [sys.executable, "-c", HOLDS, str(lock)]
    marked = {**os.environ, backends.MARK: str(production.home)}
    with subprocess.Popen(command, env=marked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        left.stdout.readline()
        try:
            Patient(production).type("slots", "hold slot d", "gitrelease recover")
            assert left.wait(PATIENCE) != 0
        finally:
            left.kill()


@typed("doctor.case.Case.recover: gitrelease recover")
def test_recover_clears_a_slot_away_that_is_no_checkout_any_more(production: Production) -> None:
    (production.home / "slots" / "c").mkdir()

    Patient(production).type("slots", "is no checkout any more", "gitrelease recover")

    assert not (production.home / "slots" / "c").exists()


@typed(
    "doctor.case.Case.restart: gitrelease restart",
    "doctor.case.Case.recover: gitrelease recover",
    "doctor.files.beside_the_script: gitrelease prune --leftovers",
)
def test_what_serves_leaves_a_slot_that_is_no_checkout_any_more(production: Production) -> None:
    slot = production.backend()["slot"]
    (production.home / "slots" / slot / ".git").unlink()

    before = told(production)
    fix = fix_of(before, "slots", "is no checkout any more")

    assert production.type(fix, "gitrelease restart").code == 0
    assert production.type(fix, "gitrelease recover").code == 0

    # Nobody knows which of its files were the app's: all are kept.
    Patient(production).type("files", "is kept in", "gitrelease prune --leftovers")
    expect_mended(before, told(production), "slots", "is no checkout any more")
    assert production.backend()["slot"] != slot
    assert production.answer() == "one revenue profit"


@typed("doctor.case.Case.recover: gitrelease recover")
def test_recover_drops_lines_of_the_journal_that_nobody_can_read(production: Production) -> None:
    with (production.home / "journal.jsonl").open("ab") as journal:
        journal.write(b"\x00\x00\n{half\n")

    Patient(production).type("journal", "2 lines of the journal cannot be read", "gitrelease recover")


# -- what runs ---------------------------------------------------------------------------------------------------------


@typed("doctor.running._UP: gitrelease up")
@pytest.mark.parametrize("says", ["never started", "no agent looks after it", "production is down"])
def test_up_brings_production_up(checkout: Production, says: str) -> None:
    checkout.init()
    if says != "never started":
        checkout.up()
        checkout.await_idle()
        if says == "production is down":
            checkout.gitrelease("down")
        else:
            checkout.kill(checkout.agent_pid())
    before = told(checkout)

    typed = checkout.type(fix_of(before, "agent", says), "gitrelease up")

    assert typed.code == 0
    assert (checkout.live(), checkout.answer()) == ("release/1", "one revenue profit")
    expect_mended(before, told(checkout), "agent", says)


@typed("doctor.running._told: gitrelease unfreeze")
def test_a_freeze_is_ended(production: Production) -> None:
    production.gitrelease("freeze", "-m", "quarter end")

    Patient(production).type("agent", "quarter end", "gitrelease unfreeze")

    production.commit_term("second")
    production.await_live("release/2")


@typed("doctor.running._told: gitrelease diff --worktree")
def test_an_edit_that_was_refused_is_shown(production: Production) -> None:
    production.replace("server.py", "import http.server\n", "import http.server(\n")
    until(lambda: production.state()["refused_edits"] and not production.busy(), "the edit is refused")

    shown = production.type(
        fix_of(told(production), "agent", "an edit on disk was refused"), "gitrelease diff --worktree"
    )

    assert shown.code == 0
    assert "server.py none → 1\n      does not parse: line 1" in shown.out
    assert "import http.server(" in production.read("server.py")
    production.replace("server.py", "import http.server(\n", "import http.server\n")
    until(lambda: not production.state()["refused_edits"], "the edit is gone")
    assert "agent" not in {name for name, _ in told(production)}


@typed("doctor.running._told: gitrelease rollback RELEASE")
def test_a_release_that_does_not_stay_up_is_left_for_the_one_that_is_named(production: Production) -> None:
    for number in (2, 3):
        production.commit_term(f"of_{number}")
        production.await_live(f"release/{number}")
        production.await_idle()
    while not production.state()["person_needed"]:  # it goes back by itself once
        pid = production.backend_pid()
        production.kill(pid)
        until(lambda pid=pid: production.backend_pid() != pid, "another process serves")
    until(lambda: production.state()["instances"][0]["health"] == "healthy", "it answers again")
    assert production.live() == "release/2"
    before = told(production)

    typed = production.type(
        fix_of(before, "agent", "a person is needed"), "gitrelease rollback RELEASE", RELEASE="release/1"
    )

    assert typed.code == 0, typed.said
    assert production.answer() == "one revenue profit"
    production.await_idle()
    expect_mended(before, told(production), "agent", "a person is needed")


@typed(
    "doctor.running._told: gitrelease restart {name}",
    "doctor.running._told: gitrelease history --in {name}",
    "doctor.running._told: gitrelease rollback RELEASE --in {name}",
)
def test_a_group_that_needs_a_person_is_told_of_and_goes_back_as_it_is_said(tmp_path: Path) -> None:
    grouped = Grouped(tmp_path, SETTINGS)
    production = grouped.production
    try:
        for name in ("two", "three", "four"):
            grouped.branch_with(name)
            grouped.deploy("next", "--to", "test", "--approve")
            grouped.await_proved()
        while not grouped.group()["person_needed"]:  # it goes back by itself once
            pid = production.backend(instance="test-1")["identity"]["pid"]
            production.kill(pid)
            until(lambda pid=pid: production.backend(instance="test-1")["identity"]["pid"] != pid, "another one serves")
        says = "a person is needed for test"
        fix, live = fix_of(told(production), "agent", says), str(grouped.group()["live"])

        assert production.type(fix, "gitrelease restart test").code == 0
        assert not grouped.group()["person_needed"]
        history = production.type(fix, "gitrelease history --in test").out
        releases = re.findall(r"(?m)^release/\d+", history)  # the newest first
        older = releases[releases.index(live) + 1]
        back = production.type(fix, "gitrelease rollback RELEASE --in test", RELEASE=older)

        assert back.code == 0, back.said
        assert answer(grouped.ports["test-1"]).startswith("two")
        assert production.answer() == "one revenue profit"
        assert not grouped.group()["person_needed"]
        assert not [detail for _, detail in told(production) if says in detail]
    finally:
        production.clear_away()


@typed("doctor.case.Case.recover: gitrelease recover")
def test_nobody_is_needed_any_more_for_an_only_release_that_serves_again(checkout: Production) -> None:
    checkout.replace("gitrelease.toml", '[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "60s"')
    checkout.commit("Longer soak")
    checkout.init().up()
    checkout.kill(checkout.backend_pid())
    until(lambda: (now := checkout.state())["person_needed"] and not now["lock"], "a person is needed")
    until(lambda: checkout.state()["instances"][0]["health"] == "healthy", "it answers again")

    Patient(checkout).type("agent", "a person is needed", "gitrelease recover")


@typed("doctor.running.instances: gitrelease restart {name}")
def test_an_instance_that_hangs_is_replaced_and_no_other(tmp_path: Path) -> None:
    several = make_several(tmp_path).up()
    try:
        several.await_idle()
        pids = {name: several.backend(instance=name)["identity"]["pid"] for name in ("primary", "second", "other")}
        os.kill(pids["second"], signal.SIGSTOP)

        Patient(several).type("instances", "is unhealthy", "gitrelease restart second")

        now = {name: several.backend(instance=name)["identity"]["pid"] for name in pids}
        assert {name for name in pids if pids[name] != now[name]} == {"second"}
    finally:
        several.clear_away()


@typed("doctor.running.slots: git worktree prune")
def test_git_forgets_worktrees_that_are_gone(production: Production) -> None:
    production.git("worktree", "add", "--quiet", "--detach", str(production.root.parent / "gone"))
    shutil.rmtree(production.root.parent / "gone")

    Patient(production).type("slots", "git remembers 1 worktrees", "git worktree prune")

    assert len(production.git("worktree", "list").splitlines()) == 2  # the checkout, the slot that serves


@typed("doctor.repository.branch: gitrelease down && gitrelease up")
def test_production_follows_the_branch_that_is_set(production: Production) -> None:
    production.git("checkout", "--quiet", "-b", "other")
    write_host(production, 'branch = "deploy"', 'branch = "other"')

    Patient(production).type("branch", "other is set", "gitrelease down && gitrelease up")

    assert production.status()["branch"] == "other"
    production.commit_term("second")
    production.await_live("release/2")


@typed("doctor.running._port: gitrelease down && gitrelease up")
@pytest.mark.parametrize("says", ["production was started without it", "our front holds"])
def test_instances_are_served_where_they_are_set(production: Production, says: str) -> None:
    second = reserved_port()
    if says == "our front holds":
        port = f"port = {production.port}\n"
        write_host(production, port, f'{port}address = "127.0.0.2"\n')
    else:
        with (production.home / "host.toml").open("a") as host:
            host.write(f'\n[[instance]]\nname = "second"\nport = {second}\n')

    Patient(production).type("ports", says, "gitrelease down && gitrelease up")

    if says == "our front holds":
        socket.create_connection(("127.0.0.2", production.port), timeout=PATIENCE).close()
    else:
        assert production.answer(port=second) == "one revenue profit"


# -- after a reboot ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(units.systemd_runs(), reason="a unit is of more use there")
@typed(
    "doctor.running.boot: gitrelease service --cron",
    "doctor.running.boot: gitrelease service --supervisor",
    "doctor.running._by_cron: gitrelease service --supervisor",
)
def test_what_is_printed_for_cron_and_supervisor_starts_production(checkout: Production, tmp_path: Path) -> None:
    checkout.init()
    fix = fix_of(told(checkout), "boot", "after a reboot nothing starts production")
    line = checkout.type(fix, "gitrelease service --cron").out
    stanza = checkout.type(fix, "gitrelease service --supervisor").out
    if not process_table.runs(*running.CRONS):  # those of this host are not ours to end
        (tmp_path / "crontab").write_text(f"#!/bin/sh\ncat <<'END'\n{line}END\n")
        (tmp_path / "crontab").chmod(0o755)
        ended = checkout.gitrelease("doctor", "--json", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        (said,) = [one["fix"] for one in ended.json["checks"] if one["name"] == "boot"]
        assert checkout.type(said, "gitrelease service --supervisor").out == stanza

    command = next(row for row in stanza.splitlines() if row.startswith("command=")).partition("=")[2]
    service = subprocess.Popen(shlex.split(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: checkout.live() and checkout.status()["instances"][0]["health"] == "healthy", "it is up")
        assert "boot" not in {name for name, _ in told(checkout)}
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=PATIENCE)
    (row,) = [row for row in line.splitlines() if row.startswith("@reboot")]
    subprocess.run(["sh", "-c", row.removeprefix("@reboot ").replace("\\%", "%")], check=True, timeout=6 * PATIENCE)
    assert checkout.answer() == "one revenue profit"


# -- who is told -------------------------------------------------------------------------------------------------------


@typed("doctor.telling._reached: gitrelease notify test", "doctor.telling.told: gitrelease notify test")
@pytest.mark.parametrize(
    ("address", "says"), [("json://127.0.0.1:1/x", "cannot be reached"), ("jzon://127.0.0.1/x", "knows no service")]
)
def test_a_receiver_whose_address_is_mended_gets_the_test(checkout: Production, address: str, says: str) -> None:
    checkout.init()
    with (checkout.home / "host.toml").open("a") as host:
        host.write(f'\n[notify]\nurls = ["{address}"]\n')
    fix = fix_of(told(checkout), "receivers", says)

    with receivers.hook() as hook:
        write_host(checkout, address, hook.url)
        ended = checkout.type(fix, "gitrelease notify test")

        assert ended.code == 0, ended.said
        assert len(hook.got) == 1
        assert "receivers" not in {name for name, _ in told(checkout)}


@typed("doctor.repository.branch: git {begun} --continue", "doctor.repository.branch: git {begun} --abort")
@pytest.mark.parametrize("way", ["--continue", "--abort"])
@pytest.mark.parametrize("begun", ["merge", "cherry-pick", "revert", "am"])
def test_what_is_under_way_is_brought_to_an_end_or_given_up(
    checkout: Production, begun: str, way: str, tmp_path: Path
) -> None:
    checkout.init()
    checkout.git("checkout", "--quiet", "-b", "side")
    checkout.write("README.md", "Theirs\n")
    checkout.commit("Other words")
    checkout.git("checkout", "--quiet", "deploy")
    for words in ("Ours\n", "More of ours\n"):
        checkout.write("README.md", words)
        checkout.commit("Words")
    head = checkout.git("rev-parse", "HEAD")
    patch = tmp_path / "side.patch"
    patch.write_text(checkout.git("format-patch", "-1", "--stdout", "side") + "\n")
    stops = {"revert": ("revert", "--no-edit", "HEAD~1"), "am": ("am", "-3", str(patch))}
    assert "CONFLICT" in checkout.git(*stops.get(begun, (begun, "side")), ok=False)
    if way == "--continue":
        checkout.write("README.md", "Both\n")
        checkout.git("add", "README.md")

    Patient(checkout).type("branch", f"a {begun} is under way", f"git {begun} {way}")

    assert (checkout.git("rev-parse", "HEAD") == head) == (way == "--abort")
    assert checkout.git("symbolic-ref", "HEAD") == "refs/heads/deploy"


@typed("doctor.host.memory: free -m")
def test_how_much_memory_there_is_can_be_seen_where_it_is_short(production: Production) -> None:
    host = production.home / "host.toml"
    host.write_text(f"{host.read_text()}\n[limits]\nmemory_mb = 99999999\n")

    fix = fix_of(told(production), "memory", "reckoned to need 99999999 MB")

    assert "Mem:" in production.type(fix, "free -m").out
