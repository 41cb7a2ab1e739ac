"""What can be typed to put something right? A remedy is a sentence for a person with commands in it.

    Put it back: gitrelease recover; or see what is there: git tag --list 'release/*'

A command begins the sentence or a part of it, after `: `, `; `, `, `, `(`, `or`, `and` or `then`, and ends with that
part: before `;`, `,`, `)`, ` (`, ` on the host`, a full stop or the end of the line; quoted text counts as one word,
`&&` and `|` bind commands. Words in capitals and `…` stand for what only the reader knows. `tests/remedies.py` finds
every command in the source: a test types it in the state in which it is said, or the reason why none can stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Of an edit on disk. Git does not know at HEAD what is new, and leaves the file where it is.
TAKE_BACK = "git checkout HEAD -- FILE, or for a new one: git rm -f --cached FILE"
# Of the managed file where git ignores it: no commit has it that the branch is at.
OF_IGNORED = "or for one that git ignores: git restore --source=refs/gitrelease/checkout -W FILE"

_GITRELEASE = r"gitrelease (?=-C \S|--?[a-z]|[a-z])"
_GIT = (
    r"git (?:\{begun\}|-C|-c|--[a-z-]+|add|am|apply|bisect|branch|check-ignore|checkout|cherry-pick|clone|commit|config"
    r"|diff|fetch|log|merge|pull|push|rebase|reset|restore|revert|rm|switch|tag|update-ref|worktree)(?!\w)"
)
_OTHERS = (
    r"(?:dmesg\b|date(?=;)|(?:sudo|chmod|chown|mv|rm|cat|ls|df|free|quota|ulimit|sysctl|mount|ps|service|systemctl|loginctl|timedatectl|crontab|supervisorctl|ssh"
    r"|pip install|(?:\S*python[\d.]*\}?|\S*executable\}) -m pip) (?=[\w{'#/~.-]))"
)
_BEFORE = r"(?:(?<![\s\S])|(?<=[:;,] )|(?<=\()|(?<=\bor )|(?<=\band )|(?<=\bthen )|(?<=\n  ))"
_BEGINS = re.compile(f"{_BEFORE}(?:{_GITRELEASE}|{_GIT}|{_OTHERS})")
_GOES_ON = re.compile(r"""(?:'[^']*'|"[^"]*"|\$\([^)]*\)|\.(?=\S)|,(?=\S)|(?! on the host\b)(?! \()[^;,)\n.'"])*""")


class Command(str):
    """A line for a shell, as it is printed."""

    __slots__ = ()


class Remedy(str):
    """What somebody can do about something: words, and the commands among them."""

    __slots__ = ()

    @property
    def commands(self) -> tuple[Command, ...]:
        return tuple(_commands(self))


def _commands(text: str) -> Iterator[Command]:
    at = 0
    while (begins := _BEGINS.search(text, at)) is not None:
        goes_on = _GOES_ON.match(text, begins.end())
        at = goes_on.end() if goes_on else begins.end()
        yield Command(text[begins.start() : at].rstrip())
