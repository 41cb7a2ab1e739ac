"""The session in a server's first frames, found by looks only. No sockets needed."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from gitrelease.front.websocket import SessionFinder, session_of

SESSION = "0d9ea8b2-6ad3-4ed9-8f92-0d0c3b3bd2ba"


def new_session(name: str = SESSION) -> bytes:
    message = ForwardMsg()
    message.hash = "some hash"
    message.metadata.cacheable = True
    message.new_session.name = "app"
    message.new_session.initialize.user_info.installation_id = "installation"
    message.new_session.initialize.session_id = name
    message.new_session.app_pages.add().page_name = "page"
    message.new_session.main_script_hash = "hash"
    return bytes(message.SerializeToString())


def other_message() -> bytes:
    message = ForwardMsg()
    message.session_status_changed.run_on_save = True
    return bytes(message.SerializeToString())


def frame(payload: bytes, first: int = 0x82) -> bytes:
    if len(payload) < 126:
        return bytes((first, len(payload))) + payload
    if len(payload) < 65_536:
        return bytes((first, 126)) + len(payload).to_bytes(2, "big") + payload
    return bytes((first, 127)) + len(payload).to_bytes(8, "big") + payload


def deflated(deflate: zlib._Compress, payload: bytes) -> bytes:
    return (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def test_a_new_session_names_itself() -> None:
    assert session_of(new_session()) == SESSION
    assert session_of(other_message()) is None
    assert session_of(b"") is None


@given(st.lists(st.integers(1, 90), max_size=20), st.integers(0, 3), st.booleans())
def test_it_is_found_however_the_frames_come(steps: list[int], before: int, fragmented: bool) -> None:
    message = new_session()
    stream = frame(b"ping", 0x89) + frame(other_message()) * before
    if fragmented:
        stream += frame(message[:10], 0x02) + frame(b"", 0x8A) + frame(message[10:30], 0x00) + frame(message[30:], 0x80)
    else:
        stream += frame(message)
    finder = SessionFinder()
    found, at = [], 0
    for step in [*steps, len(stream)]:
        found.append(finder.feed(stream[at : at + step]))
        at += step

    assert [one for one in found if one] == [SESSION]
    assert finder.done


def test_a_long_message_before_it_is_passed_over() -> None:
    delta = ForwardMsg()
    delta.delta.new_element.text.body = "x" * 200_000
    finder = SessionFinder()

    assert finder.feed(frame(bytes(delta.SerializeToString()))) is None
    assert finder.feed(frame(new_session())) == SESSION


@pytest.mark.parametrize("keeps", [True, False])
def test_it_is_found_in_compressed_frames(keeps: bool) -> None:
    finder = SessionFinder(b"permessage-deflate" + (b"" if keeps else b"; server_no_context_takeover"))
    deflate = zlib.compressobj(wbits=-15)
    first = deflated(deflate, other_message())
    if not keeps:
        deflate = zlib.compressobj(wbits=-15)

    assert finder.feed(frame(first, 0xC2)) is None
    assert finder.feed(frame(other_message(), 0x82)) is None  # small ones may be left as they are
    assert finder.feed(frame(deflated(deflate, new_session()), 0xC2)) == SESSION


def test_it_gives_up_where_something_is_not_as_expected() -> None:
    bomb = zlib.compressobj(wbits=-15)
    for stream, extensions in [
        (b"\x82\x85abcdefghi", b""),  # masked
        (frame(b"\xff\xff\xff\xff"), b""),  # no protobuf
        (frame(new_session(), 0xC2), b""),  # compressed, not agreed on
        (frame(b"\x07garbage", 0xC2), b"permessage-deflate"),
        (frame(deflated(bomb, bytes(50_000_000)), 0xC2), b"permessage-deflate"),
        (b"\x82\x7f\x00\xff\xff\xff\xff\xff\xff\xff", b""),  # endless
        (frame(new_session("an id\nof two lines")), b""),
        (frame(new_session("x" * 300)), b""),
        (frame(other_message()) * 900_000, b""),
    ]:
        finder = SessionFinder(extensions)

        assert finder.feed(stream) is None
        assert finder.done
        assert finder.feed(frame(new_session())) is None


@given(st.binary(max_size=500))
def test_nonsense_harms_nobody(junk: bytes) -> None:
    for extensions in (b"", b"permessage-deflate"):
        finder = SessionFinder(extensions)
        finder.feed(junk)
        finder.feed(junk)
