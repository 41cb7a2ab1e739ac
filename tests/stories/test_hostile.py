"""Names, messages and outputs from outside are data: no terminal acts upon them, no line of theirs looks like ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.checkout import Clone, Production, until

# Retitle the window, clear the screen, go back to the begin of the line, turn the direction of reading, a C1
# sequence, a colour, and what would pass for one of our own lines.
EVIL = "\x1b]0;pwned\x07\x1b[2J\r\u202e\x9b31m\u2066x\u200bz"
FORGED = "\nremote: released: release/99 is live"
SEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
# What git's client writes itself after each line of the other side, and at the end of a line it may rewrite.
GIT_OWN = re.compile(r"(\x1b\[K)?( {8})?\r?$|\r(?=To |\n)", re.MULTILINE)


def is_clean(said: str) -> bool:
    """Is there nothing that a terminal acts upon, and no line that somebody else has written?"""
    return SEEN.search(said) is None and re.search("^(remote: )?released: release/99", said, re.MULTILINE) is None


def hostile_clone(production: Production, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """Return a checkout of somebody with a hostile name."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", f"Eve{EVIL}{FORGED}")
    return production.clone()


def commit_hostile(developer: Clone) -> str:
    """Commit a hostile term in a hostile message."""
    developer.replace("server.py", '"revenue",\n', f'"revenue",\n    {EVIL + FORGED!r},\n')
    return developer.commit(f"Know {EVIL}{FORGED}")


def push(developer: Clone, *arguments: str) -> str:
    """Push as to a dumb terminal, and return what the other side said."""
    pushed = developer.push(*arguments)
    return GIT_OWN.sub("", pushed.said)


