"""What happened to one release, in order? Picked from the journal, whatever of it is left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from gitrelease.core.events import (
    Abandoned,
    AnyEvent,
    Attempted,
    Drilled,
    PagesMoved,
    Promoted,
    Promoting,
    Proved,
    Stopped,
    Superseded,
    WentBack,
)
from gitrelease.core.history import release_name
from gitrelease.core.pages import moved_pages


@dataclass
class Course:
    """The events of release `number`, each list oldest first."""

    number: int
    refused: list[Attempted] = field(default_factory=list)  # what became of its commit before it was released
    intents: list[Promoting] = field(default_factory=list)
    abandoned: list[Abandoned] = field(default_factory=list)
    promoted: Promoted | None = None
    proved: Proved | None = None
    superseded: Superseded | None = None
    left: list[WentBack] = field(default_factory=list)
    returned: list[WentBack] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)  # a person was needed while it was live
    drills: list[Drilled] = field(default_factory=list)
    page_moves: list[PagesMoved] = field(default_factory=list)

    @property
    def backups(self) -> list[str]:
        """The tags that keep what lay on disk and made way for it."""
        return [name for move in self._moves for name in move.backups]

    @property
    def _moves(self) -> list[Promoted | WentBack]:
        return [*([self.promoted] if self.promoted is not None else []), *self.returned]

    def steps(self) -> list[tuple[float, str]]:
        """Return what happened when (seconds since 1970), oldest first."""
        steps = [(one.at, f"{one.outcome}: {one.reason}") for one in self.refused]
        steps += [(one.at, "promotion begun: tag and refs next") for one in self.intents[:1]]
        steps += [(one.at, "promotion cut off before any ref had moved") for one in self.abandoned]
        if self.promoted is not None:
            steps.append((self.promoted.at, f"live, {self.promoted.seconds:.1f} s after it came in"))
        if self.proved is not None:
            steps.append((self.proved.at, "came through its soak"))
        if self.superseded is not None:
            steps.append((self.superseded.at, "another release took its place"))
        steps += [(one.at, f"production went to {release_name(one.to)}{_who(one)}") for one in self.left]
        steps += [(one.at, f"production came back from {release_name(one.number)}{_who(one)}") for one in self.returned]
        steps += [(one.at, moved_pages(one.moved, len(one.stayed), release_name(one.to))) for one in self.page_moves]
        steps += [(one.at, f"a person was needed: {one.reason}") for one in self.stopped]
        steps += [(one.at, f"way back to it rehearsed, {'well' if one.ok else 'in vain'}") for one in self.drills]
        return sorted(steps, key=lambda step: step[0])

    def issues(self) -> Iterator[str]:
        """Yield what went wrong."""
        yield from (f"{one.outcome} before: {one.reason}" for one in self.refused)
        yield from ("its promotion was cut off once" for _ in self.abandoned)
        yield from (one.reason or f"rolled back by {one.by}" for one in self.left if one.to < one.number)
        yield from (f"the files of the checkout followed later: {move.late}" for move in self._moves if move.late)
        yield from (f"a person was needed: {one.reason}" for one in self.stopped)
        for one in self.page_moves:
            yield from (f"an open page could not be moved to {release_name(one.to)}: {why}" for why in one.stayed)
            yield from (f"an open page moved without {what}" for what in one.dropped)
        yield from (f"a rehearsed way back failed: {one.reason}" for one in self.drills if not one.ok)


def _who(went: WentBack) -> str:
    who = "by itself" if went.automatic else f"asked for by {went.by}"
    return f", {who}" + (f": {went.reason}" if went.reason else "")


def course_of(number: int, commits: Collection[str], events: Iterable[AnyEvent]) -> Course:
    """Return what `events`, oldest first, tell of release `number`, which serves or stands for one of `commits`."""
    course = Course(number)
    live: int | None = None
    for event in events:
        match event:
            case Attempted(outcome=outcome, commit=commit) if commit in commits and outcome not in (
                "released",
                "unchanged",
            ):
                if course.promoted is None:
                    course.refused.append(event)
            case WentBack(number=left, to=to):
                live = to
                if left == number:
                    course.left.append(event)
                elif to == number:
                    course.returned.append(event)
            case Stopped():
                if live == number:
                    course.stopped.append(event)
            case _:
                if getattr(event, "number", None) == number:
                    _take(course, event)
        live = event.number if isinstance(event, Promoted) else live
    return course


def _take(course: Course, event: AnyEvent) -> None:
    match event:
        case Promoting():
            course.intents.append(event)
        case Abandoned():
            course.abandoned.append(event)
        case Promoted():
            course.promoted = course.promoted or event
        case Proved():
            course.proved = event
        case Superseded():
            course.superseded = event
        case Drilled():
            course.drills.append(event)
        case PagesMoved():
            course.page_moves.append(event)
        case _:
            pass
