"""What do annotated tags say? They are read when somebody asks, a few at a time: there may be ten thousand.

A tag object never changes: what was read once is remembered, the last few hundred of them.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar, overload

from gitrelease.core.history import Release, release_from_tag
from gitrelease.edges.git import Git

_HEADER = re.compile(r"object (\w+)\ntype (\w+)\ntag (.*)\ntagger .*> (\d+) [+-]\d{4}\n", re.ASCII)
_REMEMBERED = 256  # tags
_FIRST, _MOST = 32, 1024  # tags that are read at once: few for who wants the newest, many for who wants all


class Tag(NamedTuple):
    """An annotated tag: the object that it names, its own name, when it was made (seconds since 1970), its message."""

    id: str
    target: str
    kind: str  # of the target: `commit`
    name: str
    at: float
    message: str


Key = TypeVar("Key")
Value = TypeVar("Value")

_remembered: OrderedDict[str, Tag] = OrderedDict()
_remembering = threading.Lock()


def read_tags(git: Git, ids: Iterable[str]) -> dict[str, Tag]:
    """Return the tag objects `ids`, by id; what is none, is gone or is damaged is left out."""
    wanted = list(dict.fromkeys(ids))
    with _remembering:
        found = {name: _remembered[name] for name in wanted if name in _remembered}
    contents = git.objects([name for name in wanted if name not in found], "tag")
    parsed = (_parsed(name, content.decode(errors="surrogateescape")) for name, content in contents.items())
    new = {tag.id: tag for tag in parsed if tag is not None}
    with _remembering:
        _remembered.update(new)
        while len(_remembered) > _REMEMBERED:
            _remembered.popitem(last=False)
    return found | new


def _parsed(name: str, content: str) -> Tag | None:
    header = _HEADER.match(content)
    if header is None:
        return None
    message = content[header.end() :].partition("\n")[2]
    return Tag(name, header[1], header[2], header[3], float(header[4]), message)


def read_release(git: Git, tag: str) -> Release | None:
    """Read a release from its tag object; None where that is not there, or is somebody else's."""
    return release_of(read_tags(git, [tag]).get(tag))


def release_of(tag: Tag | None) -> Release | None:
    """Return the release that a tag tells of; None where it is somebody else's."""
    if tag is None or tag.kind != "commit":
        return None
    return release_from_tag(name=tag.name, tag=tag.id, commit=tag.target, at=tag.at, message=tag.message)


class Releases(Sequence[Release]):
    """The releases, oldest first. Numbers are known from the names of the tags, all else is read when it is asked for.

    Who walks backwards, or asks for one by its number, reads no more than needed.
    """

    def __init__(self, git: Git, tags: Mapping[int, str]) -> None:
        self._git = git
        self._tags = dict(sorted(tags.items()))
        self._all: list[Release] | None = None

    def numbered(self, number: int | None) -> Release | None:
        """Return release `number`, None where there is none or its tag is somebody else's."""
        tag = self._tags.get(number or 0)
        release = read_release(self._git, tag) if tag is not None else None
        return release if release is not None and release.number == number else None

    def newest(self, *, below: int | None = None, without: Collection[int] = ()) -> Iterator[Release]:
        """Yield the releases, the newest first; only those with a number `below` one that is given.

        Those `without` are not even read.
        """
        wanted = (number for number in reversed(self._tags) if below is None or number < below)
        numbers = [number for number in wanted if number not in without]
        start, size = 0, _FIRST
        while start < len(numbers):
            yield from self._read(numbers[start : start + size])
            start, size = start + size, min(2 * size, _MOST)

    def _read(self, numbers: Sequence[int]) -> Iterator[Release]:
        tags = read_tags(self._git, [self._tags[number] for number in numbers])
        for number in numbers:
            release = release_of(tags.get(self._tags[number]))
            if release is not None and release.number == number:
                yield release

    def __reversed__(self) -> Iterator[Release]:
        return self.newest()

    def __iter__(self) -> Iterator[Release]:
        return iter(self._every())

    def __len__(self) -> int:
        return len(self._every())

    def __bool__(self) -> bool:
        return next(self.newest(), None) is not None

    @overload
    def __getitem__(self, place: int) -> Release: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Release]: ...

    def __getitem__(self, place: int | slice) -> Release | Sequence[Release]:
        return self._every()[place]

    def _every(self) -> list[Release]:
        if self._all is None:
            self._all = list(self.newest())[::-1]
        return self._all


class Noted(Mapping[Key, Value], Generic[Key, Value]):
    """What notes (tag objects) say, by their key. The keys are known; a note is read when somebody asks for it."""

    def __init__(self, git: Git, ids: Mapping[Key, str], value: Callable[[Key, Tag], Value]) -> None:
        self._git = git
        self._value = value
        self.ids = ids

    def __getitem__(self, key: Key) -> Value:
        name = self.ids[key]
        return self._value(key, read_note(self._git, name))

    def __contains__(self, key: object) -> bool:
        return key in self.ids

    def __iter__(self) -> Iterator[Key]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def every(self) -> list[Value]:
        """Return what all of them say, read at once."""
        tags = read_tags(self._git, self.ids.values())
        return [self._value(key, tags.get(name) or _unreadable(name)) for key, name in self.ids.items()]


def read_note(git: Git, name: str) -> Tag:
    """Return the tag object `name`, which somebody set as a mark; it holds, also where it cannot be read."""
    return read_tags(git, [name]).get(name) or _unreadable(name)


def _unreadable(name: str) -> Tag:
    """Stand in for a note that is damaged, or was set by a person as a plain ref: what it is about still holds."""
    return Tag(name, name, "commit", "", 0.0, "")
