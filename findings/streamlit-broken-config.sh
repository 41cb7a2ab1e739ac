#!/usr/bin/env bash
# Guess: an app whose .streamlit/config.toml does not parse does not start.
# Versions: Streamlit 1.40.2 and 1.67.0.
# Behaviour: 1.40 ends with the parser's error. 1.67 logs "Error parsing config
# toml" and serves with the defaults: no line of the file counts, those above
# the broken one neither, such as a maxUploadSize.
# Seen on 2026-11-29, with maxUploadSize = 1 and an upload of 2 MB: file whole:
# 1.67.0 answers 413; a broken line added below: 1.40.2 ends with status 1 and
# a traceback, 1.67.0 serves and takes the upload (204).
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

install() { # FOLDER PACKAGE...
    local folder=$tmp/$1
    shift
    python3 -m venv "$folder" &&
        "$folder/bin/python" -m pip install -q "$@" >"$folder.log" 2>&1 ||
        { cat "$folder.log" >&2; return 2; }
}
# Side by side: each takes most of a minute.
install old streamlit==1.40.2 &
old=$!
failed=
install new streamlit==1.67.0 || failed=1
wait "$old" || failed=1
[ -z "$failed" ] || exit 2

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

GOOD = "[server]\nmaxUploadSize = 1\n"
BROKEN = GOOD + "maxMessageSize = = 300\n"


def project(name, text):
    folder = os.path.join(here, name)
    os.makedirs(os.path.join(folder, ".streamlit"))
    with open(os.path.join(folder, ".streamlit", "config.toml"), "w") as file:
        file.write(text)
    return folder


async def upload(port):
    """Upload 2 MB from a connected page. Returns the status."""
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
                b"filename=\"a.bin\"\r\n\r\n" + b"x" * (2 << 20) +
                b"\r\n--limit--\r\n")
        return ask(port, f"/_stcore/upload_file/{session}/one", "PUT", body,
                   {"Content-Type": "multipart/form-data; boundary=limit"})[0]


def new(folder):
    port = free_port()
    before = len(said())
    server = serve(sys.executable, port, "--server.enableXsrfProtection=false",
                   folder=folder)
    try:
        until("the server", lambda: server.poll() is not None
              or ask(port, "/_stcore/health")[0] == 200)
        if server.poll() is not None:
            return f"ends with {server.returncode}"
        status = asyncio.run(upload(port))
    finally:
        end(server)
    logged = "Error parsing config toml" in said()[before:]
    return f"serves, {'error logged' if logged else 'no error'}, upload {status}"


def old(folder):
    port = free_port()
    before = len(said())
    server = serve(os.path.join(here, "old", "bin", "python"), port, folder=folder)
    try:
        until("an end or an answer", lambda: server.poll() is not None
              or ask(port, "/_stcore/health")[0] == 200)
        if server.poll() is None:
            return "serves"
    finally:
        end(server)
    text = said()[before:]
    return f"ends with {server.returncode}, " + (
        "traceback of the parser" if "Traceback" in text and "toml" in text.lower()
        else "no traceback")


open(os.path.join(here, "server.log"), "w").close()
try:
    good, broken = project("good", GOOD), project("broken", BROKEN)
    seen = {
        "1.40.2, file whole": old(good),
        "1.40.2, file broken": old(broken),
        "1.67.0, file whole": new(good),
        "1.67.0, file broken": new(broken),
    }
except Exception as problem:
    print("could not be tried:", repr(problem), file=sys.stderr)
    sys.stderr.write(said())
    sys.exit(2)

for what, how in seen.items():
    print(f"{what}: {how}")
sys.exit(0 if list(seen.values()) == [
    "serves", "ends with 1, traceback of the parser",
    "serves, no error, upload 413", "serves, error logged, upload 204",
] else 1)
PY

"$tmp/new/bin/python" "$tmp/drive.py"
