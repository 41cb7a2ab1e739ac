"""What can go wrong that a person must fix, and with which exit code does a command then end?"""

from __future__ import annotations

import enum
import errno

from gitrelease.core.text import quoted


class Exit(enum.IntEnum):
    """Exit codes of every command; a promise to scripts."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    REFUSED = 3
    ROLLED_BACK = 4
    STUCK = 5
    BUSY = 6
    INTERRUPTED = 130  # as every shell has it for Ctrl-C


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


# What a host can run out of, or not allow: what is wrong, and the remedy.
_OF_HOST = {
    errno.ENOSPC: ("the disk is full", "Make room (df -h {0}; df -i {0}), then drop old releases: gitrelease prune"),
    errno.EDQUOT: ("the disk is full", "Make room within the quota (quota -s; df -h {0})"),
    errno.EROFS: ("the file system is read-only", "Find out why (dmesg), then make it writable: mount -o remount,rw"),
    errno.EACCES: ("the rights do not allow it", "Run it as the owner, or give it back: sudo chown -R USER {0}"),
    errno.EPERM: ("the rights do not allow it", "Run it as the owner, or give it back: sudo chown -R USER {0}"),
    errno.EISDIR: ("a folder is where a file of ours belongs", "Move it away; a journal: gitrelease recover"),
    errno.EMFILE: ("too many files are open", "Raise the limit (ulimit -n, LimitNOFILE=), then: gitrelease recover"),
    errno.ENFILE: ("too many files are open on this host", "Raise the limit: sysctl fs.file-max"),
    errno.ENOMEM: ("memory is out", "End what uses it (free -m)"),
    errno.EAGAIN: ("no more processes can be started", "End what there is too much of, or raise the limit (ulimit -u)"),
}


def of_host(error: OSError, home: str, *, typed: bool = True) -> ReleaseError | None:
    """Say what the host ran out of or does not allow, for everything that writes below `home`; None for a bug.

    `typed`: somebody has typed what failed, and can once more.
    """
    known = _OF_HOST.get(error.errno or 0)
    if known is None:
        return None
    what, remedy = known
    see = "see what is live (gitrelease status), then type it again" if typed else "see what is live: gitrelease status"
    return ReleaseError(f"{what}: {error}", hint=f"{remedy.format(quoted(home))}; {see}", code=Exit.UNEXPECTED)


def is_known(error: BaseException) -> bool:
    """Is there a remedy for it that is told? What has none is a bug, and its traceback belongs into a log."""
    return isinstance(error, ReleaseError) or (isinstance(error, OSError) and error.errno in _OF_HOST)


class Cancelled(Exception):
    """Who asked for the work is gone, or something more urgent came; nothing was changed in production."""


class Interrupted(Exception):
    """Who typed the command has ended it: by Ctrl-C, or by a signal that ends."""


class ReaderGone(Exception):
    """Who read what is printed has seen enough: `gitrelease history | head`."""
