"""HTTP/1.x heads: read with llhttp, judged, and written anew from what was read. No I/O.

What two readers could understand differently is refused (`BadMessage`): most of it by the parser (both lengths, two
lengths, bare line feeds, folded lines, a blank before the colon, control characters), the rest here. A head is never
passed on as it came: what the backend reads is what was judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import httptools

from gitrelease.front.bodies import HEAD_LIMIT, BadMessage
from gitrelease.front.proof import without_ours

Headers = list[tuple[bytes, bytes]]

# Of one connection, not of the message (RFC 9110, 7.6.1). Content-Length is written anew as well.
_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
# A client may name any header in `Connection` and so have it removed. Not these: they say who asks, and where.
_KEPT = frozenset((b"host", b"origin", b"cookie", b"authorization", b"content-length", b"expect"))
_NO_CONTENT = frozenset((204, 304))


@dataclass(slots=True)
class Request:
    """A request's head. `length`: bytes of its body, None where it is chunked; `path` is without the query."""

    method: bytes
    target: bytes
    path: str
    headers: Headers
    modern: bool  # HTTP/1.1
    keeps: bool  # the client's connection is for further requests
    length: int | None
    upgrade: bool  # to a websocket

    @property
    def repeatable(self) -> bool:
        """May it be sent twice without anybody being the worse for it?"""
        return self.method in (b"GET", b"HEAD") and self.length == 0

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.headers if known.lower() == name]


@dataclass(slots=True)
class Answer:
    """An answer's head. `length`: bytes of its body; None where it is chunked or ends with the connection."""

    status: int
    reason: bytes
    headers: Headers
    keeps: bool  # the backend's connection is for further requests
    length: int | None
    chunked: bool

    def value(self, name: bytes) -> bytes:
        return next((value for known, value in self.headers if known.lower() == name), b"")


class _Collected:
    """What llhttp finds in a head."""

    __slots__ = ("headers", "reason", "target")

    def __init__(self) -> None:
        self.headers: Headers = []
        self.target = b""
        self.reason = b""

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_status(self, part: bytes) -> None:
        self.reason += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))


def find_head(received: bytearray, searched: int = 0) -> int:
    """Return the length of the head that `received` begins with, 0 where its end is missing yet.

    `searched`: how many bytes were searched before.
    """
    end = received.find(b"\r\n\r\n", max(0, searched - 3))
    seen = end if end >= 0 else len(received)
    # Without this, a message with bare line feeds only would be waited for.
    if received.count(b"\n", searched, seen) != received.count(b"\r\n", max(0, searched - 1), seen):
        raise BadMessage("a line ends without a carriage return")
    if seen > HEAD_LIMIT:
        raise BadMessage(f"the head is longer than {HEAD_LIMIT} bytes", 431)
    return end + 4 if end >= 0 else 0


def read_request(head: bytes) -> Request:
    """Read the head of a request, which ends with the empty line."""
    found = _Collected()
    parser = httptools.HttpRequestParser(found)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # what follows belongs to another protocol; here nothing follows
    except httptools.HttpParserError as error:
        raise BadMessage(str(error)) from error
    method, version = parser.get_method(), parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise BadMessage(f"HTTP/{version} is not spoken here", 505)
    if method == b"CONNECT":
        raise BadMessage("this is no proxy to other servers", 405)
    if b"#" in found.target:
        raise BadMessage("a target has no fragment")
    modern = version == "1.1"
    fields = _fields(found.headers)
    hosts = len(fields.get(b"host", ()))
    if hosts > 1 or (modern and not hosts):
        raise BadMessage("there must be one Host")
    chunked = _is_chunked(fields)
    if chunked and not modern:
        raise BadMessage("HTTP/1.0 has no transfer codings")
    length = None if chunked else _length(fields) or 0
    options = _options(fields)
    # Other protocols than this one are no more than an offer, which may be passed over.
    upgrade = modern and fields.get(b"upgrade") == [b"websocket"] and b"upgrade" in options
    return Request(
        method=method,
        target=found.target,
        path=_path(found.target),
        headers=found.headers,
        modern=modern,
        keeps=b"close" not in options and (modern or b"keep-alive" in options),
        length=length,
        upgrade=upgrade and method == b"GET" and length == 0,
    )


