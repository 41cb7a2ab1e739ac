"""What looks like one of ours and is none is never signalled; what is ours and will not end is killed with its own."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from gitrelease.edges import backends, process_table, processes
from gitrelease.edges.process_table import Identity
from tests.checkout import SERVER, SETTINGS, Place, Production, make_checkout, reserved_port, until

# Ignores TERM, and has two children in its group: one that ignores it as well, and one that does not.
STUBBORN = SERVER.replace(
    'if __name__ == "__main__":\n',
    """\
if __name__ == "__main__":
    import pathlib, signal, subprocess

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
    children = [subprocess.Popen([sys.executable, "-c", one]) for one in (deaf, "import signal; signal.pause()")]
    pathlib.Path("children").write_text(" ".join(str(child.pid) for child in children))
""",
)


class Strangers:
    """Processes of this test that gitrelease knows nothing of."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **(env or {})}
        child = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.started.append(child)
        return child

    def serve(
        self, folder: Path, *, port: int | None = None, env: dict[str, str] | None = None, program: str = SERVER
    ) -> None:
        """Start a copy of the app, with the command line that ours has, in another folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.py").write_text(program)
        number = port or backends.free_port()
        self.start(sys.executable, "server.py", str(number), cwd=folder, env=env)
        until(lambda: process_table.port_owner(number), "the stranger listens")

    def all_alive(self) -> bool:
        return all(child.poll() is None for child in self.started)


@pytest.fixture
def strangers() -> Iterator[Strangers]:
    made = Strangers()
    yield made
    for child in made.started:
        child.kill()
        child.wait()


def test_up_is_refused_by_a_strangers_port_which_it_names_and_leaves_alone(
    checkout: Production, strangers: Strangers
) -> None:
    checkout.init()
    strangers.serve(checkout.root.parent / "other", port=checkout.port)

    ended = checkout.gitrelease("up")

    assert ended.code != 0
    assert f"port {checkout.port} is taken by pid {strangers.started[0].pid}: " in ended.words
    assert "gitrelease init --port PORT" in ended.words
    assert strangers.all_alive()


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as made:
        yield made


class Taken:
    """A candidate whose port somebody takes before it has it: it says which one, and waits until it may go on."""

    def __init__(self, production: Production, strangers: Strangers, folder: Path) -> None:
        self.strangers = strangers
        self.folder = folder
        folder.mkdir()
        waits = (
            "import pathlib, time\n"
            f"ports = pathlib.Path({str(folder)!r})\n"
            "(ports / sys.argv[1]).touch()\n"
            "while not (ports / f'{sys.argv[1]} taken').exists():\n"
            "    time.sleep(0.02)\n"
        )
        production.replace("server.py", "import sys\n", f"import sys\n{waits}")
        production.commit("Waits for its port")
        production.init()
        self._seen: set[str] = set()

    def following(self, what: str) -> str:
        """Wait for `what`, and return the port that was chosen for it."""
        port: str = until(
            lambda: {one.name for one in self.folder.iterdir() if one.name.isdigit()} - self._seen, what
        ).pop()
        self._seen.add(port)
        return port

    def take(self, port: str) -> None:
        self.strangers.serve(self.folder / "other", port=int(port), program=SERVER.replace("one", "another"))
        self.let_go_on(port)

    def let_go_on(self, port: str) -> None:
        (self.folder / f"{port} taken").touch()


def test_what_finds_its_port_taken_gets_another_one(
    checkout: Production, strangers: Strangers, beside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    taken = Taken(checkout, strangers, tmp_path / "ports")
    up = beside.submit(checkout.gitrelease, "up")
    first = taken.following("it starts")
    taken.take(first)
    taken.let_go_on(taken.following("it starts once more"))

    ended = up.result()

    assert ended.code == 0, ended.said
    assert f"port {first} was taken by pid {strangers.started[0].pid}: " in ended.words
    assert "once more on another one" in ended.words
    assert checkout.answer() == "one revenue profit"
    assert strangers.all_alive()


def test_an_instance_that_finds_its_port_taken_gets_another_one(
    checkout: Production, strangers: Strangers, beside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    taken = Taken(checkout, strangers, tmp_path / "ports")
    checkout.others = {"second": Place(reserved_port())}
    checkout.set_instances()
    up = beside.submit(checkout.gitrelease, "up")
    taken.let_go_on(taken.following("the first one starts"))
    taken.take(taken.following("the other one starts"))
    taken.let_go_on(taken.following("it starts once more"))

    ended = up.result()

    assert ended.code == 0, ended.said
    assert checkout.answer(port=checkout.others["second"].port) == "one revenue profit"
    assert strangers.all_alive()


def test_what_finds_its_port_taken_again_and_again_is_not_held_to_be_bad(
    checkout: Production, strangers: Strangers, beside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    taken = Taken(checkout, strangers, tmp_path / "ports")
    up = beside.submit(checkout.gitrelease, "up")
    first = taken.following("it starts")
    taken.take(first)
    second = taken.following("it starts once more")
    taken.take(second)

    ended = up.result()

    assert ended.code != 0
    assert f"start: port {second} was taken by pid {strangers.started[1].pid}: " in ended.words
    assert "Nothing is held against it: mend what kept it from being judged, then again" in ended.words
    assert strangers.all_alive()


def test_users_never_get_what_took_the_port_of_a_process_that_is_started_again(
    checkout: Production, strangers: Strangers, beside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    taken = Taken(checkout, strangers, tmp_path / "ports")
    up = beside.submit(checkout.gitrelease, "up")
    taken.let_go_on(taken.following("it starts"))
    assert up.result().code == 0
    checkout.await_idle()
    checkout.kill(checkout.backend_pid())
    second = taken.following("it is started again")

    taken.take(second)
    taken.take(taken.following("it starts once more"))

    third = taken.following("it is started again after a pause")
    answer = beside.submit(checkout.answer)  # held until there is somebody to answer
    taken.let_go_on(third)
    assert answer.result() == "one revenue profit"
    assert checkout.backend()["port"] == int(third)
    assert checkout.state()["instances"][0]["restarts"] == 1
    assert f"port {second} was taken by pid {strangers.started[0].pid}: " in checkout.agent_log()
    assert strangers.all_alive()


def test_processes_that_look_like_ours_survive_everything_that_we_do(
    production: Production, strangers: Strangers
) -> None:
    folder = production.root.parent
    copied = {backends.MARK: str(production.home)}
    strangers.serve(folder / "sandbox")
    strangers.serve(folder / "other" / ".git" / "gitrelease" / "slots" / "a")
    strangers.serve(folder / "sandbox of an operator", env=copied)  # in a shell that was opened from the app
    strangers.start("sleep", "600", cwd=production.root, env=copied)
    strangers.start("tail", "-f", str(production.home / "logs" / "agent.log"), cwd=production.home, env=copied)

    production.commit_term("second")
    production.await_live("release/2")
    assert production.gitrelease("restart").code == 0
    assert production.gitrelease("rollback").code == 0
    production.kill(production.agent_pid())
    assert production.gitrelease("restart").code == 0
    assert production.gitrelease("down").code == 0
    assert production.gitrelease("up").code == 0

    assert strangers.all_alive()
    assert production.answer() == "one revenue profit"


def test_a_shell_that_an_operator_opened_in_a_slot_survives(production: Production) -> None:
    slot = production.home / "slots" / str(production.backend("live")["slot"])
    pid, terminal = pty.fork()
    if pid == 0:  # the shell: at a terminal, in the slot, with the app's environment
        os.chdir(slot)
        os.execvpe("cat", ["cat"], {**os.environ, backends.MARK: str(production.home)})  # noqa: S606
    shell = process_table.identify(pid)
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "cat\n", "the shell has started")

    assert production.gitrelease("down").code == 0

    alive = shell.alive
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert alive


def test_a_candidate_whose_agent_was_killed_is_ended_by_the_next(production: Production) -> None:
    slot = production.home / "slots" / "e"
    slot.mkdir()
    mark = {**os.environ, backends.MARK: str(production.home)}
    left = subprocess.Popen(["sleep", "600"], cwd=slot, env=mark, start_new_session=True)
    production.kill(production.agent_pid())

    assert production.gitrelease("restart").code == 0

    assert left.wait(timeout=20) == -signal.SIGTERM


def _give_away(identity: dict[str, int | str], pid: int) -> None:
    identity["pid"] = pid


def test_strangers_with_the_pids_that_we_wrote_down_are_left_alone(
    production: Production, strangers: Strangers
) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    for _ in range(4):
        strangers.start("sleep", "600", cwd=production.root)
    pids = [child.pid for child in strangers.started]
    written = production.processes()
    production.kill(production.agent_pid())
    ours = [
        written["front"],
        written["live"]["workers"]["primary"]["backend"]["identity"],
        written["standby"]["workers"]["primary"]["backend"]["identity"],
    ]
    for identity, pid in zip(ours, pids, strict=False):
        production.kill(int(identity["pid"]))
        _give_away(identity, pid)
    (production.home / "run" / "processes.json").write_bytes(msgspec.json.encode(written))
    started = (production.home / "run" / "agent.pid").read_text().split()[1]
    (production.home / "run" / "agent.pid").write_text(f"{pids[3]} {started}\n")
    taker = msgspec.structs.replace(process_table.identify(pids[3]), started=1)
    for name in "abcde":
        (production.home / "slots" / f"{name}.lock").write_bytes(msgspec.json.encode(taker))

    assert production.gitrelease("restart").code == 0
    assert production.answer() == "one revenue second profit"
    assert production.gitrelease("down").code == 0

    assert strangers.all_alive()


def test_a_backend_that_ignores_term_is_killed_with_its_group_and_nobody_else(
    tmp_path: Path, strangers: Strangers
) -> None:
    files = {"server.py": STUBBORN, "gitrelease.toml": SETTINGS, ".gitignore": "children\n"}
    production = make_checkout(tmp_path, files)
    try:
        production.init().up()
        production.await_idle()
        backend = production.backend("live")
        slot = production.home / "slots" / str(backend["slot"])
        group = [process_table.identify(int(pid)) for pid in (slot / "children").read_text().split()]
        group.append(msgspec.convert(backend["identity"], Identity))
        strangers.serve(tmp_path / "bystander")
        strangers.start(sys.executable, "-c", "import signal; signal.pause()", cwd=tmp_path)
        assert [one.alive for one in group] == [True] * 3

        ended = production.gitrelease("down")

        assert ended.code == 0, ended.said
        assert [processes.wait_end(one, 5.0) for one in group] == [True] * 3
        assert strangers.all_alive()
    finally:
        with contextlib.suppress(FileNotFoundError):
            production.clear_away()
        shutil.rmtree(tmp_path / "production", ignore_errors=True)
