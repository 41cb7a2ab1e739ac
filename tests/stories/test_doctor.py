"""`gitrelease doctor`: what would stop a release has a line with its remedy, whatever is broken, and it never hangs."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gitrelease.doctor import running
from gitrelease.doctor.case import Case
from gitrelease.edges import backends, process_table
from gitrelease.edges.journal import Journal
from gitrelease.edges.units import systemd_runs
from tests import ordinary
from tests.checkout import PATIENCE, SERVER, SETTINGS, Clone, Production, make_checkout, until
from tests.remedies import typed

NOBODY = 65534
PROMPT = 20.0  # seconds: nothing hangs in these, so none may come near a deadline


def examined(production: Production, *options: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Return the exit code, and the lines by what they are about."""
    begun = time.monotonic()
    ended = production.gitrelease("doctor", *options, "--json")
    assert time.monotonic() - begun < PROMPT
    told = ended.json
    assert told["schema"] == 1, ended.said
    assert told["ok"] == all(line["status"] != "problem" for line in told["checks"])
    assert all(line["fix"] for line in told["checks"] if line["status"] != "ok")
    by_name: dict[str, list[dict[str, Any]]] = {}
    for line in told["checks"]:
        assert set(line) == {"name", "status", "detail", "fix", "commands"}
        by_name.setdefault(line["name"], []).append(line)
    return ended.code, by_name


def ill(by_name: dict[str, list[dict[str, Any]]], status: str = "problem") -> set[str]:
    return {name for name, lines in by_name.items() if any(line["status"] == status for line in lines)}


def test_nothing_is_a_problem_where_production_is_well(production: Production) -> None:
    until(lambda: has_told(production), "tellers have written down how far they have come")
    before = everything(production)

    code, lines = examined(production)

    assert (code, ill(lines)) == (0, set())
    assert ill(lines, "warning") == {"boot"}
    assert lines["agent"][0]["detail"] == f"runs, pid {production.agent_pid()}"
    assert f"pid {production.front_pid()}" in lines["ports"][0]["detail"]
    wanted = {"git", "git settings", "hooks", "interpreter", "imports", "ports", "disk", "memory", "clock"}
    assert wanted | {"safe.directory", "ignored files", "branch", "slots"} <= set(lines)
    assert everything(production) == before


@typed("commands.doctor._case: gitrelease -C DIR doctor")
def test_a_folder_that_is_not_there_is_told_with_how_another_is_named(checkout: Production) -> None:
    checkout.init()
    nowhere = Production(checkout.root.parent / "nowhere", 0)

    ended = nowhere.gitrelease("doctor")
    named = Clone(checkout.root.parent).type(ended.said, "gitrelease -C DIR doctor", DIR=str(checkout.root))

    assert ended.code == 2
    assert "nowhere is no directory" in ended.words
    assert "production was never started" in named.out


def test_receivers_are_asked_for_a_connection_and_their_secrets_are_not_shown(production: Production) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        port, nobody = there.getsockname()[1], backends.free_port()
        with (production.home / "host.toml").open("a") as host:
            urls = f'"json://u:hush@127.0.0.1:{port}/x", "json://u:hush@127.0.0.1:{nobody}/x", "ntfys://hush"'
            host.write(f"\n[notify]\nurls = [{urls}]\n")

        code, lines = examined(production)

    told = lines["receivers"]
    assert code == 0
    assert [line["status"] for line in told] == ["ok", "warning", "ok"]
    assert "takes connections" in told[0]["detail"]
    assert "Connection refused" in told[1]["detail"]
    assert "gitrelease notify test" in told[2]["detail"]
    assert "hush" not in str(told)


@pytest.mark.long
def test_a_receiver_that_apprise_cannot_send_to_is_told_with_what_is_meant(production: Production) -> None:
    with (production.home / "host.toml").open("a") as host:
        urls = '"sl4ck://hush/hush/hush", "slack://hush", "discrod://hush/hush"'
        host.write(f"\n[notify]\nurls = [{urls}]\n")

    code, lines = examined(production)

    told = lines["receivers"]
    assert (code, [line["status"] for line in told]) == (3, ["problem"] * 3)
    assert "Apprise knows no service sl4ck://; slack:// is meant?" in told[0]["detail"]
    assert "a part of the address is missing or wrong; it is written slack://{token_a}" in told[1]["detail"]
    assert "discord:// is meant?" in told[2]["detail"]
    assert f"change it in {production.home}/host.toml" in told[0]["fix"]
    assert "hush" not in str(told)


