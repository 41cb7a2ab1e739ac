"""Which page belongs where: the table, the proofs, the routes. No sockets needed."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.front.messages import Request, read_answer, read_request
from gitrelease.front.proof import OURS, asks_first, has_ours, new_cookie, proof_of, same_browser, without_ours
from gitrelease.front.route import LIVE, Route, choose, may_be_elsewhere, missing
from gitrelease.front.sessions import LISTED, MOST, REMEMBERED, Record, Sessions
from gitrelease.front.targets import Target

OLD = Target("127.0.0.1", 8600, "old", "http")
NEW = Target("127.0.0.1", 8601, "new", "http")
TOKEN = "c0ffee00c0ffee00c0ffee00c0ffee00"


def masked(token: str, mask: str, name: str = "_streamlit_xsrf") -> str:
    key, text = bytes.fromhex(mask), bytes.fromhex(token)
    hidden = bytes(byte ^ key[at % 4] for at, byte in enumerate(text))
    return f"{name}=2|{mask}|{hidden.hex()}|1790000000"


MINE = masked(TOKEN, "01020304")
THEIRS = masked("deadbeefdeadbeefdeadbeefdeadbeef", "01020304")


def request(
    path: str, *, method: str = "GET", protocols: str = "", cookie: str = "", upgrade: bool = True, more: str = ""
) -> Request:
    lines = [f"{method} {path} HTTP/1.1", "Host: app"]
    if cookie:
        lines.append(f"Cookie: {cookie}")
    if protocols:
        lines.append(f"Sec-WebSocket-Protocol: {protocols}")
    if upgrade:
        lines += ["Connection: Upgrade", "Upgrade: websocket"]
    if more:
        lines.append(more)
    return read_request("".join(line + "\r\n" for line in [*lines, ""]).encode())


def page(protocols: str = "streamlit, x, one", cookie: str = MINE) -> Request:
    return request("/_stcore/stream", protocols=protocols, cookie=cookie)


@pytest.fixture
def sessions() -> Sessions:
    """Session `one` on the old backend, proved by `MINE`; new pages go to the new one."""
    table = Sessions()
    table.targeted("primary", OLD)
    table.opened("one", "old", proof_of([MINE.encode()]), 1000.0)
    table.targeted("primary", NEW)
    return table


# -- proofs ------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=32))
def test_a_token_proves_the_same_browser_behind_any_mask(one: bytes, two: bytes, token: bytes) -> None:
    proofs = {proof_of([masked(token.hex(), mask.hex()).encode()]) for mask in (one, two)}

    assert len(proofs) == 1


@pytest.mark.parametrize(
    ("cookies", "same"),
    [
        ([MINE.replace("_streamlit_xsrf", "_xsrf")], True),
        ([f"theme=dark; {MINE}; other=1"], True),
        ([f'_streamlit_xsrf="{MINE.partition("=")[2]}"'], True),
        ([THEIRS], False),
        (["_streamlit_xsrf=2|xx|yy|1"], False),
        ([f"_streamlit_xsrf={TOKEN}"], False),
        ([f"_streamlit_user=me; {MINE}"], False),
    ],
)
def test_proofs_are_compared_by_what_the_cookie_stands_for(cookies: list[str], same: bool) -> None:
    proof = proof_of([cookie.encode() for cookie in cookies])

    assert proof
    assert same_browser(proof_of([MINE.encode()]), proof) is same


def test_a_login_proves_more_than_a_token_and_all_of_its_parts_count() -> None:
    login = proof_of([f"_streamlit_user=chunks-2; _streamlit_user_1=a; _streamlit_user_2=b; {MINE}".encode()])

    assert login == proof_of([f"{THEIRS}; _streamlit_user_2=b; _streamlit_user_1=a; _streamlit_user=chunks-2".encode()])
    assert login != proof_of([b"_streamlit_user=chunks-2; _streamlit_user_1=a; _streamlit_user_2=c"])
    assert proof_of([b"_streamlit_user_tokens=x"]) == ()


@pytest.mark.parametrize("cookies", [[], [b""], [b"theme=dark"], [b"_streamlit_xsrf="], [b"_streamlit_xsrf"]])
def test_without_cookies_there_is_no_proof(cookies: list[bytes]) -> None:
    assert proof_of(cookies) == ()


# -- routes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["", "/fin", "/a/b"])
def test_what_names_a_session_goes_to_its_backend(sessions: Sessions, base: str) -> None:
    for method in ("PUT", "DELETE", "POST", "OPTIONS"):
        upload = request(f"{base}/_stcore/upload_file/one/file-id?x=1", method=method, upgrade=False)
        assert choose(upload, sessions) == Route(OLD)

    reconnect = request(f"{base}/_stcore/stream", protocols="streamlit, x, one", cookie=MINE)
    assert choose(reconnect, sessions) == Route(OLD, page=True, session="one", proof=proof_of([MINE.encode()]))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/_stcore/health",
        "/_stcore/upload_file/two/file",
        "/_stcore/upload_file/one",
        "/_stcore/upload_file/one/",
        "/media/one/file",
        "/?next=/_stcore/upload_file/one/file",
    ],
)
def test_what_names_none_goes_to_live(sessions: Sessions, path: str) -> None:
    assert choose(request(path, upgrade=False), sessions) == LIVE


@pytest.mark.parametrize("protocols", ["", "streamlit", "streamlit, x", "streamlit, x,", "streamlit, x, unknown"])
def test_a_page_without_a_session_that_is_known_goes_to_live_as_it_is(sessions: Sessions, protocols: str) -> None:
    assert choose(page(protocols), sessions) == Route(page=True, proof=proof_of([MINE.encode()]))


@pytest.mark.parametrize("cookie", [THEIRS, "", "_streamlit_user=me; " + MINE])
def test_another_browser_gets_a_page_of_its_own_and_the_id_goes_nowhere(sessions: Sessions, cookie: str) -> None:
    route = choose(page(cookie=cookie), sessions)

    assert (route.backend, route.session, route.protocols) == (None, None, b"streamlit, x")


@pytest.mark.parametrize("protocols", ["streamlit, one", "streamlit, x, one", "streamlit, , one, more"])
def test_the_id_is_the_third_of_a_pages_protocols_or_the_second_of_two(sessions: Sessions, protocols: str) -> None:
    assert choose(page(protocols), sessions).session == "one"
    stranger = choose(page(protocols, cookie=THEIRS), sessions)
    assert stranger.protocols is not None
    assert b"one" not in stranger.protocols
    sessions.move("one", "new", "T" * 20)
    assert choose(page(protocols), sessions).protocols == protocols.replace("one", "T" * 20).encode()


@pytest.mark.parametrize("protocols", ["one", "one, x, y", "streamlit, one, x", "streamlit, x, y, one"])
def test_an_id_in_another_place_is_none(sessions: Sessions, protocols: str) -> None:
    assert choose(page(protocols), sessions).session is None


def test_a_session_without_proof_is_reached_by_its_id_as_streamlit_itself_would(sessions: Sessions) -> None:
    sessions.opened("two", "old", (), 1000.0)

    assert choose(page("streamlit, x, two"), sessions).backend == OLD


def test_a_moved_page_brings_its_ticket_once(sessions: Sessions) -> None:
    sessions.move("one", "new", "T" * 20)

    route = choose(page(), sessions)
    assert (route.backend, route.session, route.protocols, route.ticket) == (
        NEW,
        "one",
        b"streamlit, x, " + b"T" * 20,
        "T" * 20,
    )
    upload = request("/_stcore/upload_file/one/f", method="PUT", upgrade=False)
    assert choose(upload, sessions) == Route(NEW, awaits="one")
    assert choose(page(cookie=THEIRS), sessions).backend is None

    sessions.redeemed("one", "another ticket")
    assert choose(page(), sessions).ticket == "T" * 20
    sessions.redeemed("one", "T" * 20)
    assert choose(page(), sessions).protocols is None
    assert choose(upload, sessions) == Route(NEW)


def test_a_page_that_was_moved_while_it_came_stays_with_where_it_was_moved(sessions: Sessions) -> None:
    sessions.move("one", "new", "T" * 20)

    assert not sessions.opened("one", "old", (), 1001.0)
    assert not sessions.opened("one", "new", (), 1001.0, ticket="t" * 20)
    assert choose(page(), sessions).backend == NEW
    assert sessions.opened("one", "new", (), 1002.0, ticket="T" * 20)


@pytest.mark.parametrize(("method", "awaits"), [("PUT", "one"), ("POST", "one"), ("DELETE", None), ("OPTIONS", None)])
def test_a_document_waits_for_a_page_that_is_away(sessions: Sessions, method: str, awaits: str | None) -> None:
    sessions.closed("one", 1010.0)

    assert choose(request("/_stcore/upload_file/one/f", method=method, upgrade=False), sessions).awaits == awaits


@pytest.mark.parametrize(
    ("path", "asks"),
    [
        ("/media/abc.png", True),
        ("/fin/media/abc.png", True),
        ("/app/static/logo.png", True),
        ("/static/js/main.abc.js", True),
        ("/component/st_aggrid.AgGrid/index.html", True),
        ("/_stcore/bidi-components/x/y.js", True),
        ("/", False),
        ("/mediation/abc", False),
        ("/_stcore/health", False),
        ("/?u=/media/abc.png", False),
    ],
)
def test_files_of_a_release_may_be_elsewhere(path: str, asks: bool) -> None:
    assert may_be_elsewhere(request(path, upgrade=False)) is asks
    assert may_be_elsewhere(request(path, method="HEAD", upgrade=False)) is asks
    assert not may_be_elsewhere(request(path, method="POST", upgrade=False))
    assert not may_be_elsewhere(request(path, upgrade=False, more="Content-Length: 3"))


@pytest.mark.parametrize(
    ("path", "status", "kind", "misses"),
    [
        ("/media/a.png", 404, "text/plain", True),
        ("/media/a.html", 200, "text/html", False),
        ("/static/js/a.js", 200, "text/html; charset=utf-8", True),
        ("/static/js/a.js", 200, "text/javascript", False),
        ("/app/static/a.html", 200, "text/html", False),
        ("/media/a.png", 206, "image/png", False),
        ("/media/a.png", 416, "text/plain", False),
    ],
)
def test_a_page_in_place_of_a_script_is_a_miss(path: str, status: int, kind: str, misses: bool) -> None:
    answer = read_answer(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n\r\n".encode(), b"GET")

    assert missing(request(path, upgrade=False), answer) is misses


def test_others_are_asked_newest_first_and_only_those_of_the_instance(sessions: Sessions) -> None:
    newest = Target("127.0.0.1", 8602, "newest", "http")
    empty = Target("127.0.0.1", 8603, "empty", "http")
    foreign = Target("127.0.0.1", 8604, "foreign", "http")
    sessions.opened("two", "new", (), 1000.0)
    for instance, target in (("primary", empty), ("second", foreign), ("primary", newest)):
        sessions.targeted(instance, target)
    sessions.opened("three", "foreign", (), 1000.0)

    assert [one.backend for one in sessions.others("primary", ["newest"])] == ["empty", "new", "old"]
    assert [one.backend for one in sessions.others("primary", ["newest", "new"])] == ["empty", "old"]


# -- a cookie of ours ----------------------------------------------------------------------------------------------


def given_cookie(token: str) -> bytes:
    return new_cookie(token).partition(b";")[0]


def test_a_browser_gets_one_before_its_first_page_and_is_known_by_it() -> None:
    given = new_cookie("0" * 8 + "f" * 32)

    assert asks_first("/fin/_stcore/host-config")
    assert not has_ours([b"theme=dark"])
    assert given == b"_gitrelease_browser_00000000=" + b"f" * 32 + b"; Path=/; HttpOnly; SameSite=Lax"
    known = proof_of([given.partition(b";")[0]])
    assert same_browser(known, known)
    assert not same_browser(known, proof_of([given_cookie("1" * 40)]))


def test_a_browser_whose_tabs_came_first_all_at_once_is_known_by_each_of_them() -> None:
    one, two = given_cookie("0" * 40), given_cookie("1" * 40)
    first_tab = proof_of([MINE.encode() + b"; " + one])
    second_tab = proof_of([THEIRS.encode() + b"; " + one + b"; " + two])
    later = proof_of([THEIRS.encode() + b"; " + one + b"; " + two])  # of the tokens the browser has the last one

    assert same_browser(first_tab, later)
    assert same_browser(second_tab, later)
    assert not same_browser(first_tab, proof_of([THEIRS.encode() + b"; " + two]))


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/host-config/more"])
def test_nothing_else_is_asked_first(path: str) -> None:
    assert not asks_first(path)


@pytest.mark.parametrize(
    "cookie",
    [pytest.param(OURS + b"=x", id="of an earlier version"), b"a=1; " + OURS + b"_00000000=x"],
)
def test_a_browser_that_has_one_is_known(cookie: bytes) -> None:
    assert has_ours([b"b=2", cookie])


def test_a_login_counts_before_ours() -> None:
    ours = given_cookie("0" * 40)

    assert not same_browser(proof_of([b"_streamlit_user=me; " + ours]), proof_of([b"_streamlit_user=you; " + ours]))
    assert not same_browser(proof_of([b"_streamlit_user=me; " + ours]), proof_of([ours]))


def test_of_many_cookies_of_ours_some_are_kept_and_all_are_looked_at(sessions: Sessions) -> None:
    cookies = [given_cookie(f"{number:08x}" + "f" * 32) for number in range(30)]
    sessions.opened("last tab", "old", proof_of(cookies[-1:]), 1000.0)
    sessions.opened("all tabs", "old", proof_of([b"; ".join(cookies)]), 1000.0)

    for name in ("last tab", "all tabs"):
        known = sessions.get(name)
        assert known is not None
        assert same_browser(known.proof, proof_of([b"; ".join(cookies)]))
        assert len(known.proof) <= 9


def test_a_cookie_of_an_earlier_front_still_proves_its_browser() -> None:
    table = Sessions()
    digest = hashlib.sha256(b"4:ours1:x").hexdigest()
    table.replay(
        [
            {"backend": "old", "host": "127.0.0.1", "port": 1, "protocol": "http", "instance": "primary"},
            {"session": "one", "backend": "old", "proof": digest, "began": 1.0, "closed": None, "ticket": None},
        ],
        1000.0,
    )

    assert choose(page(cookie="_gitrelease_browser=x"), table).session == "one"
    assert choose(page(cookie="_gitrelease_browser=y"), table).session is None


@pytest.mark.parametrize(
    ("header", "passed_on"),
    [
        (b"a=1; b=2", b"a=1; b=2"),
        (b"a=1; _gitrelease_browser=x; b=2", b"a=1; b=2"),
        (b"_gitrelease_browser=x", b""),
        (b"_gitrelease_browser_0a1b2c3d=x; a=1", b"a=1"),
        (b"a=_gitrelease_browser", b"a=_gitrelease_browser"),
    ],
)
def test_the_app_does_not_see_ours(header: bytes, passed_on: bytes) -> None:
    assert without_ours(header) == passed_on


# -- the table ---------------------------------------------------------------------------------------------------


def test_a_session_is_remembered_for_a_while_after_its_last_websocket(sessions: Sessions) -> None:
    sessions.opened("one", "old", (), 1010.0)
    sessions.closed("one", 1020.0)
    sessions.expire(1020.0 + REMEMBERED)
    assert sessions.get("one") is not None

    sessions.closed("one", 1030.0)
    sessions.expire(1029.0 + REMEMBERED)
    assert sessions.get("one") is not None
    sessions.expire(1031.0 + REMEMBERED)
    assert sessions.get("one") is None


def test_sessions_are_told_of_while_they_can_come_back(sessions: Sessions) -> None:
    sessions.opened("two", "old", (), 1005.0)
    sessions.closed("two", 1010.0)

    assert sessions.of("old", 1020.0) == [
        {"session": "one", "open": True, "age_s": 20.0, "proved": True},
        {"session": "two", "open": False, "age_s": 15.0, "proved": False},
    ]
    assert [one["session"] for one in sessions.of("old", 1011.0 + LISTED)] == ["one"]
    assert sessions.of("new", 1020.0) == []


@pytest.mark.parametrize(
    ("name", "backend", "why"),
    [("no", "new", "no session"), ("one", "nowhere", "no backend"), ("two", "new", "no proof")],
)
def test_what_cannot_be_moved_is_refused(sessions: Sessions, name: str, backend: str, why: str) -> None:
    sessions.opened("two", "old", (), 1000.0)

    with pytest.raises(ValueError, match=why):
        sessions.move(name, backend, "T" * 20)


def test_the_table_is_bounded_and_closed_ones_go_first() -> None:
    table = Sessions()
    table.targeted("primary", OLD)
    for number in range(MOST):
        table.opened(f"s{number}", "old", (), 1000.0)
    table.closed("s700", 1001.0)
    table.closed("s500", 1002.0)

    for number in range(3):
        table.opened(f"new{number}", "old", (), 1003.0)

    assert len(table) == MOST
    assert [name for name in ("s700", "s500", "s0", "s1") if table.get(name) is None] == ["s700", "s500", "s0"]
    assert table.backends["old"].sessions == MOST


def test_backends_that_are_not_kept_are_forgotten_with_their_sessions(sessions: Sessions) -> None:
    sessions.keep(["new"])

    assert sessions.get("one") is None
    assert list(sessions.backends) == ["new"]
    sessions.keep([])
    assert list(sessions.backends) == ["new"]  # it is the target


class Kept:
    """What a file would have."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, record: Record) -> None:
        self.lines.append(json.dumps(record))

    def records(self) -> list[Record]:
        return [json.loads(line) for line in self.lines]


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["open", "close", "move", "redeem", "target", "keep"]),
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from([OLD, NEW]),
    ),
    max_size=30,
)


