"""Is a first session with the app judged as a user would judge it?"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitrelease.inside import session
from gitrelease.inside.session import BINARY, CLOSE, CONTINUATION, PING, PONG, Connection, Ended, Late
from tests.edges.streamlit_server import streamlit

SESSION = session.__file__
SAMPLE = Path(session.__file__).parents[1] / "demo" / "app" / "FinDocPipeline.py"


def probe(port: int, *, deadline: float = 20, cwd: Path | None = None) -> dict:
    """Run the probe as it is run beside a server that starts."""
    argv = [sys.executable, SESSION, "127.0.0.1", str(port), str(deadline)]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert done.returncode == (1 if "unknown" in verdict else 0)
    return verdict


def first_session(folder: Path, source: str, *, deadline: float = 20) -> dict:
    """Return the verdict on an app that consists of `source`."""
    script = folder / "app.py"
    script.write_text(source)
    with streamlit(script, log=folder / "server.log") as port:
        return probe(port, deadline=deadline, cwd=folder)


# -- real servers ----------------------------------------------------------------------------------------------


def test_the_sample_app_finishes_its_first_run(tmp_path):
    with streamlit(SAMPLE, log=tmp_path / "server.log") as port:
        verdict = probe(port)

    assert verdict["ok"], verdict
    assert verdict["detail"] == ""
    assert verdict["seconds"]["port"] > 0
    assert verdict["seconds"]["first_run"] > 0


def test_a_second_session_is_judged_as_well_as_the_first(tmp_path):
    with streamlit(SAMPLE, log=tmp_path / "server.log") as port:
        assert probe(port)["ok"]
        assert probe(port)["ok"]


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        pytest.param("raise ValueError('boom')\n", "ValueError: boom (app.py:1)", id="raises at the top"),
        pytest.param(
            "import streamlit as st\nst.write('so far')\nimport not_there\n",
            "ModuleNotFoundError: No module named 'not_there' (app.py:3)",
            id="imports what is not there",
        ),
        pytest.param("values = [1, 2\n", "SyntaxError: '[' was never closed (app.py:1)", id="does not compile"),
        pytest.param(
            "import streamlit as st\nst.exception(KeyError('shown'))\n", "KeyError: 'shown'", id="shows an exception"
        ),
        pytest.param(
            "import streamlit as st\nst.exception(KeyError('one'))\nst.exception(KeyError('two'))\n",
            "KeyError: 'one', and 1 more",
            id="shows two exceptions",
        ),
        pytest.param(
            "import streamlit as st\nwith st.container():\n    st.columns(2)[1].write(1 / 0)\n",
            "ZeroDivisionError: division by zero (app.py:3)",
            id="raises inside a container",
        ),
    ],
)
def test_an_exception_is_found_and_named(tmp_path, source, detail):
    verdict = first_session(tmp_path, source)

    assert verdict["ok"] is False
    assert verdict["detail"] == detail


def test_a_page_that_runs_again_by_itself_is_judged_at_its_last_end(tmp_path):
    source = (
        "import streamlit as st\n"
        "st.session_state.runs = st.session_state.get('runs', 0) + 1\n"
        "if st.session_state.runs < 3:\n"
        "    st.rerun()\n"
        "raise ValueError('third run')\n"
    )

    assert first_session(tmp_path, source)["detail"] == "ValueError: third run (app.py:5)"


def test_a_page_of_megabytes_is_read_to_its_end(tmp_path):
    assert first_session(tmp_path, "import streamlit as st\nst.text('long ' * 1_000_000)\n")["ok"]


def test_what_the_script_prints_is_none_of_the_probes_business(tmp_path):
    assert first_session(tmp_path, "print('loud ' * 1_000_000)\n")["ok"]


def test_a_script_that_outlives_the_deadline_has_failed(tmp_path):
    began = time.monotonic()

    verdict = first_session(tmp_path, "import threading\nthreading.Event().wait(60)\n", deadline=5)

    assert verdict["ok"] is False
    assert verdict["detail"] == "the script had not finished within 5 s"
    assert time.monotonic() - began < 15


def test_a_script_that_ends_its_server_has_failed(tmp_path):
    verdict = first_session(tmp_path, "import os\nos._exit(3)\n")

    assert verdict["ok"] is False
    assert "before the script had finished" in verdict["detail"]


# -- servers that are no Streamlit ------------------------------------------------------------------------------


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """Start servers that read a request, answer it with given bytes and hang up."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            with listener.accept()[0] as client:
                client.recv(65536)
                client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "502 Bad Gateway"])
