#!/usr/bin/env bash
# Guess: what @st.cache_data(persist="disk") keeps belongs to the app that has
# computed it; another app, in another folder and under another file name,
# computes its own.
# Version: Streamlit 1.67.0.
# Behaviour: an entry is found by the source of the decorated function and its
# arguments alone, in ~/.streamlit/cache. An app that has the same function and
# another helper behind it, another constant, or other data, is given what the
# first one has kept; so is the same app after its helper was corrected.
# Seen on 2026-11-30: an app whose helper says 666 showed [0, 666, 1332];
# another one of another name in another folder, whose helper says 1, showed
# [0, 666, 1332] as well, and with another HOME [0, 1, 2].
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv" || exit 2
"$tmp/venv/bin/python" -m pip install -q streamlit==1.67.0 >"$tmp/pip.log" 2>&1 ||
    { cat "$tmp/pip.log" >&2; exit 2; }

app() { # FOLDER FILE FACTOR
    mkdir -p "$tmp/$1"
    cat >"$tmp/$1/$2" <<PY
import streamlit as st


def factor():
    return $3


@st.cache_data(persist="disk", show_spinner=False)
def multiples(count):
    return [factor() * number for number in range(count)]


st.text(str(multiples(3)))
PY
}
app first prices.py 666
app second rates.py 1

cat >"$tmp/show.py" <<'PY'
"""Serve an app and print the first text on its page: show.py SCRIPT HOME."""
import asyncio, os, socket, subprocess, sys

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

script, home = sys.argv[1:]
plain = {n: v for n, v in os.environ.items() if not n.startswith("STREAMLIT_")}
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


async def text():
    async with asyncio.timeout(60):
        while True:
            try:
                page = await websockets.connect(
                    f"ws://127.0.0.1:{port}/_stcore/stream",
                    subprotocols=["streamlit"], max_size=None, proxy=None)
                break
            except OSError:
                await asyncio.sleep(0.1)
        async with page:
            asked = BackMsg()
            asked.rerun_script.query_string = ""
            await page.send(asked.SerializeToString())
            while True:
                told = ForwardMsg.FromString(await page.recv())
                if told.delta.new_element.HasField("text"):
                    return told.delta.new_element.text.body


server = subprocess.Popen(
    [sys.executable, "-m", "streamlit", "run", script, f"--server.port={port}",
     "--server.address=127.0.0.1", "--server.headless=true",
     "--browser.gatherUsageStats=false", "--server.fileWatcherType=none"],
    env={**plain, "HOME": home}, cwd=os.path.dirname(script),
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    print(asyncio.run(text()))
except Exception as problem:
    print("could not be tried:", repr(problem), file=sys.stderr)
    sys.exit(2)
finally:
    server.kill()
    server.wait()
PY

show() { "$tmp/venv/bin/python" "$tmp/show.py" "$tmp/$1" "$tmp/$2" || exit 2; }
mkdir "$tmp/home" "$tmp/other"
first=$(show first/prices.py home)
second=$(show second/rates.py home)
apart=$(show second/rates.py other)
echo "first: $first; second: $second; second with another HOME: $apart"
[ "$first" = "[0, 666, 1332]" ] && [ "$second" = "$first" ] && [ "$apart" = "[0, 1, 2]" ]