def everything(production: Production) -> dict[str, bytes]:
    """Return the files of the checkout and what gitrelease and git keep, but for what an agent writes by itself."""
    apart = {"logs", "run", "ballast"}
    return {
        str(path): path.read_bytes()
        for path in production.root.rglob("*")
        if path.is_file() and not apart & set(path.relative_to(production.root).parts)
    }


def has_told(production: Production) -> bool:
    """Has every teller written down that it has come to the end of the journal? It does so once that is quiet."""
    end = msgspec.to_builtins(Journal(production.home / "journal.jsonl").after(None)[1])
    written = [json.loads(path.read_bytes()) for path in (production.home / "told").glob("*.json")]
    return len(written) == 2 and all(progress["place"] == end for progress in written)


def test_before_init_it_says_so_and_changes_nothing(checkout: Production) -> None:
    before = everything(checkout)

    code, lines = examined(checkout, "--fix")

    # The port that `init` would take is 8501, which somebody else may have on this host.
    assert (code, ill(lines) - {"ports"}) == (3, {"init"})
    assert lines["init"][0]["fix"] == "gitrelease init"
    assert lines["imports"][0]["status"] == "ok"
    assert everything(checkout) == before


def test_where_no_repository_is_the_host_is_looked_at_all_the_same(tmp_path: Path) -> None:
    code, lines = examined(Production(tmp_path, 0))

    assert code == 3
    assert "repository" in ill(lines)
    assert "git clone" in lines["repository"][0]["fix"]
    assert lines["disk"][0]["status"] == "ok"


def write_host(production: Production, old: str, new: str) -> None:
    host = production.home / "host.toml"
    assert old in host.read_text()
    host.write_text(host.read_text().replace(old, new))


def lose(path: str) -> Callable[[Production], object]:
    return lambda production: (production.root / path).unlink()


def commit(name: str, text: str) -> Callable[[Production], object]:
    def change(production: Production) -> None:
        production.write(name, text)
        production.commit("change")

    return change


def git(*arguments: str) -> Callable[[Production], object]:
    return lambda production: production.git(*arguments)


