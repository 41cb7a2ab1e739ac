#!/usr/bin/env bash
# Other versions of Streamlit: `tests/elsewhere/streamlits.sh FOLDER [ARGUMENTS OF PYTEST]`.
#
# Makes a virtual environment of python3.11 in FOLDER for each of 1.28.2, 1.40.2, 1.52.2 and 1.67 (once; 600 MB each),
# and runs the tests whose apps run in an interpreter of their own with each of them. Tells the result of each in a line,
# and where the rest of what pytest says is; ends with 1 where one has failed. STREAMLITS="1.28.2 1.67" takes only those.
# The tests themselves run in the .venv of this checkout, or in PYTHON. By hand, where Python's packages can be had.
set -euo pipefail

if [ $# -lt 1 ]; then sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
command -v python3.11 >/dev/null || { echo "python3.11 is missing: the older versions are tried with it"; exit 2; }
"$python" -c "import gitrelease, pytest" || { echo "no test environment: python3 -m venv .venv && .venv/bin/pip install -e '.[test]'"; exit 2; }
tests=(
  tests/edges/test_moving.py tests/edges/test_resending.py tests/edges/test_moving_browser.py
  tests/edges/test_garbage.py tests/edges/test_companion_launch.py
  tests/edges/test_disk_cache.py tests/edges/test_cookies.py tests/stories/test_streamlit_config.py
)

made() {
  local version=$1 venv=$folder/$1
  [ -e "$venv/is-made" ] && return
  local packages=("streamlit==$version.*")
  case $version in
    1.28.2) packages=("streamlit==$version" "pyarrow<22") ;;  # its code is of before them
    *.*.*) packages=("streamlit==$version") ;;
  esac
  rm -rf "$venv"
  { python3.11 -m venv "$venv" && "$venv/bin/pip" install --quiet "${packages[@]}" && touch "$venv/is-made"; } \
    >"$venv.log" 2>&1
}

failed=0
for version in ${STREAMLITS:-1.28.2 1.40.2 1.52.2 1.67}; do
  log=$folder/$version.log
  if ! made "$version"; then
    failed=1
    echo "Streamlit $version: its environment could not be made, see $log"
    continue
  fi
  COMPANION_TEST_PROGRAM=$folder/$version/bin/streamlit GITRELEASE_TEST_PYTHONS=$folder/$version/bin/python \
    "$python" -m pytest "${tests[@]}" "$@" >"$log" 2>&1 || failed=1
  result=$(grep -aE '(passed|failed|deselected|error).* in [0-9.]+s' "$log" | tail -n 1) || result="pytest did not come to its end"
  echo "Streamlit $version: $result, see $log"
done
exit "$failed"
