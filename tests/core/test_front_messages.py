"""Heads are read, judged and written anew; bodies are framed. No sockets needed."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.front.bodies import HEAD_LIMIT, BadMessage, ChunkReader, Rest, chunk
from gitrelease.front.messages import (
    Request,
    find_head,
    plain_answer,
    read_answer,
    read_request,
    write_answer,
    write_request,
)


def head(*lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def request(*headers: bytes, line: bytes = b"GET /a?b=c HTTP/1.1", host: bytes = b"Host: app") -> Request:
    return read_request(head(line, *((host,) if host else ()), *headers))


AMBIGUOUS = {
    "both lengths": (b"Content-Length: 4", b"Transfer-Encoding: chunked"),
    "two lengths": (b"Content-Length: 4", b"Content-Length: 5"),
    "the same length twice": (b"Content-Length: 4", b"Content-Length: 4"),
    "a list of lengths": (b"Content-Length: 4, 4",),
    "a signed length": (b"Content-Length: +4",),
    "a hexadecimal length": (b"Content-Length: 0x4",),
    "an empty length": (b"Content-Length:",),
    "a negative length": (b"Content-Length: -1",),
    "a length of words": (b"Content-Length: four",),
    "a length above 64 bits": (b"Content-Length: 99999999999999999999",),
    "a folded line": (b"X-One: a", b" b"),
    "a line folded by a tab": (b"X-One: a", b"\tb"),
    "a blank before the colon": (b"X-One : a",),
    "a blank before the name": (b" X-One: a",),
    "a name of no token": (b"X(One: a",),
    "no name": (b": a",),
    "no colon": (b"X-One",),
    "a NUL": (b"X-One: a\0b",),
    "a control character": (b"X-One: a\x01b",),
    "a carriage return alone": (b"X-One: a\rb",),
    "a bare line feed": (b"X-One: a\nX-Two: b",),
    "a second host": (b"Host: other",),
    "an unknown coding": (b"Transfer-Encoding: gzip",),
    "a coding before chunked": (b"Transfer-Encoding: gzip, chunked",),
    "chunked twice": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "chunked twice in one line": (b"Transfer-Encoding: chunked, chunked",),
    "a coding that looks like chunked": (b"Transfer-Encoding: xchunked",),
    "a coding behind a control character": (b"Transfer-Encoding: \x0bchunked",),
    "identity": (b"Transfer-Encoding: identity",),
}


@pytest.mark.parametrize("headers", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_two_readers_could_understand_differently_is_refused(headers: tuple[bytes, ...]) -> None:
    with pytest.raises(BadMessage):
        request(*headers)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /a b HTTP/1.1",
        b"GET /a",
        b"GET /a HTTP/0.9",
        b"GET /a HTTP/2.0",
        b"GET /a HTTP/1.11",
        b"GET /a#b HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        b"GET\t/a HTTP/1.1",
        b"get /a HTTP/1.1",
        b"CONNECT other:443 HTTP/1.1",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_request_lines_that_are_none_are_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        request(line=line)


def test_a_request_without_host_is_refused_where_there_must_be_one() -> None:
    with pytest.raises(BadMessage, match="one Host"):
        request(host=b"")

    assert request(line=b"GET / HTTP/1.0", host=b"").keeps is False


@pytest.mark.parametrize(
    ("received", "size"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", 27),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 0),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", 0),
        (b"", 0),
    ],
)
def test_the_end_of_a_head_is_found(received: bytes, size: int) -> None:
    assert find_head(bytearray(received)) == size


@given(st.integers(1, 60))
def test_the_end_of_a_head_is_found_however_it_comes_in_pieces(step: int) -> None:
    whole = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 50 + b"\r\n\r\n"
    received = bytearray()
    found = 0
    for at in range(0, len(whole), step):
        searched = len(received)
        received += whole[at : at + step]
        found = find_head(received, searched)

    assert found == len(whole)


@pytest.mark.parametrize("received", [b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\r\nHost: a\n\r\n"])
def test_bare_line_feeds_are_refused_before_the_head_ends(received: bytes) -> None:
    with pytest.raises(BadMessage, match="carriage return"):
        find_head(bytearray(received))


def test_a_body_with_line_feeds_is_none_of_the_heads_business() -> None:
    assert find_head(bytearray(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nline\nline\n")) == 28


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_a_head_above_the_limit_is_refused(end: bytes) -> None:
    with pytest.raises(BadMessage, match="longer") as no:
        find_head(bytearray(b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_LIMIT + end))

    assert no.value.status == 431


def test_a_head_is_written_anew_from_what_was_read() -> None:
    written = write_request(
        request(
            b"Origin: http://app",
            b"Cookie:   a=b; c=d  \t",
            b"cookie: e=f",
            b"X-Forwarded-For: 10.1.2.3",
            b"X-Forwarded-Proto: https",
            b"Keep-Alive: timeout=5",
            b"TE: trailers",
            b"Connection: keep-alive",
            b"Content-Length: 007",
            line=b"PUT   /a?b=c HTTP/1.1",
        ),
        host=b"",
    )

    assert written == head(
        b"PUT /a?b=c HTTP/1.1",
        b"Host: app",
        b"Origin: http://app",
        b"Cookie: a=b; c=d",
        b"cookie: e=f",
        b"X-Forwarded-For: 10.1.2.3",
        b"X-Forwarded-Proto: https",
        b"Content-Length: 7",
    )


def test_headers_that_connection_names_are_dropped_but_those_that_say_who_asks() -> None:
    written = write_request(
        request(b"Cookie: a=b", b"X-Hop: 1", b"X-End: 2", b"Connection: X-Hop, Cookie, Host, close"), host=b""
    )

    assert written == head(b"GET /a?b=c HTTP/1.1", b"Host: app", b"Cookie: a=b", b"X-End: 2")


def test_a_websocket_stays_one_and_other_upgrades_are_passed_over() -> None:
    websocket = request(b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket")
    other = request(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAA")

    assert websocket.upgrade
    assert write_request(websocket, host=b"").endswith(
        b"Host: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert not other.upgrade
    assert write_request(other, host=b"") == head(b"GET /a?b=c HTTP/1.1", b"Host: app")


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        ((b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 3"), b"GET / HTTP/1.1"),
        ((b"Connection: Upgrade", b"Upgrade: websocket"), b"POST / HTTP/1.1"),
        ((b"Connection: Upgrade", b"Upgrade: websocket"), b"GET / HTTP/1.0"),
        ((b"Upgrade: websocket",), b"GET / HTTP/1.1"),
        ((b"Connection: Upgrade", b"Upgrade: websocket, h2c"), b"GET / HTTP/1.1"),
    ],
)
def test_what_asks_for_a_websocket_in_another_way_gets_none(headers: tuple[bytes, ...], line: bytes) -> None:
    asked = request(*headers, line=line)

    assert not asked.upgrade
    assert b"pgrade" not in write_request(asked, host=b"a")


@pytest.mark.parametrize(
    ("line", "headers", "keeps"),
    [
        (b"GET / HTTP/1.1", (), True),
        (b"GET / HTTP/1.1", (b"Connection: close",), False),
        (b"GET / HTTP/1.1", (b"Connection: Close",), False),
        (b"GET / HTTP/1.0", (), False),
        (b"GET / HTTP/1.0", (b"Connection: Keep-Alive",), True),
    ],
)
def test_a_connection_is_kept_as_the_client_says(line: bytes, headers: tuple[bytes, ...], keeps: bool) -> None:
    assert request(*headers, line=line).keeps is keeps


@pytest.mark.parametrize(
    ("method", "status", "headers", "length", "chunked"),
    [
        (b"GET", b"200 OK", (b"Content-Length: 5",), 5, False),
        (b"GET", b"200 OK", (b"Transfer-Encoding: chunked",), None, True),
        (b"GET", b"200 OK", (), None, False),
        (b"HEAD", b"200 OK", (b"Content-Length: 5",), 0, False),
        (b"HEAD", b"200 OK", (b"Transfer-Encoding: chunked",), 0, False),
        (b"GET", b"204 No Content", (), 0, False),
        (b"GET", b"304 Not Modified", (b"Content-Length: 5",), 0, False),
        (b"GET", b"100 Continue", (), 0, False),
    ],
)
def test_the_body_of_an_answer_is_framed_by_method_status_and_headers(
    method: bytes, status: bytes, headers: tuple[bytes, ...], length: int | None, chunked: bool
) -> None:
    answer = read_answer(head(b"HTTP/1.1 " + status, *headers), method)

    assert (answer.length, answer.chunked) == (length, chunked)


def test_an_answer_that_ends_with_the_connection_keeps_none() -> None:
    assert not read_answer(head(b"HTTP/1.1 200 OK"), b"GET").keeps
    assert read_answer(head(b"HTTP/1.1 200 OK", b"Content-Length: 1"), b"GET").keeps
    assert not read_answer(head(b"HTTP/1.0 200 OK", b"Content-Length: 1"), b"GET").keeps
    assert not read_answer(head(b"HTTP/1.1 200 OK", b"Content-Length: 1", b"Connection: close"), b"GET").keeps


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Transfer-Encoding: gzip",),
        (b"Bad : 1",),
    ],
)
def test_an_ambiguous_answer_is_not_passed_on(headers: tuple[bytes, ...]) -> None:
    with pytest.raises(BadMessage) as no:
        read_answer(head(b"HTTP/1.1 200 OK", *headers), b"GET")

    assert no.value.status in (501, 502)


def test_the_answer_to_an_older_client_is_one_it_can_read() -> None:
    answer = read_answer(head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"X: 1"), b"GET")
    old = request(line=b"GET / HTTP/1.0")

    assert write_answer(answer, old, keeps=False) == head(b"HTTP/1.1 200 OK", b"X: 1", b"Connection: close")
    assert write_answer(answer, request(), keeps=True) == head(
        b"HTTP/1.1 200 OK", b"X: 1", b"Transfer-Encoding: chunked"
    )


def test_our_own_answers_are_http() -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.receive_data(plain_answer(503, "Try again."))

    answer, body = client.next_event(), client.next_event()

    assert isinstance(answer, h11.Response)
    assert (answer.status_code, isinstance(body, h11.Data) and bytes(body.data)) == (503, b"Try again.\n")


TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_", min_size=1, max_size=12).map(lambda name: "x-" + name)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=10), st.integers(0, 10**12))
def test_another_reader_understands_what_we_write_as_we_do(headers: list[tuple[str, str]], length: int) -> None:
    lines = [f"{name}:  {value} ".encode() for name, value in headers]
    read = request(*lines, f"content-length: {length}".encode(), line=b"POST /path?q HTTP/1.1")

    server = h11.Connection(h11.SERVER)
    server.receive_data(write_request(read, host=b""))
    other = server.next_event()

    assert isinstance(other, h11.Request)
    expected = [(name.lower().encode(), value.encode()) for name, value in headers]
    assert [(name, value) for name, value in other.headers if name.startswith(b"x-")] == expected
    assert dict(other.headers)[b"content-length"] == str(length).encode()


@given(st.binary(max_size=300))
def test_whatever_comes_is_refused_or_understood(junk: bytes) -> None:
    for text in (junk, b"GET / HTTP/1.1\r\nHost: a\r\n" + junk + b"\r\n\r\n"):
        try:
            size = find_head(bytearray(text))
            if size:
                found = read_request(text[:size])
                assert b"\n" not in found.target
                assert not any(b"\n" in part or b"\r" in part for pair in found.headers for part in pair)
        except BadMessage:
            continue


CONTENTS = st.lists(st.binary(min_size=1, max_size=200), max_size=8)


def cut(whole: bytes, steps: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for step in steps:
        pieces.append(whole[at : at + step])
        at += step
    return [*pieces, whole[at:]]


@given(CONTENTS, st.lists(st.integers(0, 40), max_size=30), st.sampled_from([b"", b";a=b", b';a="x y"']))
def test_chunks_are_read_however_they_come_in_pieces_and_no_further(
    contents: list[bytes], steps: list[int], extension: bytes
) -> None:
    body = b"".join(b"%X%b\r\n%b\r\n" % (len(one), extension, one) for one in contents) + b"0\r\nX-T: 1\r\n\r\n"
    reader = ChunkReader()
    content, left = b"", b""

    for piece in cut(body + b"GET /next", steps):
        pieces, used = reader.feed(memoryview(piece))
        content += b"".join(pieces)
        left += piece[used:]

    assert reader.done
    assert (content, left) == (b"".join(contents), b"GET /next")


@given(CONTENTS, st.lists(st.integers(0, 40), max_size=30))
def test_another_reader_takes_the_same_content_from_the_chunks_we_write(
    contents: list[bytes], steps: list[int]
) -> None:
    body = b"".join(chunk([memoryview(one)]) for one in contents) + b"0\r\n\r\n"
    rest = Rest(None, chunked=True)
    framed = b"".join(bytes(rest.take(memoryview(piece), framed=True)[0]) for piece in cut(body, steps) if piece)

    server = h11.Connection(h11.SERVER)
    server.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + framed)
    server.next_event()
    content = b""
    while isinstance(event := server.next_event(), h11.Data):
        content += bytes(event.data)

    assert isinstance(event, h11.EndOfMessage)
    assert content == b"".join(contents)
    assert rest.over


@pytest.mark.parametrize(
    "body",
    [
        b"-1\r\n",
        b"0x4\r\nabcd\r\n",
        b"4 \r\nabcd\r\n",
        b" 4\r\nabcd\r\n",
        b"4\nabcd\r\n",
        b"4\r\nabcdXX\r\n",
        b"4\r\nabcde\r\n",
        b"\r\n",
        b"g\r\n",
        b"4;a\x00\r\n",
        b"1234567890123456\r\n",
        b"4;" + b"a" * 5000 + b"\r\n",
        b"0\r\n X: 1\r\n\r\n",
        b"0\r\nX : 1\r\n\r\n",
        b"0\r\n" + b"X: 1\r\n" * 20_000 + b"\r\n",
    ],
)
def test_chunks_that_two_readers_could_take_differently_are_refused(body: bytes) -> None:
    with pytest.raises(BadMessage):
        ChunkReader().feed(memoryview(body))


@given(st.integers(0, 300), st.lists(st.integers(0, 90), max_size=10))
def test_a_body_of_known_length_ends_there(length: int, steps: list[int]) -> None:
    whole = bytes(300) + b"next"
    rest = Rest(length, chunked=False)
    passed = b"".join(bytes(rest.take(memoryview(piece), framed=True)[0]) for piece in cut(whole, steps))

    assert passed == whole[:length]
    assert rest.over
