"""What is remembered of the events of a journal, and which of them still tell something?"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from gitrelease.core.events import (
    Abandoned,
    Acknowledged,
    AnyEvent,
    Attempted,
    Drilled,
    Escalated,
    FilesFound,
    HooksElsewhere,
    PagesMoved,
    Promoted,
    Promoting,
    Proved,
    Pruned,
    Recovered,
    Settled,
    SoakFailed,
    StartTried,
    Stopped,
    Superseded,
    TagsRestored,
    WentBack,
)
from gitrelease.core.history import release_name

MOST_ATTEMPTS = 10_000  # that are remembered; a journal is read as a whole

RECENT_ATTEMPTS = 1_000  # likewise by an agent: what people look at, without what lies years back

MOST_EMERGENCIES = 200  # likewise

MOST_STEPS = 100  # of the trail, likewise

MOST_REASONS = 20  # why pages of a release did not move, and what they lost; likewise


class PagesGone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the open pages of one release that were to go on at release `to`, summed up."""

    to: int
    moved: int
    stayed: int = 0
    why: tuple[str, ...] = ()  # pages stayed, each reason once, the first `MOST_REASONS`
    dropped: tuple[str, ...] = ()  # could not be carried: "name: why", likewise

    def and_then(self, event: PagesMoved) -> PagesGone:
        """Return it with what has happened since."""
        return PagesGone(
            to=self.to,
            moved=self.moved + event.moved,
            stayed=self.stayed + len(event.stayed),
            why=_each_once((*self.why, *event.stayed)),
            dropped=_each_once((*self.dropped, *event.dropped)),
        )


def _each_once(reasons: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reasons))[:MOST_REASONS]


class Emergency(msgspec.Struct, frozen=True, kw_only=True):
    """The time in which a person is needed: from `at` until `ended`, both in seconds since 1970."""

    at: float
    reason: str
    down: bool = False
    acknowledged: Acknowledged | None = None
    escalated: float | None = None
    ended: float | None = None


