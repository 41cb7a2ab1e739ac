"""Does a release use more than another? From what the agent has kept of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gitrelease.commands.client import print_json
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.history import nothing_live, release_name, release_number
from gitrelease.core.samples import Usage, compare, difference
from gitrelease.core.text import counted, one_line
from gitrelease.edges import samples
from gitrelease.edges.terminal import say
from gitrelease.release.selection import chosen
from gitrelease.world import World

_HINT = "The agent samples by itself while production is up; see which releases there are: gitrelease history"


def compare_releases(world: World, named: Sequence[str], instance: str | None, *, as_json: bool) -> int:
    """Print how the first release that is named differs from the second, over the instances that both had.

    Named less: the live release, and the newest one before it that was sampled.
    """
    kept = samples.releases(world.home.samples)
    selections = chosen(world, instance)
    newer, older = _pair(selections[0].world, named, kept)
    wanted = [name for one in selections for name in one.names]
    names = [name for name in wanted if name in kept[newer] and name in kept[older]]
    if not names:
        raise ReleaseError(f"{release_name(newer)} and {release_name(older)} have no instance in common", hint=_HINT)
    now, before = (_usage(world, number, names) for number in (newer, older))
    if as_json:
        print_json(_told(newer, now, older, before, names))
    else:
        say(_lines(newer, now, older, before, names))
    return Exit.DONE


def _pair(world: World, named: Sequence[str], kept: Mapping[int, object]) -> tuple[int, int]:
    """Return the numbers of the two releases that are meant; both have samples."""
    numbers = [_number(name) for name in named]
    if not numbers:
        live = world.records().live
        if live is None:
            raise nothing_live()
        numbers.append(live.number)
    if len(numbers) == 1:
        earlier = [number for number in kept if number < numbers[0]]
        if not earlier:
            raise ReleaseError(f"there are no samples of a release before {release_name(numbers[0])}", hint=_HINT)
        numbers.append(max(earlier))
    for number in numbers:
        if number not in kept:
            raise _no_samples(number)
    return numbers[0], numbers[1]


def _number(name: str) -> int:
    number = release_number(name)
    if number is None:
        raise ReleaseError(f"{one_line(name, 80)!r} names no release", hint="Write it as release/42")
    return number


def _usage(world: World, number: int, names: Sequence[str]) -> Usage:
    found = samples.usage(world.home.samples, number, names)
    if found is None:
        raise _no_samples(number)
    return found


def _no_samples(number: int) -> ReleaseError:
    return ReleaseError(f"there are no samples of {release_name(number)}", hint=_HINT)


_FIGURES = (("CPU", "cpu", "%"), ("memory", "memory", "MB"), ("answer", "answer", "ms"))


def _lines(newer: int, now: Usage, older: int, before: Usage, names: Sequence[str]) -> Iterator[str]:
    yield from compare(release_name(newer), now, release_name(older), before)
    yield f"over {one_line(', '.join(names), 200)}:"
    for number, usage in ((newer, now), (older, before)):
        figures = "; ".join(
            f"{what} {_rounded(getattr(usage, f'{key}_average'))} {unit} on average, "
            f"{_rounded(getattr(usage, f'{key}_peak'))} {unit} at most"
            for what, key, unit in _FIGURES
        )
        missed = f", no answer {counted(usage.unanswered, 'time')}" if usage.unanswered else ""
        logged = f"{counted(usage.error_lines, 'error line')}, {counted(usage.samples, 'sample')}"
        yield f"  {release_name(number)}: {figures}{missed}; {logged}"


def _rounded(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _told(newer: int, now: Usage, older: int, before: Usage, names: Sequence[str]) -> dict[str, Any]:
    return {
        "instances": list(names),
        "releases": [
            {"release": release_name(number), **msgspec.to_builtins(usage)}
            for number, usage in ((newer, now), (older, before))
        ],
        "more_percent": {
            key: None if by is None else round(by, 1)
            for _, key, _ in _FIGURES
            for by in [difference(getattr(now, f"{key}_average"), getattr(before, f"{key}_average"))]
        },
        "said": compare(release_name(newer), now, release_name(older), before),
    }
