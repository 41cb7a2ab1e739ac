"""Tab completes verbs, options and names in bash, zsh and fish; what is wrong or odd stays harmless there."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.commands.application import VERBS
from gitrelease.commands.complete import main as complete
from gitrelease.commands.completion import Shell, script
from tests.benchmarks.many import write_history
from tests.checkout import PATIENCE, Production, make_checkout

PROGRAM = [sys.executable, "-I", "-m", "gitrelease"]
RELEASES = 12

# What git takes as the name of a branch; some would leave a file behind. Regions and groups have plain names.
BRANCHES = (
    "o0-$(touch${IFS}broken)", "o1-`touch${IFS}broken`", "o2-;touch${IFS}broken;", "o3-it's", 'o4-"', "o5-a&touch<x>",
    "o6-{a,b}!!", "o7-me@home=1", "o8-naïve",
)  # fmt: skip
# These no line could show as what they are.
UNTYPABLE = ("-rf", "q1-\u202etxt.exe", "q2-\u200b")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """A checkout with twelve releases that git alone knows of, two groups, and names of every kind. Nothing runs."""
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Ann Tester")
            patch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
        made = make_checkout(tmp_path_factory.mktemp("known")).init()
        write_history(made, RELEASES)
        made.git("tag", "-a", "-m", "before the audit", "backup/2026-01-05-snapshot")
        made.git("tag", "v1")
        lines = [f"create refs/heads/{name} HEAD\n" for name in (*BRANCHES, *UNTYPABLE)]
        subprocess.run(["git", "update-ref", "--stdin"], cwd=made.root, input="".join(lines).encode(), check=True)
    made.git("update-ref", "refs/gitrelease/pinned/3", "refs/tags/release/3")
    made.git("update-ref", "refs/gitrelease/only/canary/11", "refs/tags/release/11")
    made.git("update-ref", "refs/gitrelease/live-canary", "refs/tags/release/11")
    host = made.home / "host.toml"
    canary = f'\n[[instance]]\nname = "canary-1"\nport = {made.port + 1}\ngroup = "canary"\n'
    host.write_text(host.read_text() + canary)
    yield made
    made.clear_away()


def asked(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Ask as zsh and fish do; the last word is being typed."""
    return subprocess.run(
        [*PROGRAM, "_complete", "words", *words], capture_output=True, text=True, check=False, cwd=cwd,
        env={**os.environ, **(env or {})}, timeout=PATIENCE,
    )  # fmt: skip


