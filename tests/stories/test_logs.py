"""What the app prints is read per instance and release, followed across rotations and releases, its errors grouped."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import PATIENCE, SERVER, SETTINGS, Production, make_checkout, until
from tests.remedies import typed
from tests.stories.test_instances import Several

NOISY = SERVER.replace(
    "    def do_GET(self):\n",
    "    def do_GET(self):\n"
    '        if self.path.startswith("/say/"):\n'
    '            print(VERSION, "said", self.path[5:], flush=True)\n'
    '        if self.path == "/fail":\n'
    '            print("2026-11-25 14:00:00 failing", flush=True)\n'
    "            fail()\n",
).replace("class Answer", 'def fail():\n    raise ValueError("bad page")\n\n\nclass Answer')


@pytest.fixture
def noisy(tmp_path: Path) -> Iterator[Production]:
    settings = SETTINGS.replace('start = "5s"', 'start = "5s"\nlog_mb = 1')
    production = make_checkout(tmp_path, {"server.py": NOISY, "gitrelease.toml": settings, "README.md": "The app\n"})
    production.init().up()
    production.await_idle()
    yield production
    production.clear_away()


def ask(production: Production, path: str) -> None:
    subprocess.run(
        [sys.executable, "-c", "import sys, urllib.request as r; r.urlopen(sys.argv[1]).read()",
         f"http://127.0.0.1:{production.port}{path}"], check=False, capture_output=True,
    )  # fmt: skip


def log_of(production: Production, role: str = "live") -> Path:
    return Path(production.backend(role)["log"])


def append(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)


class Following:
    """`gitrelease logs -f`, and what it has printed."""

    def __init__(self, production: Production, *arguments: str) -> None:
        command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "logs", "-f", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def until(self, end: str) -> list[str]:
        """Return the lines up to the one that ends so."""
        seen = [self._lines.get(timeout=PATIENCE)]
        while not seen[-1].endswith(end):
            seen.append(self._lines.get(timeout=PATIENCE))
        return seen

    def interrupt(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        assert self.process.stdout is not None
        said = self.process.stderr.read()
        self.process.stderr.close()
        self.process.stdout.close()
        return code, said


def test_the_last_lines_of_the_live_release(noisy: Production) -> None:
    ask(noisy, "/say/hello")
    append(log_of(noisy), b"".join(b"line %d\n" % number for number in range(100)) + b"no end yet")

    ended = noisy.gitrelease("logs", "-n", "3")
    every = noisy.gitrelease("logs", "primary", "-n", "1000", "--json").json

    assert ended.out.splitlines() == ["line 98", "line 99", "no end yet"]
    assert every["release"] == "release/1"
    assert "one said hello" in every["instances"][0]["lines"]
    assert every["instances"][0]["name"] == "primary"


def test_each_release_keeps_its_own_output(noisy: Production) -> None:
    ask(noisy, "/say/first")
    noisy.commit_version("two")
    assert noisy.gitrelease("deploy", "--approve").code == 0
    ask(noisy, "/say/second")

    live, before = noisy.gitrelease("logs"), noisy.gitrelease("logs", "--release", "release/1")

    assert "two said second" in live.out
    assert "first" not in live.out
    assert "one said first" in before.out
    assert "second" not in before.out


@pytest.mark.long
def test_a_process_that_was_started_again_is_the_same_instance(noisy: Production) -> None:
    ask(noisy, "/say/before")
    pid = noisy.backend_pid()
    noisy.kill(pid)
    until(lambda: noisy.state()["instances"][0]["pid"] not in (None, pid), "it is started again")
    until(lambda: noisy.answer().startswith("one"))
    ask(noisy, "/say/after")
    assert noisy.gitrelease("restart").code == 0
    ask(noisy, "/say/restarted")

    said = noisy.gitrelease("logs").out

    assert [line for line in said.splitlines() if " said " in line] == [
        f"one said {word}" for word in ("before", "after", "restarted")
    ]


@pytest.mark.long
def test_what_was_rotated_is_still_read(noisy: Production) -> None:
    log = log_of(noisy)
    append(log, b"old times\n" + b"x" * 99 + b"\n")
    log.rename(f"{log}.1")
    append(log, b"new times\n")

    assert noisy.gitrelease("logs", "-n", "3").out.splitlines() == ["old times", "x" * 99, "new times"]


def test_it_is_followed_across_a_rotation_to_the_next_release_and_ends_quietly(noisy: Production) -> None:
    ask(noisy, "/say/early")
    following = Following(noisy)
    following.until("one said early")
    append(log_of(noisy), b"z" * 99 + b"\n")
    following.until("zzz")
    # What is kept of a rotated file is its last megabyte: who follows has read the half when that is passed.
    append(log_of(noisy), (b"y" * 99 + b"\n") * 6_000 + b"half\n")
    half = following.until("half")
    append(log_of(noisy), (b"y" * 99 + b"\n") * 6_000)
    until(Path(f"{log_of(noisy)}.1").exists, "the agent rotates it")
    until(lambda: log_of(noisy).stat().st_size < 1 << 20)
    ask(noisy, "/say/rotated")
    rotated = following.until("one said rotated")

    noisy.commit_version("two")
    assert noisy.gitrelease("deploy", "--approve").code == 0
    ask(noisy, "/say/next")
    following.until("two said next")
    code, said = following.interrupt()

    assert len([line for line in (*half, *rotated) if line.startswith("yyy")]) == 12_000
    assert code == 0
    assert said == "-- primary: release/2\n"


def test_followed_as_json_each_line_tells_where_it_is_from(noisy: Production) -> None:
    following = Following(noisy, "--json", "-n", "0")
    until(lambda: following.process.poll() is None and (ask(noisy, "/say/x"), not following._lines.empty())[1])

    (line, *_) = following.until('said x"}')
    following.interrupt()

    assert json.loads(line) == {"schema": 1, "instance": "primary", "release": "release/1", "line": "one said x"}


def test_a_follower_uses_next_to_no_processor_time(noisy: Production) -> None:
    following = Following(noisy)
    ask(noisy, "/say/ready")
    following.until("ready")
    stat = Path(f"/proc/{following.process.pid}/stat")
    begun = sum(map(int, stat.read_bytes().rpartition(b")")[2].split()[11:13]))
    for number in range(4):
        ask(noisy, f"/say/{number}")
        following.until(f"said {number}")

    spent = sum(map(int, stat.read_bytes().rpartition(b")")[2].split()[11:13])) - begun
    following.interrupt()

    assert spent < 0.2 * os.sysconf("SC_CLK_TCK")


def test_hostile_output_is_bounded_and_cannot_steer_a_terminal(noisy: Production) -> None:
    log = log_of(noisy)
    append(log, b"\x1b]0;owned\x07\x1b[2J token=0123456789abcdef\n")
    append(log, b"x" * (10 << 20) + b"\n")
    append(log, bytes(range(256)) * 20 + b"\n")
    append(log, b"-----BEGIN PRIVATE KEY-----\nMIIB\nMIIC\n-----END PRIVATE KEY-----\nafter\n")

    shown = noisy.gitrelease("logs")
    as_json = noisy.gitrelease("logs", "--json")

    assert len(shown.out) < 100_000
    assert "(10,485,760 bytes)" in shown.out
    assert not set(shown.out.encode()) & set(range(9)) | {27, 127} & set(shown.out.encode())
    for secret in ("0123456789abcdef", "MIIB", "MIIC"):
        assert secret not in shown.out
        assert secret not in as_json.out
    assert as_json.json["instances"][0]["lines"][-1] == "after"


@pytest.mark.long
def test_lines_are_found_behind_a_private_key_that_is_cut_by_the_rotation(noisy: Production) -> None:
    append(log_of(noisy), b"MIIB\nMIIC\n-----END RSA PRIVATE KEY-----\nafter\n")

    said = noisy.gitrelease("logs").out

    assert said.splitlines() == ["*** private key", "after"]


def test_errors_are_grouped_and_held_against_the_release_before(noisy: Production) -> None:
    ask(noisy, "/fail")
    noisy.replace("server.py", "def fail():\n", "def fail():\n    # a line more\n")
    noisy.replace(
        "server.py", '"/fail":', '"/other":\n            raise KeyError("new")\n        if self.path == "/fail":'
    )
    noisy.commit("Fail elsewhere as well")
    assert noisy.gitrelease("deploy", "--approve").code == 0
    for path in ("/fail", "/fail", "/other"):
        ask(noisy, path)

    found = noisy.gitrelease("logs", "--errors", "--json").json
    said = noisy.gitrelease("logs", "primary", "--errors").out

    first, second = found["errors"]
    assert (found["release"], found["before"]) == ("release/2", "release/1")
    assert (first["type"], first["count"], first["before"]) == ("ValueError", 2, True)
    assert (first["place"]["file"], first["place"]["function"]) == ("server.py", "fail")
    assert first["message"] == "bad page"
    assert first["first"] is not None
    assert (second["type"], second["count"], second["before"]) == ("KeyError", 1, False)
    assert "2 × ValueError at server.py:" in said
    assert "release/1 had it too" in said
    assert "new: release/1 did not have it" in said


def test_without_errors_and_without_output_it_says_so(noisy: Production) -> None:
    none, silent = noisy.gitrelease("logs", "--errors"), noisy.gitrelease("logs")
    for log in (noisy.home / "logs").glob("*@*.log*"):
        log.unlink()

    gone = noisy.gitrelease("logs")

    assert none.out == "no errors in the output of release/1\n"
    assert (silent.out, silent.err) == ("", "nothing was printed\n")
    assert gone.code == 0
    assert "no output of release/1 is kept" in gone.words


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (("nobody",), "there is no instance 'nobody'", "There is: primary"),
        (("--release", "99"), "there is no release '99'", "gitrelease history"),
        (("--release", "x\x1b[2J"), "there is no release 'x [2J'", "gitrelease history"),
        (("--errors", "-f"), "--errors counts what there is", "Take one of the two"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(noisy: Production, arguments, said, hint) -> None:
    ended = noisy.gitrelease("logs", *arguments)

    assert ended.code == 2
    assert said in ended.words
    assert hint in ended.words


def test_no_agent_is_needed(noisy: Production) -> None:
    ask(noisy, "/say/still")
    noisy.gitrelease("down")

    assert "one said still" in noisy.gitrelease("logs").out


@typed("core.history.nothing_live: gitrelease up")
def test_before_the_first_release_it_says_what_to_do(checkout: Production) -> None:
    checkout.init()

    ended = checkout.gitrelease("logs")

    assert ended.code == 2
    assert "nothing is live yet" in ended.words
    up = checkout.type(ended.said, "gitrelease up")
    assert (up.code, checkout.live()) == (0, "release/1"), up.said


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Several]:
    made = Several(tmp_path)
    yield made
    made.production.clear_away()


def test_of_several_instances_each_line_names_its_own(several: Several) -> None:
    production = several.production
    assert production.gitrelease("restart", "second").code == 0
    for name in several.ports:
        append(Path(production.backend("live", name)["log"]), f"I am {name}\n".encode())

    every, one = production.gitrelease("logs"), production.gitrelease("logs", "enhanced-2")

    assert every.out.splitlines() == [f"{name} | I am {name}" for name in several.ports]
    assert one.out.splitlines() == ["I am enhanced-2"]


@pytest.mark.long
def test_several_instances_are_watched_beside_each_other(several: Several) -> None:
    ended = several.production.gitrelease("monitor", "--for", "500ms", "--every", "500ms", "--json")

    *rows, summary = [json.loads(line) for line in ended.out.splitlines()]
    assert {row["instance"]: row["pid"] for row in rows} == several.pids()
    assert [one["name"] for one in summary["instances"]] == list(several.ports)
    assert ended.code == 0