# What is broken in a checkout that is set up and down: the line that tells, what it says, the remedy.
BROKEN = [
    pytest.param(lose(".git/hooks/update"), "hooks", "update", "gitrelease init", id="a hook is gone"),
    pytest.param(
        lambda p: (p.root / ".git/hooks/post-receive").chmod(0o644),
        "hooks", "post-receive", "gitrelease init", id="a hook is not executable",
    ),
    pytest.param(
        lambda p: (p.root / ".git/hooks/update").write_text("#!/bin/sh\nexit 0\n"),
        "hooks", "update", "gitrelease init", id="a hook is another's",
    ),
    pytest.param(
        git("config", "receive.denyCurrentBranch", "refuse"),
        "git settings", "receive.denyCurrentBranch is refuse", "gitrelease init", id="pushes are refused",
    ),
    pytest.param(
        git("config", "core.hooksPath", "/elsewhere"),
        "git settings", "/elsewhere", "gitrelease init", id="hooks are looked for elsewhere",
    ),
    pytest.param(
        git("checkout", "--quiet", "--detach"),
        "branch", "HEAD is detached", "git checkout deploy", id="HEAD is detached",
    ),
    pytest.param(
        git("checkout", "--quiet", "-b", "other"),
        "branch", "releases come from deploy", "git checkout deploy", id="another branch",
    ),
    pytest.param(
        lambda p: (p.root / ".git/index.lock").touch(),
        "locks", ".git/index.lock", "gitrelease recover", id="a lock is left over",
    ),
    pytest.param(
        lambda p: (p.root / ".git/HEAD").write_text(""),
        "repository", "HEAD of", "gitrelease recover", id="HEAD is empty",
    ),
    pytest.param(lose(".git/HEAD"), "repository", "HEAD of", "gitrelease recover", id="HEAD is gone"),
    pytest.param(
        lambda p: write_host(p, "[app]", "[app"), "settings", "host.toml is not TOML", "Mend that line", id="no TOML"
    ),
    pytest.param(
        lambda p: write_host(p, "branch =", "brunch ="),
        "settings", "there is no setting app.brunch", "Accepted there", id="a typo in the settings",
    ),
    pytest.param(
        lose(".git/gitrelease/host.toml"), "settings", "is gone", "gitrelease recover", id="the settings are gone"
    ),
    pytest.param(
        lambda p: (shutil.rmtree(p.home), p.home.write_text("")),
        "init", "is a file", "mv ", id="a file in the place of our folder",
    ),
    pytest.param(
        lambda p: write_host(p, sys.executable, "/nowhere/python"),
        "interpreter", "there is no Python at /nowhere/python", "gitrelease init --python", id="no interpreter",
    ),
    pytest.param(
        lambda p: write_host(p, sys.executable, "/bin/ls"),
        "interpreter", "/bin/ls is no Python that runs", "gitrelease init --python", id="another program",
    ),
    pytest.param(
        commit("server.py", "import no_such_module\n" + SERVER),
        "imports", "no_such_module", "-m pip install", id="a package is missing",
    ),
    pytest.param(
        commit("server.py", SERVER + "def ("), "app", "server.py does not compile", "gitrelease check", id="no Python"
    ),
    pytest.param(commit("schema.json", "{"), "app", "schema.json is not JSON", "gitrelease check", id="no JSON"),
    pytest.param(commit("gitrelease.toml", SETTINGS + "[limits]\n"), "settings", "TOML", "", id="settings of the app"),
]  # fmt: skip


@pytest.mark.parametrize(("break_it", "name", "says", "fix"), BROKEN)
def test_what_is_broken_has_a_line_and_a_remedy(
    checkout: Production, break_it: Callable[[Production], object], name: str, says: str, fix: str
) -> None:
    checkout.init()
    break_it(checkout)

    code, lines = examined(checkout)

    assert code == 3
    assert name in ill(lines)
    told = " ".join(line["detail"] for line in lines[name] if line["status"] == "problem")
    assert says in told
    assert fix in " ".join(line["fix"] for line in lines[name])


def test_a_file_without_most_of_the_regions_is_asked_about(checkout: Production) -> None:
    checkout.init()
    told = [examined(checkout)[1]["regions"]]
    for script in (SERVER.replace("TERMS", "WORDS"), SERVER):
        settings = SETTINGS if script != SERVER else SETTINGS.partition("[[region]]")[0]
        checkout.write("server.py", script)
        checkout.write("gitrelease.toml", settings)
        checkout.commit("Another app")
        told.append(examined(checkout)[1]["regions"])

    assert [(line["status"], line["detail"]) for (line,) in told] == [
        ("ok", "1 of 1 are in server.py"),
        ("warning", "1 of 1 are not in server.py; what stands there instead is major"),
        ("ok", "none are set for server.py: every change of it is major"),
    ]
    assert "gitrelease init --script" in told[1][0]["fix"]


def delete(*refs: str) -> Callable[[Production], object]:
    return lambda production: [production.git("update-ref", "-d", ref) for ref in refs]


# Likewise, where production is up.
ENDANGERED = [
    pytest.param(lambda p: p.kill(p.agent_pid()), "agent", "no agent looks after it", "gitrelease up", id="no agent"),
    pytest.param(
        lambda p: os.kill(p.agent_pid(), signal.SIGSTOP),
        "agent",
        "does not answer",
        "gitrelease recover",
        id="it hangs",
    ),
    pytest.param(
        delete("refs/gitrelease/tags/release/1", "refs/tags/release/1"),
        "refs",
        "the tag of the live release, release/1, is missing",
        "gitrelease recover",
        id="no tag",
    ),
    pytest.param(delete("refs/gitrelease/live"), "refs", "names none", "gitrelease recover", id="no pointer"),
]


