"""At a terminal: signs and colours, eighty columns, a pager, what is under way; and nothing of it for scripts."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.core.errors import Exit
from gitrelease.core.fit import columns
from tests.checkout import Production, make_checkout
from tests.remedies import typed
from tests.terminal import Terminal, left, shown, words

EVIL = "Know \x1b[31mred\x1b[0m and \x1b]0;title\x07 の発行を承認してください " + "far too long " * 12
BLUE, ORANGE = "\x1b[38;5;33m", "\x1b[1;38;5;208m"
LOOKS = (
    ("status",), ("history",), ("show", "release/2"), ("show", "release/2", "--log"), ("diff", "HEAD~1", "HEAD"),
    ("plan",), ("blame", "margin"), ("regions",), ("doctor",), ("rollback", "--dry-run"), ("logs",), ("--help",),
    ("deploy", "--help"), ("show", "release/9"), ("prune", "--dry-run"),
)  # fmt: skip


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """One production for all: release/1, then release/2 with a hostile and long message, by somebody of that name."""
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "発行" + EVIL[:30])
            patch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
        production = make_checkout(tmp_path_factory.mktemp("terminal"))
        production.init().up()
        production.replace("server.py", '"revenue",\n', '"revenue",\n    "margin",\n')
        production.commit(EVIL)
        production.await_live("release/2")
    production.await_idle()
    yield production
    production.clear_away()


@pytest.mark.parametrize("arguments", LOOKS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(production: Production, arguments: tuple[str, ...]) -> None:
    told = words(shown(production.root, *arguments))

    assert told.strip() or arguments == ("logs",)
    assert [line for line in re.split(r"[\r\n]", told) if columns(line) > 80] == []


def test_states_have_signs_beside_their_colours(production: Production) -> None:
    status, refused = shown(production.root, "status"), shown(production.root, "show", "release/9")

    assert f"{BLUE}●\x1b[0m live      release/2" in status
    assert f"{BLUE}✓\x1b[0m instance  primary" in status
    assert f"{ORANGE}✗\x1b[0m error: there is no release 'release/9'" in refused


def test_what_a_change_adds_and_removes_is_marked(production: Production) -> None:
    forth = shown(production.root, "diff", "HEAD~1", "HEAD")
    back = shown(production.root, "diff", "HEAD", "HEAD~1")

    assert f"{BLUE}+ margin" in forth
    assert f"{ORANGE}- margin" in back


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"NO_COLOR": "1"}, id="NO_COLOR"),
        pytest.param({"NO_COLOR": "1", "FORCE_COLOR": "1"}, id="NO_COLOR wins"),
        pytest.param({"TERM": "dumb"}, id="a dumb terminal"),
        pytest.param({"CLICOLOR": "0"}, id="CLICOLOR"),
    ],
)
def test_signs_stay_where_no_colour_is_wanted(production: Production, env: dict[str, str]) -> None:
    told = shown(production.root, "status", env=env)

    assert "\x1b" not in told
    assert "● live" in told


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}], ids=str)
def test_signs_are_ascii_where_the_locale_has_no_others(production: Production, env: dict[str, str]) -> None:
    told = words(shown(production.root, "status", env=env))

    assert "* live      release/2" in told
    assert told.isascii()


def test_what_somebody_wrote_stays_text_among_our_colours(production: Production) -> None:
    told = "".join(shown(production.root, *look) for look in (("show", "release/2"), ("history",), ("blame", "margin")))

    assert not re.search(r"\x1b(?!\[(0|1;38;5;208|38;5;(33|178|245))m)", told)
    assert "\x1b[31m" not in told


def test_a_script_gets_text_without_signs_colours_and_broken_lines(production: Production) -> None:
    status = production.gitrelease("status", env={"TERM": "xterm-256color", "COLUMNS": "40"})

    assert status.out.startswith("live      release/2")
    assert "\x1b" not in status.out
    assert max(map(len, status.out.splitlines())) > 40


def test_colour_can_be_asked_for_without_a_terminal(production: Production) -> None:
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "status"]
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"FORCE_COLOR": "1"}

    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**env, "TERM": "xterm-256color"})

    assert f"{BLUE}●\x1b[0m live" in told.stdout


def test_json_at_a_terminal_is_one_line_without_colours(production: Production) -> None:
    told = shown(production.root, "status", "--json")

    assert told.count("\n") == 1
    assert "\x1b" not in told


def test_a_narrow_terminal_breaks_lines_earlier_and_a_wide_one_later(production: Production) -> None:
    narrow = words(shown(production.root, "status", columns=40))
    wide = words(shown(production.root, "status", columns=200))

    assert max(map(columns, narrow.split("\n"))) <= 40
    assert any(line.startswith("✓ instance  primary http") and ", up " in line for line in wide.split("\n"))


def test_the_end_of_a_command_at_a_terminal_tells_its_exit_code(production: Production) -> None:
    terminal = Terminal(production.root, "show", "release/9")

    assert terminal.end() == 2


# -- the pager -------------------------------------------------------------------------------------------------------

MARKED = "sed 's/^/paged /'"
NEVER = "sed 's/^/not this one /'"


@pytest.mark.parametrize(
    ("env", "configured"),
    [
        pytest.param({"GITRELEASE_PAGER": MARKED, "GIT_PAGER": NEVER}, NEVER, id="our variable"),
        pytest.param({"GIT_PAGER": MARKED, "PAGER": NEVER}, NEVER, id="git's variable"),
        pytest.param({"PAGER": NEVER}, MARKED, id="git's setting"),
        pytest.param({"PAGER": MARKED}, None, id="everybody's variable"),
    ],
)
def test_what_is_longer_than_the_screen_is_read_in_the_pager_that_git_would_take(
    production: Production, tmp_path: Path, env: dict[str, str], configured: str | None
) -> None:
    if configured:
        (tmp_path / ".gitconfig").write_text(f'[core]\npager = "{configured}"\n')
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    told = words(shown(production.root, "status", rows=4, env={"GITRELEASE_PAGER": None, **home, **env}))

    assert told.startswith("paged ● live      release/2")
    assert "not this one" not in told


@pytest.mark.parametrize(
    ("arguments", "how"),
    [
        pytest.param(("status",), {"rows": 30}, id="it fits"),
        pytest.param(("--no-pager", "status"), {"rows": 4}, id="--no-pager"),
        pytest.param(("status", "--json"), {"rows": 1}, id="JSON"),
        pytest.param(("status",), {"rows": 4, "dumb": True}, id="a dumb terminal"),
    ],
)
def test_without_need_there_is_no_pager(production: Production, arguments: tuple[str, ...], how: dict) -> None:
    env = {"GITRELEASE_PAGER": NEVER, **({"TERM": "dumb"} if how.pop("dumb", False) else {})}

    told = shown(production.root, *arguments, env=env, **how)

    assert "release/2" in told
    assert "not this one" not in told


def test_without_a_terminal_there_is_no_pager(production: Production) -> None:
    told = production.gitrelease("history", env={"GITRELEASE_PAGER": NEVER, "LINES": "2"})

    assert told.out.startswith("release/2")


@pytest.mark.parametrize("pager", ["no-such-pager", "/dev/null", "exit 1"])
def test_a_pager_that_does_not_work_leaves_the_output_printed(production: Production, pager: str) -> None:
    terminal = Terminal(production.root, "status", rows=4, env={"GITRELEASE_PAGER": pager})

    assert terminal.end() == 0
    assert "● live      release/2" in words(terminal.shown)


def test_a_pager_that_is_left_early_is_no_error(production: Production) -> None:
    for pager in ("true", "head -1", "exec 0<&-; exit 2"):
        terminal = Terminal(production.root, "status", rows=4, env={"GITRELEASE_PAGER": pager})

        assert terminal.end() == 0
        assert "instance" not in terminal.shown


@pytest.mark.skipif(shutil.which("less") is None, reason="needs less")
def test_less_is_the_usual_pager_and_shows_our_colours(production: Production) -> None:
    terminal = Terminal(production.root, "status", rows=5, env=dict.fromkeys(("GITRELEASE_PAGER", "PAGER", "LESS")))

    first = terminal.until(lambda told: "live      release/2" in told and told.rstrip("\x1b[K").endswith(":"))
    terminal.type("q")

    assert BLUE in first
    assert terminal.end() == 0
    assert "checkout" not in terminal.shown


# -- what is under way -----------------------------------------------------------------------------------------------


def test_what_takes_over_a_second_is_seen_while_it_is_under_way_and_gone_afterwards(production: Production) -> None:
    os.kill(production.agent_pid(), signal.SIGSTOP)
    try:
        terminal = Terminal(production.root, "restart")
        waiting = terminal.until(lambda told: " 1 s" in told and " 2 s" in told)
    finally:
        os.kill(production.agent_pid(), signal.SIGCONT)
    code = terminal.end()

    assert "▸\x1b[0m stage     it starts beside production and is asked 1 s" in waiting
    assert "\n" not in waiting
    assert code == 0
    steps = [line for line in left(terminal.shown) if line]
    assert [line.split()[:2] for line in steps[:2]] == [["✓", "stage"], ["✓", "restarted:"]]
    assert not any("▸" in line for line in steps)


def test_without_a_terminal_only_what_was_done_is_told(production: Production) -> None:
    os.kill(production.agent_pid(), signal.SIGSTOP)
    try:
        script = subprocess.Popen(
            [sys.executable, "-m", "gitrelease", "-C", str(production.root), "restart"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            script.wait(1.5)
    finally:
        os.kill(production.agent_pid(), signal.SIGCONT)
    out, said = script.communicate(timeout=60)

    assert [line.split()[0] for line in said.splitlines()] == ["stage"]
    assert out.startswith("restarted: ")
    assert "\r" not in out + said


# -- cut off ---------------------------------------------------------------------------------------------------------


@typed("cli._guarded: gitrelease status")
def test_ctrl_c_ends_a_command_with_a_word_and_the_code_of_every_shell(production: Production) -> None:
    os.kill(production.agent_pid(), signal.SIGSTOP)
    try:
        terminal = Terminal(production.root, "restart")
        terminal.until(lambda told: " 1 s" in told)
        terminal.type("\x03")
        code = terminal.end()
    finally:
        os.kill(production.agent_pid(), signal.SIGCONT)
    production.await_idle()

    assert code == Exit.INTERRUPTED
    assert "error: interrupted" in terminal.shown
    said = production.type(terminal.shown, "gitrelease status")
    assert said.code == 0
    assert f"live      {production.live()}" in said.out


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_stream_that_is_closed_is_nowhere_to_print_to(production: Production, closed: str) -> None:
    script = f'exec "$0" -m gitrelease -C "$1" status {closed}>&-'

    ran = subprocess.run(
        ["sh", "-c", script, sys.executable, str(production.root)], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0
    assert ran.stderr == ""
    assert ("live      release/2" in ran.stdout) == (closed == "2")


def test_a_reader_who_has_seen_enough_is_no_error(production: Production) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    ran = subprocess.run(
        [sys.executable, "-m", "gitrelease", "-C", str(production.root), "history"],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writer)

    assert (ran.returncode, ran.stderr) == (0, "")


# -- what changes in its place ---------------------------------------------------------------------------------------


def test_the_table_of_monitor_fits_eighty_columns_and_marks_each_instance(production: Production) -> None:
    told = left(shown(production.root, "monitor", "--for", "400ms", "--every", "200ms"))

    head = next(line for line in told if line.startswith("instance"))
    assert head.split() == ["instance", "release", "cpu", "memory", "sessions", "restarts", "answer", "errors"]
    assert any(line.startswith("✓ primary  release/") for line in told)
    assert max(map(columns, told)) <= 80


def test_what_is_to_be_copied_is_not_broken(production: Production) -> None:
    line = production.gitrelease("service", "--cron").out.splitlines()[0]

    assert len(line) > 80
    assert line in words(shown(production.root, "service", "--cron")).splitlines()
