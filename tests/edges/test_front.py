"""The front: splices, switches, holds, and survives. Real processes on loopback."""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gitrelease.core.errors import ReleaseError
from gitrelease.edges import front as fronts
from gitrelease.edges import processes
from gitrelease.edges.front import FrontControl
from tests.checkout import until


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


class Front:
    """A running front with one instance, `primary`, and its listening socket kept by the test."""

    def __init__(self, folder: Path, hold: float = 10.0) -> None:
        self.folder, self._hold = folder, hold
        self.listener = fronts.listen("127.0.0.1", 0, owner_of=processes.port_owner)
        self.port = self.listener.getsockname()[1]
        self.control = FrontControl(folder / "front.sock")
        self.start()

    def start(self) -> None:
        self.process = fronts.start(
            {"primary": self.listener}, control=self.folder / "front.sock", log=self.folder / "log", hold=self._hold
        )

    def switch(self, backend: Backend) -> None:
        self.control.switch("primary", "127.0.0.1", backend.port, backend.name.decode())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def greeting(self) -> bytes:
        with self.connect() as user:
            return user.recv(100)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.kill()
        self.listener.close()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    running = Front(tmp_path)
    yield running
    running.end()


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
    payload = os.urandom(3_000_000)
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
        received = b""
        while data := user.recv(100):
            received += data

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
    front = Front(tmp_path, hold=0.2)
    try:
        with front.connect() as user:
            assert user.recv(100) == b""

        assert front.control.status().failed == 1
    finally:
        front.end()


def test_a_user_who_leaves_while_held_is_not_counted_as_failed(
    front: Front, backend: Callable[[bytes], Backend]
) -> None:
    user = front.connect()
    until(lambda: front.control.status().held == 1)

    user.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    user.close()

    front.switch(backend(b"one"))
    until(lambda: front.control.status().held == 0)
    assert front.control.status().failed == 0


def test_a_reset_on_one_side_is_a_reset_on_the_other(front: Front, backend: Callable[[bytes], Backend]) -> None:
    front.switch(backend(b"one"))
    user = front.connect()
    user.recv(100)

    user.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    user.close()

    until(lambda: front.control.status().open["one"] == 0)


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


def test_the_listening_sockets_are_handed_back(front: Front, backend: Callable[[bytes], Backend]) -> None:
    front.switch(backend(b"one"))

    listeners = front.control.listeners()

    assert {name: listener.getsockname()[1] for name, listener in listeners.items()} == {"primary": front.port}
    for listener in listeners.values():
        listener.close()
    assert front.greeting() == b"one"


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
            fronts.listen("127.0.0.1", taken.getsockname()[1], owner_of=processes.port_owner)


def test_nonsense_on_the_control_socket_ends_only_that_connection(front: Front) -> None:
    for nonsense in (b"{\n", b"[]\n", b'{"verb": "switch"}\n', b'{"verb": "dance"}\n', b"\xff\xfe\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(front.folder / "front.sock"))
            client.sendall(nonsense)
            assert b'"error"' in client.recv(1000)

    assert front.control.status().failed == 0


def test_an_unknown_instance_is_refused(front: Front, backend: Callable[[bytes], Backend]) -> None:
    with pytest.raises(ReleaseError, match="there is no instance 'second'"):
        front.control.switch("second", "127.0.0.1", backend(b"one").port, "one")


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

    assert b"belongs to another user" in answer


def test_a_front_that_is_told_to_end_finishes_what_is_open(front: Front, backend: Callable[[bytes], Backend]) -> None:
    front.switch(backend(b"one"))
    with front.connect() as user:
        assert user.recv(100) == b"one"

        front.process.send_signal(signal.SIGTERM)
        user.sendall(b"last words")

        assert user.recv(100) == b"last words"
    assert front.process.wait(timeout=10) == 0


def test_its_command_line_says_what_it_is(front: Front) -> None:
    assert "gitrelease.front" in psutil.Process(front.process.pid).cmdline()
