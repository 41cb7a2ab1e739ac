"""Which groups of instances must a release have gone through before it comes to production?"""

from __future__ import annotations

from gitrelease.candidate import Candidate
from gitrelease.core.kinds import Kind
from gitrelease.core.settings import Settings
from gitrelease.edges import records
from gitrelease.world import World


def way_missing(world: World, candidate: Candidate, kind: Kind) -> tuple[str, str] | None:
    """Say why a candidate may not come to production yet, and what to do; None when it may (`policy.KIND.via`)."""
    via = world.settings.policy[kind].via
    if not via or not world.is_production:
        return None
    if via not in world.settings.groups[1:]:
        return no_such_way(kind, world.settings)
    there = world.of_group(via)
    proved = there.journal.memory(attempts=1).proved
    if candidate.carries is not None and candidate.carries.number in proved:
        return None
    known = there.records()
    tried = (release for release in (known.live, known.good) if release is not None and release.number in proved)
    if any(records.content_key(world.git, release.commit) == candidate.key for release in tried):
        return None
    commit = candidate.known_as[:10]
    if candidate.refusable:
        first = (
            f"Push it under another name (git push REMOTE {commit}:refs/heads/NAME), then on the host: "
            f"gitrelease deploy NAME --to {via}"
        )
    else:
        first = f"Release it there: gitrelease deploy {commit} --to {via}"
    return (
        f"a {kind} change goes to {via} first, and this has not proved good there (policy.{kind}.via)",
        f"{first}; when that has proved good, carry that release on: gitrelease deploy RELEASE",
    )


def no_such_way(kind: Kind, settings: Settings) -> tuple[str, str]:
    """Say that a kind should go through a group that no instance is in, and what to do about it."""
    there = ", ".join(settings.groups[1:]) or "none"
    return (
        f"policy.{kind}.via is {settings.policy[kind].via!r}, and no instance beside production is in such a group",
        f"Name one that is there ({there}) in host.toml or gitrelease.toml, or put an instance into it: instance.group",
    )
