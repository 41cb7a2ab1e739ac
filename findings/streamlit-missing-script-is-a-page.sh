#!/usr/bin/env bash
# Guess: GET of a script that is not there, such as one of an older version of
# Streamlit (/static/js/main.OLD-HASH.js), answers 404.
# Versions: Streamlit 1.28.2 (with numpy<2, pandas<3, pyarrow<15) and 1.67.0.
# Behaviour: both send the bytes of the page at "/" as HTML, 1.28 with status
# 404, 1.67 with 200: a check that only looks at the status takes the script
# for present.
# Seen on 2026-11-29: 1.28.2: 404, text/html, the index page; 1.67.0: 200,
# text/html, the index page.
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
install old streamlit==1.28.2 'numpy<2' 'pandas<3' 'pyarrow<15' &
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
import http.client, os, socket, subprocess, sys, time

here = os.path.dirname(os.path.abspath(__file__))
os.environ["HOME"] = here
for name in [n for n in os.environ if n.startswith("STREAMLIT_")]:
    del os.environ[name]


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

def try_it(folder):
    python = os.path.join(here, folder, "bin", "python")
    port = free_port()
    server = serve(python, port)
    try:
        until("the server", lambda: ask(port, "/_stcore/health")[0] == 200)
        home = ask(port, "/")
        if home[0] != 200 or b"<html" not in home[2]:
            raise RuntimeError("the index page is not served")
        status, headers, body = ask(port, "/static/js/main.0123abcd.js")
        kind = headers.get_content_type()
        return status, kind, body == home[2]
    finally:
        end(server)


try:
    old = try_it("old")
    new = try_it("new")
except Exception as problem:
    print("could not be tried:", repr(problem), file=sys.stderr)
    sys.stderr.write(said())
    sys.exit(2)

for version, (status, kind, index) in (("1.28.2", old), ("1.67.0", new)):
    print(f"{version}: missing script: {status}, {kind},",
          "the index page" if index else "not the index page")
sys.exit(0 if (old, new) == (
    (404, "text/html", True), (200, "text/html", True)) else 1)
PY

"$tmp/new/bin/python" "$tmp/drive.py"
