"""What can go wrong that a person must fix, and with which exit code does a command then end?"""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """Exit codes of every command; a promise to scripts."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    REFUSED = 3
    ROLLED_BACK = 4
    STUCK = 5
    BUSY = 6


class ReleaseError(Exception):
    """Something a person must fix: what is wrong, and what to type next.

    `message` is one sentence without a full stop at its end; `hint` is the remedy; `code` is the exit
    code the command ends with.
    """

    def __init__(self, message: str, *, hint: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class SettingsError(ReleaseError):
    """A setting is wrong: the message names its path, the line and what is accepted."""


class RepositoryError(ReleaseError):
    """The repository is not in a state in which it can be released from."""


class Busy(ReleaseError):
    """Another release is under way."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint, code=Exit.BUSY)


class Cancelled(Exception):
    """Who asked for the work is gone, or something more urgent came; nothing was changed in production."""
