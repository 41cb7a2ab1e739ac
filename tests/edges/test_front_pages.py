"""Every request of a page reaches the process that has its session. Real Streamlit, and a server of ours for moves."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import re
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from gitrelease.core.errors import ReleaseError
from gitrelease.edges.front import Target
from tests.checkout import until
from tests.edges.http_site import Site, exactly, read_answer
from tests.edges.page_client import Browser, Tab, new_session
from tests.edges.running_front import Front, everything, nobody_listens, reset, running
from tests.edges.streamlit_server import streamlit
from tests.pages.browser import multipart

APP = """
import streamlit as st

st.text("release {name}")
st.download_button("get it", b"result of {name} " * 1000, file_name="result.txt")
"""
TICKET = "ticket-of-the-moved-page"


@dataclass(frozen=True)
class Release:
    """A running app."""

    name: bytes
    port: int


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with running(Front(tmp_path, protocol="http")) as one:
        yield one


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Release]]:
    """Two releases of one app, both running."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name in ("one", "two"):
            found[name] = stack.enter_context(release(tmp_path_factory.mktemp(name), name))
        yield found


@contextlib.contextmanager
def release(folder: Path, name: str) -> Iterator[Release]:
    script = folder / "app.py"
    script.write_text(APP.format(name=name))
    with streamlit(script, log=folder / "log") as port:
        until(lambda: _healthy(port))
        yield Release(name.encode(), port)


def _healthy(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).text == "ok"
    except requests.ConnectionError:
        return False


def switch(front: Front, to: Release) -> None:
    front.switch_to(to.port, to.name.decode())


def pages(front: Front) -> dict[str, int]:
    backends = front.control.status().instances["primary"].backends
    return {name: count.pages for name, count in backends.items() if count.pages}