@given(ACTIONS, st.booleans())
def test_a_table_that_is_read_again_sends_every_page_where_it_was(
    actions: list[tuple[str, str, Target]], compacted: bool
) -> None:
    kept = Kept()
    table = Sessions(kept)
    table.targeted("primary", OLD)
    table.targeted("primary", NEW)
    for at, (action, name, target) in enumerate(actions):
        match action:
            case "open":
                table.opened(name, target.backend, ("proof",), 1000.0 + at)
            case "close":
                table.closed(name, 1000.0 + at)
            case "move" if table.get(name) and target.backend in table.backends:
                table.move(name, target.backend, "T" * 20)
            case "redeem":
                table.redeemed(name, "T" * 20)
            case "target":
                table.targeted("primary", target)
            case "keep":
                table.keep([target.backend])
    again = Sessions()
    again.replay([json.loads(json.dumps(one)) for one in table.records()] if compacted else kept.records(), 1100.0)

    assert list(again.backends) == list(table.backends)
    for name in ("one", "two", "three"):
        before, after = table.get(name), again.get(name)
        if before is None or before.backend not in table.backends:
            assert after is None
            continue
        assert after is not None
        assert (after.backend, after.proof, after.ticket, after.began) == (
            before.backend,
            before.proof,
            before.ticket,
            before.began,
        )
        assert (after.open, after.closed is None) == (0, False)


def test_records_that_make_no_sense_are_passed_over() -> None:
    table = Sessions()
    table.replay(
        [
            {},
            {"session": "one"},
            {"session": "one", "backend": "nowhere", "began": 1.0},
            {"backend": "bad", "host": "localhost", "port": 1, "instance": "primary"},
            {"session": 5, "backend": [], "began": None},
        ],
        1000.0,
    )

    assert len(table) == 0
    assert not table.backends
