#!/usr/bin/env bash
# Guess: a page whose connection breaks while its script runs, and that comes
# back with its session, is shown the whole of that run, or is told that the run
# was stopped.
# Version: Streamlit 1.67.0.
# Behaviour: the run is stopped at its next element when the connection ends. The
# page that comes back is told that it was "finished successfully", which to the
# frontend means: what this run has not shown is gone, with what was entered
# there. The run is not made again by itself; a page that knew that a run was
# under way asks for another one, one that did not know (its click was just
# sent) keeps what is left.
# Seen on 2026-11-30: an app with a text before a wait and one behind it. The
# page that came back was sent script_finished with FINISHED_SUCCESSFULLY and no
# element, and for three seconds nothing more; the script never came to the
# second text.
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv" || exit 2
"$tmp/venv/bin/python" -m pip install -q streamlit==1.67.0 >"$tmp/pip.log" 2>&1 ||
    { cat "$tmp/pip.log" >&2; exit 2; }

cat >"$tmp/app.py" <<'PY'
import pathlib
import time

import streamlit as st

here = pathlib.Path(__file__).parent
st.text("before the wait")
while (here / "gate").exists():
    time.sleep(0.01)
st.text("behind the wait")
(here / "behind").touch()
PY

cat >"$tmp/try.py" <<'PY'
"""Break a page's connection in the middle of a run, and come back."""
import asyncio, os, pathlib, socket, subprocess, sys

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

here = pathlib.Path(__file__).parent
gate, behind = here / "gate", here / "behind"
plain = {n: v for n, v in os.environ.items() if not n.startswith("STREAMLIT_")}
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
asked = BackMsg()
asked.rerun_script.query_string = ""


def page(session=None):
    tokens = ["streamlit", "none", *([session] if session else [])]
    return websockets.connect(
        f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=tokens, max_size=None, proxy=None)


async def first(connection, wanted):
    while True:
        told = ForwardMsg.FromString(await connection.recv())
        if told.WhichOneof("type") == "new_session":
            session = told.new_session.initialize.session_id
        if wanted(told):
            return session


def is_text(told):
    return told.delta.new_element.text.body == "before the wait"


async def tried():
    async with asyncio.timeout(90):
        while True:
            try:
                connection = await page()
                break
            except OSError:
                await asyncio.sleep(0.1)
        await connection.send(asked.SerializeToString())
        session = await first(connection, lambda told: told.WhichOneof("type") == "script_finished")
        gate.touch()
        behind.unlink()
        await connection.send(asked.SerializeToString())
        await first(connection, is_text)
        await connection.close()
        await asyncio.sleep(1)
        gate.unlink()
        await asyncio.sleep(1)
        seen = []
        async with page(session) as back:
            try:
                while True:
                    seen.append(ForwardMsg.FromString(await asyncio.wait_for(back.recv(), 3)))
            except TimeoutError:
                pass
    ended = [ForwardMsg.ScriptFinishedStatus.Name(one.script_finished)
             for one in seen if one.WhichOneof("type") == "script_finished"]
    texts = [one.delta.new_element.text.body for one in seen if one.WhichOneof("type") == "delta"]
    return ended, texts, behind.exists()


server = subprocess.Popen(
    [sys.executable, "-m", "streamlit", "run", here / "app.py", f"--server.port={port}",
     "--server.address=127.0.0.1", "--server.headless=true",
     "--browser.gatherUsageStats=false", "--server.fileWatcherType=none"],
    env={**plain, "HOME": str(here)}, cwd=here,
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    ended, texts, done = asyncio.run(tried())
except Exception as problem:
    print("could not be tried:", repr(problem), file=sys.stderr)
    sys.exit(2)
finally:
    server.kill()
    server.wait()
print(f"told: {ended}, shown: {texts}, the script came behind the wait: {done}")
sys.exit(0 if ended == ["FINISHED_SUCCESSFULLY"] and "behind the wait" not in texts and not done else 1)
PY
"$tmp/venv/bin/python" "$tmp/try.py"
