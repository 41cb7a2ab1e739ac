"""Is a page's session handed to another process whole, once, and to its own page only? Two real processes.

With other versions of Streamlit: tests/elsewhere/streamlits.sh.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from streamlit.proto.Common_pb2 import FileUploaderState

from gitrelease.edges.companion import CompanionError
from tests.edges.companions import PROGRAM, App, Person, Visitor, running_app, ticket, wait_for
from tests.edges.page_client import Browser
from tests.edges.test_cookies import AUTH, SECRET

APP = """
import pathlib, time
import streamlit as st

here = pathlib.Path(__file__).parent
state = st.session_state
early = state.get("word", "nothing")

def told(document):
    return document and (document.name, document.getvalue(), document.file_id)

early_document = told(state.get("document"))
if "visits" not in state:
    state.visits = 0
    state.seen = {"set": {1, 2}, "path": pathlib.Path("a/b")}

def changed():
    state.changes = state.get("changes", 0) + 1

def clicked():
    state.clicks = state.get("clicks", 0) + 1

state.visits += 1
query = dict(st.query_params) if hasattr(st, "query_params") else st.experimental_get_query_params()
word = st.text_input("Word", key="word", on_change=changed)
number = st.number_input("Number", value=1)
if st.button("Click", on_click=clicked):
    state.presses = state.get("presses", 0) + 1
files = st.file_uploader("Documents", accept_multiple_files=True)
document = st.file_uploader("Document", key="document")
if document is not None and word != "another":
    state.kept = [document]
if word == "own":
    class Own: ...
    state.mine = Own()
if word == "wait":
    state.half = "done"
    while not (here / "go on").exists():
        time.sleep(0.02)
st.write(f"in {here.name}")
st.write(f"early {early} word {word} number {number} visits {state.visits} seen {state.seen}")
st.write(f"changes {state.get('changes', 0)} clicks {state.get('clicks', 0)} presses {state.get('presses', 0)}")
st.write(f"files {[(one.name, one.getvalue()) for one in files]}")
st.write(f"half {state.get('half')} query {query} mine {'mine' in state}")
st.write(f"document {told(document)} early {early_document} kept {[told(one) for one in state.get('kept', ())]}")
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, App]]:
    """Return two running copies of the app, in two folders."""
    run = tmp_path_factory.mktemp("moving")
    for name in ("a", "b", "c"):
        (run / name).mkdir()
        (run / name / "app.py").write_text(APP)
        (run / name / "pages").mkdir()
        (run / name / "pages" / "other.py").write_text(
            "import streamlit as st\nst.text_input('Elsewhere')\nst.write('other page')\n"
        )
    off = ["--server.enableXsrfProtection=false"]
    with (
        running_app(run / "a", run=run, name="a", options=off) as one,
        running_app(run / "b", run=run, name="b", options=off) as other,
    ):
        yield one, other


@pytest.fixture(scope="module")
def third(pair: tuple[App, App]) -> Iterator[App]:
    """Return one more running copy."""
    run = pair[0].slot.parent
    with running_app(run / "c", run=run, name="c", options=["--server.enableXsrfProtection=false"]) as app:
        yield app


def running_app_of(script: str, run: Path, name: str) -> contextlib.AbstractContextManager[App]:
    """Run another script than that of the module."""
    (run / name).mkdir()
    (run / name / "app.py").write_text(script)
    return running_app(run / name, run=run, name=name, options=["--server.enableXsrfProtection=false"])


def typed(text: str) -> dict:
    return {"Word": ("string_value", text)}


def upload(app: App, session: str, identity: str, content: bytes, name: str = "doc.txt") -> int:
    with socket_to(app) as connection:
        begin_upload(connection, session, identity, content, name)
        connection.sendall(content + b"\r\n--x--\r\n")
        return int(connection.recv(4096).split()[1])


def socket_to(app: App) -> socket.socket:
    return socket.create_connection(("127.0.0.1", app.port), timeout=20)


def begin_upload(connection: socket.socket, session: str, identity: str, content: bytes, name: str = "doc.txt") -> None:
    part = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n'
    length = len(part) + len(content) + len(b"\r\n--x--\r\n")
    head = (
        f"PUT /_stcore/upload_file/{session}/{identity} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
    )
    connection.sendall((head + part).encode())


def uploads_of(app: App, page: Visitor) -> int:
    rows = raw(app, b'{"verb":"status"}\n')["sessions"]
    return next(row["uploads"] for row in rows if row["session"] == page.session)


def move(one: App, other: App, session: str, *, wait: float = 10) -> tuple[str, object]:
    word = ticket()
    return word, one.companion.send(session, ticket=word, to=other.companion.path, wait=wait)


