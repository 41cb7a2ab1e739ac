"""The front: splices, switches, holds, and survives. Real processes on loopback."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from gitrelease.core.errors import ReleaseError
from gitrelease.edges import front as fronts
from gitrelease.edges import process_table
from gitrelease.edges.front import FrontControl, FrontGone, Target
from tests.checkout import until
from tests.edges.running_front import Front, everything, nobody_listens, reset, running


class Echo(socketserver.BaseRequestHandler):
    """Says its name, then gives back what it gets until the other side has ended."""

    def handle(self) -> None:
        self.request.sendall(self.server.name)  # type: ignore[attr-defined]
        while data := self.request.recv(65_536):
            self.request.sendall(data)


class Backend(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    def __init__(self, name: bytes, port: int = 0) -> None:
        self.name = name
        self._accepted: list[socket.socket] = []
        super().__init__(("127.0.0.1", port), Echo)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, object]:
        accepted = super().get_request()
        self._accepted.append(accepted[0])
        return accepted

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in self._accepted:
            connection.close()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with running(Front(tmp_path)) as one:
        yield one


@pytest.fixture
def backend() -> Iterator[Callable[[bytes], Backend]]:
    started: list[Backend] = []

    def start(name: bytes, port: int = 0) -> Backend:
        started.append(Backend(name, port))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_large_payloads_arrive_intact_both_ways(front: Front, backend: Callable[[bytes], Backend]) -> None:
    front.switch(backend(b"one"))
    payload = os.urandom(20_000_000)
    received = bytearray()

    with front.connect() as user:
        sender = threading.Thread(target=lambda: (user.sendall(payload), user.shutdown(socket.SHUT_WR)))
        sender.start()
        while data := user.recv(65_536):
            received += data
        sender.join()

    assert bytes(received) == b"one" + payload


def test_a_half_close_reaches_the_backend_and_its_last_words_come_back(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    front.switch(backend(b"one"))

    with front.connect() as user:
        user.sendall(b" more")
        user.shutdown(socket.SHUT_WR)
        received = everything(user)

    assert received == b"one more"
    until(lambda: front.control.status().open["one"] == 0)


def test_a_switch_sends_new_connections_on_and_leaves_open_ones_alone(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    front.switch(backend(b"one"))
    with front.connect() as early:
        assert early.recv(100) == b"one"

        front.switch(backend(b"two"))
        late = front.greeting()
        early.sendall(b"still here")

        assert early.recv(100) == b"still here"
        assert late == b"two"
        assert front.control.status().open["one"] == 1


def test_fifty_switches_under_load_fail_no_connection(front: Front, backend: Callable[[bytes], Backend]) -> None:
    backends = [backend(b"one"), backend(b"two")]
    front.switch(backends[0])
    seen: list[bytes] = []
    over = threading.Event()

    def use() -> None:
        while not over.is_set():
            seen.append(front.greeting())

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    for number in range(50):
        before = len(seen)
        front.switch(backends[number % 2])
        until(lambda before=before: len(seen) > before + 4)
    over.set()
    for user in users:
        user.join()

    assert set(seen) == {b"one", b"two"}
    assert front.control.status().failed == 0


def test_connections_are_held_while_there_is_no_backend(front: Front, backend: Callable[[bytes], Backend]) -> None:
    with front.connect() as user:
        user.sendall(b" early words")
        until(lambda: front.control.status().held == 1)

        front.switch(backend(b"one"))

        received = b""
        while received != b"one early words":
            received += user.recv(100)


def test_connections_are_held_while_the_backend_refuses(front: Front, backend: Callable[[bytes], Backend]) -> None:
    first = backend(b"one")
    port = first.port
    front.switch(first)
    first.end()

    with front.connect() as user:
        until(lambda: front.control.status().held == 1)
        backend(b"again", port)

        assert user.recv(100) == b"again"


def test_a_held_connection_is_given_up_at_its_deadline_and_counted(tmp_path: Path) -> None:
    with running(Front(tmp_path, hold=0.2)) as front:
        with front.connect() as user:
            assert user.recv(100) == b""

        with nobody_listens() as port:
            front.control.switch("primary", "127.0.0.1", port, "dead")
            with front.connect() as user:
                assert user.recv(100) == b""

        status = front.control.status()
        assert (status.failed, status.held) == (2, 0)
        assert status.instances["primary"].backends["dead"].failed == 1


@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["by a reset", "by closing"])
def test_a_user_who_leaves_while_held_is_dropped_and_not_counted_as_failed(
    front: Front, leave: Callable[[socket.socket], None]
) -> None:
    user = front.connect()
    until(lambda: front.control.status().held == 1)

    leave(user)

    until(lambda: front.control.status().held == 0)
    assert front.control.status().failed == 0


def test_a_user_who_has_asked_and_half_closed_while_held_is_served(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    with front.connect() as user:
        user.sendall(b" please")
        user.shutdown(socket.SHUT_WR)
        until(lambda: front.control.status().held == 1)

        front.switch(backend(b"one"))

        assert everything(user) == b"one please"


def test_a_reset_by_the_backend_is_no_regular_end_for_the_user(front: Front) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front.control.switch("primary", "127.0.0.1", listener.getsockname()[1], "one")
        with front.connect() as user:
            backend, _ = listener.accept()
            backend.sendall(b"half an ans")
            assert user.recv(100) == b"half an ans"

            reset(backend)

            with pytest.raises(ConnectionResetError):
                user.recv(100)
    until(lambda: front.control.status().open["one"] == 0)


def test_a_reset_by_the_user_reaches_the_backend(front: Front) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front.control.switch("primary", "127.0.0.1", listener.getsockname()[1], "one")
        user = front.connect()
        backend, _ = listener.accept()
        until(lambda: front.control.status().open["one"] == 1)

        reset(user)

        with backend, pytest.raises(ConnectionResetError):
            backend.recv(100)
    until(lambda: front.control.status().open["one"] == 0)


def test_a_backend_that_does_not_read_stops_the_user_and_fills_no_memory(front: Front) -> None:
    process = psutil.Process(front.process.pid)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        front.control.switch("primary", "127.0.0.1", listener.getsockname()[1], "one")
        before = process.memory_info().rss
        with front.connect() as user, listener.accept()[0]:
            user.settimeout(1)

            with pytest.raises(TimeoutError):
                user.sendall(bytes(100_000_000))

            assert process.memory_info().rss - before < 5_000_000


def test_a_switch_frees_who_waits_for_a_backend_that_does_not_answer(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    with contextlib.ExitStack() as stack:
        hung = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # its backlog is full from the second on, and the kernel drops what comes
            stuck = stack.enter_context(socket.socket())
            stuck.setblocking(False)
            stuck.connect_ex(hung.getsockname())
        front.control.switch("primary", "127.0.0.1", hung.getsockname()[1], "hung")
        user = stack.enter_context(front.connect())
        until(lambda: front.control.status().held == 1)

        front.switch(backend(b"one"))

        user.settimeout(2)
        assert user.recv(100) == b"one"


def test_cleared_is_held_until_the_next_switch(front: Front, backend: Callable[[bytes], Backend]) -> None:
    one = backend(b"one")
    front.switch(one)

    front.control.clear("primary")

    with front.connect() as user:
        until(lambda: front.control.status().held == 1)
        front.switch(one)
        assert user.recv(100) == b"one"


def test_three_hundred_users_held_by_a_backend_that_refuses_are_all_served_when_it_returns(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    with nobody_listens() as port:
        front.control.switch("primary", "127.0.0.1", port, "again")
        users = [front.connect() for _ in range(300)]
        until(lambda: front.control.status().held == 300)

    backend(b"again", port)

    assert [user.recv(100) for user in users] == [b"again"] * 300
    assert front.control.status().failed == 0
    for user in users:
        user.close()


def test_connections_in_the_backlog_outlive_a_killed_front(front: Front, backend: Callable[[bytes], Backend]) -> None:
    one = backend(b"one")
    front.switch(one)
    front.kill()
    users = [front.connect() for _ in range(20)]

    front.start()
    front.switch(one)

    assert [user.recv(100) for user in users] == [b"one"] * 20
    for user in users:
        user.close()


def test_a_front_that_is_given_its_targets_serves_before_the_first_switch(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    front.kill()

    front.start({"primary": Target("127.0.0.1", backend(b"one").port, "one")})

    assert front.greeting() == b"one"


def test_the_listening_sockets_are_handed_back_and_outlive_both(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    one = backend(b"one")
    front.switch(one)

    handed = front.control.listeners()

    assert {name: listener.getsockname()[1] for name, listener in handed.items()} == {"primary": front.port}
    assert not handed["primary"].get_inheritable()
    front.listener.close()
    front.kill()
    with front.connect() as user:
        front.listener = handed["primary"]
        front.start()
        front.switch(one)
        assert user.recv(100) == b"one"


def test_each_instance_has_a_target_and_counts_of_its_own(tmp_path: Path, backend: Callable[[bytes], Backend]) -> None:
    listeners = {
        name: fronts.listen("127.0.0.1", 0, owner_of=process_table.port_owner) for name in ("primary", "second")
    }
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    process = fronts.start(listeners, control=tmp_path / "front.sock", log=tmp_path / "log", hold=10)
    control = FrontControl(tmp_path / "front.sock")
    try:
        for name in listeners:
            control.switch(name, "127.0.0.1", backend(name.encode()).port, name)

        for name, port in ports.items():
            with socket.create_connection(("127.0.0.1", port), timeout=10) as user:
                assert user.recv(100) == name.encode()
        status = control.status()

        assert {name: list(one.backends) for name, one in status.instances.items()} == {
            "primary": ["primary"],
            "second": ["second"],
        }
        assert status.total == {"primary": 1, "second": 1}
        assert status.pid == process.pid
    finally:
        process.kill()
        process.wait()
        for listener in listeners.values():
            listener.close()


def test_more_users_than_descriptors_wait_in_the_backlog_and_the_agent_is_still_heard(
    tmp_path: Path, backend: Callable[[bytes], Backend]
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nulimit -n 100\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    with running(Front(tmp_path, python=str(python))) as front:
        users = [front.connect() for _ in range(100)]
        until(lambda: front.control.status().held == 18)  # (100 - 64) / 2

        front.switch(backend(b"one"))
        for user in users:
            assert user.recv(100) == b"one"
            user.close()

        assert front.control.status().failed == 0
        assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_front_that_runs_out_of_descriptors_says_so_once_and_recovers(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    front.switch(backend(b"one"))
    process = psutil.Process(front.process.pid)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds() + 20,) * 2)
    users = [front.connect() for _ in range(100)]
    until(lambda: "Too many open files" in (front.folder / "log").read_text())

    for user in users:
        user.close()

    assert front.greeting() == b"one"
    assert len((front.folder / "log").read_text().splitlines()) == 1


def test_users_whose_network_is_gone_are_looked_for(front: Front) -> None:
    assert front.listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_two_thousand_connections_leave_no_descriptor_behind(front: Front, backend: Callable[[bytes], Backend]) -> None:
    front.switch(backend(b"one"))
    process = psutil.Process(front.process.pid)
    front.greeting()
    until(lambda: front.control.status().open["one"] == 0)
    before = process.num_fds()

    for _ in range(2_000):
        assert front.greeting() == b"one"

    until(lambda: front.control.status().open["one"] == 0)
    until(lambda: process.num_fds() <= before)


def test_a_taken_port_names_who_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(ReleaseError, match=f"pid {os.getpid()}"):
            fronts.listen("127.0.0.1", taken.getsockname()[1], owner_of=process_table.port_owner)


def test_nonsense_on_the_control_socket_ends_only_that_connection(front: Front) -> None:
    deep = b"[" * 60_000 + b"\n"
    for nonsense in (b"{\n", b"[]\n", b'{"verb": "switch"}\n', b'{"verb": "dance"}\n', b"\xff\xfe\n", deep):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(front.folder / "front.sock"))
            client.sendall(nonsense)
            assert b'"error"' in client.recv(1000)

    assert front.control.status().failed == 0


def test_an_unknown_instance_is_refused(front: Front, backend: Callable[[bytes], Backend]) -> None:
    with pytest.raises(ReleaseError, match="there is no instance 'second'"):
        front.control.switch("second", "127.0.0.1", backend(b"one").port, "one")


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("127.0.0.1", 0), ("localhost", 80), ("a\0", 80)])
def test_a_target_that_nothing_can_reach_is_refused_and_changes_nothing(
    front: Front, backend: Callable[[bytes], Backend], host: str, port: int
) -> None:
    front.switch(backend(b"one"))

    with pytest.raises(ReleaseError, match=r"is no port|is no IP address"):
        front.control.switch("primary", host, port, "two")

    assert front.greeting() == b"one"


def test_several_threads_can_ask_at_once(front: Front, backend: Callable[[bytes], Backend]) -> None:
    backends = [backend(b"one"), backend(b"two")]

    def ask(number: int) -> bool:
        front.switch(backends[number % 2])
        return front.control.status().instances["primary"].target is not None

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(200)))


def test_the_control_socket_is_for_its_owner_only_however_long_its_path(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()

    with running(Front(folder)) as front:
        assert front.control.status().held == 0
        assert (folder / "front.sock").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_is_refused(front: Front) -> None:
    front.folder.chmod(0o755)
    (front.folder / "front.sock").chmod(0o666)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.chdir(front.folder)
        os.setuid(65_534)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("front.sock")
            client.sendall(b'{"verb": "status"}\n')
            os.write(writer, client.recv(1000))
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 1000)
    os.close(reader)
    os.waitpid(child, 0)

    assert b"the front belongs to uid 0, you are uid 65534" in answer
    assert b"sudo -u '#0'" in answer


def test_a_front_that_is_told_to_end_finishes_what_is_open(front: Front, backend: Callable[[bytes], Backend]) -> None:
    front.switch(backend(b"one"))
    with front.connect() as user:
        assert user.recv(100) == b"one"

        front.process.send_signal(signal.SIGTERM)
        user.sendall(b"last words")

        assert user.recv(100) == b"last words"
    assert front.process.wait(timeout=10) == 0


def test_a_front_that_is_asked_to_stop_accepts_no_more_and_waits_for_what_is_open(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    front.switch(backend(b"one"))
    with front.connect() as early:
        assert early.recv(100) == b"one"

        front.control.stop(seconds=20)

        with front.connect() as late:  # the agent's socket still listens
            early.sendall(b"last words")
            assert early.recv(100) == b"last words"
            early.close()
            assert front.process.wait(timeout=10) == 0
            front.start()
            front.switch(backend(b"two"))
            assert late.recv(100) == b"two"


def test_a_front_that_is_asked_to_stop_ends_at_its_deadline(front: Front, backend: Callable[[bytes], Backend]) -> None:
    front.switch(backend(b"one"))
    assert front.greeting() == b"one"
    until(lambda: front.control.status().open["one"] == 0)
    with front.connect() as user:
        assert user.recv(100) == b"one"

        front.control.stop(seconds=0.1)

        assert front.process.wait(timeout=10) == 0
    assert "1 connections were still open" in (front.folder / "log").read_text()


def test_a_hang_up_changes_nothing(front: Front, backend: Callable[[bytes], Backend]) -> None:
    front.process.send_signal(signal.SIGHUP)

    front.switch(backend(b"one"))
    assert front.greeting() == b"one"


def test_a_front_that_is_gone_is_told_apart(front: Front) -> None:
    front.kill()

    with pytest.raises(FrontGone, match="does not answer"):
        front.control.status()


@pytest.mark.parametrize("python", ["/bin/false", "/nowhere/python"])
def test_a_front_that_does_not_start_says_where_to_look(tmp_path: Path, python: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ReleaseError, match="does not start") as no:
        fronts.start({"primary": listener}, control=tmp_path / "s", log=tmp_path / "log", hold=1, python=python)

    assert str(tmp_path / "log") in no.value.hint or python in no.value.hint


def test_its_command_line_says_what_it_is(front: Front) -> None:
    assert "gitrelease.front" in psutil.Process(front.process.pid).cmdline()


def test_it_loads_no_tls_that_it_never_speaks(front: Front) -> None:
    mapped = {Path(one.path).name for one in psutil.Process(front.process.pid).memory_maps()}

    assert any(name.startswith("libc.") for name in mapped)
    assert not [name for name in mapped if name.startswith(("libssl", "libcrypto"))]
