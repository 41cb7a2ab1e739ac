#!/usr/bin/env bash
# Guess: an entry of @st.cache_data(persist="disk") that a killed process has
# written in part counts as missing: the next process computes it again.
# Version: Streamlit 1.67.0.
# Behaviour: an entry is written in place, under its final name. What a process
# leaves that is killed meanwhile (a host short of memory, a power cut) is found
# by every later process of the user, and each run of the page ends in an error:
# "Failed to unpickle" where there is a part, "Unable to read from cache" where
# the file is empty. Nothing computes it again, and a restart does not help, until
# somebody removes the file. Another process that reads while one writes
# gets the same error once.
# Seen on 2026-11-30: the process was killed with a part of 400 MB written; the
# script check of the next two processes said "error" with status 503, and "ok"
# after the file was removed.
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv" || exit 2
"$tmp/venv/bin/python" -m pip install -q streamlit==1.67.0 >"$tmp/pip.log" 2>&1 ||
    { cat "$tmp/pip.log" >&2; exit 2; }

cat >"$tmp/app.py" <<'PY'
import streamlit as st


@st.cache_data(persist="disk", show_spinner=False)
def table():
    return bytes(400_000_000)


st.text(str(len(table())))
PY

cat >"$tmp/try.py" <<'PY'
"""Serve the app; ask whether its script runs, or kill it while it writes: try.py ask|kill."""
import http.client, os, pathlib, socket, subprocess, sys, threading, time

here = pathlib.Path(__file__).parent
cache = here / ".streamlit" / "cache"
plain = {n: v for n, v in os.environ.items() if not n.startswith("STREAMLIT_")}
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
server = subprocess.Popen(
    [sys.executable, "-m", "streamlit", "run", here / "app.py", f"--server.port={port}",
     "--server.address=127.0.0.1", "--server.headless=true",
     "--server.scriptHealthCheckEnabled=true", "--browser.gatherUsageStats=false",
     "--server.fileWatcherType=none"],
    env={**plain, "HOME": str(here)}, cwd=here,
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def asked():
    end = time.monotonic() + 60
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/_stcore/script-health-check")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            time.sleep(0.05)
    return 0, "no answer"


def killed_while_it_writes():
    threading.Thread(target=asked, daemon=True).start()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for entry in cache.glob("*.memo"):
            if 0 < entry.stat().st_size < 400_000_000:
                server.kill()
                server.wait()
                return entry.stat().st_size < 400_000_000
    return False


try:
    if sys.argv[1] == "ask":
        print(*asked())
    elif not killed_while_it_writes():
        sys.exit("it was not caught while it wrote")
finally:
    server.kill()
    server.wait()
PY

run() { "$tmp/venv/bin/python" "$tmp/try.py" "$@"; }
run kill || exit 2
first=$(run ask)
second=$(run ask)
rm "$tmp"/.streamlit/cache/*.memo
mended=$(run ask)
echo "after the kill: $first; after a restart: $second; without the file: $mended"
[ "$first" = "503 error" ] && [ "$second" = "503 error" ] && [ "$mended" = "200 ok" ]
