"""Production is watched: live, over time, release against release; nothing of that is ever in its way."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitrelease.commands.watching import Span
from gitrelease.edges import samples
from tests.checkout import PATIENCE, SERVER, SETTINGS, Production, make_checkout, until
from tests.remedies import typed
from tests.stories.test_disk import Small, small  # noqa: F401
from tests.stories.test_groups import Grouped

# Says an error, takes memory, spins, or hangs, when it is asked for that.
TALKING = SERVER.replace(
    "    def do_GET(self):\n",
    "    def do_GET(self):\n"
    '        if self.path == "/error":\n'
    '            print("ERROR asked for", flush=True)\n'
    '        if self.path == "/grow":\n'
    '            kept.append(b"x" * (150 << 20))\n'
    '        if self.path == "/hang":\n'
    "            hanging.set()\n"
    '        if hanging.is_set() and self.path != "/grow":\n'
    "            threading.Event().wait()\n",
).replace("import sys\n", "import sys\nimport threading\n\nkept = []\nhanging = threading.Event()\n")
QUICK = SETTINGS + '\n[monitor]\nevery = "1s"\n'


@pytest.fixture
def talking(tmp_path: Path):
    production = make_checkout(tmp_path, {"server.py": TALKING, "gitrelease.toml": QUICK, "README.md": "The app\n"})
    production.init().up()
    production.await_idle()
    yield production
    production.clear_away()


def kept(production: Production) -> list[samples.Row]:
    now = time.time()
    return samples.read(production.home / "samples.db", now - 600, now + 60, points=100_000)


def ask(production: Production, path: str) -> None:
    with socket.create_connection(("127.0.0.1", production.port), timeout=10) as user:
        user.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        while user.recv(4096):
            pass


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


class Watching:
    """`gitrelease monitor --json`, while it runs."""

    def __init__(self, production: Production, *arguments: str) -> None:
        command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "monitor", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until(self, wanted: Callable[[dict], object]) -> dict:
        """Return the next object that is like that."""
        assert self._process.stdout is not None
        return next(row for row in map(json.loads, self._process.stdout) if wanted(row))

    def interrupt(self) -> tuple[int, str, str]:
        """End it as Ctrl-C does; return its exit code, and what it printed meanwhile."""
        self._process.send_signal(signal.SIGINT)
        said, wrong = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, said, wrong


def test_what_is_within_the_thresholds_ends_with_0_and_says_so(production: Production) -> None:
    ended = production.gitrelease("monitor", "--for", "600ms", "--every", "200ms")

    *lines, watched, summed, within = ended.out.splitlines()
    assert ended.code == 0, ended.said
    assert len(lines) == 3
    assert all(re.search(r"primary +release/1 +cpu .*\d+ MB, 1 thread, 0 sessions, 0 restarts", line) for line in lines)
    assert watched.startswith("watched for")
    assert "3 samples" in summed
    assert within == "within the thresholds: average CPU 50 %, peak memory 1000 MB"


def test_json_is_an_object_a_line_and_the_last_one_the_summary(production: Production) -> None:
    ended = production.gitrelease("monitor", "primary", "--for", "600ms", "--every", "200ms", "--json")

    *rows, summary = objects(ended.out)
    assert [row["schema"] for row in (*rows, summary)] == [1] * 4
    assert {row["instance"] for row in rows} == {"primary"}
    assert {row["release"] for row in rows} == {"release/1"}
    assert {row["pid"] for row in rows} == {production.backend_pid()}
    assert all(row["answer_ms"] > 0 and row["memory_mb"] > 5 for row in rows)
    assert summary["ok"] is True
    assert summary["instances"][0]["samples"] == 3


def test_a_threshold_that_was_exceeded_ends_with_3_and_is_named(talking: Production) -> None:
    host = talking.home / "host.toml"
    host.write_text(host.read_text() + "\n[monitor]\nmemory_mb = 100\n")
    before = talking.gitrelease("monitor", "--for", "300ms", "--every", "300ms")
    ask(talking, "/grow")

    ended = talking.gitrelease("monitor", "--for", "300ms", "--every", "300ms")
    told = objects(talking.gitrelease("monitor", "--for", "300ms", "--every", "300ms", "--json").out)[-1]

    assert told["exceeded"][0].startswith("primary: peak memory ")
    assert before.code == 0, before.said
    assert ended.code == 3
    assert re.search(r"beyond a threshold: primary: peak memory 1[5-9]\d MB, 100 MB is the threshold", ended.out)


def test_errors_sessions_and_a_hang_are_seen_as_they_come(talking: Production) -> None:
    watching = Watching(talking, "--for", "5m", "--every", "200ms", "--json")
    watching.until(bool)
    with socket.create_connection(("127.0.0.1", talking.port), timeout=10):
        ask(talking, "/error")
        held = watching.until(lambda row: row["sessions"])
        said = held if held["error_lines"] else watching.until(lambda row: row["error_lines"])
    hung = talking.backend_pid()
    os.kill(hung, signal.SIGSTOP)
    silent = watching.until(lambda row: row["answer_ms"] is None)
    back = watching.until(lambda row: row["restarts"] == 1)
    code, rest, _ = watching.interrupt()

    (summary,) = objects(rest)[-1]["instances"]
    assert code == 0
    assert held["sessions"] == 1
    assert said["error_lines"] == 1
    assert silent["pid"] == hung != back["pid"]
    assert summary["restarts"] == 1
    assert summary["unanswered"] >= 1


@pytest.mark.parametrize(
    ("length", "every", "moments"),
    [
        ("10s", None, [float(moment) for moment in range(1, 11)]),
        ("5s", None, [1.0, 2.0, 3.0, 4.0, 5.0]),
        ("10m", None, [*(1.0 + 30 * count for count in range(20)), 600.0]),
        ("10s", "30s", [1.0, 10.0]),
        ("1s", "500ms", [0.5, 1.0]),
        ("500ms", "30s", [0.5]),
    ],
)
def test_all_of_the_time_is_watched(length: str, every: str | None, moments: list[float]) -> None:
    assert list(Span(length, every).moments()) == moments


def test_ctrl_c_ends_it_with_the_summary_of_what_was_seen(production: Production) -> None:
    watching = Watching(production, "--for", "1h", "--every", "200ms", "--json")
    watching.until(bool)

    code, said, wrong = watching.interrupt()

    assert code == 0
    assert objects(said)[-1]["ok"] is True
    assert wrong == ""


def test_on_a_terminal_it_is_a_table_that_stays_in_its_place(production: Production) -> None:
    master, slave = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {
        "TERM": "xterm", "COLUMNS": "160", "LINES": "40",
    }  # fmt: skip
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "monitor", "--for", "600ms"]
    watching = subprocess.Popen([*command, "--every", "200ms"], stdout=slave, stdin=slave, stderr=slave, env=env)
    os.close(slave)
    drawn = b""
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while piece := os.read(master, 65_536):
            drawn += piece
    os.close(master)

    assert watching.wait(20) == 0
    assert b"\x1b[1A" in drawn
    assert b"sessions" in drawn
    assert b"within the thresholds" in drawn


def test_it_needs_no_agent_and_goes_on_when_that_ends(production: Production) -> None:
    production.kill(production.agent_pid())

    ended = production.gitrelease("monitor", "--for", "300ms", "--every", "300ms")

    assert ended.code == 0, ended.said
    assert "release/1" in ended.out


def test_a_release_while_it_watches_is_followed(production: Production) -> None:
    watching = Watching(production, "--for", "5m", "--every", "200ms", "--json")
    watching.until(bool)
    developer = production.clone()
    developer.commit_term("margin")

    pushed = developer.push()
    seen = watching.until(lambda row: row["release"] == "release/2")
    code, said, _ = watching.interrupt()

    assert pushed.code == 0, pushed.said
    assert seen["running"]
    assert seen["backend"] == production.backend()["id"]
    assert objects(said)[-1]["ok"]
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nobody",), 2, "there is no instance 'nobody'"),
        (("--for", "soon"), 2, "'soon' is no duration"),
        (("--every", "0s"), 2, "--every 0s is too short"),
        (("release/1",), 2, "a release is named"),
        (("--compare", "release/9", "release/8"), 2, "there are no samples of release/9"),
        (("--compare", "a", "b"), 2, "too many words"),
    ],
)
def test_what_cannot_be_watched_is_answered_with_the_remedy(production: Production, arguments, code, said) -> None:
    ended = production.gitrelease("monitor", *arguments)

    assert ended.code == code
    assert said in ended.words
    assert "Traceback" not in ended.said


def test_production_that_is_down_is_told_as_down(checkout: Production) -> None:
    checkout.init()

    ended = checkout.gitrelease("monitor")

    assert ended.code == 3
    assert "production is not up" in ended.words


# -- what the agent keeps ----------------------------------------------------------------------------------------


@typed(
    "commands.monitor._understood: gitrelease monitor NAME --for TIME",
    "commands.monitor._understood: gitrelease monitor --compare NEW OLD",
    "commands.comparing._HINT: gitrelease history",
)
def test_the_agent_keeps_samples_and_two_releases_are_compared(talking: Production) -> None:
    until(lambda: len(kept(talking)) >= 2, "release/1 is sampled twice")
    talking.replace("server.py", "kept = []", 'kept = [b"x" * (40 << 20)]')
    talking.commit("Grow")
    assert talking.gitrelease("deploy", "--approve").code == 0
    until(lambda: sum(row.release == 2 for row in kept(talking)) >= 2, "release/2 is sampled twice")

    said = talking.gitrelease("monitor", "--compare")
    other = talking.gitrelease("monitor", "primary", "--compare", "release/1", "release/2", "--json")

    assert said.code == 0, said.said
    assert re.search(r"release/2 uses \d+ % more memory than release/1", said.out)
    assert re.search(r"release/1: CPU .* samples", said.out)
    assert [one["release"] for one in other.json["releases"]] == ["release/1", "release/2"]
    assert other.json["more_percent"]["memory"] < -40
    assert all(one["samples"] >= 2 for one in other.json["releases"])

    wrong = talking.gitrelease("monitor", "--compare", "a", "b")
    none = talking.gitrelease("monitor", "--compare", "release/9")
    compared = talking.type(wrong.said, "gitrelease monitor --compare NEW OLD", NEW="release/2", OLD="release/1")
    watched = talking.type(wrong.said, "gitrelease monitor NAME --for TIME", NAME="all", TIME="500ms")
    listed = talking.type(none.said, "gitrelease history")

    assert (wrong.code, none.code) == (2, 2)
    assert compared.code == 0, compared.said
    assert re.search(r"release/2 uses \d+ % more memory than release/1", compared.out)
    assert watched.code == 0, watched.said
    assert re.search(r"primary +release/2", watched.out)
    assert all(f"\n{release} " in f"\n{listed.out}" for release in ("release/1", "release/2"))


@pytest.mark.long
def test_samples_outlive_the_agent_and_the_next_one_goes_on(talking: Production) -> None:
    until(lambda: kept(talking), "the first sample")
    talking.kill(talking.agent_pid())
    before = len(kept(talking))

    talking.up()

    until(lambda: len(kept(talking)) > before, "the next agent samples")
    assert (talking.home / "samples.db").stat().st_mode & 0o777 == 0o600


def spoil(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def make_newer(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA user_version = 7")


@pytest.mark.parametrize(("spoiled", "said"), [(spoil, "is damaged"), (make_newer, "is of version 7")])
def test_a_database_that_cannot_be_used_disturbs_nobody(talking: Production, spoiled, said) -> None:
    until(lambda: kept(talking), "the first sample")
    talking.kill(talking.agent_pid())
    for ending in ("-wal", "-shm"):
        (talking.home / f"samples.db{ending}").unlink(missing_ok=True)
    spoiled(talking.home / "samples.db")
    talking.up()

    until((talking.home / "samples.db.aside").exists, "it is put aside")
    until(lambda: kept(talking), "a new one is begun")

    assert said in talking.agent_log()
    assert "put aside as" in talking.agent_log()
    assert talking.answer().startswith("one")
    assert "Traceback" not in talking.agent_log()


@pytest.mark.long
def test_a_database_that_is_deleted_under_the_agent_is_begun_anew(talking: Production) -> None:
    until(lambda: kept(talking), "the first sample")
    first = kept(talking)[0].at
    for one in talking.home.glob("samples.db*"):
        one.unlink()

    rows = until(lambda: kept(talking), "a new one is begun")

    assert rows[0].at > first
    assert talking.answer().startswith("one")


@pytest.mark.long
def test_a_database_that_somebody_holds_is_told_once_and_written_later(talking: Production) -> None:
    until(lambda: kept(talking), "the first sample")
    with contextlib.closing(sqlite3.connect(talking.home / "samples.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        begun = time.time()
        until(lambda: "samples cannot be written" in talking.agent_log(), "it is told")
        until(lambda: time.time() > begun + 6, "several samples wait")
        assert talking.answer().startswith("one")
        assert talking.status()["instances"][0]["health"] == "healthy"
        other.execute("ROLLBACK")
        ended = time.time()

    until(lambda: kept(talking)[-1].at > ended, "it goes on")
    assert len([row for row in kept(talking) if begun < row.at < ended]) >= 2, "what waited is written"
    assert talking.agent_log().count("samples cannot be written") == 1


@pytest.mark.long
def test_on_a_full_disk_production_goes_on_and_sampling_does_when_there_is_room(small: Small) -> None:  # noqa: F811
    production = small.production
    production.gitrelease("down")
    host = production.home / "host.toml"
    host.write_text(host.read_text() + '\n[monitor]\nevery = "1s"\n')
    production.up()
    until(lambda: kept(production), "the first sample")

    small.fill()
    until(lambda: "samples cannot be written" in production.agent_log(), "it is told")
    assert production.answer().startswith("one")
    small.make_room()
    begun = time.time()

    until(lambda: kept(production)[-1].at > begun, "it goes on")
    assert "Traceback" not in production.agent_log()


@pytest.mark.long
def test_a_backend_that_hangs_holds_up_the_sampler_and_not_the_supervisor(talking: Production) -> None:
    until(lambda: kept(talking), "the first sample")
    hung = talking.backend_pid()

    os.kill(hung, signal.SIGSTOP)

    until(lambda: any(row.unanswered for row in kept(talking)), "it is seen in the samples")
    until(lambda: talking.backend_pid() != hung, "it is started again as ever")
    assert talking.answer().startswith("one")


# -- groups ------------------------------------------------------------------------------------------------------


@pytest.fixture
def grouped(tmp_path: Path):
    made = Grouped(tmp_path, QUICK)
    yield made
    made.production.clear_away()


def test_a_group_is_watched_and_read_by_its_name_and_all_by_all(grouped: Grouped) -> None:
    production, short = grouped.production, ("--for", "300ms", "--every", "300ms", "--json")
    idle = production.gitrelease("monitor", "test", *short)
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    log = json.loads((production.home / "groups" / "test" / "run" / "processes.json").read_text())
    for name in grouped.ports:
        Path(log["live"]["workers"][name]["backend"]["log"]).write_text(f"I am {name}\n")

    def seen(*words: str) -> dict[str, str]:
        *rows, _ = objects(production.gitrelease("monitor", *words, *short).out)
        return {row["instance"]: row["release"] for row in rows}

    assert idle.code == 3
    assert "test is not up" in idle.words
    assert seen() == {"primary": "release/1"}
    assert seen("test") == {"test-1": "release/2", "test-2": "release/2"}
    assert seen("test-2") == {"test-2": "release/2"}
    assert seen("all") == {"primary": "release/1", "test-1": "release/2", "test-2": "release/2"}
    assert production.gitrelease("logs", "test").out.splitlines() == ["test-1 | I am test-1", "test-2 | I am test-2"]
    assert production.gitrelease("logs", "test-2").out == "I am test-2\n"
    nobody = production.gitrelease("logs", "nobody")
    assert "There is: primary, test-1, test-2; or a group: production, test; or all" in nobody.words
    until(lambda: {row.instance for row in kept(production)} == {"primary", "test-1", "test-2"}, "all are sampled")
