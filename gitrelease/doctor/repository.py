"""Is the checkout one that can be released from: git's settings, hooks, branch, locks, pointers, files?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from gitrelease import installation
from gitrelease.core import refs
from gitrelease.core.text import one_line, quoted, short
from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, Mend, problem, warning, well
from gitrelease.edges import hooks, hooks_path, locks
from gitrelease.edges.git import Git
from gitrelease.edges.home import MODE, user_name
from gitrelease.recovery import heads

_INIT = "gitrelease init"
_SHOWN = 5


def repository(case: Case) -> Iterator[Diagnosis]:
    """Does git know this as a repository of its own, with commits?"""
    if case.directory.is_dir() and not heads.head_is_readable(case.directory):
        detail = f"HEAD of {case.directory} cannot be read: git does not know the repository any more"
        yield problem("repository", detail, fix=case.recover)
        return
    installation.require_own_repository(case.git)
    installation.require_commits(case.git)
    yield well("repository", str(case.git.root))


def safe_directory(case: Case) -> Iterator[Diagnosis]:
    """Does the checkout belong to who asks? Git trusts no other one unless it is told to."""
    owner = case.root.stat().st_uid
    if owner == os.getuid():
        yield well("safe.directory", f"the checkout belongs to {user_name(owner)}, git trusts it")
        return
    trusted = case.git.root  # or that is the problem
    detail = f"{trusted} belongs to {user_name(owner)}; git trusts it, since safe.directory says so"
    yield warning("safe.directory", detail, fix=f"sudo chown -R {os.getuid()} {quoted(trusted)}")


def set_up(case: Case) -> Iterator[Diagnosis]:
    """Was `init` run, and did it come to its end?"""
    home = case.home
    if not case.initialised:
        cut = " (one was cut off)" if home.root.exists() and home.installing.exists() else ""
        yield problem("init", f"{case.root} is not set up for releases yet{cut}", fix=_INIT)
        return
    if home.root.stat().st_mode & 0o077:
        detail = f"{home.root.relative_to(case.root)} can be read by others: secrets may be in logs"
        yield warning("init", detail, fix=f"chmod {MODE:o} {quoted(home.root)}", mend=lambda: _close(case))
        return
    yield well("init", "the checkout is set up")


def _close(case: Case) -> str:
    case.home.create()
    return f"{case.home.root.relative_to(case.root)} is for its owner only again"


def configuration(case: Case) -> Iterator[Diagnosis]:
    """Are git's settings those that `init` made?"""
    git = case.git
    wrong = {key: git.configuration(key) for key, value in installation.CONFIGURATION.items()}
    wrong = {key: found for key, found in wrong.items() if found != installation.CONFIGURATION[key]}
    if wrong:
        shown = ", ".join(f"{key} is {found or 'not set'}" for key, found in wrong.items())
        yield problem("git settings", f"pushes do not arrive as they should: {shown}", fix=_INIT, mend=_set(case))
    elif (named := hooks_path.elsewhere(git)) is not None:
        detail = f"core.hooksPath is {named}: git runs hooks from there, and pushes are not checked"
        yield problem("git settings", detail, fix=_INIT, mend=_overrule(case, named))
    elif stops := _stops_git(git):
        yield stops
    elif keys := _prune_tags(git):
        detail = f"{keys[0]} is set: a fetch deletes the tags of releases and backups; the agent puts them back"
        yield warning("git settings", detail, fix=f"git config {keys[0]} false")
    else:
        yield well("git settings", ", ".join(installation.CONFIGURATION))


def _stops_git(git: Git) -> Diagnosis | None:
    """Say which setting git stops at when it makes commits and tags: `gpg.format = nonsense`, for one."""
    status, _, said = git.execute("tag", "--list", "release/1")
    named = re.search(r"'([\w.-]+\.[\w.-]+)'", said)
    if status == 0 or named is None:
        return None
    key = named[1]
    scope = git.execute("config", "--show-scope", "--get", key)[1].decode(errors="replace").split("\t")[0] or "local"
    detail = f"git makes no commit and no tag, so nothing goes live: {one_line(said.strip(), 200)}"
    return problem("git settings", detail, fix=f"git config --{scope} --unset-all {key}")


def _prune_tags(git: Git) -> list[str]:
    """Return the settings by which a fetch deletes every tag that the other repository does not have."""
    listed = git.execute("config", "--type=bool", "--get-regexp", r"^(fetch|remote\..*)\.prunetags$")[1]
    lines = listed.decode(errors="surrogateescape").split("\n")  # a remote's name may have other ends of lines in it
    values = dict(line.rsplit(" ", 1) for line in lines if line)
    return [key for key, value in values.items() if value == "true"]


def _set(case: Case) -> Mend:
    def mend() -> str:
        for key, value in installation.CONFIGURATION.items():
            case.git.run("config", "--local", key, value)
        return f"set {', '.join(installation.CONFIGURATION)} as init does"

    return mend


def _overrule(case: Case, named: str) -> Mend:
    def mend() -> str:
        links = installation.overrule_hooks_path(case.git, case.home, branch=case.branch)
        told = f"; those of {named} run first: {', '.join(links)}" if links else ""
        return f"set core.hooksPath for this repository to where our hooks are{told}"

    return mend


