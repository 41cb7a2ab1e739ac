"""`gitrelease check`: run the checks on a candidate without touching production."""

from __future__ import annotations

import time

import typer

from gitrelease.commands.client import print_json, user
from gitrelease.commands.options import Json, Revision, ending


def register(app: typer.Typer) -> None:
    app.command("check", short_help="Run the checks on REV, production untouched.")(ending(run))


def run(context: typer.Context, revision: Revision = None, as_json: Json = False) -> int:
    """Run every check on REV (default: the head of the deploy branch) in a slot of its own."""
    import msgspec

    from gitrelease.candidate import commit_of, difference, of_branch
    from gitrelease.checks.check_slot import leaving_nothing
    from gitrelease.checks.judging import unexplained_losses
    from gitrelease.checks.liveside import Live
    from gitrelease.checks.signatures import signature_check, signing_hint
    from gitrelease.checks.staging import Unfit, stage
    from gitrelease.core.decide import objections
    from gitrelease.core.errors import Exit
    from gitrelease.core.kinds import Kind
    from gitrelease.core.render import check_lines, step_lines
    from gitrelease.core.signs import Told
    from gitrelease.core.steps import first, following
    from gitrelease.edges.backends import backend_name
    from gitrelease.edges.cancel import Cancel
    from gitrelease.edges.terminal import say
    from gitrelease.edges.underway import under_way
    from gitrelease.world import open_world

    world = open_world(context.obj)
    live = world.records().live
    commit = commit_of(world, revision or world.settings.app.branch)
    candidate = of_branch(world, commit, live=live, trigger="shell", by=user(), at=time.time())
    diff = difference(world, live.commit, candidate.commit) if live else None
    cancel = Cancel()
    signed = signature_check(world, candidate, live.source if live else None, cancel)
    if signed is not None and signed.detail:
        told = f"{signed.detail}. {signing_hint(world, candidate, signed)}"
        signed = msgspec.structs.replace(signed, detail=told)

    def report(step: str, text: str, seconds: float | None) -> None:
        say(step_lines(step, text, seconds), error=True)
        if begun := following("check", step):
            shown.now(*begun)

    with leaving_nothing(world), under_way(*first("check")) as shown:
        judged = stage(
            world, candidate, diff=diff, live=Live(world, live.commit, cancel) if live else None,
            cancel=cancel, report=report, name=backend_name(candidate.commit),
            checking_only=True, given=(signed,) if signed else (),
        )  # fmt: skip
        losses = unexplained_losses(world, live, candidate, judged.findings)
    ok = not isinstance(judged, Unfit) and not losses
    asking = objections(retyped=judged.findings.retyped, losses=losses)
    replay = judged.findings.replay
    kind = diff.kind if diff else Kind.MAJOR
    checks = [msgspec.to_builtins(check) for check in judged.checks]
    if as_json:
        print_json({"ok": ok, "kind": kind.value, "checks": checks, "replay": msgspec.to_builtins(replay)})
    else:
        what = "nothing that runs has changed" if kind is Kind.NONE else f"{kind} change"
        verdict = Told(f"{'fit' if ok else 'not fit'} to be released: {what}", "fit" if ok else "refused")
        why = [f"  {judged.reason}"] if isinstance(judged, Unfit) else []
        say([*check_lines(checks), verdict, *why, *([f"  {asking}: it needs approval"] if asking else [])])
    return Exit.DONE if ok else Exit.REFUSED