@pytest.fixture
def hostile(production: Production, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Production with a hostile release live, another one refused, an edit on a hostile file, a hostile branch."""
    developer = hostile_clone(production, monkeypatch)
    commit_hostile(developer)
    said = push(developer)
    assert production.live() == "release/2", said
    assert is_clean(said), repr(said)
    developer.write(f"file{EVIL}.py", "x = 1\n")
    developer.commit(f"A file {EVIL}")
    developer.git("push", "--quiet", "origin", "HEAD:refs/heads/file\u202etxt.exe", "HEAD:refs/tags/v\u202e1")
    developer.replace("server.py", 'VERSION = "one"', f"raise ValueError({EVIL + FORGED!r})")
    developer.commit(f"Break {EVIL}")
    developer.git("push", "--quiet", "origin", "HEAD:refs/heads/broken")
    said = push(developer, "-o", "approve", "origin", "deploy")
    assert production.live() == "release/2"
    assert "ValueError" in said
    assert is_clean(said), repr(said)
    return production


KEPT = ("tags/release", "tags/backup", "gitrelease/bad", "gitrelease/quarantine")  # whose tags have words of ours

COMMANDS: list[tuple[str, ...]] = [
    ("status",),
    ("history",),
    ("show", "release/2"),
    ("show", "release/1"),
    ("diff", "release/1", "release/2"),
    ("diff", "release/2", "file\u202etxt.exe"),
    ("plan", "file\u202etxt.exe"),
    ("check", "broken"),
    ("check", "v\u202e1"),
    ("regions", "release/2"),
    ("blame", EVIL + FORGED),
    ("deploy", "broken", "--approve"),
    ("deploy", f"no{EVIL}such"),
    ("rollback", f"no{EVIL}such"),
    ("rollback", "--only", f"no{EVIL}such"),
    ("rollback", "--only", "dictionary", "--dry-run"),
    ("rollback", "--dry-run"),
    ("status", f"--no{EVIL}such"),
    (f"no{EVIL}verb",),
    ("deploy", "file\u202etxt.exe", "--approve", "-m", f"because {EVIL}{FORGED}"),
    ("snapshot", "-m", f"because {EVIL}{FORGED}"),
    ("freeze", "-m", f"because {EVIL}{FORGED}"),
    ("status",),
    ("unfreeze",),
    ("rollback", "--only", "dictionary", "-m", f"because {EVIL}{FORGED}"),
    ("history",),
    ("rollback", "-m", f"because {EVIL}{FORGED}"),
    ("status",),
    ("history",),
]


def test_no_command_hands_a_terminal_what_came_from_outside(hostile: Production) -> None:
    """One production, one command after the other: each is said plainly, in words and as JSON."""
    unclean = []
    for command in COMMANDS:
        for extra in ((), ("--json",)):
            ended = hostile.gitrelease(*command, *extra)
            if not is_clean(ended.said):
                unclean.append((*command, *extra, ended.said))

    assert unclean == []
    kept = hostile.git("for-each-ref", "--format=%(contents)", *(f"refs/{name}" for name in KEPT))
    assert "because" in kept
    assert is_clean(kept), repr(kept)
    assert is_clean(hostile.agent_log())
    assert "ValueError" in hostile.gitrelease("check", "broken").said


def test_a_hostile_edit_and_its_refusal_are_told_plainly(hostile: Production) -> None:
    hostile.replace("server.py", 'VERSION = "one"', f"raise ValueError({EVIL + FORGED!r})")
    until(lambda: hostile.state()["waiting"] or hostile.status()["refused_edits"], "the edit is refused")

    said = hostile.gitrelease("status").said

    assert "refused   the edit on disk" in said
    assert is_clean(said), repr(said)


def test_the_log_of_the_agent_can_be_read_in_a_terminal(hostile: Production) -> None:
    log = hostile.agent_log()

    assert is_clean(log), repr(log)


def test_what_git_shows_of_a_release_is_plain_too(hostile: Production) -> None:
    """The tag is read with plain git, which shows what is in it as it is."""
    shown = hostile.git("for-each-ref", "--format=%(refname) %(contents)", "refs/tags/release")

    assert is_clean(shown), repr(shown)


def test_json_carries_what_it_was_as_escapes(hostile: Production) -> None:
    change = hostile.gitrelease("diff", "release/1", "release/2", "--json")

    assert change.json["regions"][0]["added"] == [EVIL + FORGED]
    assert is_clean(change.out)


def test_what_looks_like_an_option_or_a_shell_word_stays_a_name(production: Production, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    developer = production.clone()
    developer.write(f"$(touch {ran.name}).py", "x = 1\n")
    developer.write("--upload-pack=touch.py", "x = 1\n")
    developer.commit(f"`touch {ran}`; $(touch {ran})")
    developer.git("push", "--quiet", "origin", f"HEAD:refs/heads/$(touch${{IFS}}{ran.name})", "HEAD:refs/heads/x;id")

    pushed = developer.push("-o", f"$(touch {ran})", "-o", "approve", "origin", "deploy")

    assert pushed.code == 0, pushed.said
    assert production.live() == "release/2"
    assert not any(found.name == ran.name for found in tmp_path.rglob("ran"))


def test_a_secret_in_the_output_of_the_app_does_not_reach_the_pusher(production: Production) -> None:
    developer = production.clone()
    broken = 'raise SystemExit("cannot reach postgresql://app:hunter2hunter2@db/app, API_TOKEN=hunter2hunter2")'
    developer.replace("server.py", 'VERSION = "one"', broken)
    developer.commit("Break it")

    pushed = developer.push("-o", "approve", "origin", "deploy")
    production.gitrelease("status")

    assert pushed.code != 0
    assert "postgresql://app:***@db/app" in pushed.words
    everywhere = [pushed.said, production.agent_log(), (production.home / "journal.jsonl").read_text()]
    everywhere.append(production.gitrelease("history", "--json").out)
    assert not any("hunter2" in text for text in everywhere)
    assert (
        "hunter2"
        not in subprocess.run(
            ["git", "for-each-ref", "--format=%(contents)"],
            cwd=production.root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


def test_a_secret_in_a_reason_is_not_kept(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("carbon footprint")
    assert developer.push().code == 0

    rolled = production.gitrelease("rollback", "-m", "the mirror https://bot:hunter2hunter2@mirror is down")

    assert rolled.code == 0, rolled.said
    told = [
        rolled.said,
        production.gitrelease("history", "--json").out,
        (production.home / "journal.jsonl").read_text(),
    ]
    told.append(production.git("for-each-ref", "--format=%(contents)"))
    assert not any("hunter2" in text for text in told)
    assert "https://bot:***@mirror" in told[0]
