"""`gitrelease diff`: what does a change mean?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitrelease.commands import offers
from gitrelease.commands.client import look_at, print_json
from gitrelease.commands.options import Json, ending
from gitrelease.edges.terminal import say

if TYPE_CHECKING:
    from gitrelease.world import World


def register(app: typer.Typer) -> None:
    app.command("diff", short_help="What a change means (default: live → deploy branch).")(ending(run))


def run(
    context: typer.Context,
    before: Annotated[
        str | None, typer.Argument(metavar="[A]", show_default=False, autocompletion=offers.revisions)
    ] = None,
    after: Annotated[
        str | None, typer.Argument(metavar="[B]", show_default=False, autocompletion=offers.revisions)
    ] = None,
    worktree: Annotated[bool, typer.Option("--worktree", help="Compare live with what is on disk.")] = False,
    as_json: Json = False,
) -> int:
    """What a change means: kind, regions, lines, terms, fields (default: live → the deploy branch)."""
    from gitrelease.candidate import commit_of
    from gitrelease.core.render import diff_lines

    world = look_at(context.obj, initialised=False)
    old = commit_of(world, before) if before else live_commit(world)
    new = world.checkout.disk_tree() if worktree else commit_of(world, after or world.settings.app.branch)
    change = describe(world, old, new)
    if as_json:
        print_json({"from": old, "to": new, **change})
    else:
        say(diff_lines(change))
    return 0


def describe(world: World, before: str, after: str) -> dict[str, Any]:
    """Return what `after` changes against `before`, as `diff --json` has it, without the two ends."""
    import msgspec

    from gitrelease.candidate import difference

    diff = difference(world, *_alike(world, before, after))
    built: dict[str, Any] = msgspec.to_builtins(diff)
    risk = world.settings.policy[diff.kind].risk
    return {"kind": built.pop("kind"), "kinds": built.pop("kinds"), "risk": risk, **built}


def _alike(world: World, before: str, after: str) -> tuple[str, str]:
    """Give both sides the carried file when only a release has it: git ignores it, so no commit of a person does."""
    from gitrelease.candidate import compose

    if not world.checkout.ignores_carried():
        return before, after
    return (
        compose(world, before, carried_from=after) if world.git.resolve(before) else before,
        compose(world, after, carried_from=before) if world.git.resolve(after) else after,
    )


def live_commit(world: World) -> str:
    """Return the commit that is live; `ReleaseError` when nothing is."""
    from gitrelease.core import refs
    from gitrelease.core.errors import ReleaseError

    live = world.git.resolve(refs.LIVE)
    if live is None:
        both = "Name both ends: gitrelease diff A B"
        ours = world.home.initialised  # nothing is released from a clone
        raise ReleaseError("nothing is live yet", hint=f"{both}; or release: gitrelease up" if ours else both)
    return live
