"""Processes are known for good, and only our own are ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gitrelease.core.settings import App, Settings
from gitrelease.edges import backends, process_table, processes
from gitrelease.edges.home import Home
from gitrelease.edges.slots import Slot
from tests.checkout import until


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own that waits for its standard input."""
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True)
    yield child
    child.kill()
    child.communicate()


def test_a_stranger_with_the_pid_of_a_process_that_ended_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    ended = msgspec.structs.replace(process_table.identify(sleeper.pid), started=1)

    processes.stop(ended, grace=0.1)

    assert not ended.alive
    assert sleeper.poll() is None


def test_a_process_of_another_boot_is_a_stranger(sleeper: subprocess.Popen[bytes]) -> None:
    now = process_table.identify(sleeper.pid)

    assert now.alive
    assert not msgspec.structs.replace(now, boot="another").alive


def test_how_a_child_ended_is_known_though_others_were_started_since(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", "raise SystemExit(3)"]
    identity = process_table.identify(processes.spawn(arguments, cwd=tmp_path, log=tmp_path / "log").pid)
    assert processes.wait_end(identity, 20.0)

    subprocess.run([sys.executable, "-c", ""], check=True)

    assert processes.how_ended(identity) == "it exited with code 3"
    processes.stop(identity, grace=0.0)
    assert processes.how_ended(identity) == "it ended"


def test_a_leader_whose_main_thread_has_ended_is_ended_with_its_other_threads(tmp_path: Path) -> None:
    """The kernel shows a zombie, and the rest of it goes on, with whatever it holds."""
    script = (
        "import ctypes, os, signal, threading\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "print('runs', flush=True)\n"
        "ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)\n"  # exit, of this thread alone
    )
    child = processes.spawn([sys.executable, "-c", script], cwd=tmp_path, log=tmp_path / "log")
    identity = process_table.identify(child.pid)
    stat = Path(f"/proc/{child.pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "its main thread has ended")

    processes.stop(identity, grace=0.1)

    assert child.poll() is not None


def test_members_of_a_group_end_with_a_leader_that_has_ended(tmp_path: Path) -> None:
    script = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    log = tmp_path / "log"
    identity = process_table.identify(processes.spawn([sys.executable, "-c", script], cwd=tmp_path, log=log).pid)
    assert processes.wait_end(identity, 20.0)
    member = process_table.identify(int(log.read_text()))

    processes.stop(identity, grace=0.0)

    assert processes.wait_end(member, 20.0)


def test_a_wait_for_a_process_ends_with_it(sleeper: subprocess.Popen[bytes]) -> None:
    identity = process_table.identify(sleeper.pid)

    assert not processes.wait_end(identity, 0.0)
    assert sleeper.stdin is not None
    sleeper.stdin.close()
    assert processes.wait_end(identity, 20.0)


def test_whoever_has_a_port_is_named_without_secrets_and_escape_sequences() -> None:
    listens = "import socket, sys; s = socket.create_server(('127.0.0.1', 0))"
    code = f"{listens}; print(s.getsockname()[1], flush=True); sys.stdin.read()"
    arguments = [sys.executable, "-X", "\x1b]0;pwned\x07", "-X", "API_TOKEN=hunter2", "-c", code]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        named = process_table.port_owner(int(child.stdout.readline()))
        child.communicate("")

    assert named is not None
    assert named.startswith(f"pid {child.pid}: ")
    assert "API_TOKEN=***" in named
    assert "\x1b" not in named


def test_a_venv_whose_python_is_gone_is_named_by_that_and_not_by_the_script_that_is_there(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    streamlit = python.with_name("streamlit")
    streamlit.write_text(f"#!{python}\n")
    streamlit.chmod(0o700)
    slot, home = Slot("a", tmp_path, "0" * 40, lock=0), Home(tmp_path)

    with pytest.raises(backends.NotStarted) as refused:
        backends.start(Settings(App(python=str(python))), slot, checkout=tmp_path, home=home, name="one")

    assert refused.value.message == f"{python} cannot be started (No such file or directory)"
    assert "app.python" in refused.value.hint