def leave(app: App, page: Visitor, *, by: Visitor | None = None) -> None:
    """Leave, by another connection than the page's own where one is given."""
    (by or page).close()
    wait_for(lambda: not app.rows()[page.session].active)


def test_a_page_goes_on_in_the_other_process_without_asking_for_a_run(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run(query="chapter=2")
    page.run(typed("hello") | {"Number": ("double_value", 4.0)}, query="chapter=2")
    assert upload(one, page.session, "f1", b"the document") == 204
    page_word, sent = move(one, other, page.session)
    leave(one, page)

    back = Visitor(other.port, page_word)
    shown = back.shown()

    assert shown.session == page.session
    assert shown.texts[0] == "in b"
    assert shown.texts[1] == ("early hello word hello number 4 visits 3 seen {'set': {1, 2}, 'path': PosixPath('a/b')}")
    assert shown.texts[2] == "changes 1 clicks 0 presses 0"
    assert "'chapter': " in shown.texts[4]
    assert sent.carried == ("changes", "document", "seen", "visits", "word")
    assert (sent.files, sent.bytes, sent.dropped) == (1, len(b"the document"), ())
    assert other.rows()[page.session].files == 1
    back.close()


def in_uploader(*urls: Any, name: str, size: int) -> dict:
    """Return the state of the keyed uploader with documents that were sent to `urls`."""
    state = FileUploaderState()
    for one in urls:
        info = state.uploaded_file_info.add(name=name, size=size, file_id=one.file_id)
        info.file_urls.CopyFrom(one)
    return {"Document": ("file_uploader_state_value", state)}


def put(app: App, page: Visitor, name: str, content: bytes) -> dict:
    """Upload a document for the keyed uploader; return the uploader's state with it."""
    page.ask_for_address(name)
    urls = page.address(name)
    assert upload(app, page.session, urls.file_id, content, name) == 204
    return in_uploader(urls, name=name, size=len(content))


def test_a_document_of_a_keyed_uploader_and_one_that_the_app_keeps_are_the_same_after_the_move(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    holds = put(one, page, "a.txt", b"the document")
    before = page.run(holds).texts[5]
    word, sent = move(one, other, page.session)
    leave(one, page)

    back = Visitor(other.port, word)
    shown = back.shown()
    file_id = holds["Document"][1].uploaded_file_info[0].file_id
    document = f"('a.txt', b'the document', '{file_id}')"

    assert before == f"document {document} early {document} kept [{document}]"
    assert shown.texts[5] == before
    assert (sent.files, sent.dropped) == (1, ())
    assert {"document", "kept"} <= set(sent.carried)
    back.ids = page.ids
    again = back.run(typed("another") | put(other, back, "b.txt", b"one more"))
    assert again.texts[5].startswith("document ('b.txt', b'one more', ")
    assert again.texts[5].endswith(f" kept [{document}]")
    back.close()


def test_a_document_that_only_the_app_keeps_is_the_same_after_the_move(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    holds = put(one, page, "a.txt", b"the document")
    kept = page.run(holds).texts[5].split(" kept ")[1]
    (held,) = holds["Document"][1].uploaded_file_info
    assert requests.delete(f"http://127.0.0.1:{one.port}{held.file_urls.delete_url}", timeout=20).status_code == 204
    page.run(in_uploader(name="", size=0))
    word, sent = move(one, other, page.session)
    leave(one, page)

    back = Visitor(other.port, word)

    assert "the document" in kept
    assert back.shown().texts[5] == f"document None early None kept {kept}"
    assert (sent.files, sent.dropped) == (0, ())
    back.close()


def test_ids_of_widgets_are_the_same_in_both_folders_on_every_page(pair):
    ids = []
    for app in pair:
        page = Visitor(app.port)
        main = page.run()
        other = next(row.page_script_hash for row in page.pages if row.page_name == "other")
        ids.append((main.ids, other, page.run(page=other).ids, page.new_session.main_script_path))
        page.close()

    assert ids[0] == ids[1]
    assert ids[0][0].keys() == {"Word", "Number", "Click", "Documents", "Document"}
    assert ids[0][2].keys() == {"Elsewhere"}
    assert ids[0][3].endswith("/checkout/app.py")


def test_a_click_counts_once_and_not_again_after_the_move(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    assert page.run({"Click": ("trigger_value", True)}).texts[2] == "changes 0 clicks 1 presses 1"
    word, _ = move(one, other, page.session)
    leave(one, page)

    back = Visitor(other.port, word)

    assert back.shown().texts[2] == "changes 0 clicks 1 presses 1"
    assert back.run({"Click": ("trigger_value", True)}).texts[2] == "changes 0 clicks 2 presses 2"
    back.close()


def test_what_a_frozen_page_asks_for_is_run_once_in_the_other_process(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    word, _ = move(one, other, page.session)
    page.ask({"Click": ("trigger_value", True)} | typed("later"))
    page.ask(typed("latest"))
    assert upload(one, page.session, "late", b"came late") == 204
    leave(one, page)
    wait_for(lambda: other.companion.status().pending)

    back = Visitor(other.port, word)
    last = back.shown_with("word latest")

    assert last.texts[2] == "changes 2 clicks 1 presses 1"
    wait_for(lambda: other.rows()[page.session].files == 1)
    assert not any("late" in line for line in one.log.read_text().splitlines() if "gitrelease" in line)
    back.close()


def test_a_move_that_is_called_off_runs_here_what_was_asked_for(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    move(one, other, page.session)
    page.ask({"Click": ("trigger_value", True)})

    one.companion.release(page.session)

    assert page.shown().texts[2] == "changes 0 clicks 1 presses 1"
    assert page.run(typed("on")).texts[2] == "changes 1 clicks 1 presses 1"
    page.close()


def test_a_page_that_comes_back_to_a_frozen_session_goes_on_there(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    move(one, other, page.session)
    page.ask({"Click": ("trigger_value", True)})
    leave(one, page)

    back = Visitor(one.port, page.session)

    assert back.shown_with("clicks").texts[2] == "changes 0 clicks 0 presses 0"  # what it was sent last
    assert back.shown().texts[2] == "changes 0 clicks 1 presses 1"
    assert back.run(typed("x")).texts[2].startswith("changes")
    back.close()


def test_what_is_not_carried_is_named_to_the_caller_in_the_log_and_on_the_page(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("own"))
    word, sent = move(one, other, page.session)
    leave(one, page)
    back = Visitor(other.port, word)
    shown = back.shown()

    assert [(drop.name, drop.why) for drop in sent.dropped] == [("mine", "Own cannot be carried")]
    assert f"page {page.session[:8]} was sent on without mine: Own cannot be carried" in one.log.read_text()
    assert back.toast() == "The app was restarted. This page was kept, but without mine (Own cannot be carried)."
    assert shown.session == page.session
    back.close()


# Its documents fail to be read, and to be put into another process, with what they hold in the words of the error.
HOSTILE = """
import streamlit as st
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

class Fails:
    told = ""

    def __len__(self):
        if self.told:
            raise LookupError(self.told)
        return 0

def add_file(session, record):
    raise LookupError(record.name)

word = st.text_input("Word", key="word")
files = Runtime.instance()._uploaded_file_mgr
if word.startswith("cannot be read"):
    fails = Fails()
    files.add_file(get_script_run_ctx().session_id, UploadedFileRec("f", word, "text/plain", fails))
    fails.told = word
if word == "cannot be taken in":
    files.add_file = add_file
st.write(f"word {word}")
"""


def test_errors_are_told_by_their_kind_and_place_without_their_words(tmp_path):
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(running_app_of(HOSTILE, tmp_path, name)) for name in ("one", "other"))
        hindrance = Visitor(other.port)
        hindrance.run()
        hindrance.run(typed("cannot be taken in"))
        page = Visitor(one.port)
        page.run()
        assert upload(one, page.session, "f1", b"the document", "secret.txt") == 204
        page.run(typed("before"))
        word, sent = move(one, other, page.session)
        leave(one, page)
        back = Visitor(other.port, word)
        assert back.shown().texts == ["word before"]  # it goes on
        assert back.toast().startswith("The app was restarted: what you entered or uploaded here before is gone")
        back.ids = page.ids
        assert back.run(typed("on")).texts == ["word on"]
        read = Visitor(one.port)
        read.run()
        read.run(typed("cannot be read: secret"))

        with pytest.raises(CompanionError) as refused:
            move(one, other, read.session)

        assert sent.files == 1
        told = f"page {page.session[:8]} came without what was entered on it (LookupError in app.py, line "
        assert told in other.log.read_text()
        assert refused.value.message.startswith("the companion failed: LookupError in app.py, line ")
        assert "secret" not in one.log.read_text() + other.log.read_text() + refused.value.message
        for visitor in (hindrance, back, read):
            visitor.close()


WHO_IS_IT = """
import streamlit as st

word = st.text_input("Word", key="word")
document = st.file_uploader("Document", key="document")
st.write(f"{st.user.get('email')} {word} {document and document.getvalue()}")
"""
ORIGIN = "http://localhost:8501"
# As the server of the version that is tried does it: Tornado's up to 1.52.
SIGN = """
import sys
try:
    import streamlit.web.server.upload_file_request_handler
except ImportError:
    from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
else:
    from tornado.web import create_signed_value
print(create_signed_value(*sys.argv[1:]).decode())
"""


@pytest.fixture(scope="module")
def with_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, App]]:
    """Return two running copies of an app at which people log in."""
    run = tmp_path_factory.mktemp("login")
    with contextlib.ExitStack() as stack:
        apps = []
        for name in ("a", "b"):
            (run / name / ".streamlit").mkdir(parents=True)
            (run / name / ".streamlit" / "secrets.toml").write_text(AUTH)
            (run / name / "app.py").write_text(WHO_IS_IT)
            apps.append(stack.enter_context(running_app(run / name, run=run, name=name)))
        if tuple(map(int, apps[0].companion.status().streamlit.split(".")[:2])) < (1, 42):
            pytest.skip("this version of Streamlit knows no login")
        yield apps[0], apps[1]


def person(browser: Browser, email: str, *, secret: str = SECRET) -> Person:
    """Return who is logged in with a browser: Streamlit's own cookie, signed by Streamlit's code. Nobody: no email."""
    user = json.dumps({"origin": ORIGIN, "is_logged_in": True, "email": email})
    sign = [str(PROGRAM.with_name("python")), "-c", SIGN, secret, "_streamlit_user", user]
    signed = subprocess.run(sign, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    login = f"; _streamlit_user={signed}" if email else ""
    return Person(browser.cookie + login, browser.xsrf, ORIGIN)


def moved_page_of_ann(one: App, other: App, browser: Browser) -> tuple[str, str]:
    """Move a page on which Ann has entered something; return its session and the ticket under which it waits."""
    page = Visitor(one.port, person=person(browser, "ann@example.com"))
    page.run()
    assert browser.upload(page.session, b"her document") == 204
    page.ask_for_address("a.txt")
    urls = page.address("a.txt")
    assert browser.request(
        "PUT", urls.upload_url, files={"file": ("a.txt", b"her document")}, headers={"X-Xsrftoken": browser.xsrf}
    ).ok
    held = in_uploader(urls, name="a.txt", size=len(b"her document"))
    assert page.run(typed("hers") | held).texts == ["ann@example.com hers b'her document'"]
    word, sent = move(one, other, page.session)
    assert (sent.files, sent.dropped) == (2, ())
    leave(one, page)
    return page.session, word


def test_a_page_of_somebody_who_is_logged_in_is_given_to_the_same_login(with_login):
    one, other = with_login
    browser = Browser(one.port)
    session, word = moved_page_of_ann(one, other, browser)

    back = Visitor(other.port, word, person=person(browser, "ann@example.com"))

    assert back.shown().texts == ["ann@example.com hers b'her document'"]
    assert back.session == session
    back.close()


@pytest.mark.parametrize(
    ("email", "secret"),
    [
        pytest.param("bob@example.com", SECRET, id="somebody else"),
        pytest.param("", SECRET, id="nobody who is logged in"),
        pytest.param("ann@example.com", "another secret", id="a login that is forged"),
    ],
)
def test_who_brings_the_ticket_of_another_login_gets_a_page_of_their_own(with_login, email, secret):
    one, other = with_login
    browser = Browser(one.port)
    session, word = moved_page_of_ann(one, other, browser)

    stranger = Visitor(other.port, word, person=person(browser, email, secret=secret))
    shown = stranger.run()

    who = email if secret == SECRET and email else None
    assert shown.texts == [f"{who}  None"]
    assert shown.session != session
    assert f"page {session[:8]} came as somebody else: what was entered on it is dropped" in other.log.read_text()
    assert session not in other.rows()
    again = Visitor(other.port, word, person=person(browser, "ann@example.com"))
    assert again.run().session != session  # it is spent
    for visitor in (stranger, again):
        visitor.close()


def test_a_page_whose_session_nobody_knows_is_told_so(pair):
    page = Visitor(pair[0].port, "11111111-2222-3333-4444-555555555555")

    assert page.toast() == (
        "The app was restarted: what you entered or uploaded here before is gone. Please enter it again."
    )
    page.close()


def test_a_run_that_ends_in_time_is_waited_for(pair):
    one, other = pair
    go_on = one.slot / "go on"
    page = Visitor(one.port)
    page.run()
    page.ask(typed("wait"))
    wait_for(lambda: one.rows()[page.session].running)
    threading.Timer(0.5, go_on.touch).start()
    try:
        word, _ = move(one, other, page.session)
    finally:
        wait_for(go_on.exists)
        go_on.unlink()
    leave(one, page)
    (other.slot / "go on").touch()

    back = Visitor(other.port, word)

    assert "half done" in back.shown().texts[4]
    back.close()
    (other.slot / "go on").unlink()


def test_a_page_is_handed_over_when_it_has_been_sent_all_of_its_last_run(tmp_path):
    script = "import streamlit as st\nrows = st.number_input('Rows', value=0)\n"
    script += "for row in range(rows):\n    st.write(f'row {row} of {rows}')\nst.write(f'all of {rows}')\n"
    with running_app_of(script, tmp_path, "a") as one, running_app_of(script, tmp_path, "b") as other:
        for rows in range(100, 260, 10):
            page = Visitor(one.port)
            page.run()
            page.ask({"Rows": ("int_value", rows)})
            reads = threading.Thread(target=page.read_until, args=(f"all of {rows}",))
            reads.start()
            wait_for(lambda page=page, reads=reads: one.rows()[page.session].running or not reads.is_alive())

            move(one, other, page.session)

            one.process.send_signal(signal.SIGSTOP)  # what comes now, was on its way before
            reads.join(2)
            whole = not reads.is_alive()
            one.process.send_signal(signal.SIGCONT)
            reads.join()
            assert whole, f"of {rows} rows a part was missing"
            page.close()


def test_a_run_that_never_ends_is_left_behind_with_all_that_was_typed(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.ask(typed("wait"))
    wait_for(lambda: one.rows()[page.session].running)
    began = time.monotonic()
    word, sent = move(one, other, page.session, wait=0.5)
    assert 0.5 <= time.monotonic() - began < 5
    (other.slot / "go on").touch()
    leave(one, page)

    back = Visitor(other.port, word)
    shown = back.shown()

    assert "word wait" in shown.texts[1]
    assert "half done" in shown.texts[4]
    assert "half" in sent.carried
    back.close()
    (other.slot / "go on").unlink()
    (one.slot / "go on").touch()
    wait_for(lambda: not one.rows().get(page.session) or not one.rows()[page.session].running)
    (one.slot / "go on").unlink()


def test_an_upload_under_way_ends_first(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    content = b"y" * 100_000
    with socket_to(one) as connection:
        begin_upload(connection, page.session, "slow", content)
        connection.sendall(content[:50_000])
        wait_for(lambda: uploads_of(one, page))
        moved: list = []
        thread = threading.Thread(target=lambda: moved.append(move(one, other, page.session)))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        connection.sendall(content[50_000:] + b"\r\n--x--\r\n")
        assert b" 204 " in connection.recv(4096)
    thread.join(10)

    assert moved[0][1].files == 1
    assert moved[0][1].bytes == len(content)
    page.close()


def test_the_run_that_uses_what_was_uploaded_is_waited_for(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    assert upload(one, page.session, "f1", b"the document") == 204
    moved: list = []
    thread = threading.Thread(target=lambda: moved.append(move(one, other, page.session)))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()

    page.run(typed("with the document"))
    thread.join(10)
    word, _ = moved[0]
    leave(one, page)
    back = Visitor(other.port, word)

    assert "early with the document word with the document number 1 visits 3" in back.shown().texts[1]
    back.close()


def test_an_upload_that_is_cut_off_is_not_waited_for(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    with socket_to(one) as connection:
        begin_upload(connection, page.session, "cut", b"z" * 100_000)
        wait_for(lambda: uploads_of(one, page))

    _, sent = move(one, other, page.session)

    assert sent.files == 0
    assert sent.seconds < 5
    page.close()


def test_an_upload_for_a_page_that_is_on_its_way_is_taken(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    word, _ = move(one, other, page.session)

    assert upload(other, page.session, "early", b"before the page") == 204

    leave(one, page)
    back = Visitor(other.port, word)
    back.shown()
    assert other.rows()[page.session].files == 1
    back.close()


def test_a_page_that_asks_where_to_upload_is_answered_though_a_run_begins(pair):
    page = Visitor(pair[0].port)
    page.run()

    for number in range(20):
        page.ask_for_address(f"{number}.txt")
        page.ask()

        assert page.session in page.address(f"{number}.txt").upload_url
    page.close()


def test_a_page_that_has_asked_where_to_upload_is_answered_by_its_new_process(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    word, _ = move(one, other, page.session)
    page.ask_for_address("report.txt")
    leave(one, page)
    back = Visitor(other.port, word)

    assert page.session in back.address("report.txt").upload_url
    back.close()


def test_a_ticket_is_good_for_one_page(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    word, _ = move(one, other, page.session)
    leave(one, page)
    first = Visitor(other.port, word)
    assert first.shown().session == page.session

    second = Visitor(other.port, word)

    assert second.toast().startswith("The app was restarted")
    assert second.run().session != page.session
    first.close()
    second.close()


def test_a_page_that_was_cut_off_as_it_came_may_bring_its_ticket_once_more(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("hello"))
    assert upload(one, page.session, "f1", b"the document") == 204
    word, _ = move(one, other, page.session)
    leave(one, page)
    cut = Visitor(other.port, word)
    cut.shown()
    leave(other, page, by=cut)

    back = Visitor(other.port, word)
    back.ids = page.ids
    back.ask(typed("hello") | {"Click": ("trigger_value", True)})

    assert back.shown_with("presses 1").texts[1].startswith("early hello word hello")
    assert other.rows()[page.session].active
    assert other.rows()[page.session].files == 1
    back.close()


def test_a_session_that_came_can_go_back(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run(query="a=1")
    page.run(typed("there and back"))
    word, _ = move(one, other, page.session)
    leave(one, page)
    there = Visitor(other.port, word)
    there.shown()
    word, _ = move(other, one, page.session)
    leave(other, there)

    back = Visitor(one.port, word)
    shown = back.shown()

    assert shown.session == page.session
    assert "word there and back number 1 visits 4" in shown.texts[1]
    word, _ = move(one, other, page.session)
    leave(one, back)
    again = Visitor(other.port, word)
    assert "word there and back number 1 visits 5" in again.shown().texts[1]
    again.close()
    assert "did not reach" not in one.log.read_text() + other.log.read_text()


def test_a_session_whose_page_has_not_come_goes_on_to_a_third_process_with_all_that_came_after_it(pair, third):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("hello"))
    assert upload(one, page.session, "f1", b"the document") == 204
    move(one, other, page.session)
    page.ask({"Click": ("trigger_value", True)} | typed("hello"))

    word, sent = move(other, third, page.session)
    assert upload(other, page.session, "f2", b"for nobody") == 204  # nothing is sent there any more
    leave(one, page)
    wait_for(lambda: not one.leaving() and not other.leaving())
    back = Visitor(third.port, word)
    clicked = back.shown_with("clicks 1")

    assert sent.files == 1
    assert clicked.texts[0] == "in c"
    assert "early hello word hello" in clicked.texts[1]
    assert clicked.texts[2] == "changes 1 clicks 1 presses 1"
    assert back.run().texts[2] == "changes 1 clicks 1 presses 1"
    assert third.rows()[page.session].files == 1
    back.close()


def test_a_page_that_comes_with_the_ticket_before_the_last_waits_to_be_sent_on(pair, third):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("hello"))
    old_word, _ = move(one, other, page.session)
    leave(one, page)
    word, _ = move(other, third, page.session)

    between = Visitor(other.port, old_word)
    wait_for(lambda: other.rows()[page.session].active)
    between.ids = page.ids
    between.ask({"Click": ("trigger_value", True)} | typed("hello"))
    between.close()
    wait_for(lambda: not other.leaving())
    back = Visitor(third.port, word)

    assert back.shown_with("clicks 1").texts[2] == "changes 1 clicks 1 presses 1"
    assert back.run().texts[2] == "changes 1 clicks 1 presses 1"
    back.close()


def test_a_session_that_is_not_sent_on_after_all_waits_for_its_page_as_before(pair, third):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("hello"))
    word, _ = move(one, other, page.session)
    leave(one, page)
    move(other, third, page.session)

    other.companion.release(page.session)
    back = Visitor(other.port, word)

    assert "word hello" in back.shown().texts[1]
    back.ids = page.ids
    assert "word on" in back.run(typed("on")).texts[1]
    back.close()


def test_a_page_that_came_in_between_and_is_sent_once_more_runs_there_first(pair, third):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("hello") | {"Number": ("double_value", 4.0)})
    old_word, _ = move(one, other, page.session)
    leave(one, page)
    move(other, third, page.session)
    between = Visitor(other.port, old_word)
    wait_for(lambda: other.rows()[page.session].active)

    word, _ = move(other, third, page.session)
    between.close()
    wait_for(lambda: not other.rows()[page.session].active)
    back = Visitor(third.port, word)

    assert "early hello word hello number 4 visits 4" in back.shown().texts[1]
    back.close()


def test_a_page_that_comes_back_while_it_is_sent_goes_on_there(pair, third):
    one, _ = pair
    page = Visitor(one.port)
    page.run()
    refused: list = []

    def send() -> None:
        try:
            move(one, third, page.session)
        except CompanionError as error:
            refused.append(error.message)

    os.kill(third.process.pid, signal.SIGSTOP)
    try:
        thread = threading.Thread(target=send)
        thread.start()
        wait_for(one.leaving)
        leave(one, page)
        back = Visitor(one.port, page.session)
        back.ids = page.ids
        back.ask(typed("on"))
        back.shown_with("word on")
    finally:
        os.kill(third.process.pid, signal.SIGCONT)
    thread.join(20)

    assert "came back meanwhile" in refused[0]
    assert "word further" in back.run(typed("further")).texts[1]
    back.close()


def test_a_session_that_cannot_be_sent_on_still_waits_for_its_page(pair, tmp_path):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("hello"))
    word, _ = move(one, other, page.session)
    leave(one, page)

    with pytest.raises(CompanionError, match="does not take the session"):
        other.companion.send(page.session, ticket=ticket(), to=tmp_path / "nobody", wait=0)
    back = Visitor(other.port, word)

    assert "word hello" in back.shown().texts[1]
    back.close()


def test_what_a_page_said_last_in_its_old_process_does_not_undo_what_it_said_first_in_the_new_one(pair):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("first"))
    word, _ = move(one, other, page.session)
    page.ask({"Click": ("trigger_value", True)} | typed("first"))
    back = Visitor(other.port, word)  # before the old process has noticed that it left
    back.shown()
    back.ids = page.ids
    assert "word second" in back.run(typed("second")).texts[1]

    page.close()

    late = back.shown()
    assert "word second" in late.texts[1]
    assert late.texts[2] == "changes 2 clicks 1 presses 1"
    back.close()


def test_what_a_page_said_last_in_its_old_process_follows_it_to_the_one_after_the_next(pair, third):
    one, other = pair
    page = Visitor(one.port)
    page.run()
    page.run(typed("hello"))
    word, _ = move(one, other, page.session)
    page.ask({"Click": ("trigger_value", True)} | typed("hello"))
    assert upload(one, page.session, "late", b"came late") == 204
    between = Visitor(other.port, word)  # before the first process has noticed that it left
    between.shown()
    word, _ = move(other, third, page.session)
    leave(other, between)
    back = Visitor(third.port, word)
    back.shown()

    page.close()

    assert back.shown_with("clicks 1").texts[2] == "changes 1 clicks 1 presses 1"
    wait_for(lambda: third.rows()[page.session].files == 1)
    back.close()


def test_an_unknown_session_and_a_process_that_is_gone_are_refused_and_the_page_goes_on(pair, tmp_path):
    one, _ = pair
    page = Visitor(one.port)
    page.run()

    with pytest.raises(CompanionError, match="not known here"):
        one.companion.send("nobody", ticket=ticket(), to=one.companion.path, wait=1)
    with pytest.raises(CompanionError, match="does not take the session"):
        one.companion.send(page.session, ticket=ticket(), to=tmp_path / "gone.socket", wait=1)

    assert page.run(typed("still here")).texts[2].startswith("changes 1")
    page.close()


def raw(app: App, request: bytes) -> dict:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(app.companion.path))
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as source:
            return json.loads(source.readline())


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"nonsense\n", id="no JSON"),
        pytest.param(b"[]\n", id="no object"),
        pytest.param(b'{"verb":"steal"}\n', id="an unknown verb"),
        pytest.param(b'{"verb":"receive","ticket":"t","session":"s"}\n', id="no payload"),
        pytest.param(b'{"verb":"receive","ticket":"t","session":"s","document":10,"blobs":0}\n{}', id="too short"),
        pytest.param(
            b'{"verb":"receive","ticket":"t","session":"s","document":2,"blobs":0}\n{}', id="an empty document"
        ),
        pytest.param(b'{"verb":"receive","ticket":"t","session":"s","document":2,"blobs":0}\n{}more', id="too long"),
        pytest.param(
            b'{"verb":"receive","ticket":"t","session":"s","document":-1,"blobs":0}\n', id="a negative length"
        ),
        pytest.param(b'{"verb":"receive","ticket":"t","session":"s","document":1,"blobs":9999999999}\n', id="too many"),
        pytest.param(b"x" * (1 << 21), id="a line without an end"),
    ],
)
def test_a_request_that_is_not_understood_is_refused_and_changes_nothing(pair, request_):
    one, _ = pair
    before = one.companion.status().pending

    try:
        answer = raw(one, request_)
    except (BrokenPipeError, ConnectionResetError):
        answer = {"error": "hung up"}

    assert answer["error"]
    assert one.companion.status().pending == before


def test_the_socket_is_for_the_same_user_only(pair):
    assert pair[0].companion.path.stat().st_mode & 0o777 == 0o600


def test_a_version_is_tried_by_moving_a_page_of_a_process_to_itself(pair):
    one, _ = pair
    trial = Path(__file__).parents[2] / "gitrelease" / "inside" / "move_trial.py"
    done = subprocess.run(
        [PROGRAM.with_name("python"), trial, "127.0.0.1", str(one.port), one.companion.path, "20"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    verdict = json.loads(done.stdout)
    assert verdict["ok"], verdict
    assert verdict["session"]
    assert verdict["files"]


def test_what_those_left_who_are_gone_for_long_is_given_back(tmp_path):
    """Streamlit keeps a session for two minutes after its page; this app has made that a moment."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_text(
        "import gc, streamlit as st\n"
        "from streamlit.runtime.runtime import Runtime\n"
        "storage = Runtime.instance()._session_mgr._session_storage\n"
        "storage._cache = type(storage._cache)(maxsize=128, ttl=0.3)\n"
        "st.session_state.big = bytearray(50_000_000)\n"
        "st.write('kept')\n"
    )
    with running_app(tmp_path / "app", run=tmp_path, name="trimmed") as app:
        page = Visitor(app.port)
        page.run()
        assert upload(app, page.session, "f", b"x") in (204, 403)
        full = resident(app)
        assert app.companion.trim() == 0
        page.close()

        assert wait_for(app.companion.trim) == 1

        assert app.rows() == {}
        assert resident(app) < full - 40


def resident(app: App) -> int:
    """Return the memory of a process, in megabytes."""
    fields = Path(f"/proc/{app.process.pid}/statm").read_text().split()
    return int(fields[1]) * 4096 // 1_000_000


# A run that a broken connection cuts off: its elements and widgets behind the wait are not there.
HALF = """
import pathlib
import time
import streamlit as st

st.write("begins")
while (pathlib.Path(__file__).parent / "gate").exists():
    time.sleep(0.01)
word = st.text_input("Word")
st.write(f"word {word}")
"""


def cut_off(app: App, page: Visitor, session: str) -> None:
    """Break the connection of a page whose run waits at the gate, and let that run come to its end."""
    page.read_until("begins")
    page.close()
    wait_for(lambda: not app.rows()[session].active)
    (app.slot / "gate").unlink()


def test_a_run_that_a_broken_connection_has_cut_off_is_made_again_when_its_page_is_back(tmp_path):
    with running_app_of(HALF, tmp_path, "one") as app:
        page = Visitor(app.port)
        page.run()
        (app.slot / "gate").touch()
        page.ask(typed("entered"))
        cut_off(app, page, page.session)

        back = Visitor(app.port, page.session)

        assert back.shown().texts == ["begins", "word entered"]
        back.close()


def test_the_first_run_of_a_page_that_was_moved_is_made_again_where_it_was_cut_off(tmp_path):
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(running_app_of(HALF, tmp_path, name)) for name in ("one", "other"))
        page = Visitor(one.port)
        page.run()
        page.run(typed("entered"))
        (other.slot / "gate").touch()
        ticket, _ = move(one, other, page.session)
        leave(one, page)
        cut_off(other, Visitor(other.port, ticket), page.session)

        back = Visitor(other.port, page.session)

        assert back.shown().texts == ["begins", "word entered"]
        back.ids = page.ids
        assert back.run(typed("on")).texts == ["begins", "word on"]
        back.close()


def coming(app: App) -> tuple[int, int]:
    """How many sessions wait for their pages, and how many pages have come whose first run has not ended?"""
    status = app.companion.status()
    return status.pending, status.arriving


def test_a_page_is_arriving_until_its_first_run_has_ended(tmp_path):
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(running_app_of(HALF, tmp_path, name)) for name in ("one", "other"))
        page = Visitor(one.port)
        page.run()
        (other.slot / "gate").touch()
        ticket, _ = move(one, other, page.session)
        leave(one, page)
        sent = coming(other)
        cut = Visitor(other.port, ticket)
        cut.read_until("begins")
        running = coming(other)
        cut.close()
        wait_for(lambda: not other.rows()[page.session].active)
        away = coming(other)
        (other.slot / "gate").unlink()

        back = Visitor(other.port, page.session)
        back.shown()

        assert (sent, running, away) == ((1, 0), (0, 1), (0, 1))
        wait_for(lambda: coming(other) == (0, 0))
        assert coming(one) == (0, 0)
        back.close()


def test_a_page_that_was_cut_off_in_its_first_run_moves_on_without_coming_back(tmp_path):
    with contextlib.ExitStack() as stack:
        one, other, last = (stack.enter_context(running_app_of(HALF, tmp_path, name)) for name in ("1", "2", "3"))
        page = Visitor(one.port)
        page.run()
        page.run(typed("entered"))
        (other.slot / "gate").touch()
        ticket, _ = move(one, other, page.session)
        leave(one, page)
        cut_off(other, Visitor(other.port, ticket), page.session)

        ticket, sent = move(other, last, page.session, wait=20)
        back = Visitor(last.port, ticket)

        assert sent.seconds < 10
        assert back.shown().texts == ["begins", "word entered"]
        back.close()


def test_a_page_that_is_away_from_a_run_that_was_cut_off_moves_with_all_that_was_entered(tmp_path):
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(running_app_of(HALF, tmp_path, name)) for name in ("one", "other"))
        page = Visitor(one.port)
        page.run()
        page.run(typed("entered"))
        (one.slot / "gate").touch()
        page.ask(typed("entered"))
        cut_off(one, page, page.session)
        wait_for(lambda: not one.rows()[page.session].running)

        ticket, _ = move(one, other, page.session)
        back = Visitor(other.port, ticket)

        assert back.shown().texts == ["begins", "word entered"]
        back.close()
