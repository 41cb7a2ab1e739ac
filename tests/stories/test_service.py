"""`gitrelease service`: what it writes is what systemd reads, and after a reboot the same release is live again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.core.service import Service, mark_of, unit
from gitrelease.edges.units import systemd_runs
from tests import ordinary
from tests.checkout import PATIENCE, Production, make_checkout, until
from tests.remedies import typed
from tests.systemd import analyser, arguments, reader, understood

ODD = 'it\'s 100% "odd" $5\\'


@pytest.fixture
def oddly_placed(tmp_path: Path) -> Iterator[Production]:
    """A checkout, set up, whose path has all that somebody could quote wrongly."""
    (tmp_path / ODD).mkdir()
    checkout = make_checkout(tmp_path / ODD)
    yield checkout.init()
    checkout.clear_away()


def unit_of(production: Production) -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user" / f"gitrelease-{production.root.name}.service"


def written(production: Production) -> str:
    ended = production.gitrelease("service")
    assert ended.code == 0, ended.said
    return unit_of(production).read_text()


def setting(text: str, key: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{key}=")).partition("=")[2]


def as_at_boot(text: str, log: Path) -> subprocess.Popen[bytes]:
    """Start exactly what the unit says, with the little that a service manager has in its environment."""
    path = re.fullmatch(r'"?PATH=(.*?)"?', setting(text, "Environment"))
    assert path is not None
    env = {"PATH": path[1].replace("%%", "%"), "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}
    with log.open("wb") as output:
        return subprocess.Popen(
            arguments(text), cwd="/", env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def cut_the_power(production: Production) -> None:
    """Kill the agent, the front and every backend, each by its pid: none may end another in order."""
    for pid in (production.agent_pid(), production.front_pid(), *(b["identity"]["pid"] for b in production.backends())):
        production.kill(int(pid))


def test_after_a_reboot_the_release_that_was_live_is_live_again(oddly_placed: Production, tmp_path: Path) -> None:
    production = oddly_placed.up()
    production.await_idle()
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    served = production.answer()
    text = written(production)
    cut_the_power(production)

    service = as_at_boot(text, tmp_path / "service.log")

    try:
        until(lambda: production.status()["instances"][0]["health"] == "healthy", "production is back")
        assert (production.live(), production.answer()) == ("release/2", served)
        assert production.agent_pid() == service.pid
        backend, front, begun = production.backend_pid(), production.front_pid(), time.monotonic()
    finally:
        service.send_signal(signal.SIGTERM)
    assert service.wait(timeout=PATIENCE) == 0, (tmp_path / "service.log").read_text()
    assert time.monotonic() - begun < int(setting(text, "TimeoutStopSec").removesuffix("s"))
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (backend, front)), "nothing of it runs any more")


def test_an_agent_that_is_killed_takes_nobody_off_the_page(oddly_placed: Production, tmp_path: Path) -> None:
    text = written(oddly_placed)
    first = as_at_boot(text, tmp_path / "first.log")
    until(lambda: oddly_placed.live() and oddly_placed.status()["instances"][0]["health"] == "healthy", "it is up")
    backend, front = oddly_placed.backend_pid(), oddly_placed.front_pid()
    first.kill()
    first.wait()

    second = as_at_boot(text, tmp_path / "second.log")  # as Restart=on-failure does; KillMode=process left the others

    try:
        until(lambda: oddly_placed.state()["agent"]["pid"] == second.pid, "the next agent has taken over")
        until(lambda: oddly_placed.state()["instances"][0]["health"] == "healthy", "production is adopted")
        assert (oddly_placed.backend_pid(), oddly_placed.front_pid()) == (backend, front)
    finally:
        second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=PATIENCE) == 0
    assert setting(text, "KillMode") == "process"
    assert setting(text, "Restart") == "on-failure"


@pytest.mark.skipif(analyser() is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("system", [False, True], ids=["the user's", "the host's"])
def test_systemd_has_nothing_to_say_against_it(oddly_placed: Production, tmp_path: Path, system: bool) -> None:
    text = oddly_placed.gitrelease("service", "--print", *(["--system"] if system else []), "--json").json["content"]
    file = tmp_path / "gitrelease-production.service"
    file.write_text(text)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [str(analyser()), "--man=no", *([] if system else ["--user"]), "verify", str(file)]

    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert file.name not in ran.stdout + ran.stderr


@pytest.mark.skipif(reader() is None, reason="needs systemd")
def test_systemd_reads_the_words_that_were_meant(oddly_placed: Production) -> None:
    read = understood(written(oddly_placed), "gitrelease-production.service")

    shown = re.search(r"Command Line: (.*)", read)
    assert shown is not None
    # Each word as systemd writes it down, quoted as for a shell; a variable would be put in only at the start.
    words = re.findall(r'"(?:\\.|[^"\\])*"|\S+', shown[1])
    plain = [re.sub(r"\\(.)", r"\1", word[1:-1]) if word[0] == '"' else word for word in words]
    root = str(oddly_placed.root)
    meant = [sys.executable, "-I", "-m", "gitrelease", "-C", root.replace("$", "$$"), "up", "--foreground"]
    assert plain == meant
    assert f"Description: gitrelease: production in {root} on this host" in read
    assert f"RequiresMountsFor: {root} " in read
    assert "KillMode: process" in read
    assert "OOMPolicy: continue" in read


def test_an_interpreter_at_an_odd_path_is_started_all_the_same(tmp_path: Path) -> None:
    """Systemd takes no quotes in the name of a program: it goes through a shell, nothing pasted into its script."""
    python = tmp_path / ODD / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
    python.chmod(0o755)
    described = Service(
        name="gitrelease-x", checkout="/srv/findoc", python=str(python), user="deploy", folder="/home/deploy",
        path="/usr/bin:/bin", stop_seconds=90,
    )  # fmt: skip

    ran = subprocess.run(arguments(unit(described, system=False)), capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines() == list(described.command("--foreground"))


def test_it_can_be_repeated_and_says_what_to_type_next(checkout: Production) -> None:
    checkout.init()

    first, second = checkout.gitrelease("service", "--json").json, checkout.gitrelease("service", "--json").json

    assert (first["written"], second["written"]) == (True, False)
    assert first["path"] == str(unit_of(checkout))
    assert unit_of(checkout).stat().st_mode & 0o777 == 0o644
    assert [line.split()[:-1] for line in first["next"]] == [
        ["loginctl", "enable-linger"],
        ["systemctl", "--user"],
        ["systemctl", "--user", "enable"],
        ["systemctl", "--user", "start"],
    ]


@typed(
    "edges.units._require_ours: cat {path}",
    "edges.units._require_ours: gitrelease service --name NAME",
    "edges.units._require_ours: rm {path}",
)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda _: "[Service]\nExecStart=/bin/true\n", "is none of ours", id="a stranger's"),
        pytest.param(lambda text: text + "Nice=5\n", "was changed by hand", id="changed"),
        pytest.param(lambda text: text.replace("/production", "/other", 1), "runs production in", id="another one's"),
    ],
)
def test_what_is_not_as_we_wrote_it_stays(checkout: Production, change, said: str) -> None:
    checkout.init()
    path = unit_of(checkout)
    changed = change(written(checkout))
    path.write_text(changed)

    ended = checkout.gitrelease("service")

    assert ended.code == 3
    assert said in ended.words
    assert path.read_text() == changed
    if "by hand" in said:
        assert checkout.type(ended.said, f"rm {path}").code == 0
        assert checkout.gitrelease("service").code == 0
        assert path.read_text() == changed.removesuffix("Nice=5\n")
        return
    if "none of ours" in said:
        assert checkout.type(ended.said, f"cat {path}").out == changed
    second = checkout.type(ended.said, "gitrelease service --name NAME", NAME="gitrelease-second")
    assert second.code == 0, second.said
    assert path.with_name("gitrelease-second.service").exists()
    assert path.read_text() == changed


@typed("edges.units.write: ls -ld {folder}", "edges.units.write: gitrelease service --print")
@pytest.mark.parametrize("there", [True, False], ids=["in it", "above it"])
def test_a_folder_that_may_not_be_written_to_is_named_and_the_unit_can_be_had_all_the_same(
    checkout: Production, there: bool
) -> None:
    checkout.init()
    path = unit_of(checkout)
    folder = path.parent if there else path.parent.parent
    folder.mkdir(parents=True)
    folder.chmod(0o500)

    refused = ordinary.run(checkout, "service")

    assert f"{path} cannot be written: Permission denied" in refused.words
    assert checkout.type(refused.said, f"ls -ld {folder}").out.startswith("dr-x------")
    assert mark_of(checkout.type(refused.said, "gitrelease service --print").out) is not None


@typed("edges.units.verify: gitrelease service --print")
def test_a_unit_that_systemd_would_not_run_is_not_written_and_can_be_had_all_the_same(
    checkout: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.init()
    analyse = tmp_path / "bin" / "systemd-analyze"
    analyse.parent.mkdir()
    analyse.write_text('#!/bin/sh\nfor unit; do :; done\necho "$unit:3: Not on this host" >&2\nexit 1\n')
    analyse.chmod(0o755)
    monkeypatch.setenv("PATH", f"{analyse.parent}{os.pathsep}{os.environ['PATH']}")

    refused = checkout.gitrelease("service")

    assert refused.code == 2
    assert f"systemd would not run the unit: {unit_of(checkout).name}:3: Not on this host" in refused.words
    assert not unit_of(checkout).exists()
    assert mark_of(checkout.type(refused.said, "gitrelease service --print").out) is not None


def test_what_is_only_printed_is_written_nowhere(checkout: Production) -> None:
    checkout.init()

    shown = [checkout.gitrelease("service", option) for option in ("--print", "--cron", "--supervisor")]

    assert [one.code for one in shown] == [0, 0, 0]
    assert mark_of(shown[0].out) is not None
    assert shown[1].out.startswith("@reboot ")
    assert shown[2].out.startswith("[program:gitrelease-production]\n")
    assert not unit_of(checkout).exists()


def test_production_has_the_time_that_its_settings_give_it(checkout: Production) -> None:
    checkout.init()
    host = checkout.home / "host.toml"
    host.write_text(host.read_text() + '\n[limits]\nstop = "40s"\n')

    assert setting(written(checkout), "TimeoutStopSec") == "190s"


def test_the_line_of_the_crontab_starts_production(oddly_placed: Production) -> None:
    line = oddly_placed.gitrelease("service", "--cron").out.removeprefix("@reboot ").replace("\\%", "%")

    ran = subprocess.run(["/bin/sh", "-c", line], cwd="/", capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert oddly_placed.live() == "release/1"


@pytest.mark.skipif(systemd_runs(), reason="needs a host without systemd")
@typed("commands.service._unit: gitrelease service --cron", "commands.service._unit: gitrelease service --supervisor")
def test_where_systemd_does_not_run_the_other_ways_that_are_said_start_production(oddly_placed: Production) -> None:
    said = oddly_placed.gitrelease("service").said

    cron = oddly_placed.type(said, "gitrelease service --cron")
    stanza = oddly_placed.type(said, "gitrelease service --supervisor")

    line = cron.out.removeprefix("@reboot ").replace("\\%", "%")
    ran = subprocess.run(["/bin/sh", "-c", line], cwd="/", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert oddly_placed.live() == "release/1"
    assert stanza.out.startswith("[program:gitrelease-production]\n")


@typed("commands.service.describe: gitrelease service")
def test_a_checkout_whose_path_no_unit_can_hold_is_moved_as_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "two\nlines").mkdir()
    before = make_checkout(tmp_path / "two\nlines").init().up()
    before.await_idle()
    refused = before.gitrelease("service")
    before.gitrelease("down")
    after = Production(before.root.rename(tmp_path / "production"), before.port)
    try:
        done = after.type(refused.said, "gitrelease service")

        assert refused.code == 2
        assert done.code == 0, done.said
        assert mark_of(unit_of(after).read_text()) is not None
        assert str(after.root) in unit_of(after).read_text()
        after.up()
        after.await_idle()
        assert after.answer() == "one revenue profit"
        developer = after.clone()
        developer.commit_term("second")
        assert "release/2 is live" in developer.push().said
    finally:
        after.clear_away()


@typed("commands.uninstall._still_starting: rm {path}")
def test_a_unit_that_would_still_start_it_is_removed_as_it_is_said(checkout: Production) -> None:
    checkout.init()
    written(checkout)

    said = checkout.gitrelease("uninstall").said
    removed = checkout.type(said, f"rm {unit_of(checkout)}")

    assert f"{unit_of(checkout).name} would still start it with the host" in said
    assert removed.code == 0, removed.said
    assert not unit_of(checkout).exists()
    checkout.init()
    assert "would still start it" not in checkout.gitrelease("uninstall").said


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a `crontab` on PATH that lists it and has it edited, as cron's own does."""
    file, program = tmp_path / "crontab.txt", tmp_path / "bin" / "crontab"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$1" in -l) cat {file} ;; -e) ${{EDITOR:?}} {file} ;; *) exit 2 ;; esac\n')
    program.chmod(0o755)
    file.touch()
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return file


@typed("commands.service.run: crontab -e", "commands.uninstall._still_starting: crontab -e")
def test_the_line_of_the_crontab_is_added_and_taken_out_again_as_is_said(
    checkout: Production, crontab: Path, tmp_path: Path
) -> None:
    checkout.init()
    shown = checkout.gitrelease("service", "--cron")
    line = tmp_path / "line"
    line.write_text(shown.out)

    added = checkout.type(shown.err, "crontab -e", env={"EDITOR": f"cp {line}"})
    said = checkout.gitrelease("uninstall").said
    removed = checkout.type(said, "crontab -e", env={"EDITOR": "sed -i /@reboot/d"})

    assert (added.code, removed.code) == (0, 0)
    assert "the crontab would still start it with the host" in said
    assert crontab.read_text() == ""
    checkout.init()
    assert "would still start it" not in checkout.gitrelease("uninstall").said