def read_answer(head: bytes, method: bytes) -> Answer:
    """Read the head of the answer to a request of `method`."""
    found = _Collected()
    parser = httptools.HttpResponseParser(found)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise BadMessage(str(error), 502) from error
    status = parser.get_status_code()
    modern = parser.get_http_version() == "1.1"
    fields = _fields(found.headers)
    options = _options(fields)
    chunked = _is_chunked(fields)
    length = _length(fields)
    if method == b"HEAD" or status in _NO_CONTENT or status < 200:
        length, chunked = 0, False
    return Answer(
        status=status,
        reason=found.reason,
        headers=found.headers,
        keeps=(chunked or length is not None) and b"close" not in options and (modern or b"keep-alive" in options),
        length=length,
        chunked=chunked,
    )


def write_request(request: Request, *, host: bytes, protocols: bytes | None = None) -> bytes:
    """Write the head for the backend, as HTTP/1.1; `host` where the client named none.

    `protocols` stands in place of the values of `Sec-WebSocket-Protocol`; empty, there is none.
    """
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target)]
    if not request.modern and not request.values(b"host"):
        lines.append(b"Host: %b\r\n" % host)
    for name, value in _end_to_end(request.headers):
        if name.lower() == b"cookie":
            if cookies := without_ours(value):
                lines.append(b"%b: %b\r\n" % (name, cookies))
        elif protocols is not None and name.lower() == b"sec-websocket-protocol":
            if protocols:
                lines.append(b"%b: %b\r\n" % (name, protocols))
                protocols = b""
        else:
            lines.append(b"%b: %b\r\n" % (name, value))
    if request.length is None:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if request.upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def write_answer(answer: Answer, request: Request, *, keeps: bool) -> bytes:
    """Write the head for the client; `keeps`: its connection stays open after this answer."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason)]
    lines += [b"%b: %b\r\n" % one for one in _end_to_end(answer.headers)]
    if answer.chunked and request.modern:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if answer.status == 101:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    elif answer.status >= 200 and not keeps:
        lines.append(b"Connection: close\r\n")
    elif answer.status >= 200 and not request.modern:
        lines.append(b"Connection: keep-alive\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def plain_answer(status: int, text: str, *, method: bytes = b"GET") -> bytes:
    """Write an answer of our own, after which the connection is closed."""
    body = text.encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == b"HEAD" else body)


_REASONS = {
    400: "Bad Request",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


_READ = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade"))


def _fields(headers: Headers) -> dict[bytes, list[bytes]]:
    """Return the values, in small letters, of those headers by which a message is understood."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _READ:
            fields.setdefault(lower, []).append(value.strip(b" \t").lower())
    return fields


def _length(fields: dict[bytes, list[bytes]]) -> int | None:
    # The parser has refused a second one, a sign, a list, an empty value and a number above 64 bits.
    return int(fields[b"content-length"][0]) if b"content-length" in fields else None


def _is_chunked(fields: dict[bytes, list[bytes]]) -> bool:
    codings = fields.get(b"transfer-encoding")
    if codings is None:
        return False
    if codings != [b"chunked"]:
        raise BadMessage("a transfer coding that is not known here", 501)
    return True


def _options(fields: dict[bytes, list[bytes]]) -> set[bytes]:
    """Return what `Connection` says."""
    values = fields.get(b"connection")
    return {option.strip() for value in values for option in value.split(b",")} if values else set()


def _path(target: bytes) -> str:
    path = target.split(b"?", 1)[0]
    if not path.startswith(b"/") and b"://" in path:
        path = b"/" + path.split(b"://", 1)[1].partition(b"/")[2]
    return path.decode("latin-1")


def _end_to_end(headers: Headers) -> Iterable[tuple[bytes, bytes]]:
    """Yield the headers without those of the connection, names as they were, values without blanks around them."""
    dropped: frozenset[bytes] | set[bytes] = _CONNECTION
    for name, value in headers:
        if len(name) == 10 and name.lower() == b"connection" and value.lower() not in _USUAL:
            dropped = dropped | ({option.strip() for option in value.lower().split(b",")} - _KEPT)
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-length":
            yield name, b"%d" % int(value)  # without leading zeros, which some take for another base
        elif lower not in dropped:
            yield name, value.strip(b" \t")


_USUAL = (b"close", b"keep-alive", b"upgrade", b"keep-alive, upgrade")
