"""How was a change let through that needs a person's word? By a push option, which may stand in somebody's settings, by
one that names the commit, or by a command on the host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from gitrelease.core.text import one_line, short

Approval = Literal["", "push option", "commit", "command"]
Asked = Literal["any", "commit"]  # what counts as one (policy.KIND.approval)

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_KNOWN = "approve=COMMIT and approve"


class PushOptions(NamedTuple):
    """What push options say; `unknown`: a line for each that nobody knows."""

    approval: Approval
    unknown: tuple[str, ...]

    def told(self, commit: str) -> tuple[str, ...]:
        """Return the lines for who pushes `commit`: what is unknown, and how an approval is better given."""
        if self.approval != "push option":
            return self.unknown
        why = "approve names no commit: set in push.pushOption it approves every push"
        return (*self.unknown, f"{why}. Better: -o approve={short(commit)}")


def read_push_options(given: Sequence[str], commit: str) -> PushOptions:
    """Read the options of a push of `commit`."""
    approval: Approval = ""
    unknown = []
    for option in given:
        name, _, value = option.partition("=")
        if option == "approve":
            approval = approval or "push option"
        elif name == "approve" and _COMMIT.fullmatch(value) and commit.startswith(value):
            approval = "commit"
        elif name == "approve":
            told = one_line(value, 60) or "nothing"
            unknown.append(f"push option approve={told} approves nothing: what is pushed is {short(commit)}")
        else:
            unknown.append(f"there is no push option {one_line(option, 60)!r}, it changes nothing; known are {_KNOWN}")
    return PushOptions(approval, tuple(unknown))


def counts(approval: str, asked: Asked) -> bool:
    """Does an approval count where the policy asks for one of that form?"""
    return bool(approval) and (asked == "any" or approval != "push option")