@pytest.mark.parametrize(("break_it", "name", "says", "fix"), ENDANGERED)
def test_what_endangers_production_is_a_problem(
    production: Production, break_it: Callable[[Production], object], name: str, says: str, fix: str
) -> None:
    agent = production.agent_pid()
    break_it(production)

    code, lines = examined(production)

    if name == "agent" and Path(f"/proc/{agent}").exists():
        os.kill(agent, signal.SIGCONT)
    assert code == 3
    assert name in ill(lines)
    assert says in lines[name][0]["detail"]
    assert fix in lines[name][0]["fix"]


@pytest.mark.long
def test_a_module_that_only_the_disk_has_is_named(checkout: Production) -> None:
    """It runs there, and in no slot."""
    checkout.init()
    checkout.write("server.py", "import rates\n" + SERVER)
    checkout.commit("Know rates")
    checkout.write("rates.py", "RATE = 1\n")

    _, missing = examined(checkout)
    checkout.commit("The rates")
    _, there = examined(checkout)

    assert [line["fix"] for line in missing["imports"]] == ["git add -f rates.py && git commit rates.py"]
    assert ill(there) == set()


def test_what_a_tracked_module_imports_is_asked_for_too(checkout: Production) -> None:
    checkout.init()
    checkout.write("server.py", "import rates\n" + SERVER)
    checkout.write("rates/__init__.py", "from rates.daily import RATE\n")
    checkout.write("rates/daily.py", "import missing_too\nRATE = 1\n\ndef later():\n    import not_needed\n")
    checkout.commit("The rates")

    _, lines = examined(checkout)

    assert [line["detail"].split(", and ")[0] for line in lines["imports"]] == ["rates/daily.py imports missing_too"]


@pytest.mark.long
def test_a_package_that_hangs_when_it_is_imported_is_named(checkout: Production, tmp_path: Path) -> None:
    checkout.init()
    checkout.replace("gitrelease.toml", "[limits]", '[limits]\nchecks = "1s"')
    checkout.write("server.py", "import this_hangs\n" + SERVER)
    checkout.commit("Hang")
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    place = next(venv.glob("lib/python*/site-packages"))
    (place / "this_hangs.py").write_text("import time\ntime.sleep(600)\n")
    write_host(checkout, sys.executable, str(venv / "bin" / "python"))

    code, lines = examined(checkout)

    assert code == 3
    assert "this_hangs" in lines["imports"][0]["detail"]
    assert "did not return in time" in lines["imports"][0]["detail"]


def test_a_port_that_somebody_else_has_is_named_with_the_pid(checkout: Production) -> None:
    checkout.init()
    with socket.create_server(("127.0.0.1", checkout.port)):
        code, lines = examined(checkout)

    assert code == 3
    assert f"port {checkout.port} is taken by pid {os.getpid()}" in lines["ports"][0]["detail"]


def test_a_managed_file_that_git_ignores_is_told(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, {"server.py": SERVER, "gitrelease.toml": SETTINGS, ".gitignore": "*.json\n"})
    checkout.write("schema.json", "{}")
    checkout.init()
    checkout.git("add", "-f", "server.py")
    checkout.write(".gitignore", "*.json\nserver.py\n.env\n")
    checkout.commit("Ignore more")
    checkout.write(".env", "KEY=1")

    code, lines = examined(checkout)

    assert code == 0
    assert "server.py" in lines["ignored files"][0]["detail"]
    assert "every release carries it" in lines["ignored files"][1]["detail"]
    assert ".env" in lines["run-time files"][0]["detail"]


def test_a_process_that_is_just_ending_is_no_stranger(production: Production) -> None:
    """It is written down no more, and still runs for as long as it takes: after a restart, say."""
    lock = production.home / "slots" / "d.lock"
    lock.touch()
    holds = "import fcntl, sys, time; lock = open(sys.argv[1]); fcntl.flock(lock, fcntl.LOCK_SH)"
    holds += "; print(flush=True); time.sleep(1)"
    case = Case(production.root, lambda: None)
    assert case.agent.status is not None
    with subprocess.Popen([sys.executable, "-c", holds, str(lock)], stdout=subprocess.PIPE) as ending:
        assert ending.stdout is not None
        ending.stdout.readline()
        found = list(running.slots(case))
        assert ending.wait() == 0

    assert [one.detail for one in found] == ["nothing is left over"]


