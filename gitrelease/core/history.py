"""What is a release, how is it written into its tag, and which one does a rollback go to?

The message of a release tag is for people and for plain git: a summary line, then git trailers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from gitrelease.core.errors import ReleaseError
from gitrelease.core.kinds import Kind
from gitrelease.core.text import one_line

Trigger = Literal["push", "pull", "branch", "edit", "shell", "agent"]
TRIGGERS: tuple[Trigger, ...] = ("push", "pull", "branch", "edit", "shell", "agent")

_NAME = re.compile(r"release/([1-9]\d*)")
_TRAILER = re.compile(r"([A-Za-z][A-Za-z-]*): (.*)")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One release, as its annotated tag tells it. `at` is in seconds since 1970."""

    number: int
    tag: str  # the tag object
    commit: str  # what is served: `source`, or a child of it with the carried files
    source: str  # the commit of the deploy branch
    kind: Kind
    risk: str
    trigger: str
    by: str
    at: float
    summary: str
    previous: str | None = None
    reason: str = ""  # that a person gave
    approval: str = ""  # how it was let through, where a person has: see core/approval.py

    @property
    def name(self) -> str:
        return release_name(self.number)


def release_name(number: int) -> str:
    return f"release/{number}"


def release_number(name: str) -> int | None:
    """Return N of `release/N` (`refs/tags/release/N` and a bare `N` are understood too), or None."""
    bare = name.removeprefix("refs/tags/")
    match = _NAME.fullmatch(bare if "/" in bare else f"release/{bare}")
    return int(match[1]) if match else None


def no_release(name: str) -> ReleaseError:
    """Return the error for a name that no release has."""
    return ReleaseError(f"there is no release {one_line(name, 80)!r}", hint="See which there are: gitrelease history")


def nothing_live() -> ReleaseError:
    """Return the error for what needs a live release, where there has been none."""
    return ReleaseError("nothing is live yet", hint="Release what is checked out: gitrelease up")


def tag_message(release: Release) -> str:
    """Return the message of the tag of a release; every value is kept to its own line."""
    trailers = {
        "Kind": release.kind.value,
        "Risk": release.risk,
        "Trigger": release.trigger,
        "Released-By": release.by,
        "Source": release.source,
        "Previous": release.previous or "",
        "Reason": release.reason,
        "Approval": release.approval,
    }
    lines = [f"{name}: {one_line(value)}" for name, value in trailers.items() if value]
    return f"{one_line(release.summary) or release.name}\n\n" + "\n".join(lines) + "\n"


def trailers_of(message: str) -> dict[str, str]:
    """Return the trailers in the last paragraph of `message`, the last of a name winning."""
    last_paragraph = message.rstrip("\n").rsplit("\n\n", 1)[-1]
    matches = (_TRAILER.fullmatch(line) for line in last_paragraph.split("\n"))
    return {match[1]: match[2] for match in matches if match}


def release_from_tag(*, name: str, tag: str, commit: str, at: float, message: str) -> Release | None:
    """Read a release back from its tag; None where the tag was made by somebody else."""
    number = release_number(name)
    trailers = trailers_of(message)
    if number is None or trailers.get("Kind") not in set(Kind) or "Source" not in trailers:
        return None
    return Release(
        number=number,
        tag=tag,
        commit=commit,
        source=trailers["Source"],
        kind=Kind(trailers["Kind"]),
        risk=trailers.get("Risk", ""),
        trigger=trailers.get("Trigger", ""),
        by=trailers.get("Released-By", ""),
        at=at,
        summary=message.split("\n", 1)[0],
        previous=trailers.get("Previous"),
        reason=trailers.get("Reason", ""),
        approval=trailers.get("Approval", ""),
    )


def rollback_target(newest: Iterable[Release], *, live: int, bad: Collection[int]) -> Release | None:
    """Return the newest release older than `live` that is not bad, or None; `newest` is the first of the releases."""
    return next((one for one in newest if one.number < live and one.number not in bad), None)


def trodden(trail: Sequence[int], *, live: int, bad: Collection[int]) -> Iterator[int]:
    """Yield what was served on the way to `live` and is not bad, the last first."""
    end = trail.index(live) if live in trail else len(trail)
    return (number for number in reversed(trail[:end]) if number not in bad)


def good_after(
    newest: Iterable[Release], *, live: int, bad: Collection[int], superseded: Collection[int]
) -> Release | None:
    """Return what `good` points at once `live` is gone back to: the newest up to it that proved good, or None.

    `newest` is the first of the releases.
    """
    good = (one for one in newest if one.number <= live and one.number not in bad and one.number not in superseded)
    return next(good, None)


def outcome_of(
    release: Release, *, soaking: int | None, bad: Mapping[int, str], superseded: Collection[int]
) -> Literal["good", "soaking", "superseded", "rolled_back"]:
    """Say what became of `release`: the word that `history` shows."""
    if release.number == soaking:
        return "soaking"
    if release.number in bad:
        return "rolled_back"
    return "superseded" if release.number in superseded else "good"