class Memory(msgspec.Struct, kw_only=True):
    """What replaying the journal yields; every prefix of a journal is a legal one."""

    attempts: list[Attempted] = []  # the newest, no fewer than
    most_attempts: int = MOST_ATTEMPTS
    seconds: dict[int, float] = {}
    served: dict[int, float] = {}  # every release that was live, and since when at first; seconds since 1970
    superseded: set[int] = set()
    proved: set[int] = set()
    unfinished: Promoting | None = None
    settled: str | None = None
    live_since: float | None = None  # seconds since 1970
    stopped: str | None = None  # why a person is needed
    emergencies: list[Emergency] = []  # the newest; the last one may be on
    went_back_by_itself: bool = False  # the last way back was nobody's: the next one is a person's
    live: int | None = None  # what production served last; the refs say it better
    trail: list[int] = []  # the way to it: what was served before and not gone back from, in that order
    bad: dict[int, str] = {}  # what was gone back from, and why; likewise
    left: dict[int, WentBack] = {}  # how that went, by the release that was left
    pages: dict[int, dict[int, PagesGone]] = {}  # by the release that pages were open on, and the one they went to
    pruned: set[int] = set()
    tags_restored: float | None = None  # when that was told last; seconds since 1970
    start_in_doubt: int | None = None  # the live release, where no new process of it has been shown to start
    start_tried: StartTried | None = None  # how the last try went
    hooks_elsewhere: str = ""  # where git looks for hooks, as it was told last
    files_found: set[str] = set()  # that were told of
    drilled: Drilled | None = None  # the last rehearsal,
    drilled_well: Drilled | None = None  # and the last one that worked

    def take(self, event: AnyEvent) -> None:
        match event:
            case Attempted():
                self.attempts.append(event)
                if len(self.attempts) >= 2 * self.most_attempts:
                    del self.attempts[: -self.most_attempts]
            case Promoting() | Abandoned():
                self.unfinished = event if isinstance(event, Promoting) else None
            case Promoted(number=number, seconds=spent):
                self.unfinished = None
                self.seconds[number] = spent
                self.served.setdefault(number, event.at)
                self.live = number
                self._go_on_to(number)
                self.live_since = event.at
                self._end_emergency(event.at)
                self.went_back_by_itself = False
                self.start_in_doubt = self.start_tried = None
            case Proved(number=number):
                self.proved.add(number)
                self.superseded.discard(number)
            case Superseded(number=number):
                if number not in self.proved:
                    self.superseded.add(number)
            case Settled(source=source):
                self.settled = source
            case WentBack(number=number, to=to, reason=reason, by=by, automatic=automatic):
                self.live = to
                self._go_back_to(to, left=number)
                self.served.setdefault(to, event.at)
                self.bad.pop(to, None)
                self.left.pop(to, None)
                if to < number:
                    self.proved.discard(number)  # when it comes again, it has to once more
                    self.left[number] = event
                    self.bad[number] = reason or f"{release_name(number)} was rolled back by {by}"
                self.went_back_by_itself = automatic
                self.start_in_doubt, self.start_tried = to if event.packages else None, None
                self.unfinished = None
                self.live_since = event.at
                self._end_emergency(event.at)
            case Stopped() | Acknowledged() | Escalated() | Recovered():
                self._take_emergency(event)
            case (
                Pruned()
                | Drilled()
                | SoakFailed()
                | PagesMoved()
                | TagsRestored()
                | FilesFound()
                | HooksElsewhere()
                | StartTried()
            ):
                self._take_chore(event)

    def _go_on_to(self, number: int) -> None:
        if number in self.trail:
            self.trail.remove(number)
        self.trail.append(number)
        del self.trail[:-MOST_STEPS]

    def _go_back_to(self, number: int, *, left: int) -> None:
        if number in self.trail:
            del self.trail[self.trail.index(number) + 1 :]
            return
        if number < left and left in self.trail:
            self.trail.remove(left)
        self._go_on_to(number)

    @property
    def emergency(self) -> Emergency | None:
        """The emergency that is on."""
        last = self.emergencies[-1] if self.emergencies else None
        return last if last is not None and last.ended is None else None

    def _take_emergency(self, event: Stopped | Acknowledged | Escalated | Recovered) -> None:
        on = self.emergency
        match event:
            case Stopped(reason=reason, down=down):
                self.stopped = reason
                if on is None:
                    self.emergencies.append(Emergency(at=event.at, reason=reason, down=down))
                    del self.emergencies[:-MOST_EMERGENCIES]
                else:
                    # As long as it is on, whoever has acknowledged it is at work: it begins no second time.
                    self.emergencies[-1] = msgspec.structs.replace(on, reason=reason, down=down)
            case Acknowledged():
                if on is not None:
                    self.emergencies[-1] = msgspec.structs.replace(on, acknowledged=event)
            case Escalated():
                if on is not None:
                    self.emergencies[-1] = msgspec.structs.replace(on, escalated=event.at)
            case Recovered():
                self._end_emergency(event.at)

    def _end_emergency(self, at: float) -> None:
        self.stopped = None
        if self.emergency is not None:
            self.emergencies[-1] = msgspec.structs.replace(self.emergencies[-1], ended=at)

    def _take_chore(
        self,
        event: Pruned | Drilled | SoakFailed | PagesMoved | TagsRestored | FilesFound | HooksElsewhere | StartTried,
    ) -> None:
        match event:
            case Pruned(numbers=numbers):
                self.pruned.update(numbers)
            case Drilled(ok=ok):
                self.drilled = event
                self.drilled_well = event if ok else self.drilled_well
            case PagesMoved(number=number, to=to):
                went = self.pages.setdefault(number, {})
                went[to] = went.get(to, PagesGone(to=to, moved=0)).and_then(event)
            case TagsRestored():
                self.tags_restored = event.at
            case StartTried(number=number, ok=ok):
                if number == self.start_in_doubt:
                    self.start_tried = event
                    self.start_in_doubt = None if ok else number
            case HooksElsewhere(path=path):
                self.hooks_elsewhere = path
            case FilesFound(names=names):
                self.files_found.update(names)
            case SoakFailed():
                pass  # what was done about it says the rest


_OF_EMERGENCIES = (Stopped, Acknowledged, Escalated, Recovered)


def replay(events: Iterable[AnyEvent], *, attempts: int = MOST_ATTEMPTS) -> Memory:
    """Return what is remembered after `events`, oldest first; of the attempts, the newest `attempts` at least."""
    memory = Memory(most_attempts=attempts)
    for event in events:
        memory.take(event)
    return memory


def compacted(events: Iterable[AnyEvent], *, kept: Collection[int], attempts: int = MOST_ATTEMPTS) -> list[AnyEvent]:
    """Return what of `events` still tells something once only the releases `kept` are left: the newest `attempts`,
    what happened to those releases, and the last of what only its last counts of.
    """
    listed = list(events)
    told = [place for place, event in enumerate(listed) if isinstance(event, _OF_EMERGENCIES)][-MOST_EMERGENCIES:]
    newest = [place for place, event in enumerate(listed) if isinstance(event, Attempted)][-attempts:]
    last = {type(event): place for place, event in enumerate(listed)}
    well = [place for place, event in enumerate(listed) if isinstance(event, Drilled) and event.ok]
    stays = {*newest, *told, *last.values(), *well[-1:]}

    def tells(place: int, event: AnyEvent) -> bool:
        match event:
            # A `Promoting` names the tag object: the release can be put back from it.
            case Promoting() | Promoted() | Proved() | Superseded() | PagesMoved():
                return event.number in kept or place in stays
            case WentBack(number=left, to=to):  # who went back to a release has taken it for good again
                return left in kept or to in kept or place in stays
            case Pruned() | FilesFound():
                return True
            case _:
                return place in stays

    return [event for place, event in enumerate(listed) if tells(place, event)]
