"""What was added to a region, removed from it, changed in it, and how is a whole change told in one line?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from gitrelease.core.contents import Content
from gitrelease.core.diff import OUTSIDE, Diff, RegionChange
from gitrelease.core.kinds import Kind
from gitrelease.core.literals import Value
from gitrelease.core.text import one_line

NOT_UNDERSTOOD = "content not understood"


class Meaning(msgspec.Struct, frozen=True):
    """The items that came, went and changed; `note` says why they are not known, `why` what makes it major."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    note: str = ""
    why: str = ""


def meaning(old: Content | None, new: Content | None) -> Meaning:
    """Compare the content of a region on both sides; None where it is not there.

    Of a list, tuple or set the items; of a dict its keys, `changed` those whose values differ; anything else counts
    as one item. A region that takes names the file does not define, or that becomes another kind of thing, has a
    `why`. Code has no items.
    """
    present = [content for content in (new, old) if content is not None]
    for content in present:
        if content.unknown:
            return Meaning(note=NOT_UNDERSTOOD, why=content.problem or f"names {', '.join(content.unknown)}")
    for content in present:
        if content.problem:
            return Meaning(note=f"{NOT_UNDERSTOOD}: {content.problem}")
    if not all(content.is_readable for content in present):
        return Meaning()
    if old is not None and new is not None and _shape(old.value) != _shape(new.value):
        return Meaning(note=NOT_UNDERSTOOD, why=f"was a {_shape(old.value)} and is now a {_shape(new.value)}")
    return between(items_of(old.value) if old else {}, items_of(new.value) if new else {})


def items_of(value: Value) -> dict[str, object]:
    """Return the items of a value by their names, in order; items without a value of their own have True."""
    if isinstance(value, dict):
        return {_name(key): item for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return dict.fromkeys(sorted(map(_name, value)), True)
    if isinstance(value, list | tuple):
        return dict.fromkeys(map(_name, value), True)
    return {_name(value): True}


def between(old: dict[str, object], new: dict[str, object]) -> Meaning:
    """Return the names that only one side has, and those whose values differ."""
    return Meaning(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in new if name in old and not _equal(old[name], new[name])),
    )


def _name(item: Value) -> str:
    # A lone surrogate cannot be written as UTF-8, so neither as JSON nor into a tag.
    return (item if isinstance(item, str) else repr(item)).encode("utf-8", "backslashreplace").decode()


def _equal(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other and repr(one) == repr(other)


def _shape(value: Value) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return "list"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return str(type(value).__name__)


# -- one line for people: push output, tag message, history ------------------------------------------------------

_PARTS_SHOWN = 6
_ITEMS_SHOWN = 3
_ITEM_LENGTH = 40
_NAME_LENGTH = 80
_WORDS = re.compile(r"[\w .&/'%-]+")


def summarise(diff: Diff) -> str:
    """Return what a change means in one line, short enough for a tag: first what is outside of regions."""
    if diff.kind is Kind.NONE:
        return "nothing that runs has changed"
    told = [_tell(region) for region in diff.regions]
    return "; ".join([*_capped(_reasons(diff), _PARTS_SHOWN), *_capped(told, _PARTS_SHOWN)])


def _reasons(diff: Diff) -> list[str]:
    """Return each reason once; the places where code changed are told together."""
    whys = list(dict.fromkeys(item.why for item in diff.other))
    changed = [_plain(why.removeprefix(OUTSIDE), _NAME_LENGTH) for why in whys if why.startswith(OUTSIDE)]
    reasons = [_plain(why, 2 * _NAME_LENGTH) for why in whys if not why.startswith(OUTSIDE)]
    return [*reasons, OUTSIDE + ", ".join(_capped(changed, _ITEMS_SHOWN))] if changed else reasons


def _tell(change: RegionChange) -> str:
    name = _plain(change.region, _NAME_LENGTH)
    if change.note:
        return f"{name}: {_plain(change.note, _NAME_LENGTH)}"
    if change.kind is Kind.SCHEMA:
        return " ".join([name, *_fields(change)]) if _has_items(change) else f"{name}: code changed"
    told = [_count("+", change.added), _count("-", change.removed)]
    counted = ", ".join(part for part in told if part)
    parts = [f"{name} {counted}"] if counted else []
    if change.changed:
        subject = ", ".join(_capped([_plain(item) for item in change.changed], _ITEMS_SHOWN))
        parts.append(f"{subject}: {'patterns' if change.kind is Kind.PATTERN else 'content'} changed")
    if parts:
        return "; ".join(parts)
    return f"{name}: written differently" if change.kind is Kind.DICTIONARY else f"{name}: code changed"


def _has_items(change: RegionChange) -> bool:
    return bool(change.added or change.removed or change.changed)


def _fields(change: RegionChange) -> list[str]:
    signed = (("+", change.added), ("-", change.removed), ("~", change.changed))
    return _capped([f"{sign}{_plain(item)}" for sign, items in signed for item in items], _PARTS_SHOWN)


def _count(sign: str, items: Sequence[str]) -> str:
    """Return `+2 (carbon footprint, esg score)`; names only when they can be read, which patterns cannot."""
    if not items:
        return ""
    readable = all(_WORDS.fullmatch(_plain(item)) for item in items)
    named = f" ({', '.join(_capped([_plain(item) for item in items], _ITEMS_SHOWN))})" if readable else ""
    return f"{sign}{len(items)}{named}"


def _capped(parts: Iterable[str], shown: int) -> list[str]:
    known = list(parts)
    if len(known) <= shown + 1:  # "and 1 more" is no shorter than the one
        return known
    return [*known[:shown], f"and {len(known) - shown} more"]


def _plain(text: str, length: int = _ITEM_LENGTH) -> str:
    # split() takes out the line separators that are no control characters, too.
    return one_line(" ".join(text.split()), length)
