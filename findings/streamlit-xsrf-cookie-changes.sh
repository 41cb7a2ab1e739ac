#!/usr/bin/env bash
# Guess: the XSRF cookie (_streamlit_xsrf) of a browser stays the same text for
# its session, and belongs to the server process that gave it out.
# Version: Streamlit 1.67.0.
# Behaviour: each answer of /_stcore/health and /_stcore/script-health-check
# sets the cookie anew, with a new random mask; only the token inside and its
# time stay. So the texts cannot be compared. (/_stcore/host-config sets none.)
# The token is tied to no process: another process keeps it, and takes an
# upload whose header and cookie carry it in two different texts.
# Seen on 2026-11-29: six answers of two processes to one browser: six texts,
# one token, one time. An upload to the second process with a text from the
# first: 204, and without the header 403.
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv" || exit 2
"$tmp/venv/bin/python" -m pip install -q streamlit==1.67.0 >"$tmp/pip.log" 2>&1 ||
    { cat "$tmp/pip.log" >&2; exit 2; }

cat >"$tmp/app.py" <<'PY'
import streamlit as st

st.write("hello")
PY

cat >"$tmp/drive.py" <<'PY'
import asyncio, http.client, os, socket, subprocess, sys, time

here = os.path.dirname(os.path.abspath(__file__))
os.environ["HOME"] = here
for name in [n for n in os.environ if n.startswith("STREAMLIT_")]:
    del os.environ[name]

from http.cookies import SimpleCookie

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

NAME = "_streamlit_xsrf"
PATHS = ("/_stcore/health", "/_stcore/script-health-check", "/_stcore/health")


def given(port, path, cookie=None):
    headers = {"Cookie": f"{NAME}={cookie}"} if cookie else {}
    status, headers, _ = ask(port, path, headers=headers)
    for line in headers.get_all("Set-Cookie", []):
        jar = SimpleCookie(line)
        if NAME in jar:
            return jar[NAME].value
    raise RuntimeError(f"{path} answers {status} and sets no {NAME}")


def inside(cookie):
    """The token, with its mask taken off, and the time."""
    version, mask, token, stamp = cookie.split("|")
    if version != "2":
        raise RuntimeError("another kind of cookie: version " + version)
    mask, token = bytes.fromhex(mask), bytes.fromhex(token)
    return bytes(b ^ mask[i % 4] for i, b in enumerate(token)), stamp


async def uploads(port, header, cookie):
    """Upload from a connected page, with and without the header."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/_stcore/stream",
                                  subprotocols=["streamlit"], max_size=None,
                                  proxy=None) as ws:
        message = BackMsg()
        message.rerun_script.query_string = ""
        await ws.send(message.SerializeToString())
        async with asyncio.timeout(30):
            while True:
                message = ForwardMsg.FromString(await ws.recv())
                if message.HasField("new_session"):
                    session = message.new_session.initialize.session_id
                    break
        body = (b"--limit\r\nContent-Disposition: form-data; name=\"file\"; "
                b"filename=\"a.txt\"\r\n\r\nsome text\r\n--limit--\r\n")
        headers = {"Content-Type": "multipart/form-data; boundary=limit",
                   "Cookie": f"{NAME}={cookie}"}
        path = f"/_stcore/upload_file/{session}/"
        return (ask(port, path + "one", "PUT", body, {**headers, "X-Xsrftoken": header})[0],
                ask(port, path + "two", "PUT", body, headers)[0])


servers = []
try:
    ports = []
    for _ in range(2):
        port = free_port()
        servers.append(serve(sys.executable, port,
                             "--server.scriptHealthCheckEnabled=true"))
        until("the server", lambda: ask(port, "/_stcore/health")[0] == 200)
        ports.append(port)
    cookies = []
    for port in ports:
        for path in PATHS:
            cookies.append(given(port, path, cookies[-1] if cookies else None))
    with_header, without = asyncio.run(uploads(ports[1], cookies[0], cookies[-1]))
    texts = len(set(cookies))
    tokens = len({inside(c)[0] for c in cookies})
    times = len({inside(c)[1] for c in cookies})
except Exception as problem:
    print("could not be tried:", repr(problem), file=sys.stderr)
    sys.stderr.write(said())
    sys.exit(2)
finally:
    for server in servers:
        end(server)

print(f"{len(cookies)} answers of two processes to one browser: {texts} texts,",
      f"{tokens} token, {times} time; upload to the second process with a text",
      f"from the first: {with_header}, without: {without}")
sys.exit(0 if (texts, tokens, times, with_header, without) == (6, 1, 1, 204, 403) else 1)
PY

"$tmp/venv/bin/python" "$tmp/drive.py"