def hooks_installed(case: Case) -> Iterator[Diagnosis]:
    """Are the hooks there, executable, ours, and of this installation?"""

    def install() -> str:
        chained, _ = hooks.install(case.git, case.home, branch=case.branch)
        return "installed the hooks" + (f"; those that were there run first: {', '.join(chained)}" if chained else "")

    missing = hooks.missing(case.git)
    if missing:
        detail = f"missing, not executable or not ours: {', '.join(missing)}"
        yield problem("hooks", f"what is pushed or pulled is not noticed: {detail}", fix=_INIT, mend=install)
        return
    stale = hooks.stale(case.git, case.home, branch=case.branch)
    if stale:
        detail = f"of another installation, or for another branch: {', '.join(stale)}"
        yield warning("hooks", detail, fix=_INIT, mend=install)
        return
    yield well("hooks", f"{len(hooks.SHIMS)} hooks are installed")


def branch(case: Case) -> Iterator[Diagnosis]:
    """Is HEAD on the deploy branch, and nothing half-done there?"""
    case.world.checkout.require_branch()
    begun = case.world.checkout.in_progress()
    if begun:
        detail = f"a {begun} is under way in the checkout: what lies there is no edit"
        yield warning("branch", detail, fix=f"git {begun} --continue, or git {begun} --abort")
        return
    followed = (case.agent.status or {}).get("branch", case.branch)
    if followed != case.branch:
        detail = f"{case.branch} is set, and production follows {followed}: what was changed does not count yet"
        yield warning("branch", detail, fix="gitrelease down && gitrelease up")
        return
    yield well("branch", f"HEAD is on {case.branch}")


def locks_left(case: Case) -> Iterator[Diagnosis]:
    """Did a git that was killed leave a lock, or a mixture of files?"""
    found = sorted(locks.lock_files(case.directory))
    at_work = locks.may_hold(case.root, case.directory) if found else []
    if found and at_work:
        yield well("locks", f"git is at work in the checkout (pid {at_work[0]})")
    elif found:
        names = ", ".join(str(lock.relative_to(case.root)) for lock in found[:_SHOWN])
        # The lock on the index tells of files that are a mixture of two commits: recover keeps and mends those.
        only_refs = all(lock.name != "index.lock" for lock in found)
        mend = _unlock(case) if only_refs else None
        yield problem("locks", f"a git that was killed left {names}", fix=case.recover, mend=mend)
    elif case.home.recovering.exists():
        yield problem("locks", "a recover was cut off: files may be a mixture of two commits", fix=case.recover)
    else:
        yield well("locks", "nothing is locked")


def _unlock(case: Case) -> Mend:
    def mend() -> str:
        cleared = locks.clear_locks(case.root, case.directory)
        return f"removed {', '.join(str(lock.relative_to(case.root)) for lock in cleared)}"

    return mend


def pointers(case: Case) -> Iterator[Diagnosis]:
    """Can our refs be read, and do tag and pointer say the same?"""
    unreadable = heads.unreadable(case.git)
    if unreadable:
        detail = f"the object of {', '.join(unreadable[:_SHOWN])} cannot be read"
        yield problem("refs", detail, fix=case.recover)
        return
    known = case.world.records()
    if known.live is None:
        if known.occupied and _never_ran(case):
            detail = "there are tags of releases, and none was released here: a clone, or uninstalled before"
            yield warning("refs", detail, fix="gitrelease up; or, to bring the newest release back, gitrelease recover")
        elif known.occupied:
            yield problem("refs", f"there are releases, and {refs.LIVE} names none", fix=case.recover)
        else:
            yield well("refs", "nothing was released yet")
        return
    tag = case.git.ref(f"refs/tags/{known.live.name}")
    if tag != known.live.tag:
        what = "is missing" if tag is None else "names something else than what is live"
        detail = f"the tag of the live release, {known.live.name}, {what}"
        yield problem("refs", detail, fix=case.recover)
        return
    yield well("refs", f"{known.live.name} is live ({short(known.live.commit)})")


def _never_ran(case: Case) -> bool:
    """Is there nothing of a production but tags? `uninstall` leaves those, and a clone gets them; `init` adds refs."""
    ours = case.git.lines("for-each-ref", "--format=%(refname)", refs.OURS.rstrip("/"))
    return not case.home.journal.exists() and set(ours) <= {refs.CHECKOUT, refs.HOST}


def files(case: Case) -> Iterator[Diagnosis]:
    """Which managed files does git ignore? Then nobody sees in git that they changed."""
    checkout, git = case.world.checkout, case.git
    schema = case.world.settings.app.schema
    hidden = git.run("ls-files", "-z", "--cached", "--ignored", "--exclude-standard").split(b"\0")[:-1]
    names = [os.fsdecode(name) for name in hidden]
    if names:
        shown = ", ".join(names[:_SHOWN])
        detail = f"git tracks {shown} and ignores it: one that is removed and added again is lost to commits"
        which = " ".join(quoted(name) for name in names[:_SHOWN])
        fix = f"mend the lines that do so: git check-ignore -v --no-index {which}"
        yield warning("ignored files", detail, fix=fix)
    if checkout.ignores_carried() and checkout.carries() and (git.root / schema).exists():
        detail = f"git ignores {schema}; every release carries it all the same"
        yield well("ignored files", f"{detail} (to let git track it: git add -f {quoted(schema)})")
    elif not names:
        yield well("ignored files", "git ignores no managed file")
