"""What do two versions of the app extract from the same documents, and what was gained, lost, changed in between?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import msgspec

from gitrelease.core.text import one_line

_SHOWN = 3
_FIGURE = re.compile(r"\W*\d")  # what a figure begins with, signs and currencies aside


class Extract(msgspec.Struct, frozen=True):
    """A value that was found in a document; `pattern` and `context` are empty where the app does not tell."""

    metric: str
    value: str
    pattern: str = ""
    context: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one document gave. `signs` are not metrics: label counts, chart words, whether it is a financial text."""

    document: str
    metrics: tuple[Extract, ...] = ()
    signs: dict[str, str] = {}
    failed: str = ""
    skipped: str = ""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A value that differs; None on the side that does not have it."""

    document: str
    metric: str
    old: Extract | None
    new: Extract | None


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A document that could not be compared, and `why`."""

    document: str
    why: str


class ReplayDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate finds beside what the live release finds.

    `documents` is how many both have read; `broken` are those that only the candidate fails over, `late` those that it
    alone had no time for, `unread` the others that could not be compared.
    """

    documents: int
    gained: tuple[Difference, ...] = ()
    lost: tuple[Difference, ...] = ()
    changed: tuple[Difference, ...] = ()
    signs: int = 0  # how many signs differ
    broken: tuple[Answer, ...] = ()
    late: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def summary(self) -> str:
        """Return the line of a release note: `replay: +14 values, -0`."""
        if not (self.gained or self.lost or self.changed):
            also = f", {self.signs} label counts differ" if self.signs else ""
            return f"replay: values as before{also}"
        parts = [f"+{len(self.gained)} values, -{len(self.lost)}"]
        if self.changed:
            parts.append(f"{len(self.changed)} changed")
        if self.signs:
            parts.append(f"{self.signs} label counts differ")
        return f"replay: {', '.join(parts)}"

    @property
    def told(self) -> str:
        """Return the sum, and what differs: what is lost first."""
        parts = [self.summary.removeprefix("replay: ")]
        for what, items in (("lost", self.lost), ("changed", self.changed), ("gained", self.gained)):
            parts += [f"{what}: {told(items)}"] if items else []
        return "; ".join(parts)

    @property
    def unread_told(self) -> str:
        """Return which documents could not be compared; nothing where all were."""
        if not self.unread:
            return ""
        parts = [f"{one_line(one.document, 60)} {one_line(one.why, 160)}" for one in self.unread[:_SHOWN]]
        more = len(self.unread) - len(parts)
        said = "; ".join([*parts, *([f"and {more} more"] if more > 0 else [])])
        return f"{len(self.unread)} of {self.documents + len(self.unread)} documents not compared: {said}"

    @property
    def differs(self) -> bool:
        return bool(self.gained or self.lost or self.changed or self.signs)

    def losses(self, allowed: Collection[str]) -> tuple[Difference, ...]:
        """Return the values that nobody has said may go."""
        return tuple(item for item in self.lost if item.metric not in allowed)


def compare(old: Mapping[str, Answer], new: Mapping[str, Answer]) -> ReplayDiff:
    """Compare what two versions made of the documents that both were given."""
    gained: list[Difference] = []
    lost: list[Difference] = []
    changed: list[Difference] = []
    signs = 0
    broken: list[Answer] = []
    late: list[str] = []
    unread: list[Unread] = []
    documents = 0
    for name in sorted(new.keys() & old.keys()):
        before, after = old[name], new[name]
        if after.failed and not (before.failed or before.skipped):
            broken.append(after)
            continue
        if after.skipped and not (before.failed or before.skipped):
            late.append(name)
            continue
        if why := _why_unread(before, after):
            unread.append(Unread(document=name, why=why))
            continue
        documents += 1
        for item in _differences(name, before.metrics, after.metrics):
            (gained if item.old is None else lost if _is_lost(item.old, item.new) else changed).append(item)
        signs += len(set(before.signs.items()) ^ set(after.signs.items()))
    return ReplayDiff(
        documents=documents,
        gained=tuple(gained),
        lost=tuple(lost),
        changed=tuple(changed),
        signs=signs,
        broken=tuple(broken),
        late=tuple(late),
        unread=tuple(unread),
    )


def _why_unread(before: Answer, after: Answer) -> str:
    """Say why a document cannot be compared; nothing where both versions have read it."""
    ours, theirs = after.failed or after.skipped, before.failed or before.skipped
    if ours:
        return f"{ours}, as on the live release" if ours == theirs else f"{ours}; on the live release: {theirs}"
    return f"was not read by the live release: {theirs}" if theirs else ""


def _is_lost(old: Extract, new: Extract | None) -> bool:
    """Is a value gone, or no figure any more? `141 m` that becomes `EBITDA 141` is found, and of no use."""
    return new is None or bool(_FIGURE.match(old.value) and not _FIGURE.match(new.value))


def _differences(document: str, old: Iterable[Extract], new: Iterable[Extract]) -> Iterable[Difference]:
    """Yield what differs, metric by metric: what only one side has, one of each a pair that changed."""
    before, after = _by_metric(old), _by_metric(new)
    for metric in dict.fromkeys((*before, *after)):
        gone = _without(before.get(metric, []), after.get(metric, []))
        came = _without(after.get(metric, []), before.get(metric, []))
        for place in range(max(len(gone), len(came))):
            yield Difference(
                document=document,
                metric=metric,
                old=gone[place] if place < len(gone) else None,
                new=came[place] if place < len(came) else None,
            )


def _by_metric(extracts: Iterable[Extract]) -> dict[str, list[Extract]]:
    """Return the values by metric; an empty one is none, whatever the pattern matched."""
    found: dict[str, list[Extract]] = {}
    for extract in extracts:
        if extract.value.strip():
            found.setdefault(extract.metric, []).append(extract)
    return found


def _without(extracts: list[Extract], others: list[Extract]) -> list[Extract]:
    """Return the extracts whose value the others do not have, each as often as it is missing there."""
    left = Counter(extract.value for extract in others)
    missing = []
    for extract in extracts:
        if left[extract.value]:
            left[extract.value] -= 1
        else:
            missing.append(extract)
    return missing


def told(differences: Collection[Difference]) -> str:
    """Return the first differences in one line: metric, document, what was and what is."""
    parts = [_tell(item) for item in list(differences)[:_SHOWN]]
    more = len(differences) - len(parts)
    return "; ".join([*parts, *([f"and {more} more"] if more > 0 else [])])


def _tell(item: Difference) -> str:
    shown = [one_line(side.value, 40) if side else "nothing" for side in (item.old, item.new)]
    side = item.new or item.old
    context = one_line(side.context, 60) if side and side.context else ""
    said = f"{one_line(item.metric, 40)} {shown[0]} -> {shown[1]} in {one_line(item.document, 60)}"
    return f'{said} ("{context}")' if context else said
