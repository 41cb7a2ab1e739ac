"""Which release brought a term, a metric or a field, and which one lost it?

A thousand versions of the app are not parsed: where what stands around the text is the same as in the release before,
so is what the regions say of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gitrelease.candidate import placed
from gitrelease.core.contents import literals
from gitrelease.core.exports import NotJson, fields, parse_json
from gitrelease.core.history import Release
from gitrelease.core.meaning import items_of
from gitrelease.core.regions import Region
from gitrelease.edges.records import Records
from gitrelease.world import World

Fingerprint = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True)
class Version:
    """A release, and the regions in which it has the text."""

    release: Release
    regions: frozenset[str]


def blame(world: World, known: Records, text: str) -> dict[str, Any]:
    """Return in which releases `text` (a term, a metric's or a field's name, a pattern) came and went, newest first."""
    versions = tuple(_versions(world, known.releases, text))
    events = [event for pair in zip((None, *versions), versions, strict=False) for event in _events(world, text, *pair)]
    live = next((version for version in versions if known.live and version.release.number == known.live.number), None)
    bad = [version.release.name for version in versions if version.regions and version.release.number in known.bad]
    return {
        "text": text,
        "present": sorted(live.regions) if live else [],
        "rolled_back_in": bad,
        "events": list(reversed(events)),
    }


def _versions(world: World, releases: Sequence[Release], text: str) -> Iterator[Version]:
    """Yield each release with the regions that have `text`; only where something near it differs are they read."""
    wanted = {path: world.settings.regions_of(path) for path in world.settings.region_files}
    ids = {path: world.git.ids_at([release.commit for release in releases], path) for path in wanted}
    contents = world.git.blobs([name for names in ids.values() for name in names if name])
    prints: dict[str, Fingerprint] = {}
    last: dict[str, tuple[Fingerprint, frozenset[str]]] = {}
    for place, release in enumerate(releases):
        found: set[str] = set()
        for path, regions in wanted.items():
            name = ids[path][place]
            content = contents.get(name or "", b"")
            if name and name not in prints:
                prints[name] = _fingerprint(content, text.encode(errors="surrogateescape"))
            here = prints.get(name or "", ())
            before = last.get(path)
            if before is None or before[0] != here:
                last[path] = (here, frozenset(_regions_with(world, release, path, regions, content, text, here)))
            found |= last[path][1]
        yield Version(release, frozenset(found))


_OPENERS = (b"= [", b"= {", b"= (", b": [", b": {")


def _fingerprint(content: bytes, text: bytes) -> Fingerprint:
    """Return what is around each place that holds `text`: function, what it is assigned to, what is next to it.

    Not the whole line: a list of terms often is one line, and changes with each release.
    """
    found: list[tuple[bytes, ...]] = []
    at = content.find(text) if text else -1
    while at >= 0:
        end = at + len(text)
        line = content.rfind(b"\n", 0, at) + 1
        opener = max(content.rfind(one, 0, at) for one in _OPENERS)
        found.append(
            (
                _line_at(content, content.rfind(b"def ", 0, at)),
                content[content.rfind(b"\n", 0, opener) + 1 : opener] if opener >= 0 else b"",
                content[at - 1 : at] if at else b"",
                content[end : end + 1],
                b"#" if b"#" in content[line:at] else b"",  # commented out
            )
        )
        at = content.find(text, end)
    return tuple(found)


def _line_at(content: bytes, at: int) -> bytes:
    return content[at : content.find(b"\n", at)] if at >= 0 else b""


def _regions_with(
    world: World,
    release: Release,
    path: str,
    regions: Sequence[Region],
    content: bytes,
    text: str,
    here: Fingerprint,
) -> Iterator[str]:
    if not here:
        return
    yield from (region.name for region in regions if region.form == "file" and text in _declared(content))
    parts = [region for region in regions if region.form != "file"]
    if parts and path.endswith(".py"):
        lines = placed(world, release.commit) if any(region.form == "lines" for region in parts) else {}
        said = literals(content, parts, lines=lines)
        yield from (name for name, value in said.items() if text in _items(items_of(value)))


def _items(items: Mapping[str, object]) -> set[str]:
    """Return names and, one level down, the patterns or terms that have no name of their own."""
    found = set(items)
    for value in items.values():
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, list | tuple | set | frozenset):
            found |= {item for item in value if isinstance(item, str)}
    return found


def _declared(content: bytes) -> set[str]:
    """Return the fields of an export, by their whole path and by their last name."""
    try:
        paths = fields(parse_json(content))
    except NotJson:
        return set()
    return {name for path in paths for name in (path, path.rpartition(".")[2])}


def _events(world: World, text: str, before: Version | None, version: Version) -> Iterator[dict[str, Any]]:
    old = before.regions if before else frozenset()
    for action, regions in (("added", version.regions - old), ("removed", old - version.regions)):
        for region in sorted(regions):
            commit, author, date = _commit_of(world, text, before, version)
            yield {
                "release": version.release.name,
                "action": action,
                "region": region,
                "commit": commit,
                "author": author,
                "date": date,
                "since_first": before is None,
            }


def _commit_of(world: World, text: str, before: Version | None, version: Version) -> tuple[str, str, str]:
    """Return the commit between two releases that changed how often the text occurs, else the release's own."""
    source = version.release.source
    span = f"{before.release.source}..{source}" if before else source
    shown = world.git.text("log", "-1", f"-S{text}", "--format=%H%x00%an%x00%aI", span, "--")
    shown = shown or world.git.text("show", "-s", "--format=%H%x00%an%x00%aI", source)
    commit, author, date = shown.split("\0")
    return commit, author, datetime.fromisoformat(date).isoformat()  # versions of git differ in how they write UTC