def in_bash(line: str, replaced: str) -> list[str]:
    """Return what bash's completion function offers for a line; `replaced` is the word as bash has cut it."""
    asking = f"""{script(Shell.BASH)}
        COMP_LINE=$1 COMP_POINT=${{#1}}
        _gitrelease_completion gitrelease "$2"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(
        ["bash", "-euc", asking, "bash", line, replaced], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def names(*numbers: int) -> list[str]:
    return [f"release/{number}" for number in numbers]


PLACES = [
    pytest.param("", list(VERBS), id="verbs"),
    pytest.param("res", ["restart", "restore"], id="verbs that begin so"),
    pytest.param("pin --", ["--json", "--help"], id="options"),
    pytest.param("show ", names(*range(12, 0, -1)), id="releases, the newest first"),
    pytest.param("show release/1", names(12, 11, 10, 1), id="releases that begin so"),
    pytest.param("show 1", ["12", "11", "10", "1"], id="releases by their number"),
    pytest.param("rollback ", names(*range(10, 0, -1)), id="what production has had, but for what is live"),
    pytest.param("rollback --in canary release/1", names(12, 10, 1), id="what a group has had"),
    pytest.param("pin release/", names(12, 11, 10, 9, 8, 7, 6, 5, 4, 2, 1), id="what is not pinned"),
    pytest.param("unpin ", names(3), id="what is pinned"),
    pytest.param("logs --release 12", ["12"], id="the release of an option"),
    pytest.param("deploy d", ["deploy"], id="branches"),
    pytest.param("plan v", ["v1"], id="tags"),
    pytest.param("check release/9", names(9), id="releases as revisions"),
    pytest.param("diff deploy b", [], id="backups are no revisions until they are begun"),
    pytest.param("restore ", ["backup/2026-01-05-snapshot"], id="backups"),
    pytest.param("restart ", ["primary", "canary-1", "production", "canary", "all"], id="instances and groups"),
    pytest.param("monitor --compare release/9", names(9), id="releases to compare"),
    pytest.param("deploy --to ", ["canary"], id="groups"),
    pytest.param("deploy --to=", ["canary"], id="groups behind an equals sign"),
    pytest.param("rollback --only t", ["terms"], id="regions"),
    pytest.param("rollback --only s", ["schema"], id="kinds"),
    pytest.param("history --format ", ["text", "csv", "json", "md"], id="a closed list"),
    pytest.param("notify ", ["test"], id="the only word"),
    pytest.param("teleport ", [], id="a verb that there is not"),
    pytest.param("blame ", [], id="what nobody can know"),
]


@pytest.mark.parametrize(("typed", "offered"), PLACES)
def test_what_can_stand_there_is_offered(known, capsys, typed, offered):
    complete(["line", f"gitrelease -C {known.root} {typed}", typed.split(" ")[-1].split("=")[-1]])

    assert capsys.readouterr().out.splitlines() == offered


@pytest.mark.parametrize(
    ("typed", "replaced", "offered"),
    [
        pytest.param(
            "show release/1", "release/1", ["release/12", "release/11", "release/10", "release/1"], id="names"
        ),
        pytest.param("deploy --to=c", "c", ["canary"], id="behind an equals sign"),
        pytest.param("restart nobody", "nobody", [""], id="nothing"),
    ],
)
def test_the_function_of_bash_has_them_in_their_order(known, typed, replaced, offered):
    assert in_bash(f"gitrelease -C {known.root} {typed}", replaced) == offered


def test_the_checkout_is_the_one_that_is_stood_in_without_another(known):
    assert asked("unpin", "", cwd=known.root).stdout == "release/3\tpinned: terms +1 (term 3)\n"
    assert asked("-C", "$PLACE", "unpin", "", env={"PLACE": str(known.root)}).stdout.startswith("release/3\t")
    assert asked("-C", "~/production", "unpin", "", env={"HOME": str(known.root.parent)}).stdout


def test_what_is_live_good_and_bad_is_said_where_a_shell_shows_it(known):
    known.git("update-ref", "refs/gitrelease/good", "refs/tags/release/11")
    known.git("update-ref", "refs/gitrelease/bad/10", "refs/tags/release/10")

    told = dict(line.split("\t") for line in asked("-C", str(known.root), "show", "").stdout.splitlines())

    assert told["release/12"] == "live: terms +1 (term 12)"
    assert told["release/11"] == "last good: terms +1 (term 11)"
    assert told["release/10"] == "bad: terms +1 (term 10)"
    assert told["release/9"] == "terms +1 (term 9)"


# -- real shells -------------------------------------------------------------------------------------------------------


class Terminal:
    """An interactive shell in a terminal, with our completion in it."""

    def __init__(self, shell: Shell, cwd: Path) -> None:
        options = {Shell.BASH: ["--norc", "--noprofile", "-i"], Shell.ZSH: ["-f", "-i"]}[shell]
        before = {Shell.BASH: "set -o emacs", Shell.ZSH: "bindkey -e; autoload -Uz compinit; compinit -u -D"}[shell]
        (cwd / "script").write_text(
            f"{before}\n{script(shell)}\ntold() {{ for one; do printf '<%s>' \"$one\"; done; echo; }}\n"
        )
        pid, self._terminal = pty.fork()
        if pid == 0:
            os.chdir(cwd)
            os.environ.update({"TERM": "dumb", "COLUMNS": "1000", "LC_ALL": "C.UTF-8", "HISTFILE": "/dev/null"})
            os.execvp(shell, [shell, *options])  # noqa: S606  # a terminal of its own is what is tested
        self._pid = pid
        self._type("stty cols 1000; . ./script; told 're''ady'\n")
        self._until("<ready>")

    def completed(self, line: str) -> str:
        """Type a line and Tab; return its words as the shell takes them, the last one."""
        self._type(f"{line}\t\x01told \x05 'en''d'\n")
        return self._until("<end>").rpartition("><end>")[0].rpartition("><")[2]

    def end(self) -> None:
        os.close(self._terminal)  # a shell whose terminal is gone ends
        os.waitpid(self._pid, 0)

    def _type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def _until(self, end: str) -> str:
        said = b""
        deadline = time.monotonic() + PATIENCE
        while end.encode() not in said:
            readable, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            assert readable, f"{end} was not said: {said.decode(errors='replace')}"
            said += os.read(self._terminal, 65536)
        return said.decode()


@pytest.fixture(scope="module", params=[Shell.BASH, Shell.ZSH])
def terminal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A shell in a folder in which a module lies that has the name of ours."""
    if shutil.which(request.param) is None:
        pytest.skip(f"needs {request.param}")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "gitrelease").mkdir()
    for name in ("__init__.py", "typer.py"):
        (folder / "gitrelease" / name).write_text("open('broken', 'w')\n")
    shell = Terminal(request.param, folder)
    yield shell
    assert not [*folder.glob("broken*")]
    shell.end()


