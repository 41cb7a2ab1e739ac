#!/usr/bin/env bash
# Guess: the file behind a download button that a page shows can be fetched
# for as long as the page shows the button.
# Version: Streamlit 1.67.0 (in-memory media files, the default).
# Behaviour: a run of the script gives up the session's files when it starts
# and takes them again when it comes to each download_button. In between, the
# ends of runs of OTHER sessions remove the file: the first such end marks it,
# the second one deletes it. The link that the page still shows then answers
# 404, until the page's own run comes to its button again.
# Seen on 2026-11-29: 200 with nobody else there and after the first other end,
# 404 after the second other end (a third run makes sure that it is tidied up),
# and 200 under the same address when the own run had ended.
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv" || exit 2
"$tmp/venv/bin/python" -m pip install -q streamlit==1.67.0 >"$tmp/pip.log" 2>&1 ||
    { cat "$tmp/pip.log" >&2; exit 2; }

cat >"$tmp/app.py" <<'PY'
import os, time
import streamlit as st

here = os.path.dirname(os.path.abspath(__file__))
who = st.query_params.get("who", "")
st.session_state.runs = st.session_state.get("runs", 0) + 1
if st.session_state.runs == 2:
    # A slow part of the page, in front of the button.
    open(os.path.join(here, who + "-waiting"), "w").close()
    end = time.monotonic() + 60
    while not os.path.exists(os.path.join(here, who + "-go")) and time.monotonic() < end:
        time.sleep(0.02)
if who == "first":
    st.download_button("Get it", data=b"what the page offers", file_name="a.bin")
else:
    st.write("another page, without a button")
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


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
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


def connect(port):
    return websockets.connect(
        f"ws://127.0.0.1:{port}/_stcore/stream",
        subprotocols=["streamlit"], max_size=None, proxy=None)


async def start(ws, who):
    message = BackMsg()
    message.rerun_script.query_string = "who=" + who
    await ws.send(message.SerializeToString())


async def finish(ws):
    """Read until a run has ended. Returns the button's address, or None."""
    url = None
    async with asyncio.timeout(30):
        while True:
            message = ForwardMsg.FromString(await ws.recv())
            if message.HasField("delta"):
                element = message.delta.new_element
                if element.WhichOneof("type") == "download_button":
                    url = element.download_button.url
            elif message.HasField("script_finished"):
                return url


async def waiting(who):
    name = os.path.join(here, who + "-waiting")
    await asyncio.to_thread(until, "the second run", lambda: os.path.exists(name))


def go(who):
    open(os.path.join(here, who + "-go"), "w").close()


async def try_it(port):
    seen = {}
    async with connect(port) as first, connect(port) as other:
        await start(first, "first")
        url = await finish(first)
        if not url:
            raise RuntimeError("the page sent no download button")
        seen["page shown"] = get(port, url)[0]

        await start(first, "first")
        await waiting("first")
        seen["own rerun under way"] = get(port, url)[0]

        # "Finished" is sent just before a run tidies up. The next run of the
        # same session starts after that, so its start says that it is done.
        await start(other, "other")
        await finish(other)
        await start(other, "other")
        await waiting("other")
        seen["one other run ended"] = get(port, url)[0]
        go("other")
        await finish(other)
        await start(other, "other")
        await finish(other)
        seen["more other runs ended"] = get(port, url)[0]

        go("first")
        again = await finish(first)
        seen["own rerun ended"] = get(port, url)[0]
        seen["same address"] = again == url
    return seen


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
with open(os.path.join(here, "server.log"), "wb") as log:
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", os.path.join(here, "app.py"),
         "--server.address=127.0.0.1", f"--server.port={port}",
         "--server.headless=true", "--browser.gatherUsageStats=false",
         "--server.fileWatcherType=none"],
        cwd=here, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
try:
    until("the server", lambda: get(port, "/_stcore/health")[0] == 200)
    seen = asyncio.run(try_it(port))
except Exception as problem:
    print("could not be tried:", repr(problem), file=sys.stderr)
    sys.stderr.write(open(os.path.join(here, "server.log"), errors="replace").read())
    sys.exit(2)
finally:
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()

print("GET of the link:", ", ".join(f"{k}: {v}" for k, v in seen.items()))
sys.exit(0 if seen == {
    "page shown": 200, "own rerun under way": 200, "one other run ended": 200,
    "more other runs ended": 404, "own rerun ended": 200, "same address": True,
} else 1)
PY

"$tmp/venv/bin/python" "$tmp/drive.py"
