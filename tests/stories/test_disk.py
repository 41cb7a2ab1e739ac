"""Disk, inodes, rights, descriptors, memory: what runs out is named, nothing is half-done, and then it goes on."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gitrelease.agent.supervisor import first_error
from gitrelease.core.events import Proved, Stopped
from gitrelease.core.text import quoted
from gitrelease.edges import backends, process_table
from gitrelease.edges.home import short_name, write_atomically
from gitrelease.edges.journal import Journal
from tests.checkout import SERVER, SETTINGS, Clone, Ended, Production, make_checkout, until
from tests.remedies import typed

FEW = SETTINGS.replace('start = "5s"', 'start = "20s"\ndisk_mb = 1\nlog_mb = 1')
FILES = {"server.py": SERVER, "gitrelease.toml": FEW, "README.md": "The app\n"}
GATE = "GATE"


def mounted(folder: Path, options: str) -> None:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "gitrelease-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs a small tmpfs")


class Small:
    """A production checkout on a file system of its own that can be filled up, and a developer elsewhere."""

    def __init__(self, disk: Path, *, approving: bool = True) -> None:
        self.disk = disk
        self.production = make_checkout(disk, FILES)
        self.production.init().up()
        self.production.await_idle()
        until((self.production.home / "ballast" / "31").exists, "the agent has tidied up")
        target = disk.parent / "developer"
        subprocess.run(["git", "clone", "--quiet", str(self.production.root), str(target)], check=True)
        self.developer = Clone(target)

    def fill(self, leave: int = 0) -> None:
        """Write until nothing goes any more; then give `leave` bytes back."""
        with (self.disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        if leave:
            os.truncate(self.disk / "filler", (self.disk / "filler").stat().st_size - leave)

    def make_room(self) -> None:
        (self.disk / "filler").unlink()

    def gate(self) -> str:
        """Make the next release wait, before it serves, until somebody opens a FIFO for writing; return its commit."""
        fifo = self.disk.parent / GATE
        os.mkfifo(fifo)
        self.developer.replace("server.py", "TERMS = [", f'open("{fifo}").read()\nTERMS = [')
        return self.developer.commit_version("two")

    def open_gate(self, then: Callable[[], None]) -> None:
        """Wait until the app stands at the gate, do something, and let it go on."""
        with (self.disk.parent / GATE).open("w"):
            then()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    yield from _small(tmp_path, "size=40m")


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Small]:
    yield from _small(tmp_path, "size=40m,nr_inodes=1500")


def _small(tmp_path: Path, options: str) -> Iterator[Small]:
    disk = tmp_path / "disk"
    mounted(disk, options)
    made = None
    try:
        made = Small(disk)
        yield made
    finally:
        for filler in (*disk.glob("filler"), *disk.glob("file-*")):
            filler.unlink()
        if made is not None:
            made.production.clear_away()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def strays(production: Production) -> set[int]:
    """Return what runs for this production and is neither served, nor stands by, nor leaves."""
    known = {production.front_pid(), *(one["identity"]["pid"] for one in production.backends())}
    return {one.pid for one in process_table.marked(backends.MARK, str(production.home))} - known


def assert_whole(production: Production, *, live: str, answer: str) -> None:
    """Refs, traffic and processes agree, and nothing that was begun lies about."""
    assert production.live() == live
    assert production.answer() == answer
    assert production.git("rev-parse", "refs/gitrelease/live") == production.git("rev-parse", f"refs/tags/{live}")
    until(lambda: not strays(production), "nothing runs that nobody knows")
    # The agent may be about to note which commit was written to the work tree: a lock that is left behind stays.
    until(lambda: _locks(production) <= {production.home / "run" / "agent.lock"}, "no lock is left behind")
    assert production.git("fsck", "--no-dangling") == ""


def _locks(production: Production) -> set[Path]:
    return {path for path in (production.root / ".git").rglob("*.lock") if path.parent.name != "slots"}


def said(ended: Ended) -> str:
    return ended.words


ONE = "one revenue profit"


@typed("release.room.hint: df -h", "release.room.hint: df -i", "release.room.hint: gitrelease prune")
def test_a_release_that_would_leave_too_little_room_is_refused_with_numbers_and_can_be_pushed_again(
    small: Small,
) -> None:
    small.developer.commit_term("later")
    small.fill(leave=900_000)

    refused = small.developer.push()

    assert refused.code != 0
    assert "room: the disk has 0." in said(refused)
    assert "1.0 MB must stay free" in said(refused)
    assert str(small.disk) in small.production.type(refused.said, "df -h").out
    assert str(small.disk) in small.production.type(refused.said, "df -i").out
    pruned = small.production.type(refused.said, "gitrelease prune")
    assert (pruned.code, small.production.live()) == (0, "release/1"), pruned.said
    assert_whole(small.production, live="release/1", answer=ONE)
    small.make_room()
    assert small.developer.push().code == 0
    assert_whole(small.production, live="release/2", answer="one revenue later profit")
    assert not small.production.git("for-each-ref", "refs/gitrelease/quarantine")


def test_a_push_to_a_full_disk_fails_and_goes_through_once_there_is_room(small: Small) -> None:
    small.developer.commit_term("later")
    small.fill()

    failed = small.developer.push()

    assert failed.code != 0
    assert "No space left on device" in said(failed)
    assert_whole(small.production, live="release/1", answer=ONE)
    small.make_room()
    assert small.developer.push().code == 0
    assert_whole(small.production, live="release/2", answer="one revenue later profit")


@typed("agent.pushes.Pushes._judge: df -h {home}", "agent.pushes.Pushes._judge: df -i {home}")
def test_a_disk_that_fills_while_a_push_is_staged_leaves_the_old_release(small: Small) -> None:
    small.gate()
    command = ["git", "push", "-o", "approve", "origin", "deploy"]
    push = subprocess.Popen(
        command, cwd=small.developer.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    small.open_gate(small.fill)
    output, _ = push.communicate()

    assert push.returncode != 0, output
    said = " ".join(output.replace("remote:", "").split())  # where lines break depends on the length of the path
    assert "the disk is full: it filled up while the candidate was staged" in said
    assert "then push again" in said
    for option, room in (("-h", " 100% "), ("-i", " IUse% ")):
        shown = small.production.type(output, f"df {option} {small.production.home}")
        assert room in shown.out, shown.said
        assert str(small.disk) in shown.out
    until(lambda: not small.production.status()["lock"], "the push has given the turn back")
    assert_whole(small.production, live="release/1", answer=ONE)
    small.make_room()
    again = subprocess.Popen(command, cwd=small.developer.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    small.open_gate(lambda: None)
    assert again.wait() == 0
    assert_whole(small.production, live="release/2", answer="two revenue profit")


@pytest.mark.long
@typed(
    "core.errors._OF_HOST: df -h {0}",
    "core.errors._OF_HOST: df -i {0}",
    "core.errors._OF_HOST: gitrelease prune",
    "core.errors.of_host: gitrelease status",
)
def test_a_disk_that_fills_just_before_the_promotion_leaves_the_old_release(small: Small) -> None:
    commit = small.gate()
    small.developer.push("origin", "HEAD:elsewhere")
    command = ["gitrelease", "deploy", commit, "--approve"]
    results: list[Ended] = []

    def deploy() -> None:
        results.append(small.production.gitrelease(*command[1:]))

    for fill in (small.fill, lambda: None):
        thread = threading.Thread(target=deploy)
        thread.start()
        small.open_gate(fill)
        thread.join()
        if len(results) == 1:
            assert results[0].code == 1
            assert "the disk is full: " in results[0].said
            home = small.production.home
            for looks in ("h", "i"):
                looked = small.production.type(results[0].said, f"df -{looks} {home}").out
                assert f"100% {small.disk}" in looked or looks == "i"
                assert str(small.disk) in looked
            assert "release/1" in small.production.type(results[0].said, "gitrelease status").out
            assert_whole(small.production, live="release/1", answer=ONE)
            small.make_room()
            pruned = small.production.type(results[0].said, "gitrelease prune")
            assert pruned.code == 0, pruned.said

    assert results[1].code == 0, results[1].said
    assert_whole(small.production, live="release/2", answer="two revenue profit")


def test_an_edit_on_a_full_disk_goes_live_by_itself_once_there_is_room(small: Small) -> None:
    small.fill()
    text = small.production.read("server.py").replace('"profit"', '"losses"')
    with (small.production.root / "server.py").open("r+") as file:
        file.write(text)
    seen = until(lambda: (state := small.production.status())["checkout"]["dirty"] and state, "the edit is seen")

    assert seen["live"]["release"] == "release/1"
    assert seen["instances"][0]["health"] == "healthy"
    assert_whole(small.production, live="release/1", answer=ONE)
    small.make_room()
    small.production.await_live("release/2")
    assert_whole(small.production, live="release/2", answer="one revenue losses")


@pytest.mark.parametrize("warm", [True, False], ids=["a warm one", "a cold one"])
def test_a_rollback_works_on_a_full_disk(small: Small, warm: bool) -> None:
    small.developer.commit_term("later")
    assert small.developer.push().code == 0
    small.production.await_idle()
    if not warm:
        small.production.gitrelease("down")
        small.production.up()
        small.production.await_idle()
        until((small.production.home / "ballast" / "31").exists)
    small.fill()

    back = small.production.gitrelease("rollback")

    assert back.code == 0, back.said
    assert "is full: gave up what was kept free for a way back" in back.words
    assert_whole(small.production, live="release/1", answer=ONE)
    small.make_room()
    small.developer.git("pull", "--quiet", "--rebase", "origin", "deploy", ok=False)
    small.developer.git("reset", "--quiet", "--hard", "origin/deploy")
    small.developer.commit_term("afresh")
    assert small.developer.push().code == 0
    assert_whole(small.production, live="release/3", answer="one revenue afresh profit")
    small.production.await_idle()
    assert small.production.status()["last_good"] == "release/3"


def test_a_backend_that_ends_on_a_full_disk_comes_up_again(small: Small) -> None:
    pid = small.production.backend_pid()
    small.fill()

    small.production.kill(pid)

    assert small.production.answer() == ONE
    small.make_room()
    assert small.production.live() == "release/1"
    assert small.production.answer() == ONE


@pytest.mark.long
def test_production_comes_up_on_a_full_disk(small: Small) -> None:
    small.production.commit_term("second")
    small.production.await_live("release/2")
    small.production.await_idle()
    ours = [small.production.front_pid(), *(one["identity"]["pid"] for one in small.production.backends())]
    small.fill()
    small.production.kill(small.production.agent_pid())
    for pid in ours:
        small.production.kill(pid)

    up = small.production.gitrelease("up")

    assert up.code == 0, up.said + small.production.agent_log()
    assert_whole(small.production, live="release/2", answer="one revenue second profit")


@pytest.mark.long
def test_a_file_system_without_inodes_refuses_a_release_and_takes_it_later(few_files: Small) -> None:
    small = few_files
    small.developer.commit_term("later")
    made = 0
    with contextlib.suppress(OSError):
        while True:
            (small.disk / f"file-{made}").touch()
            made += 1
    for number in range(60):
        (small.disk / f"file-{number}").unlink()

    refused = small.developer.push()

    assert refused.code != 0
    assert "more files; a slot takes" in said(refused)
    assert "df -i" in said(refused)
    assert_whole(small.production, live="release/1", answer=ONE)
    for path in small.disk.glob("file-*"):
        path.unlink()
    assert small.developer.push().code == 0
    assert_whole(small.production, live="release/2", answer="one revenue later profit")


@pytest.mark.long
def test_a_read_only_file_system_is_called_one_and_production_serves(small: Small) -> None:
    production = small.production
    small.developer.commit_term("later")
    assert small.developer.push().code == 0
    production.await_idle()
    root = str(production.root)
    subprocess.run(["mount", "--bind", root, root], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    try:
        back = production.gitrelease("rollback")
        pushed = small.developer.commit_term("never") and small.developer.push()
        serves = production.answer()
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)

    assert back.code == 1
    assert "the file system is read-only: " in back.words or "Read-only file system" in back.words
    assert pushed.code != 0
    assert serves == "one revenue later profit"
    assert_whole(production, live="release/2", answer="one revenue later profit")
    assert production.gitrelease("rollback").code == 0
    assert_whole(production, live="release/1", answer=ONE)


def test_missing_rights_are_named_with_the_remedy(checkout: Production) -> None:
    # Root may write everywhere, unless it has given that up.
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    if without and shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    checkout.init()
    logs = checkout.home / "logs"
    logs.chmod(0o500)
    command = [*without, sys.executable, "-m", "gitrelease", "-C", str(checkout.root), "up"]

    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    logs.chmod(0o700)
    assert ran.returncode == 1, ran.stderr
    assert "the rights do not allow it: [Errno 13] Permission denied" in ran.stderr
    assert "chown -R USER" in ran.stderr
    assert checkout.gitrelease("up").code == 0


def descriptors_for(pid: int, free: int) -> int:
    """Return the limit that leaves a process `free` descriptors beside what it has open when it does nothing."""
    pause, seen = threading.Event(), []
    for _ in range(30):  # looks open some for a moment
        seen.append({int(handle.name) for handle in Path(f"/proc/{pid}/fd").iterdir()})
        pause.wait(0.02)
    kept = set.intersection(*seen)
    # Numbers between those that are open are free as well.
    return max(limit for limit in range(len(kept) + free + 1) if limit - sum(one < limit for one in kept) <= free)


@typed("core.errors._OF_HOST: gitrelease recover")
def test_an_agent_that_can_open_no_file_makes_way_for_one_that_can(production: Production) -> None:
    agent = production.agent_pid()
    front, backend = production.front_pid(), production.backend_pid()
    limit = descriptors_for(agent, 2)
    resource.prlimit(agent, resource.RLIMIT_NOFILE, (limit, resource.prlimit(agent, resource.RLIMIT_NOFILE)[1]))
    until(lambda: "too many files are open" in production.agent_log(), "it is told")

    recovered = production.type(production.agent_log(), "gitrelease recover")

    assert recovered.code == 0, recovered.said
    assert production.agent_pid() != agent
    assert (production.front_pid(), production.backend_pid()) == (front, backend)
    production.commit_term("later")
    production.await_live("release/2")


@pytest.mark.long
def test_an_agent_that_can_open_no_file_takes_nobody_for_dead(production: Production) -> None:
    production.await_idle()
    agent = production.agent_pid()
    front, backend = production.front_pid(), production.backend_pid()
    limit = descriptors_for(agent, 2)
    before = resource.prlimit(agent, resource.RLIMIT_NOFILE)
    resource.prlimit(agent, resource.RLIMIT_NOFILE, (limit, before[1]))

    try:
        until(lambda: production.agent_log().count("too many files are open") >= 4, "four looks that come to nothing")
        served = production.answer()
    finally:
        resource.prlimit(agent, resource.RLIMIT_NOFILE, before)
    assert served == ONE
    assert production.status()["agent"]["pid"] == agent
    assert (production.front_pid(), production.backend_pid()) == (front, backend)
    production.commit_term("later")
    production.await_live("release/2")


def test_two_hundred_clients_on_few_descriptors_leave_an_agent_that_answers(production: Production) -> None:
    agent = production.agent_pid()
    front, backend = production.front_pid(), production.backend_pid()
    hard = resource.prlimit(agent, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(agent, resource.RLIMIT_NOFILE, (100, hard))
    clients: list[socket.socket] = []
    with short_name(production.home / "run" / "agent.sock") as name:
        for _ in range(200):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # the backlog is full
                client.connect(name)
            clients.append(client)

    served = production.answer()
    for client in clients:
        client.close()

    assert served == ONE
    assert production.status()["agent"] == {"running": True, "pid": agent}
    assert (production.front_pid(), production.backend_pid()) == (front, backend)
    assert production.gitrelease("restart").code == 0


def test_a_candidate_that_memory_is_too_short_for_is_refused_by_its_own_words(tmp_path: Path) -> None:
    if shutil.which("prlimit") is None:
        pytest.skip("needs prlimit")
    limited = SETTINGS.replace('["{python}",', '["prlimit", "--as=400000000", "{python}",')
    production = make_checkout(tmp_path, {**FILES, "gitrelease.toml": limited})
    try:
        production.init().up()
        production.await_idle()
        production.replace("server.py", "TERMS = [", "EATEN = bytearray(1 << 30)\nTERMS = [")
        production.commit("Eat a gigabyte")
        until(lambda: "MemoryError" in production.gitrelease("history").said, "it is refused")

        assert_whole(production, live="release/1", answer=ONE)
    finally:
        production.clear_away()


def test_a_full_disk_takes_no_half_event_and_no_half_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    mounted(disk, "size=1m")
    try:
        journal = Journal(disk / "journal.jsonl")
        journal.append(Proved(at=1.0, number=1))
        settings = disk / "settings"
        write_atomically(settings, b"old")
        before = journal.path.read_bytes()
        with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

        with pytest.raises(OSError, match="No space left"):
            journal.append(Stopped(at=2.0, reason="x" * 10_000))  # a part of it fits into the last page
        with pytest.raises(OSError, match="No space left"):
            write_atomically(settings, b"new" * 10_000)

        assert journal.path.read_bytes() == before
        assert settings.read_bytes() == b"old"
        assert sorted(one.name for one in disk.iterdir()) == ["filler", "journal.jsonl", "settings"]
        (disk / "filler").unlink()
        journal.append(Proved(at=3.0, number=3))
        assert [event.at for event in journal.events()] == [1.0, 3.0]
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_soak_that_reads_a_log_which_was_emptied_misses_no_marker(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 1_000)
    _, offset = first_error(log, 0)
    os.truncate(log, 0)
    with log.open("a") as file:
        file.write("Uncaught app execution\nValueError: no\n")

    error, _ = first_error(log, offset)

    assert error == "Uncaught app execution: ValueError: no"


@pytest.mark.long
def test_a_log_that_has_grown_is_emptied_and_its_end_is_kept(small: Small) -> None:
    log = Path(small.production.backend("live")["log"])
    with log.open("a") as file:
        file.write("early\n" + "x" * 3_000_000 + "\nlate\n")

    older = log.with_name(f"{log.name}.1")
    until(lambda: log.stat().st_size == 0, "the log is emptied")

    assert older.stat().st_size == 1 << 20
    assert older.read_text().endswith("\nlate\n")
    assert psutil.Process(small.production.backend_pid()).is_running()
    assert small.production.processes()["live"]["workers"]["primary"]["log_offset"] == 0


def test_what_ended_processes_have_left_is_bounded(small: Small) -> None:
    home = small.production.home
    for number in range(70):
        (home / "logs" / f"{number:040x}-1.log").write_text("ended\n")
    (home / "run" / ".processes.json.4194305").write_text("{")
    (home / "push" / "4194305").write_text("approve\n")
    running = {one.name for one in (home / "logs").iterdir()} - {f"{number:040x}-1.log" for number in range(70)}

    small.developer.commit_term("later")
    assert small.developer.push().code == 0

    until(lambda: not (home / "push" / "4194305").exists(), "the agent has tidied up")
    left = {one.name for one in (home / "logs").iterdir()}
    assert len([name for name in left if name.endswith("-1.log")]) <= 50
    assert running <= left
    assert not (home / "run" / ".processes.json.4194305").exists()


@typed(
    "doctor.host._looks: df -h {place}",
    "doctor.host._looks: df -i {place}",
    "doctor.host._room: gitrelease prune --keep N",
)
def test_the_doctor_sees_a_full_disk(small: Small) -> None:
    for number in (2, 3, 4):
        small.production.commit_term(f"of_{number}")
        small.production.await_live(f"release/{number}")
        small.production.await_idle()
    small.fill()

    ended = small.production.gitrelease("doctor", "--json")

    ill = {line["name"]: line for line in ended.json["checks"] if line["status"] == "problem"}
    assert ended.code == 3
    assert set(ill) == {"disk", "room"}
    assert "the disk is full" in ill["disk"]["detail"]
    assert "MB must stay free" in ill["room"]["detail"]
    home = quoted(small.production.home)
    for line in (ill["disk"], ill["room"]):
        shown = small.production.type(line["fix"], f"df -h {home}")
        assert "100%" in shown.out
        assert small.production.type(line["fix"], f"df -i {home}").code == 0
    pruned = small.production.type(ill["disk"]["fix"], "gitrelease prune --keep N", N="1")
    assert pruned.code == 0, pruned.said
    assert_whole(small.production, live="release/4", answer="one revenue of_4 of_3 of_2 profit")
    assert "release/1" not in small.production.git("tag", "--list", "release/*").split()
    small.make_room()
    assert small.production.gitrelease("doctor").code == 0


@typed("doctor.host._looks: df -h {place}", "doctor.host._looks: df -i {place}")
def test_the_doctor_sees_where_temporary_files_have_no_room(checkout: Production, tmp_path: Path) -> None:
    checkout.init()
    scratch = tmp_path / "for a while"
    mounted(scratch, "size=1m")
    try:
        with (scratch / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        os.truncate(scratch / "filler", (1 << 20) - 8192)  # Python takes another place where nothing can be written
        told = checkout.gitrelease("doctor", "--json", env={"TMPDIR": str(scratch)}).json["checks"]
        (fix,) = [line["fix"] for line in told if line["name"] == "disk" and line["status"] == "problem"]

        assert str(scratch) in checkout.type(fix, f"df -h '{scratch}'").out
        assert str(scratch) in checkout.type(fix, f"df -i '{scratch}'").out
    finally:
        subprocess.run(["umount", "--lazy", str(scratch)], check=True)


def test_the_doctor_sees_that_hooks_cannot_be_executed(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    mounted(disk, "size=40m,noexec")
    try:
        production = make_checkout(disk, FILES).init()
        ended = production.gitrelease("doctor", "--json")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)

    assert ended.code == 3
    assert [line["name"] for line in ended.json["checks"] if line["status"] == "problem"] == ["disk"]
    assert "(noexec): no hook runs there" in ended.words
