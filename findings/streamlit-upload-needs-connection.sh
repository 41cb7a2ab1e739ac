#!/usr/bin/env bash
# Guess: Streamlit keeps the session of a page whose connection broke for two
# minutes, so an upload to that session (PUT /_stcore/upload_file/SESSION/FILE)
# is accepted in that time.
# Version: Streamlit 1.67.0.
# Behaviour: an upload is taken only while the session's websocket is open. As
# soon as it is gone the answer is 400, although a page that connects again
# with the session's id gets that very session back, and may then upload again.
# Seen on 2026-11-29: 204 while connected; 400 "Invalid session_id" after the
# connection had been closed; then the same id and the session's own count of
# runs came back with the reconnect, and 204 again.
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv" || exit 2
"$tmp/venv/bin/python" -m pip install -q streamlit==1.67.0 >"$tmp/pip.log" 2>&1 ||
    { cat "$tmp/pip.log" >&2; exit 2; }

cat >"$tmp/app.py" <<'PY'
import streamlit as st

st.session_state.runs = st.session_state.get("runs", 0) + 1
st.text(f"runs in this session: {st.session_state.runs}")
PY

cat >"$tmp/drive.py" <<'PY'
import asyncio, http.client, os, socket, subprocess, sys, time

here = os.path.dirname(os.path.abspath(__file__))
os.environ["HOME"] = here
for name in [n for n in os.environ if n.startswith("STREAMLIT_")]:
    del os.environ[name]

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


def ask(port, path, method="GET", body=None, headers={}):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def until(what, condition, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError("waited in vain for " + what)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(python, port, *options, folder=here):
    """Start Streamlit; what it says goes to server.log."""
    with open(os.path.join(here, "server.log"), "ab") as log:
        return subprocess.Popen(
            [python, "-m", "streamlit", "run", os.path.join(here, "app.py"),
             "--server.address=127.0.0.1", f"--server.port={port}",
             "--server.headless=true", "--browser.gatherUsageStats=false",
             "--server.fileWatcherType=none", *options],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def end(server):
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def said():
    with open(os.path.join(here, "server.log"), errors="replace") as log:
        return log.read()

def connect(port, session=None):
    # The second entry is the place of the XSRF token, which is not used here.
    names = ["streamlit"] + (["none", session] if session else [])
    return websockets.connect(f"ws://127.0.0.1:{port}/_stcore/stream",
                              subprotocols=names, max_size=None, proxy=None)


async def run(ws):
    """Run the script. Returns the session's id and the text of the page."""
    message = BackMsg()
    message.rerun_script.query_string = ""
    await ws.send(message.SerializeToString())
    session = text = None
    async with asyncio.timeout(30):
        while True:
            message = ForwardMsg.FromString(await ws.recv())
            if message.HasField("new_session"):
                session = message.new_session.initialize.session_id or session
            elif message.HasField("delta"):
                text = message.delta.new_element.text.body or text
            elif message.HasField("script_finished") and text:
                return session, text


def upload(port, session, file):
    body = ("--limit\r\nContent-Disposition: form-data; name=\"file\"; "
            "filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n"
            "some text\r\n--limit--\r\n").encode()
    status, _, answer = ask(
        port, f"/_stcore/upload_file/{session}/{file}", "PUT", body,
        {"Content-Type": "multipart/form-data; boundary=limit"})
    return f"{status} {answer.decode(errors='replace')[:18]}".strip()


async def try_it(port):
    seen = {}
    async with connect(port) as ws:
        session, seen["page"] = await run(ws)
        if not session:
            raise RuntimeError("the page was not told its session")
        seen["connected"] = upload(port, session, "one")

    # The server needs a moment to notice; ask until the answer changes.
    tries = 0
    limit = time.monotonic() + 10
    while True:
        tries += 1
        seen["connection gone"] = upload(port, session, f"two-{tries}")
        if seen["connection gone"] != seen["connected"] or time.monotonic() > limit:
            break
        await asyncio.sleep(0.05)

    async with connect(port, session) as ws:
        back, seen["page after reconnect"] = await run(ws)
        seen["same session"] = back == session
        seen["connected again"] = upload(port, session, "three")
    return seen


port = free_port()
server = serve(sys.executable, port, "--server.enableXsrfProtection=false")
try:
    until("the server", lambda: ask(port, "/_stcore/health")[0] == 200)
    seen = asyncio.run(try_it(port))
except Exception as problem:
    print("could not be tried:", repr(problem), file=sys.stderr)
    sys.stderr.write(said())
    sys.exit(2)
finally:
    end(server)

print(", ".join(f"{k}: {v}" for k, v in seen.items()))
# The run after the reconnect is at least the second one of the session.
again = seen.pop("page after reconnect")
sys.exit(0 if again != seen["page"] and seen == {
    "page": "runs in this session: 1", "connected": "204",
    "connection gone": "400 Invalid session_id", "same session": True,
    "connected again": "204",
} else 1)
PY

"$tmp/venv/bin/python" "$tmp/drive.py"