def until_idle_connections_end(port: int) -> None:
    """Wait until the server closes a connection on which nothing was asked for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /_stcore/health HTTP/1.1\r\nHost: app\r\n\r\n")
        read_answer(connection)
        assert connection.recv(1) == b""


# -- real Streamlit ----------------------------------------------------------------------------------------------


def test_two_tabs_on_two_releases_reach_their_own(front: Front, apps: dict[str, Release]) -> None:
    one, two = apps["one"], apps["two"]
    switch(front, one)
    browser = Browser(front.port)
    early = Tab(browser)
    old_file = early.file()

    switch(front, two)
    late = Tab(browser)
    new_file = late.file()
    assert pages(front) == {"one": 1, "two": 1}
    until_idle_connections_end(one.port)

    assert browser.upload(early.session, b"a document", port=two.port) == 400  # as it was without sessions
    assert browser.upload(early.session, b"a document") == 204
    assert browser.upload(late.session, b"a document") == 204
    assert requests.get(f"http://127.0.0.1:{two.port}{old_file}", timeout=10).status_code == 404
    assert browser.request("GET", old_file).content == b"result of one " * 1000
    assert browser.request("GET", new_file).content == b"result of two " * 1000
    part = browser.request("GET", old_file, headers={"Range": "bytes=10-23"})
    assert (part.status_code, part.content) == (206, (b"result of one " * 2)[10:24])
    assert browser.request("GET", "/media/nobody-has-it.txt").status_code == 404
    assert early.texts() == ["release one"]
    assert late.texts() == ["release two"]
    early.drop()
    late.drop()
    until(lambda: pages(front) == {})


@contextlib.contextmanager
def web_server(front: Front) -> Iterator[Callable[..., tuple[int, bytes]]]:
    """Return what sends requests as a web server before us does: those of everybody over one connection."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", front.port, timeout=20)) as connection:
        connection.connect()
        kept = connection.sock

        def send(browser: Browser, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
            connection.request(method, path, body, {"Cookie": browser.cookie, **headers})
            answer = connection.getresponse()
            found = answer.status, answer.read()
            assert connection.sock is kept
            return found

        yield send


def test_people_on_two_releases_behind_a_web_server_share_a_connection_and_reach_their_own(
    front: Front, apps: dict[str, Release]
) -> None:
    people = []
    for name in ("one", "two"):
        switch(front, apps[name])
        browser = Browser(front.port)
        tab = Tab(browser)
        people.append((name, browser, tab, tab.file()))
    body, form = multipart("doc.txt", b"a document")

    with web_server(front) as send:
        for number in range(3):
            for name, browser, tab, file in people:
                address = f"/_stcore/upload_file/{tab.session}/{name}-{number}"
                token = {"Content-Type": form, "X-Xsrftoken": browser.xsrf}
                assert send(browser, "PUT", address, body, **token)[0] == 204
                assert send(browser, "GET", file) == (200, f"result of {name} ".encode() * 1000)
                assert send(browser, "DELETE", address, **token)[0] == 204

    for name, _, tab, _ in people:
        assert tab.texts() == [f"release {name}"]
        tab.drop()


def test_a_page_that_lost_its_network_comes_back_to_its_session(front: Front, apps: dict[str, Release]) -> None:
    switch(front, apps["one"])
    browser = Browser(front.port)
    tab = Tab(browser)
    assert tab.texts() == ["release one"]
    switch(front, apps["two"])

    tab.drop()
    until(lambda: [one.open for one in front.control.sessions("one")] == [False])
    again = Tab(browser, session=tab.session)

    assert again.texts() == ["release one"]
    assert again.session == tab.session
    assert [(one.session, one.open, one.proved) for one in front.control.sessions("one")] == [(tab.session, True, True)]
    again.drop()


def test_a_front_that_was_killed_knows_its_pages_again(front: Front, apps: dict[str, Release]) -> None:
    switch(front, apps["one"])
    browser = Browser(front.port)
    tab = Tab(browser)
    file = tab.file()
    switch(front, apps["two"])

    front.kill()
    tab.drop()
    front.start({"primary": Target("127.0.0.1", apps["two"].port, "two", "http")})

    assert browser.request("GET", file).status_code == 200
    again = Tab(browser, session=tab.session)
    assert browser.upload(tab.session, b"a document") == 204
    assert again.texts() == ["release one"]
    assert again.session == tab.session
    again.drop()


def test_another_browser_with_the_id_of_a_page_gets_one_of_its_own(front: Front, apps: dict[str, Release]) -> None:
    switch(front, apps["one"])
    tab = Tab(Browser(front.port))
    tab.run()
    tab.drop()
    until(lambda: [one.open for one in front.control.sessions("one")] == [False])

    stranger = Tab(Browser(front.port), session=tab.session)
    stranger.run()

    assert stranger.session != tab.session
    stranger.drop()


def test_a_page_whose_process_has_ended_is_a_new_one_on_the_live_release(
    front: Front, apps: dict[str, Release], tmp_path: Path
) -> None:
    with release(tmp_path, "gone") as gone:
        switch(front, gone)
        browser = Browser(front.port)
        tab = Tab(browser)
        file = tab.file()
        switch(front, apps["two"])
    assert tab.ends()
    tab.drop()

    again = Tab(browser, session=tab.session)

    assert again.texts() == ["release two"]
    assert again.session != tab.session
    assert browser.request("GET", file).status_code == 404
    assert browser.upload(tab.session, b"a document") == 400
    assert browser.upload(again.session, b"a document") == 204
    again.drop()


# -- a server of ours --------------------------------------------------------------------------------------------


class PageServer:
    """Takes websockets as Streamlit does, and names their session; the test says when."""

    def __init__(self, front: Front, name: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.name = name
        self._front = front

    def targeted(self) -> None:
        self._front.switch_to(self.listener.getsockname()[1], self.name)

    def take(
        self, *, status: str = "101 Switching Protocols", meanwhile: Callable[[], None] = lambda: None
    ) -> tuple[socket.socket, str]:
        """Take a page, after something that happens meanwhile; return its connection and the protocols it came with."""
        connection = self.listener.accept()[0]
        connection.settimeout(10)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += exactly(connection, 1)
        meanwhile()
        if status.startswith("101"):
            connection.sendall(f"HTTP/1.1 {status}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
        else:
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        found = re.search(rb"Sec-WebSocket-Protocol: (.*)\r\n", head)
        return connection, found[1].decode() if found else ""


@pytest.fixture
def server(front: Front) -> Iterator[Callable[[str], PageServer]]:
    with contextlib.ExitStack() as stack:

        def start(name: str) -> PageServer:
            found = PageServer(front, name)
            stack.enter_context(found.listener)
            return found

        yield start


COOKIE = "Cookie: _streamlit_xsrf=2|00000000|c0ffee|1"


def open_page(front: Front, *, session: str = "", cookie: str = COOKIE) -> socket.socket:
    """Ask for a page's websocket; the answer is not awaited."""
    client = front.connect()
    protocols = "streamlit, xsrf" + (f", {session}" if session else "")
    lines = ["GET /_stcore/stream HTTP/1.1", "Host: app", "Connection: Upgrade", "Upgrade: websocket"]
    lines += [f"Sec-WebSocket-Protocol: {protocols}", *([cookie] if cookie else []), ""]
    client.sendall("".join(line + "\r\n" for line in lines).encode())
    return client


def established(
    front: Front, server: PageServer, name: str, *, cookie: str = COOKIE
) -> tuple[socket.socket, socket.socket]:
    """Open a page whose session is called `name`; return both ends."""
    client = open_page(front, cookie=cookie)
    connection, _ = server.take()
    connection.sendall(new_session(name))
    read_answer(client)
    exactly(client, len(new_session(name)))
    return client, connection


def test_a_page_moves_after_its_last_words_and_brings_its_ticket_once(
    front: Front, server: Callable[[str], PageServer]
) -> None:
    old, new = server("old"), server("new")
    old.targeted()
    client, backend = established(front, old, "one")
    new.targeted()
    client.sendall(b"last words")

    front.control.move("one", "new", TICKET)

    assert exactly(backend, 10) == b"last words"
    assert backend.recv(1) == b""
    backend.close()
    assert client.recv(1) == b""
    client.close()
    for status, brings in [
        ("503 Not Yet", TICKET),
        ("101 Switching Protocols", TICKET),
        ("101 Switching Protocols", "one"),
    ]:
        with open_page(front, session="one") as again:
            connection, protocols = new.take(status=status)
            with connection:
                assert protocols == f"streamlit, xsrf, {brings}"
                assert read_answer(again)[0] == int(status[:3])


def test_a_page_gets_all_that_has_come_before_it_moves_however_slowly_it_reads(
    front: Front, server: Callable[[str], PageServer]
) -> None:
    old, new = server("old"), server("new")
    old.targeted()
    client, backend = established(front, old, "one")
    new.targeted()
    with client, backend:
        backend.settimeout(0.5)  # nobody reads: until then the front has taken what it takes
        sent = 0
        with contextlib.suppress(TimeoutError):
            while True:
                sent += backend.send(b"x" * 65_536)
        come = sent - unacknowledged(backend)

        front.control.move("one", "new", TICKET)

        assert come <= len(everything(client)) <= sent


def unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes have not come to the other side's kernel yet."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]


def test_a_page_that_is_moved_while_it_comes_back_comes_once_more_with_its_ticket(
    front: Front, server: Callable[[str], PageServer]
) -> None:
    old, new = server("old"), server("new")
    old.targeted()
    client, backend = established(front, old, "one")
    new.targeted()
    client.close()
    backend.close()

    with open_page(front, session="one") as back:
        connection, _ = old.take(meanwhile=lambda: front.control.move("one", "new", TICKET))
        with connection:
            assert read_answer(back)[0] == 101
            assert back.recv(1) == b""
    with open_page(front, session="one") as again:
        connection, protocols = new.take()
        with connection:
            read_answer(again)
            assert protocols == f"streamlit, xsrf, {TICKET}"


def test_a_backend_that_does_not_end_a_moved_page_is_not_waited_for_long(
    front: Front, server: Callable[[str], PageServer]
) -> None:
    old, new = server("old"), server("new")
    old.targeted()
    client, backend = established(front, old, "one")
    new.targeted()

    front.control.move("one", "new", TICKET)

    with client, backend:
        assert client.recv(1) == b""


@pytest.mark.parametrize("ends", [socket.socket.close, reset], ids=["closed", "reset"])
def test_what_a_page_says_last_reaches_a_backend_that_still_sends(
    front: Front, server: Callable[[str], PageServer], ends: Callable[[socket.socket], None]
) -> None:
    """A reset takes along what a server has not read yet: it writes first, and is told that the connection is gone."""
    old, new = server("old"), server("new")
    old.targeted()
    client, backend = established(front, old, "one")
    new.targeted()
    front.control.move("one", "new", TICKET)
    assert client.recv(1) == b""
    backend.sendall(b"what the page does not see any more")

    client.sendall(b"last words")
    ends(client)

    with backend:
        assert exactly(backend, 10) == b"last words"
        assert backend.recv(1) == b""
        backend.sendall(b"and more")


def test_a_page_that_has_left_is_not_open_any_more_though_its_backend_is_slow(
    front: Front, server: Callable[[str], PageServer]
) -> None:
    old, new = server("old"), server("new")
    old.targeted()
    client, backend = established(front, old, "one")
    new.targeted()

    front.control.move("one", "new", TICKET)

    with client, backend:
        assert client.recv(1) == b""
        assert backend.recv(1) == b""
        assert [page.open for page in front.control.sessions("new")] == [False]


def test_a_document_for_a_page_that_moves_is_taken_when_the_page_is_there(
    front: Front, server: Callable[[str], PageServer]
) -> None:
    old, new = server("old"), server("new")
    old.targeted()
    client, backend = established(front, old, "one")
    new.targeted()
    front.control.move("one", "new", TICKET)
    client.close()
    backend.close()
    with front.connect() as uploader, front.connect() as leaver:
        for one in (leaver, uploader):
            one.sendall(b"PUT /_stcore/upload_file/one/f HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        reset(leaver)

        with open_page(front, session="one") as again:
            page, protocols = new.take()
            read_answer(again)
            upload = new.listener.accept()[0]

            assert protocols.endswith(TICKET)
            with page, upload:
                upload.settimeout(10)
                assert exactly(upload, 34) == b"PUT /_stcore/upload_file/one/f HTT"
                upload.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                assert read_answer(uploader)[0] == 204


def test_another_browser_never_brings_the_ticket(front: Front, server: Callable[[str], PageServer]) -> None:
    old, new = server("old"), server("new")
    new.targeted()
    old.targeted()
    for end in established(front, old, "one"):
        end.close()
    front.control.move("one", "new", TICKET)

    for cookie in ("", "Cookie: _streamlit_xsrf=2|00000000|bad0|1"):
        with open_page(front, session="one", cookie=cookie):
            connection, protocols = old.take()
            connection.close()
            assert protocols == "streamlit, xsrf"


def test_moves_that_cannot_be_are_refused_and_change_nothing(front: Front, server: Callable[[str], PageServer]) -> None:
    old = server("old")
    old.targeted()
    client, backend = established(front, old, "one", cookie="")

    for session, backend_name, ticket, why in [
        ("two", "old", TICKET, "no session two"),
        ("one", "nowhere", TICKET, "no backend nowhere"),
        ("one", "old", TICKET, "no proof"),
        ("one", "old", "a, b", "a ticket has"),
    ]:
        with pytest.raises(ReleaseError, match=why):
            front.control.move(session, backend_name, ticket)
    client.sendall(b"still here")

    assert exactly(backend, 10) == b"still here"
    client.close()
    backend.close()


def test_a_backend_that_is_not_kept_is_asked_nothing_any_more(
    front: Front, server: Callable[[str], PageServer]
) -> None:
    old, new = server("old"), server("new")
    old.targeted()
    client, backend = established(front, old, "one")
    new.targeted()
    assert len(front.control.sessions("old")) == 1

    front.control.keep(["new"])

    assert front.control.sessions("old") == []
    client.sendall(b"still here")  # what is open stays open
    assert exactly(backend, 10) == b"still here"
    client.close()
    backend.close()
    with open_page(front, session="one"):
        connection, protocols = new.take()
        connection.close()
        assert protocols == "streamlit, xsrf, one"


def test_the_sessions_file_is_its_owners_and_a_broken_one_costs_only_what_is_broken(
    front: Front, server: Callable[[str], PageServer]
) -> None:
    old = server("old")
    old.targeted()
    client, backend = established(front, old, "one")
    path = front.folder / "sessions.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line) for line in path.read_text().splitlines()][-1]["session"] == "one"
    front.kill()
    with path.open("ab") as file:
        file.write(b'{"session": "tw\n\xff\xfe\n[1]\n{"backend": "x", "host": 5}\n{"session": "th')

    front.start()

    assert [one.session for one in front.control.sessions("old")] == ["one"]
    client.close()
    backend.close()


def test_a_thousand_pages_of_one_client_leave_others_served(front: Front, server: Callable[[str], PageServer]) -> None:
    old = server("old")
    old.targeted()
    opened = [established(front, old, f"session-{number}") for number in range(1_000)]

    assert pages(front) == {"old": 1_000}
    assert len(front.control.sessions("old")) == 1_000
    client, backend = established(front, old, "mine")
    backend.sendall(b"hello")
    assert exactly(client, 5) == b"hello"
    for one in (client, backend, *(end for pair in opened for end in pair)):
        one.close()
    until(lambda: pages(front) == {})


# -- files of a release ------------------------------------------------------------------------------------------


@pytest.fixture
def sites(front: Front) -> Iterator[dict[str, Site]]:
    """Three releases, the newest is live; the older two have a page each."""
    found = {name: Site(name.encode()) for name in ("oldest", "old", "live")}
    with contextlib.ExitStack() as stack:
        for name in ("oldest", "old"):
            server = PageServer(front, name)
            stack.enter_context(server.listener)
            server.targeted()
            for end in established(front, server, f"page-of-{name}"):
                stack.enter_context(end)
        for name, one in found.items():
            front.switch_to(one.port, name)
        yield found
    for one in found.values():
        one.end()


def ask(front: Front, path: str, *headers: str, method: str = "GET") -> tuple[int, bytes]:
    with front.connect() as client:
        client.sendall(
            "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: a", *headers, "")).encode()
        )
        status, _, content = read_answer(client, head_only=method == "HEAD")
        return status, content


def test_a_file_is_asked_for_newest_first_until_somebody_has_it(front: Front, sites: dict[str, Site]) -> None:
    path = "/fin/media/a.png"
    assert ask(front, path) == (200, b"live ")

    sites["live"].lacks.add(path)
    assert ask(front, path) == (200, b"old ")
    assert ask(front, path, "Range: bytes=0-3") == (200, b"old bytes=0-3")
    assert ask(front, path, method="HEAD")[0] == 200

    sites["old"].lacks.add(path)
    assert ask(front, path) == (200, b"oldest ")

    sites["oldest"].lacks.add(path)
    assert ask(front, path)[0] == 404
    assert [len([one for one in site.asked if one[1] == path]) for site in sites.values()] == [2, 5, 6]


def test_requests_of_several_pages_that_come_at_once_over_one_connection_go_each_to_its_own(
    front: Front, sites: dict[str, Site]
) -> None:
    """What names no session, or one that nobody has, goes to live; a file goes to who has it."""
    sites["live"].lacks.add("/media/a.png")
    sites["old"].lacks.add("/media/a.png")
    asked = [
        ("PUT /_stcore/upload_file/page-of-oldest/f", "oldest"),
        ("PUT /_stcore/upload_file/page-of-old/f", "old"),
        ("GET /", "live"),
        ("DELETE /_stcore/upload_file/page-of-oldest/f", "oldest"),
        ("GET /media/a.png", "oldest"),
        ("PUT /_stcore/upload_file/page-of-nobody/f", "live"),
        ("DELETE /_stcore/upload_file/page-of-old/f", "old"),
    ] * 3

    with front.connect() as client:
        for head, _ in asked:
            length = 3 if head.startswith("PUT") else 0
            client.sendall(f"{head} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode() + b"abc"[:length])
        answers = [read_answer(client) for _ in asked]

    assert [(status, content.split()[0].decode()) for status, _, content in answers] == [
        (200, name) for _, name in asked
    ]
    for name in ("oldest", "old"):
        sessions = {path.split("/")[3] for _, path, *_ in sites[name].asked if "upload" in path}
        assert sessions == {f"page-of-{name}"}


def test_what_is_no_file_of_a_release_is_asked_for_once(front: Front, sites: dict[str, Site]) -> None:
    sites["live"].lacks |= {"/other", "/media/b"}

    assert ask(front, "/other")[0] == 404
    assert ask(front, "/media/b", "Content-Length: 0", method="POST")[0] == 404

    assert not sites["old"].asked


def test_a_release_that_is_gone_is_passed_over_when_a_file_is_looked_for(front: Front, sites: dict[str, Site]) -> None:
    path = "/media/a.png"
    sites["live"].lacks.add(path)
    sites["old"].end()
    assert ask(front, path) == (200, b"oldest ")

    sites["oldest"].lacks.add(path)
    assert ask(front, path)[0] == 404

    with nobody_listens() as port:
        front.switch_to(port, "oldest")
        front.switch_to(sites["live"].port, "live")
        assert ask(front, path) == (404, b"live ")
