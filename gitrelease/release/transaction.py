"""Which refs move when a candidate goes live? All of them at once, or none; could they, just now?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from gitrelease.candidate import Candidate
from gitrelease.core.history import Release
from gitrelease.edges import records
from gitrelease.edges.git import ZERO, Git, RefUpdate
from gitrelease.edges.records import Records
from gitrelease.release.branch import branch_for
from gitrelease.release.production import Production
from gitrelease.world import World


def stays(production: Production, known: Records, candidate: Candidate) -> Release | None:
    """Return the release that a candidate stays; None where it becomes a new one.

    What production had meanwhile has a higher number, and the way back goes by numbers: it would pass that by.
    """
    carries, live = candidate.carries, known.live
    outrun = production.world.is_production and carries and live and carries.number < live.number
    return None if outrun else carries


def updates(
    production: Production, known: Records, candidate: Candidate, *, number: int, tag: str, state: str
) -> tuple[RefUpdate, ...]:
    """Return what moves when a candidate becomes live as release `number`: `tag` is its tag object, `state` a blob."""
    world, live = production.world, known.live
    return (
        *_of_tag(production, known, candidate, number=number, tag=tag),
        RefUpdate(world.live_ref, tag, live.tag if live else None),
        *branch_for(production, candidate),
        *records.absolve(known, key=candidate.key, number=number),
        *records.keep_state(world.git, number, state),
    )


def prove(production: Production, known: Records, candidate: Candidate) -> None:
    """Raise `GitError` where a candidate could not become live just now; nothing moves.

    Of a push its branch is tried as well, which git moves next. Where a ref is by now is found out when it moves.
    """
    if known.live is None:
        return
    world, staying = production.world, stays(production, known, candidate)
    # What is live stands in the place of the tag, and of the state, that are still to be written.
    number, tag = (staying.number, staying.tag) if staying else (known.next_number, known.live.tag)
    tried = updates(production, known, candidate, number=number, tag=tag, state=known.live.tag)
    world.git.prove_refs([dataclasses.replace(one, old=None) for one in (*tried, *_pushed(world, candidate))])


def prove_branch(production: Production, candidate: Candidate) -> None:
    """Raise `GitError` where git could not move the branch to what is pushed there just now."""
    production.world.git.prove_refs(_pushed(production.world, candidate))


def _pushed(world: World, candidate: Candidate) -> list[RefUpdate]:
    """Return what git itself is about to move for a push."""
    return [RefUpdate(world.settings.branch_ref, candidate.source)] if candidate.refusable else []


def lost(git: Git, moves: Iterable[RefUpdate]) -> RefUpdate | None:
    """Return the first of these moves that starts from where its ref is not any more: somebody has moved it."""
    return next((one for one in moves if one.old is not None and (git.ref(one.ref) or ZERO) != one.old), None)


def _of_tag(
    production: Production, known: Records, candidate: Candidate, *, number: int, tag: str
) -> tuple[RefUpdate, ...]:
    """Return the updates that make the tag of a release, or let production have what another group has had alone."""
    world = production.world
    if stays(production, known, candidate) is not None:
        if world.is_production:
            return tuple(records.in_production(known, number))
        return (records.only_in(world.group, number, tag),) if number in known.elsewhere else ()
    made = records.create_tag(number, tag)
    return made if world.is_production else (*made, records.only_in(world.group, number, tag))
