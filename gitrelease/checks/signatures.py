"""Who vouches for a candidate? Where `app.require_signed` is set, somebody whose key this host trusts.

That is asked before anything of it runs. Git's own tools judge (`git verify-commit`, `git verify-tag`), with the
keyring (OpenPGP) or the file of allowed signers (SSH) of the user who runs production. What was released here before
was let in then, and is not asked for again.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from gitrelease.candidate import Candidate
from gitrelease.core import refs
from gitrelease.core.outcome import SIGNATURE, Check
from gitrelease.core.remedy import TAKE_BACK
from gitrelease.core.signing import Format, format_of, signature_of
from gitrelease.core.text import one_line, quoted, short
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.git import Git
from gitrelease.world import World

VERIFY_LIMIT = 30.0  # seconds for one signature: a keyring may be locked by somebody
_OURS = (refs.RELEASES, refs.BACKUPS)
_ALLOWED_SIGNERS = "gpg.ssh.allowedSignersFile"


def signature_check(world: World, candidate: Candidate, base: str | None, cancel: Cancel) -> Check | None:
    """Say whether those who had to have signed `candidate`; None where nobody has to.

    `base` is the source of the live release; without one the head vouches for all that is below it.
    """
    match world.settings.app.require_signed:
        case "none":
            return None
        case _ if candidate.made_here:
            return _check("skipped", "it was made here, of what was released before")
        case _ if candidate.trigger == "edit":
            return _check("failed", "an edit on disk is signed by nobody")
        case "commits":
            return _commits(world, candidate, base, cancel)
        case "tags":
            return _tags(world.git, candidate.source, cancel)


def signing_hint(world: World, candidate: Candidate, check: Check) -> str:
    """Say what makes an unsigned candidate a signed one."""
    mode = world.settings.app.require_signed
    if check.status == "unknown":
        return "Mend that on the production host, then bring it in again: nothing is held against it"
    name = short(candidate.source)
    if candidate.trigger == "edit":
        if candidate.source == candidate.made_on:  # no commit can have it
            path = quoted(world.settings.app.schema)
            return f"It stays on disk. Take it back: git restore --source={refs.CHECKOUT} -W {path}"
        say = "Commit it signed: git add -u && git commit -S"
        if mode == "tags":
            on = "git add -u && git merge --ff-only NAME"  # git goes on over what is the same in the index
            say = f"Sign it as a commit: git tag -s NAME {name}; then: {on}"
        return f"It stays on disk. {say}; or take it back: {TAKE_BACK}"
    if candidate.trigger in ("branch", "pull"):  # the branch goes back to what is live
        say = f"git cherry-pick -S HEAD..{name}"
        if mode == "tags":
            say = f"git tag -s NAME {name}; then: git merge --ff-only NAME"
        return f"Sign it with a key that is known here: {say}"
    if mode == "tags":
        first = "push that tag first (git push REMOTE NAME), " if candidate.trigger == "push" else ""
        return f"Sign it: git tag -s NAME {name}; {first}then again"
    return (
        "Sign each commit where it was made, with a key that the production host knows: git rebase --exec "
        f"'git commit --amend --no-edit -S' REMOTE/{world.settings.app.branch}; then again"
    )


def _commits(world: World, candidate: Candidate, base: str | None, cancel: Cancel) -> Check:
    git, released = world.git, None
    # What the source has on top of the base, oldest first.
    wanted = ("--reverse", candidate.source, f"^{base}") if base else ("-1", candidate.source)
    for commit in git.lines("rev-list", *wanted, "--"):
        cancel.check()
        found = _verify(git, "commit", commit)
        if found.status == "passed":
            continue
        if released is None:
            attempts = world.journal.memory().attempts
            released = {attempt.commit for attempt in attempts if attempt.outcome == "released"}
        if commit not in released:
            return found
    return _check("passed", "")


def _tags(git: Git, commit: str, cancel: Cancel) -> Check:
    """One tag with a good signature is enough; otherwise what is wrong with the last one is told."""
    found = _check("failed", f"no signed tag points at commit {short(commit)}")
    for name, tag in git.tags_at(commit):
        cancel.check()
        if not name.startswith(_OURS):
            found = _verify(git, "tag", tag, called=name.removeprefix("refs/tags/"))
            if found.status == "passed":
                return found
    return found


def _verify(git: Git, kind: Literal["commit", "tag"], name: str, *, called: str = "") -> Check:
    shown = f"{kind} {one_line(called, 80) or short(name)}"
    signed_as = format_of(signature_of(git.run("cat-file", kind, name)))
    if signed_as is None:
        return _check("failed", f"{shown} is not signed")
    status, _, said = git.execute(f"verify-{kind}", "--end-of-options", name, timeout=VERIFY_LIMIT)
    if status == 0:
        return _check("passed", "")
    missing = lacking(git, signed_as)
    if missing:
        return _check("unknown", f"the signature of {shown} cannot be verified here: {missing}")
    return _check("failed", f"{shown} has no good signature; git says: {one_line(said.strip(), 300) or 'nothing'}")


def lacking(git: Git, signed_as: Format) -> str:
    """Say what this host lacks to verify such a signature; nothing when it is all there."""
    program = (signed_as.setting and git.configuration(signed_as.setting, local=False)) or signed_as.program
    if shutil.which(Path(program).expanduser()) is None:
        return f"there is no {program}: install it, or name it as {signed_as.setting}"
    if signed_as.program == "ssh-keygen":
        allowed = git.configuration(_ALLOWED_SIGNERS, local=False)
        if not allowed:
            return f"git's {_ALLOWED_SIGNERS} is not set"
        if not (git.root / Path(allowed).expanduser()).is_file():
            return f"git's {_ALLOWED_SIGNERS} is {allowed}, and there is no such file"
    return ""


def _check(status: Literal["passed", "failed", "skipped", "unknown"], detail: str) -> Check:
    return Check(name=SIGNATURE, kind="major", status=status, detail=detail, absolute=True)
