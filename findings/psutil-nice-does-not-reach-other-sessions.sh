#!/usr/bin/env bash
# Guess: a check that runs beside a server at nice 10, set with psutil, gets
# about a tenth of a processor that both want, and at nice 19 next to nothing.
# Version: psutil 7.1.3, Python 3.11, Linux 6.18 with sched_autogroup_enabled,
# which distributions switch on.
# Behaviour: where a process has a session of its own (setsid, or subprocess
# with start_new_session=True), its niceness counts among the processes of that
# session only; between sessions the processor is divided evenly, whatever
# psutil says of either. Two processes of one session share as guessed. What
# counts between sessions is written to /proc/PID/autogroup, which psutil does not
# set (sched(7)).
# Seen on 2026-12-01: of one processor a process at nice 10 had 50 % beside one
# at nice 0 of another session, and at nice 19 as well; with 10 written to its
# autogroup it had 10 %, as it had at nice 10 in the same session.
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

enabled=/proc/sys/kernel/sched_autogroup_enabled
[ -r "$enabled" ] && [ "$(cat "$enabled")" = 1 ] || { echo "sessions are not grouped on this host" >&2; exit 2; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv" || exit 2
"$tmp/venv/bin/python" -m pip install -q psutil==7.1.3 >"$tmp/pip.log" 2>&1 || { cat "$tmp/pip.log" >&2; exit 2; }

cat >"$tmp/try.py" <<'PY'
"""Say which share of one processor a process has beside another one that computes as well."""
import os, pathlib, subprocess, sys, threading

import psutil

processor = min(os.sched_getaffinity(0))
computes = f"import os\nos.sched_setaffinity(0, [{processor}])\nwhile True: pass\n"


def started(**options):
    return psutil.Process(subprocess.Popen([sys.executable, "-c", computes], **options).pid)


def share(nice, *, sessions=True, autogroup=None):
    options = {"start_new_session": True} if sessions else {}
    server, check = started(**options), started(**options)
    try:
        check.nice(nice)
        if autogroup is not None:
            pathlib.Path(f"/proc/{check.pid}/autogroup").write_text(str(autogroup))
        threading.Event().wait(0.5)
        before = [one.cpu_times().user for one in (server, check)]
        threading.Event().wait(3)
        spent = [one.cpu_times().user - then for one, then in zip((server, check), before)]
        return spent[1] / sum(spent)
    finally:
        for one in (server, check):
            one.kill()
            os.waitpid(one.pid, 0)


for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
    _, controllers, path = line.split(":", 2)
    shares = controllers.split(",")
    if not controllers:  # of version 2
        there = pathlib.Path(f"/sys/fs/cgroup{path}/cgroup.controllers")
        shares = there.read_text().split() if there.exists() else []
    if "cpu" in shares and path != "/":
        sys.exit("in a group of its own that is given processor time, sessions do not count")

seen = {
    "one session, nice 10": share(10, sessions=False),
    "sessions, nice 10": share(10),
    "sessions, nice 19": share(19),
    "sessions, nice 0, autogroup 10": share(0, autogroup=10),
}
for what, part in seen.items():
    print(f"{what}: {part:.0%}")
one, ten, nineteen, grouped = seen.values()
sys.exit(0 if one < 0.25 and ten > 0.4 and nineteen > 0.4 and grouped < 0.25 else 3)
PY

status=0
"$tmp/venv/bin/python" "$tmp/try.py" || status=$?
case $status in
    0) exit 0 ;;
    3) echo "niceness reaches other sessions, or autogroup does not" >&2; exit 1 ;;
    *) exit 2 ;;
esac