def test_a_refused_upgrade_is_told_with_its_status(answering, status):
    port = answering(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    verdict = probe(port, deadline=5)

    assert verdict["ok"] is False
    assert status in verdict["detail"]


def test_a_server_that_hangs_up_at_once_has_failed(answering):
    assert probe(answering(b""), deadline=5) == {
        "ok": False,
        "detail": "the server closed the connection",
        "seconds": {"port": pytest.approx(0, abs=2)},
    }


def test_a_server_that_upgrades_without_proof_has_failed(answering):
    port = answering(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: nonsense\r\n\r\n")

    assert "does not speak websocket" in probe(port, deadline=5)["detail"]


def test_a_port_that_nobody_opens_is_named_when_the_deadline_has_passed():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, never listening
        port = reserved.getsockname()[1]

        verdict = probe(port, deadline=0.5)

    assert verdict == {"ok": False, "detail": f"port {port} did not accept a connection within 0.5 s", "seconds": {}}


def test_a_server_that_accepts_and_stays_silent_has_failed_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        verdict = probe(listener.getsockname()[1], deadline=2)

    assert verdict["detail"] == "the server did not answer within 2 s"


def test_an_interpreter_without_streamlit_is_no_verdict_on_the_app():
    done = subprocess.run(
        [sys.executable, "-S", SESSION, "127.0.0.1", "1", "5"], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 1
    assert "Streamlit is not installed" in json.loads(done.stdout)["unknown"]


def test_streamlit_itself_is_not_started_to_read_its_messages():
    code = "from gitrelease.inside import session; session.import_messages(); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)

    assert "streamlit.proto.ForwardMsg_pb2" in done.stdout.split()
    assert "streamlit.runtime" not in done.stdout.split()


# -- frames ------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """Return a client's connection that waits for five seconds at most, and the server's end of it."""
    client, server = socket.socketpair()
    with client, server:
        yield Connection(client, time.monotonic() + 5), server


def frame(payload: bytes, opcode: int = BINARY, *, final: bool = True, long: bool = False) -> bytes:
    first = (0x80 if final else 0) | opcode
    if long:
        return struct.pack("!BBQ", first, 127, len(payload)) + payload
    if len(payload) > 125:
        return struct.pack("!BBH", first, 126, len(payload)) + payload
    return struct.pack("!BB", first, len(payload)) + payload


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535])
def test_a_frame_of_any_length_is_read(pair, length):
    connection, server = pair
    server.sendall(frame(b"x" * length))

    assert connection.message() == b"x" * length


def test_a_length_of_64_bits_is_read(pair):
    connection, server = pair
    payload = os.urandom(300_000)
    sender = threading.Thread(target=server.sendall, args=(frame(payload, long=True),))
    sender.start()

    assert connection.message() == payload
    sender.join()


def test_a_message_in_fragments_is_put_together_and_a_ping_between_them_answered(pair):
    connection, server = pair
    server.sendall(
        frame(b"one ", final=False)
        + frame(b"are you there", PING)
        + frame(b"two ", CONTINUATION, final=False)
        + frame(b"three", CONTINUATION)
    )

    assert connection.message() == b"one two three"
    head = server.recv(2)
    mask = server.recv(4)
    answer = bytes(byte ^ mask[place % 4] for place, byte in enumerate(server.recv(100)))
    assert head == bytes([0x80 | PONG, 0x80 | len(b"are you there")])
    assert answer == b"are you there"


def test_bytes_that_come_one_by_one_make_the_same_messages(pair):
    connection, server = pair
    for byte in frame(b"slowly") + frame(b"done"):
        server.sendall(bytes([byte]))

    assert [connection.message(), connection.message()] == [b"slowly", b"done"]


def test_a_close_frame_is_told_with_its_code_and_reason(pair):
    connection, server = pair
    server.sendall(frame(struct.pack("!H", 1012) + b"restart", CLOSE))

    with pytest.raises(Ended, match="closed the session: 1012 restart"):
        connection.message()


def test_a_frame_that_never_ends_is_given_up_at_the_deadline():
    client, server = socket.socketpair()
    with client, server:
        server.sendall(struct.pack("!BBQ", 0x80 | BINARY, 127, 1 << 62) + b"and then nothing")

        with pytest.raises(Late):
            Connection(client, time.monotonic() + 0.1).message()
