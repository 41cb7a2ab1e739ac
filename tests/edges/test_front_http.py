"""The front as an HTTP proxy: request by request, in order, whole, and to somebody who is there. Real sockets."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gitrelease.edges.front import Target
from tests.checkout import until
from tests.edges.http_site import BLOCK, Site, exactly, read_answer
from tests.edges.running_front import Front, everything, nobody_listens, reset, running

MEGABYTES = 1_000_000


def get(target: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "".join(line + "\r\n" for line in (f"{method} {target} HTTP/{version}", "Host: app", *headers, "")).encode()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with running(Front(tmp_path, protocol="http")) as one:
        yield one


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    started: list[Site] = []

    def start(name: bytes = b"one", port: int = 0) -> Site:
        started.append(Site(name, port))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def served(front: Front, site: Callable[..., Site]) -> Site:
    """The site that the front points at."""
    found = site()
    front.switch(found)
    return found


@contextlib.contextmanager
def raw_backend(front: Front) -> Iterator[socket.socket]:
    """Point the front at a listener whose connections the test speaks for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        front.switch_to(listener.getsockname()[1], "raw")
        yield listener


def accept(listener: socket.socket) -> socket.socket:
    connection = listener.accept()[0]
    connection.settimeout(10)
    return connection


def head_of(connection: socket.socket) -> bytes:
    """Read a head, to the empty line."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        received += exactly(connection, 1)
    return received


def resident(front: Front) -> int:
    return int(psutil.Process(front.process.pid).memory_info().rss)


# -- one after the other -----------------------------------------------------------------------------------------


def test_requests_of_one_connection_go_over_one_connection_to_the_backend(front: Front, served: Site) -> None:
    with front.connect() as client:
        for number in range(5):
            client.sendall(get(f"/{number}"))
            assert read_answer(client)[2] == b"one "

    assert len({port for *_, port in served.asked}) == 1


def test_pipelined_requests_are_answered_in_their_order(front: Front, served: Site) -> None:
    body = b"x" * 10
    with front.connect() as client:
        client.sendall(
            get("/a?as=chunks")
            + get("/b", "Content-Length: 10", method="POST")
            + body
            + get("/c?status=204")
            + get("/d", method="HEAD")
            + get("/e", "Transfer-Encoding: chunked", method="PUT")
            + b"5\r\nxxxxx\r\n5;a=b\r\nxxxxx\r\n0\r\nX: 1\r\n\r\n"
            + get("/f?status=304")
            + b"\r\n"
            + get("/g?as=close")
        )
        digest = hashlib.sha256(body).hexdigest().encode()

        assert read_answer(client)[2] == b"one in chunks"
        assert read_answer(client)[2] == b"one 10 " + digest
        assert read_answer(client)[0] == 204
        assert read_answer(client, head_only=True)[1]["content-length"] == "4"
        assert read_answer(client)[2] == b"one 10 " + digest
        assert read_answer(client)[0] == 304
        assert read_answer(client)[2] == b"one to the end"
    assert [path for _, path, *_ in served.asked] == [
        "/a?as=chunks",
        "/b",
        "/c?status=204",
        "/d",
        "/e",
        "/f?status=304",
        "/g?as=close",
    ]


def test_each_request_goes_where_the_front_points_then(front: Front, site: Callable[..., Site]) -> None:
    front.switch(site(b"one"))
    with front.connect() as client:
        client.sendall(get("/"))
        assert read_answer(client)[2] == b"one "

        front.switch(site(b"two"))
        client.sendall(get("/"))

        assert read_answer(client)[2] == b"two "


def test_fifty_switches_under_load_fail_no_request(front: Front, site: Callable[..., Site]) -> None:
    sites = [site(b"one"), site(b"two")]
    front.switch(sites[0])
    seen: list[bytes] = []
    over = threading.Event()

    def use() -> None:
        with front.connect() as client:
            while not over.is_set():
                client.sendall(get("/"))
                seen.append(read_answer(client)[2])

    clients = [threading.Thread(target=use) for _ in range(4)]
    for client in clients:
        client.start()
    for number in range(50):
        before = len(seen)
        front.switch(sites[number % 2])
        until(lambda before=before: len(seen) > before + 4)
    over.set()
    for client in clients:
        client.join()

    assert set(seen) == {b"one ", b"two "}
    assert front.control.status().failed == 0


def test_the_backend_reads_what_the_client_said_and_nothing_of_ours(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(
            get("/a?b=%20c", "Cookie: a=b", "Origin: http://app", "X-Forwarded-For: 10.0.0.1", "Connection: keep-alive")
        )
        with accept(listener) as backend:
            assert head_of(backend) == get(
                "/a?b=%20c", "Cookie: a=b", "Origin: http://app", "X-Forwarded-For: 10.0.0.1"
            )
            backend.sendall(b"HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\ncontent-length: 0\r\n\r\n")

            assert head_of(client) == (
                b"HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\ncontent-length: 0\r\n\r\n"
            )


def test_a_kept_backend_connection_is_closed_after_two_seconds_and_a_new_one_opened(front: Front, served: Site) -> None:
    with front.connect() as client:
        client.sendall(get("/"))
        assert read_answer(client)[0] == 200
        until(lambda: served.open == 0)

        client.sendall(get("/"))
        assert read_answer(client)[0] == 200

    assert len({port for *_, port in served.asked}) == 2


def test_a_request_on_a_kept_connection_that_turns_out_to_be_closed_is_sent_again(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(get("/1"))
        with accept(listener) as first:
            head_of(first)
            first.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
            assert read_answer(client)[2] == b"1"
            client.sendall(get("/2"))
            assert head_of(first).startswith(b"GET /2 ")
        with accept(listener) as second:
            assert head_of(second).startswith(b"GET /2 ")
            second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")

            assert read_answer(client)[2] == b"2"


def test_what_is_not_to_be_sent_twice_gets_a_connection_of_its_own_and_is_not(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(get("/1"))
        with accept(listener) as first:
            head_of(first)
            first.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
            read_answer(client)
            client.sendall(get("/2", "Content-Length: 0", method="POST"))
            with accept(listener) as second:
                assert head_of(second).startswith(b"POST /2 ")

            assert read_answer(client)[0] == 502
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


# -- older clients, and other ends --------------------------------------------------------------------------------


def test_an_http_1_0_client_gets_what_it_can_read(front: Front, served: Site) -> None:
    with front.connect() as client:
        client.sendall(b"GET /?as=chunks HTTP/1.0\r\n\r\n")

        status, headers, content = read_answer(client)
        assert (status, content, "transfer-encoding" in headers) == (200, b"one in chunks", False)
        assert client.recv(1) == b""
    assert f"Host: 127.0.0.1:{front.port}" in served.asked[0][2]


def test_an_http_1_0_client_may_keep_its_connection(front: Front, served: Site) -> None:
    with front.connect() as client:
        for _ in range(2):
            client.sendall(get("/", "Connection: keep-alive", version="1.0"))
            _, headers, content = read_answer(client)
            assert (headers["connection"], content) == ("keep-alive", b"one ")


def test_an_interim_answer_is_for_clients_that_know_them(front: Front) -> None:
    with raw_backend(front) as listener:
        for version, interim in (("1.1", True), ("1.0", False)):
            with front.connect() as client:
                client.sendall(get("/", version=version, method="POST"))
                with accept(listener) as backend:
                    head_of(backend)
                    backend.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")

                    assert head_of(client).startswith(b"HTTP/1.1 103 " if interim else b"HTTP/1.1 204 ")


def test_a_client_that_has_asked_and_half_closed_is_answered(front: Front, served: Site) -> None:
    with front.connect() as client:
        client.sendall(get("/a") + get("/b"))
        client.shutdown(socket.SHUT_WR)

        assert everything(client).count(b"one ") == 2


def test_a_client_that_wants_its_connection_closed_has_it_closed(front: Front, served: Site) -> None:
    with front.connect() as client:
        client.sendall(get("/", "Connection: close"))

        assert read_answer(client)[1]["connection"] == "close"
        assert client.recv(1) == b""


# -- bodies ------------------------------------------------------------------------------------------------------


def test_200_megabytes_come_down_whole_and_fill_no_memory(front: Front, served: Site) -> None:
    size = 200 * MEGABYTES
    before = resident(front)
    digest, received = hashlib.sha256(), 0
    with front.connect() as client:
        client.sendall(get(f"/?bytes={size}"))
        head_of(client)
        while received < size:
            data = client.recv(1_000_000)
            digest.update(data)
            received += len(data)
        grown = resident(front) - before

    expected = hashlib.sha256()
    for _ in range(size // len(BLOCK)):
        expected.update(BLOCK)
    expected.update(BLOCK[: size % len(BLOCK)])
    assert digest.digest() == expected.digest()
    assert grown < 5 * MEGABYTES


@pytest.mark.parametrize("chunked", [False, True], ids=["of known length", "in chunks"])
def test_200_megabytes_go_up_whole_and_fill_no_memory(front: Front, served: Site, chunked: bool) -> None:
    part = os.urandom(MEGABYTES)
    before = resident(front)
    digest = hashlib.sha256()
    with front.connect() as client:
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {200 * MEGABYTES}"
        client.sendall(get("/", framing, method="PUT"))
        for _ in range(200):
            client.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            digest.update(part)
        grown = resident(front) - before
        client.sendall(b"0\r\n\r\n" if chunked else b"")

        assert read_answer(client)[2] == f"one {200 * MEGABYTES} {digest.hexdigest()}".encode()
    assert grown < 5 * MEGABYTES


def test_a_client_that_does_not_read_stops_the_backend_and_fills_no_memory(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        before = resident(front)
        client.sendall(get("/"))
        with accept(listener) as backend:
            head_of(backend)
            backend.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            backend.settimeout(1)
            with pytest.raises(TimeoutError):
                backend.sendall(bytes(100_000_000))

            assert resident(front) - before < 5 * MEGABYTES


def test_a_backend_that_does_not_read_stops_the_client_and_fills_no_memory(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        before = resident(front)
        client.sendall(get("/", "Content-Length: 100000000", method="PUT"))
        with accept(listener):
            client.settimeout(1)
            with pytest.raises(TimeoutError):
                client.sendall(bytes(100_000_000))

            assert resident(front) - before < 5 * MEGABYTES


def test_who_asks_on_and_on_and_reads_no_answers_fills_no_memory(front: Front, served: Site) -> None:
    before = resident(front)
    with front.connect() as client:
        client.settimeout(1)
        with pytest.raises(TimeoutError):
            client.sendall(get("/?bytes=100000") * 1_000_000)

        assert resident(front) - before < 5 * MEGABYTES


def test_a_request_that_comes_byte_by_byte_is_served_and_nobody_waits_for_it(front: Front, served: Site) -> None:
    whole = get("/", "Transfer-Encoding: chunked", method="PUT") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with front.connect() as slow, front.connect() as quick:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in whole:
            slow.sendall(bytes((byte,)))
            quick.sendall(get("/"))
            assert read_answer(quick)[2] == b"one "

        assert read_answer(slow)[2] == b"one 5 " + hashlib.sha256(b"abcde").hexdigest().encode()


def test_a_client_that_waits_to_be_told_to_go_on_is_told(front: Front, served: Site) -> None:
    with front.connect() as client:
        client.sendall(get("/", "Content-Length: 5", "Expect: 100-continue", method="PUT"))
        assert read_answer(client)[0] == 100

        client.sendall(b"abcde")

        assert read_answer(client)[2].startswith(b"one 5 ")


def test_an_answer_before_the_body_has_come_is_passed_on_and_ends_the_connection(front: Front, served: Site) -> None:
    with front.connect() as client:
        client.sendall(get("/?early=1&status=413", "Content-Length: 50000000", method="PUT") + bytes(100_000))

        status, headers, _ = read_answer(client)

        assert (status, headers["connection"]) == (413, "close")
        assert client.recv(1) == b""


def test_half_an_answer_is_none(front: Front, served: Site) -> None:
    with front.connect() as client:
        client.sendall(get("/?as=cut"))
        with pytest.raises((ConnectionResetError, EOFError)):
            read_answer(client)

    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(get("/"))
        with accept(listener) as backend:
            head_of(backend)
            backend.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
            assert client.recv(1)
        with pytest.raises(ConnectionResetError):
            everything(client)


def test_what_follows_an_answer_unasked_is_not_the_next_one(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(get("/1"))
        with accept(listener) as first:
            head_of(first)
            first.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            )
            assert read_answer(client)[2] == b"1"

            client.sendall(get("/2"))
            with accept(listener) as second:
                head_of(second)
                second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")
                assert read_answer(client)[2] == b"2"


# -- what is no HTTP ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * MEGABYTES, 431),
        (b"GET /" + b"x" * MEGABYTES, 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nabcde\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(
    front: Front, served: Site, sent: bytes, status: int
) -> None:
    with front.connect() as client, front.connect() as other:
        client.sendall(sent)

        found, headers, content = read_answer(client)
        assert (found, headers["connection"]) == (status, "close")
        assert content.isascii()
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""

        other.sendall(get("/"))
        assert read_answer(other)[2] == b"one "
    assert [path for _, path, headers, _ in served.asked if "Transfer" not in headers] == ["/"]


def test_an_answer_that_is_no_http_is_not_passed_on(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(get("/"))
        with accept(listener) as backend:
            head_of(backend)
            backend.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")

            assert read_answer(client)[0] == 502


# -- held --------------------------------------------------------------------------------------------------------


def test_requests_are_held_while_there_is_no_backend_and_their_bodies_are_not_read(
    front: Front, site: Callable[..., Site]
) -> None:
    found = site()
    front.switch(found)
    front.control.clear("primary")
    before = resident(front)
    body = bytes(30 * MEGABYTES)
    with front.connect() as client:
        sender = threading.Thread(
            target=lambda: client.sendall(get("/", f"Content-Length: {len(body)}", method="PUT") + body)
        )
        sender.start()
        until(lambda: front.control.status().held == 1)
        assert resident(front) - before < 5 * MEGABYTES

        front.switch(found)

        assert read_answer(client)[2] == f"one {len(body)} {hashlib.sha256(body).hexdigest()}".encode()
        sender.join()
    assert front.control.status().held == 0


def test_requests_are_held_while_the_backend_refuses(front: Front, site: Callable[..., Site]) -> None:
    first = site()
    front.switch(first)
    with front.connect() as client:
        client.sendall(get("/"))
        read_answer(client)
        first.end()
        client.sendall(get("/"))
        until(lambda: front.control.status().held == 1)

        site(b"again", first.port)

        assert read_answer(client)[2] == b"again "


def test_a_client_that_comes_before_the_first_target_is_served_as_the_target_speaks(
    front: Front, site: Callable[..., Site]
) -> None:
    with front.connect() as client:
        client.sendall(get("/a") + get("/b"))
        until(lambda: front.control.status().held == 1)

        front.switch(site())

        assert [read_answer(client)[2] for _ in range(2)] == [b"one ", b"one "]


def test_a_request_that_is_held_too_long_is_answered_in_words_and_counted(tmp_path: Path) -> None:
    with running(Front(tmp_path, hold=0.2, protocol="http")) as front, nobody_listens() as port:
        front.switch_to(port, "dead")
        with front.connect() as client:
            client.sendall(get("/"))

            status, headers, content = read_answer(client)

        assert (status, headers["connection"]) == (503, "close")
        assert content == b"The app does not answer at the moment. Try again in a minute.\n"
        status_then = front.control.status()
        assert (status_then.failed, status_then.held) == (1, 0)
        assert status_then.instances["primary"].backends["dead"].failed == 1


def test_a_client_that_leaves_while_held_is_dropped_and_not_counted(front: Front) -> None:
    with nobody_listens() as port:
        front.switch_to(port, "dead")
        client = front.connect()
        client.sendall(get("/"))
        until(lambda: front.control.status().held == 1)

        reset(client)

        until(lambda: front.control.status().held == 0)
    assert front.control.status().failed == 0


def test_a_backend_that_ends_before_it_answers_is_told_in_words(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(get("/", "Content-Length: 3", method="PUT") + b"abc")
        with accept(listener) as backend:
            head_of(backend)

        assert read_answer(client)[0] == 502
    until(lambda: front.control.status().open.get("raw", 0) == 0)


def test_a_client_that_leaves_in_the_middle_leaves_nothing_at_the_backend(front: Front) -> None:
    with raw_backend(front) as listener:
        client = front.connect()
        client.sendall(get("/", "Content-Length: 1000", method="PUT") + b"abc")
        with accept(listener) as backend:
            head_of(backend)
            assert exactly(backend, 3) == b"abc"

            reset(client)

            with pytest.raises(ConnectionResetError):
                backend.recv(1)
        client = front.connect()
        client.sendall(get("/"))
        with accept(listener) as backend:
            head_of(backend)
            reset(client)
            assert backend.recv(1) == b""
    until(lambda: front.control.status().open.get("raw", 0) == 0)


# -- upgrades ----------------------------------------------------------------------------------------------------

UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc")


def test_after_101_bytes_pass_as_they_are_with_those_that_came_early(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(get("/ws", *UPGRADE) + b"early \x00\xff")
        with accept(listener) as backend:
            assert head_of(backend) == (
                b"GET /ws HTTP/1.1\r\nHost: app\r\nSec-WebSocket-Key: abc\r\n"
                b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
            backend.settimeout(0.2)
            with pytest.raises(TimeoutError):  # not before it has agreed
                backend.recv(1)
            backend.settimeout(10)
            backend.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Accept: x\r\n\r\nhello"
            )

            assert b"Sec-WebSocket-Accept: x\r\n" in head_of(client)
            assert exactly(client, 5) == b"hello"
            assert exactly(backend, 8) == b"early \x00\xff"
            assert front.control.status().open["raw"] == 1

            payload = os.urandom(5 * MEGABYTES)
            sender = threading.Thread(target=lambda: (client.sendall(payload), client.shutdown(socket.SHUT_WR)))
            sender.start()
            assert exactly(backend, len(payload)) == payload
            sender.join()
            assert backend.recv(1) == b""
            backend.sendall(b"last words")
        assert everything(client) == b"last words"
    until(lambda: front.control.status().open.get("raw", 0) == 0)


def test_an_upgrade_that_is_refused_is_an_answer_like_any_other(front: Front, served: Site) -> None:
    with front.connect() as client:
        client.sendall(get("/ws?status=403", *UPGRADE) + get("/next"))

        assert read_answer(client)[0] == 403
        assert read_answer(client)[0] == 200


def test_an_upgrade_that_nobody_asked_for_is_not_passed_on(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as client:
        client.sendall(get("/", method="POST"))
        with accept(listener) as backend:
            head_of(backend)
            backend.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")

            assert read_answer(client)[0] == 502


# -- many --------------------------------------------------------------------------------------------------------


def test_clients_that_wait_for_nothing_make_room_for_those_who_ask(tmp_path: Path, site: Callable[..., Site]) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nulimit -n 100\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    with running(Front(tmp_path, python=str(python), protocol="http")) as front, contextlib.ExitStack() as stack:
        front.switch(site())
        for _ in range(60):  # 18 fit
            client = stack.enter_context(front.connect())
            client.sendall(get("/"))
            assert read_answer(client)[2] == b"one "

        assert (tmp_path / "log").read_text() == ""


def test_two_thousand_clients_of_all_kinds_leave_no_descriptor_behind(front: Front, served: Site) -> None:
    process = psutil.Process(front.process.pid)
    until(lambda: served.open == 0)
    before = process.num_fds()
    kinds = [
        get("/", "Connection: close"),
        get("/?as=chunks"),
        get("/?as=close"),
        get("/?as=cut"),
        get("/", "Content-Length: 10", method="PUT"),
        b"nonsense\r\n\r\n",
        get("/?bytes=3000000"),
        b"GET / HT",
        b"",
    ]

    for number in range(2_000):
        client = front.connect()
        client.sendall(kinds[number % len(kinds)])
        if number % 3:
            client.recv(10) if kinds[number % len(kinds)] not in (b"", b"GET / HT") and number % 9 != 4 else None
        reset(client) if number % 2 else client.close()

    until(lambda: front.control.status().open.get("one", 0) == 0)
    until(lambda: process.num_fds() <= before)
    assert (front.folder / "log").read_text() == ""


# -- ends --------------------------------------------------------------------------------------------------------


def test_a_front_that_is_asked_to_stop_answers_what_it_was_asked_and_closes_what_waits(front: Front) -> None:
    with raw_backend(front) as listener, front.connect() as busy, front.connect() as idle:
        busy.sendall(get("/"))
        with accept(listener) as backend:
            head_of(backend)

            front.control.stop(seconds=20)

            assert idle.recv(1) == b""
            backend.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
            _, headers, content = read_answer(busy)
            assert (headers["connection"], content) == ("close", b"1")
    assert front.process.wait(timeout=10) == 0


def test_a_front_that_was_told_its_target_and_protocol_serves_at_once(front: Front, site: Callable[..., Site]) -> None:
    found = site()
    front.kill()

    front.start({"primary": Target("127.0.0.1", found.port, "one", "http")})

    with front.connect() as client:
        client.sendall(get("/"))
        assert read_answer(client)[2] == b"one "
    target = front.control.status().instances["primary"].target
    assert target == Target("127.0.0.1", found.port, "one", "http")


def test_a_hang_up_changes_nothing_for_requests_either(front: Front, served: Site) -> None:
    front.process.send_signal(signal.SIGHUP)

    with front.connect() as client:
        client.sendall(get("/"))
        assert read_answer(client)[2] == b"one "
