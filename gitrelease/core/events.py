"""What does the journal say that the refs do not? Append-only events; `memory.py` replays them.

The refs are the truth about what is live, good and bad; the journal adds attempts, soaks and timings, and
the intents from which a release that was cut off is finished or dropped.
"""

from __future__ import annotations

from typing import Literal

import msgspec

AttemptOutcome = Literal["refused", "waiting", "unchanged", "superseded", "released", "pending"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", forbid_unknown_fields=False):
    """Something that happened; `at` is in seconds since 1970."""

    at: float


class Attempted(Event, frozen=True, tag="attempted"):
    """A candidate came in and its fate was decided."""

    commit: str
    trigger: str
    outcome: AttemptOutcome
    reason: str
    by: str
    key: str = ""  # of the content, documents left out
    kind: str = ""
    frozen: bool = False  # it waits for the end of a freeze alone: nobody has to act
    taken: bool = False  # a push that is on the branch: who pushed it may not hear of it


class Promoting(Event, frozen=True, tag="promoting"):
    """Intent: `tag` is about to become live."""

    number: int
    tag: str
    commit: str
    source: str
    previous: int | None
    clean: bool = False  # edits on disk make way for it
    state: str = ""  # the blob that says how things stood before; empty on a way back


class Abandoned(Event, frozen=True, tag="abandoned"):
    """The intent to let `number` become live was cut off before any ref had moved: it is void."""

    number: int


class Promoted(Event, frozen=True, tag="promoted"):
    """`number` is live and the work tree follows it; `seconds` from the trigger to live."""

    number: int
    seconds: float
    backups: tuple[str, ...] = ()  # the tags that keep what lay on disk and made way
    late: str = ""  # why the files of the checkout could not follow at once


class Proved(Event, frozen=True, tag="proved"):
    """`number` came through its soak."""

    number: int


class Superseded(Event, frozen=True, tag="superseded"):
    """`number` was replaced before its soak had ended."""

    number: int


class WentBack(Event, frozen=True, tag="went_back"):
    """Production went from one release back to another, asked for or by itself."""

    number: int
    to: int
    reason: str
    by: str
    automatic: bool
    backups: tuple[str, ...] = ()  # the tags that keep what lay on disk and made way
    late: str = ""  # why the files of the checkout could not follow at once
    packages: bool = False  # to a process that was still warm, from a release that needs other packages


class StartTried(Event, frozen=True, tag="start_tried"):
    """A new process of release `number`, which serves from an older one, came up (`ok`), or why not."""

    number: int
    ok: bool
    reason: str = ""


class Stopped(Event, frozen=True, tag="stopped"):
    """A person is needed: why; `down` when production, or an instance of it, does not come up."""

    reason: str
    down: bool = False


class SoakFailed(Event, frozen=True, tag="soak_failed"):
    """`number` did not come through its soak: why. What was done about it is another event."""

    number: int
    reason: str


class Acknowledged(Event, frozen=True, tag="acknowledged"):
    """The person who is needed has said so."""

    by: str
    reason: str = ""


class Escalated(Event, frozen=True, tag="escalated"):
    """A person is needed, and nobody has acknowledged it in time."""

    reason: str


class Recovered(Event, frozen=True, tag="recovered"):
    """Production was brought back into a known state and serves `number`; `reason` says what was done."""

    number: int
    by: str
    reason: str = ""


class Settled(Event, frozen=True, tag="settled"):
    """The branch moved to `source` and nothing that runs had changed."""

    source: str


class Pruned(Event, frozen=True, tag="pruned"):
    """The tags of these releases were dropped."""

    numbers: tuple[int, ...]


class Drilled(Event, frozen=True, tag="drilled"):
    """A rollback to `number` was rehearsed: `seconds` from its tag to a finished session; `reason` why it failed."""

    number: int
    ok: bool
    seconds: float
    reason: str = ""


class TagsRestored(Event, frozen=True, tag="tags_restored"):
    """Git had deleted or replaced these tags, `release/7` or `backup/…`, and they were put back."""

    names: tuple[str, ...]


class HooksElsewhere(Event, frozen=True, tag="hooks_elsewhere"):
    """Git looks for hooks at `path` (core.hooksPath), not where ours are; "" when it does so no more."""

    path: str


class FilesFound(Event, frozen=True, tag="files_found"):
    """Release `number` has written these files and folders beside its script, which no commit has."""

    number: int
    names: tuple[str, ...]


class PagesMoved(Event, frozen=True, tag="pages_moved"):
    """Open pages of `number` were handed to the processes of `to`, because their own had to end."""

    number: int
    to: int
    moved: int
    stayed: tuple[str, ...] = ()  # why a page could not be moved, one entry a page
    dropped: tuple[str, ...] = ()  # what could not be carried: "name: why", each once


AnyEvent = (
    Attempted | Promoting | Abandoned | Promoted | Proved | Superseded | SoakFailed | WentBack | Settled
    | PagesMoved | TagsRestored | FilesFound | HooksElsewhere | StartTried | Pruned | Drilled
    | Stopped | Acknowledged | Escalated | Recovered
)  # fmt: skip
