#!/usr/bin/env bash
# Guess: where pip installs an older release of Streamlit without a complaint,
# and pip check finds nothing broken, Streamlit can be imported.
# Versions: Streamlit 1.28.2 with pyarrow 26.0.1 and NumPy 1.26.4, which is what
# pip chose by itself on 2026-11-30; beside it pyarrow 21.0.0.
# Behaviour: Streamlit 1.28 wants NumPy below 2 and any pyarrow from 6 on.
# pyarrow 26 declares no need of any NumPy, and refuses NumPy 1 when it is
# imported. So pip install and pip check are content, the import fails.
# Seen on 2026-11-30: pip check says "No broken requirements found"; with 26.0.1
# the import of streamlit ends with "ImportError: pyarrow requires NumPy 2.0 or
# newer, found 1.26.4"; with 21.0.0 it works.
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv"
python=$tmp/venv/bin/python
install() { "$python" -m pip install -q "$@" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 2; }; }
imported() { "$python" -c 'import streamlit' 2>&1 | tail -n 1 || true; }

install streamlit==1.28.2 numpy==1.26.4 pyarrow==26.0.1
checked=$("$python" -m pip check) || true
new=$(imported)
install pyarrow==21.0.0
old=$(imported)

echo "pip check: $checked"
echo "pyarrow 26.0.1: ${new:-imported}"
echo "pyarrow 21.0.0: ${old:-imported}"
[ "$checked" = "No broken requirements found." ] && [ -z "$old" ] &&
    [ "$new" = "ImportError: pyarrow requires NumPy 2.0 or newer, found 1.26.4" ]
