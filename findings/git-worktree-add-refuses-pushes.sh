#!/usr/bin/env bash
# Guess: a push is not concerned with work trees that somebody adds to the
# repository meanwhile, other than by the locks of the refs that both change.
# Version: git 2.39.5 as Debian 12 has it (1:2.39.5-0+deb12u2).
# Behaviour: `git worktree add` writes the record of the new work tree file by
# file, with a HEAD of zeros; the commit comes a few milliseconds later, by a
# process of its own. A push that arrives in between is refused before any hook
# runs: what is new is looked for by going through all that can be reached, HEADs
# of other work trees included. Who pushes reads "bad object worktrees/NAME/HEAD"
# or "failed to read worktrees/NAME/commondir: Success", and "missing necessary
# objects", which sounds like a damaged repository; the same push succeeds a moment
# later.
# Seen on 2026-11-30: work trees added and removed in a loop beside 150 pushes, of
# which 19 were refused; none where each record was moved into place as a whole.
# Exit status: 0 as described, 1 changed, 2 could not be tried.
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

(cd "$tmp" && apt-get download -q git=1:2.39.5-0+deb12u2 && dpkg-deb -x git_*.deb root) >"$tmp/log" 2>&1 ||
    { cat "$tmp/log" >&2; exit 2; }
export GIT_EXEC_PATH="$tmp/root/usr/lib/git-core" GIT_TEMPLATE_DIR= GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export PATH="$tmp/root/usr/bin:$GIT_EXEC_PATH:$PATH"
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
git version || exit 2

git init -q "$tmp/central"
git -C "$tmp/central" commit -q --allow-empty -m first
git clone -q "$tmp/central" "$tmp/clone"

while git -C "$tmp/central" worktree add -q --detach "$tmp/beside" 2>>"$tmp/adds"; do
    git -C "$tmp/central" worktree remove "$tmp/beside"
done &
adder=$!
trap 'kill "$adder" 2>/dev/null || true; wait "$adder" 2>/dev/null || true; rm -rf "$tmp"' EXIT

for number in $(seq 500); do
    git -C "$tmp/clone" commit -q --allow-empty -m "$number"
    if ! git -C "$tmp/clone" push -q origin HEAD:refs/heads/pushed 2>"$tmp/said"; then
        cat "$tmp/said"
        grep -qE "bad object worktrees/|failed to read worktrees/" "$tmp/said" || exit 1
        kill "$adder"; wait "$adder" || true
        git -C "$tmp/clone" push -q origin HEAD:refs/heads/pushed || exit 1
        echo "push $number was refused, and taken a moment later"
        exit 0
    fi
done
echo "500 pushes were taken"
exit 1