def test_a_person_who_presses_tab_has_the_word(known, terminal):
    before = f"gitrelease -C {known.root}"

    assert terminal.completed("gitrelease rollb") == "rollback"
    assert terminal.completed(f"{before} unpin ") == "release/3"
    assert terminal.completed(f"{before} unpin 'rel") == "release/3"
    assert terminal.completed(f"{before} deploy --to=c") == "--to=canary"
    assert terminal.completed(f"gitrelease -C {known.root.parent}/prod").rstrip("/") == str(known.root)


def test_an_odd_name_is_one_word_and_is_never_executed(known, terminal):
    branches = [terminal.completed(f"gitrelease -C {known.root} deploy {name[:2]}") for name in BRANCHES]

    assert branches == list(BRANCHES)
    assert terminal.completed(f"gitrelease -C {known.root} deploy q") == "q"
    assert not [name for name in UNTYPABLE if name in asked("-C", str(known.root), "deploy", "").stdout]


def test_bash_goes_on_from_what_it_has_inserted(known, terminal):
    line = f"gitrelease -C {known.root} deploy"

    assert terminal.completed(rf"{line} o0-\$\(to") == BRANCHES[0]
    assert terminal.completed(f"{line} o7-me@ho") == BRANCHES[7]


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_is_offered_words_and_what_is_said_of_them(known, tmp_path):
    asks = [f"complete -C 'gitrelease -C {known.root} {line}'" for line in ("unpin ", "deploy o", "deploy --to=")]
    (tmp_path / "script").write_text("\n".join([script(Shell.FISH), *asks]))

    ran = subprocess.run(
        ["fish", "--no-config", "script"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip

    assert ran.stderr == ""
    assert "--to=canary\n" in ran.stdout
    assert "release/3\tpinned: terms +1 (term 3)\n" in ran.stdout
    assert [line.partition("\t")[0] for line in ran.stdout.splitlines() if line.startswith("o")] == list(BRANCHES)
    assert [path.name for path in tmp_path.iterdir()] == ["script"]


# -- nothing but offers ------------------------------------------------------------------------------------------------


def _no_repository(root: Path) -> None:
    shutil.rmtree(root / ".git")


def _no_head(root: Path) -> None:
    (root / ".git" / "HEAD").write_text("")


def _settings_that_are_none(root: Path) -> None:
    (root / ".git" / "gitrelease").mkdir()
    (root / ".git" / "gitrelease" / "host.toml").write_text("[[instance\n")


def _another_kind_of_settings(root: Path) -> None:
    (root / ".git" / "gitrelease" / "host.toml").mkdir(parents=True)


def _no_folder(root: Path) -> None:
    shutil.rmtree(root)


@pytest.mark.parametrize(
    "damage", [_no_repository, _no_head, _settings_that_are_none, _another_kind_of_settings, _no_folder]
)
def test_a_broken_checkout_has_nothing_to_offer_and_says_nothing(tmp_path, damage):
    root = make_checkout(tmp_path).root
    damage(root)

    for words in (("show", ""), ("restart", "")):
        ran = asked("-C", str(root), *words)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("words", [(), ("words",), ("line", "gitrelease"), ("words", "-C", "a\udcff", "show", "")])
def test_whatever_is_asked_nothing_is_said_and_all_is_well(tmp_path, words):
    ran = subprocess.run(
        [*PROGRAM, "_complete", *words], cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=False
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


def test_the_version_is_not_printed_into_the_line(known):
    assert asked("--version", "stat").stdout.startswith("status\t")


def test_git_that_is_missing_or_hangs_is_not_waited_for(known, tmp_path):
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\nexec sleep 60\n")
    git.chmod(0o755)
    begun = time.monotonic()

    hung = asked("-C", str(known.root), "show", "", env={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert (hung.returncode, hung.stdout, hung.stderr) == (0, "", "")
    assert time.monotonic() - begun < PATIENCE / 2
    assert asked("-C", str(known.root), "show", "", env={"PATH": str(tmp_path / "empty")}).stdout == ""


def _files(root: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}


def test_nothing_is_written_and_no_agent_is_started(known):
    before = _files(known.root)

    for words in (("show", ""), ("restart", ""), ("deploy", ""), ("rollback", "--only", "")):
        assert asked("-C", str(known.root), *words).stdout

    assert _files(known.root) == before
    assert not (known.home / "run" / "agent.pid").exists()


@pytest.mark.parametrize("words", [("show", ""), ("deploy", "r"), ("",)], ids=["releases", "revisions", "verbs"])
def test_what_is_slow_to_import_is_not_imported(known, words):
    program = [PROGRAM[0], "-X", "importtime", *PROGRAM[1:]]
    ran = subprocess.run(
        [*program, "_complete", "words", "-C", str(known.root), *words], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}

    assert ran.stdout
    assert "typer" in imported
    assert imported.isdisjoint({"git", "msgspec", "rich", "psutil", "requests", "watchdog"})
