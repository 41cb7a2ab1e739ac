"""Which groups of instances must a release have gone through before it comes to production?"""

from __future__ import annotations

from gitrelease.candidate import Candidate
from gitrelease.core.kinds import Kind
from gitrelease.edges import records
from gitrelease.world import World


def way_missing(world: World, candidate: Candidate, kind: Kind) -> tuple[str, str] | None:
    """Say why a candidate may not come to production yet, and what to do; None when it may (`policy.KIND.via`)."""
    via = world.settings.policy[kind].via
    if not via or not world.is_production:
        return None
    there = world.of_group(via)
    proved = there.journal.memory(attempts=1).proved
    if candidate.carries is not None and candidate.carries.number in proved:
        return None
    known = there.records()
    tried = (release for release in (known.live, known.good) if release is not None and release.number in proved)
    if any(records.content_key(world.git, release.commit) == candidate.key for release in tried):
        return None
    commit = candidate.known_as[:10]
    if candidate.trigger == "push":
        first = (
            "Push it under another name (git push REMOTE HEAD:refs/heads/NAME), then on the host: "
            f"gitrelease deploy NAME --to {via}"
        )
    else:
        first = f"Release it there: gitrelease deploy {commit} --to {via}"
    return (
        f"a {kind} change goes to {via} first, and this has not proved good there (policy.{kind}.via)",
        f"{first}; when that has proved good, carry the same release on: gitrelease deploy release/N",
    )