def test_a_slot_that_a_stranger_holds_is_named(production: Production) -> None:
    with (production.home / "slots" / "d.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, lines = examined(production)

    assert code == 0
    assert "processes that nobody knows hold slot d" in lines["slots"][0]["detail"]
    assert lines["slots"][0]["fix"] == "gitrelease recover"


@pytest.mark.long
def test_a_slot_that_is_no_checkout_any_more_is_removed(production: Production) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    (production.home / "slots" / "c").mkdir()

    before = examined(production)[1]["slots"][0]
    after = examined(production, "--fix")[1]["slots"][0]

    assert (before["status"], after["status"]) == ("warning", "ok")
    assert "slot c is no checkout any more" in before["detail"]
    assert not (production.home / "slots" / "c").exists()
    assert production.live() == "release/2"


@typed("doctor.host.clock: date")
def test_a_clock_that_is_behind_the_commits_is_told(checkout: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{int(time.time()) + 86_400 * 3} +0000")
    checkout.init()
    checkout.commit("From the future")

    code, lines = examined(checkout)

    assert code == 0
    assert "3 days behind the newest commit" in lines["clock"][0]["detail"]
    assert str(time.gmtime().tm_year) in checkout.type(lines["clock"][0]["fix"], "date").out


def test_journal_lines_that_nobody_can_read_are_told(production: Production) -> None:
    with (production.home / "journal.jsonl").open("ab") as journal:
        journal.write(b"\x00\x00\n{half\n")

    code, lines = examined(production)

    assert code == 0
    assert lines["journal"][0]["detail"] == "2 lines of the journal cannot be read"


# -- mending -----------------------------------------------------------------------------------------------------------


def test_what_is_safe_is_mended_and_each_thing_is_said(production: Production) -> None:
    (production.root / ".git/hooks/update").write_text("#!/bin/sh\necho mine\n")
    (production.root / ".git/hooks/pre-receive").chmod(0o600)
    production.git("config", "receive.advertisePushOptions", "false")
    (production.root / ".git/refs/heads/deploy.lock").touch()
    production.home.chmod(0o755)
    pointer = Path((production.home / "slots/a/.git").read_text().removeprefix("gitdir: ").strip())
    production.git("worktree", "add", "--quiet", "--detach", str(production.root.parent / "gone"))
    shutil.rmtree(production.root.parent / "gone")
    production.kill(production.agent_pid())
    served = production.answer()

    ended = production.gitrelease("doctor", "--fix")

    assert ended.code == 0, ended.said
    mended = [line for line in ended.said.splitlines() if line.startswith("mended: ")]
    assert len(mended) == 6, ended.said
    assert (production.root / ".git/hooks/update.chained").read_text() == "#!/bin/sh\necho mine\n"
    assert pointer.exists()
    assert production.answer() == served
    developer = production.clone()
    developer.commit_term("second")
    assert developer.push().code == 0
    assert production.live() == "release/2"


def test_what_needs_a_person_is_left_alone(production: Production) -> None:
    production.git("checkout", "--quiet", "--detach")
    (production.root / ".git/index.lock").touch()

    code, lines = examined(production, "--fix")

    assert code == 3
    assert {"branch", "locks"} <= ill(lines)
    assert (production.root / ".git/index.lock").exists()
    (production.root / ".git/index.lock").unlink()


def test_nothing_to_mend_is_said(production: Production) -> None:
    told = production.gitrelease("doctor", "--fix", "--json")

    assert told.code == 0
    assert told.json["done"] == []


# -- whatever the state ------------------------------------------------------------------------------------------------


def test_what_never_answers_is_left_behind(checkout: Production) -> None:
    """A settings file that nobody ever writes: whoever reads it waits for ever."""
    checkout.init()
    (checkout.home / "host.toml").unlink()
    os.mkfifo(checkout.home / "host.toml")
    begun = time.monotonic()

    told = checkout.gitrelease("doctor", "--json").json

    assert time.monotonic() - begun < PROMPT
    assert [line["detail"] for line in told["checks"] if line["name"] == "settings"] == ["no answer within 10 s"]
    assert told["checks"][-1]["name"] == "not looked at"
    (checkout.home / "host.toml").unlink()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_user_is_told_whom_to_be(checkout: Production) -> None:
    checkout.init()
    shutil.chown(checkout.home, NOBODY)

    ended = checkout.gitrelease("doctor", "--fix")

    assert ended.code == 2
    assert "production belongs to nobody" in ended.words
    assert "sudo -u nobody" in ended.words
    shutil.chown(checkout.home, 0)


@pytest.mark.parametrize(
    "shut",
    [("refs", "objects"), ("refs/tags",), ("gitrelease/slots",), ("gitrelease/journal.jsonl",)],
    ids=lambda shut: shut[-1],
)
def test_what_the_owner_himself_may_not_write_is_named(production: Production, shut: tuple[str, ...]) -> None:
    places = [production.root / ".git" / name for name in shut]
    before = {path: path.stat().st_mode for path in places}
    for path, mode in before.items():
        path.chmod(mode & 0o555)

    told = ordinary.run(production, "doctor", "--json")

    for path, mode in before.items():
        path.chmod(mode)
    rights = next(line for line in told.json["checks"] if line["name"] == "rights")
    top = [path.parent if path.name == "tags" else path for path in places]
    assert told.code == 3
    assert rights["status"] == "problem"
    assert (
        rights["detail"]
        == f"their owner cannot write {', '.join(str(path.relative_to(production.root)) for path in top)}"
    )
    assert rights["fix"] == f"chmod -R u+rwX {' '.join(map(str, top))}"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_checkout_that_git_does_not_trust_is_named(checkout: Production) -> None:
    shutil.chown(checkout.root, NOBODY)

    code, lines = examined(checkout)

    assert code == 3
    assert ill(lines) == {"safe.directory", "init"}
    assert "git does not trust" in lines["safe.directory"][0]["detail"]
    assert "safe.directory" in lines["safe.directory"][0]["fix"]
    shutil.chown(checkout.root, 0)


def test_secrets_in_what_is_found_are_hidden(checkout: Production) -> None:
    checkout.init()
    code = [sys.executable, "-c", PORT_HOLDER, str(checkout.port), "--password=hunter2hunter2"]
    holder = subprocess.Popen(code, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        _, lines = examined(checkout)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()

    assert "hunter2" not in str(lines)
    assert f"pid {holder.pid}" in lines["ports"][0]["detail"]


PORT_HOLDER = """\
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listens", flush=True)
server.accept()
"""


# -- after a reboot ----------------------------------------------------------------------------------------------------


def test_it_sees_whether_production_comes_back_after_a_reboot(checkout: Production) -> None:
    checkout.init()
    nothing = examined(checkout)[1]["boot"][0]
    path = Path(checkout.gitrelease("service", "--json").json["path"])
    written = examined(checkout)[1]["boot"][0]
    wants = path.parent / "default.target.wants"
    wants.mkdir()
    (wants / path.name).symlink_to(path)
    enabled = examined(checkout)[1]["boot"][0]

    assert [one["status"] for one in (nothing, written, enabled)] == ["warning"] * 3
    if systemd_runs():
        assert nothing["fix"] == "gitrelease service"
        assert written["fix"] == f"systemctl --user enable {path.name}"
        assert enabled["fix"].startswith("loginctl enable-linger ")
    else:  # no unit is of use there
        assert {one["fix"] for one in (nothing, written, enabled)} == {
            "gitrelease service --cron, or gitrelease service --supervisor"
        }


def with_crontab(checkout: Production, tools: Path) -> dict[str, str]:
    """Return the environment of somebody whose crontab has our line."""
    tools.mkdir()
    (tools / "crontab").write_text("#!/bin/sh\ncat <<'END'\n" + checkout.gitrelease("service", "--cron").out + "END\n")
    (tools / "crontab").chmod(0o755)
    return {"PATH": f"{tools}:{os.environ['PATH']}"}


@pytest.mark.parametrize("unit_too", [False, True], ids=["alone", "and a unit that is not enabled"])
def test_a_line_of_the_crontab_is_known(checkout: Production, tmp_path: Path, unit_too: bool) -> None:
    checkout.init()
    if unit_too:
        checkout.gitrelease("service")

    environment = with_crontab(checkout, tmp_path / "tools")

    def boot() -> list[tuple[str, str]]:
        told = checkout.gitrelease("doctor", "--json", env=environment).json
        return [(line["status"], line["detail"]) for line in told["checks"] if line["name"] == "boot"]

    unread = [("warning", "the crontab starts production with the host, and no cron runs that reads it")]
    if not process_table.runs(*running.CRONS):  # those of this host are not ours to end
        assert boot() == unread
    cron = shutil.copy(shutil.which("sleep") or "", tmp_path / "cron")
    with subprocess.Popen([cron, "300"]) as daemon:
        try:
            until(lambda: process_table.runs("cron"))
            assert boot() == [("ok", "the crontab starts production with the host")]
        finally:
            daemon.terminate()


def test_what_would_still_start_it_is_told_when_it_is_uninstalled(checkout: Production, tmp_path: Path) -> None:
    checkout.init()
    unit = Path(checkout.gitrelease("service", "--json").json["path"])
    crontab = with_crontab(checkout, tmp_path / "tools")

    left = checkout.gitrelease("uninstall", "--json", env=crontab).json["left"]

    assert left == [
        f"{unit.name} would still start it with the host: systemctl --user disable {unit.name}; rm {unit}",
        "the crontab would still start it with the host: crontab -e",
    ]


@pytest.mark.long
def test_tags_of_a_production_that_ran_elsewhere_are_no_problem(production: Production) -> None:
    clone = production.clone()
    elsewhere = Production(clone.root, backends.free_port()).init()

    code, lines = examined(elsewhere)

    assert "refs" not in ill(lines)
    assert lines["refs"][0]["status"] == "warning"
    assert "none was released here" in lines["refs"][0]["detail"]
    assert code == 0


def test_production_under_a_service_manager_is_known(checkout: Production) -> None:
    checkout.init()
    command = [sys.executable, "-m", "gitrelease", "-C", str(checkout.root), "up", "--foreground"]
    service = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: checkout.live() and checkout.status()["instances"][0]["health"] == "healthy", "it is up")
        _, lines = examined(checkout)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=PATIENCE)

    assert lines["boot"][0] == {
        "name": "boot", "status": "ok", "detail": "production runs under a service manager", "fix": "", "commands": [],
    }  # fmt: skip


@pytest.mark.long
def test_an_instance_that_is_set_after_production_came_up_is_told(production: Production) -> None:
    host = production.home / "host.toml"
    host.write_text(host.read_text() + f'\n[[instance]]\nname = "second"\nport = {backends.free_port()}\n')

    code, lines = examined(production)

    assert code == 0
    assert lines["ports"][1]["fix"] == "gitrelease down && gitrelease up"


def test_a_branch_that_is_set_after_production_came_up_is_told(production: Production) -> None:
    production.git("checkout", "--quiet", "-b", "other")
    write_host(production, 'branch = "deploy"', 'branch = "other"')

    code, lines = examined(production)

    assert code == 0
    assert lines["branch"][0]["detail"].startswith("other is set, and production follows deploy")
    assert lines["branch"][0]["fix"] == "gitrelease down && gitrelease up"


@pytest.mark.long
def test_an_address_that_is_set_after_production_came_up_is_told(production: Production) -> None:
    host = production.home / "host.toml"
    port = f"port = {production.port}\n"
    host.write_text(host.read_text().replace(port, f'{port}address = "0.0.0.0"\n'))

    before = examined(production)[1]["ports"][0]
    production.gitrelease("down")
    production.up()
    after = examined(production)[1]["ports"][0]

    assert before["status"] == "warning"
    assert before["detail"] == f"primary is set to 0.0.0.0:{production.port}, and our front holds 127.0.0.1"
    assert before["fix"] == "gitrelease down && gitrelease up"
    assert after["status"] == "ok"
