"""`gitrelease doctor`: everything that would stop a release, each with its remedy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitrelease.commands.client import Client, print_json
from gitrelease.commands.options import Json, ending
from gitrelease.core.errors import Exit, ReleaseError, RepositoryError
from gitrelease.core.remedy import Remedy
from gitrelease.core.signs import Told
from gitrelease.edges.home import Home
from gitrelease.edges.terminal import say
from gitrelease.edges.underway import under_way

if TYPE_CHECKING:
    from gitrelease.doctor.case import Case
    from gitrelease.doctor.diagnosis import Diagnosis


def register(app: typer.Typer) -> None:
    app.command("doctor", short_help="Everything that would stop a release, and its remedy.")(ending(run))


def run(
    context: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help="Do what is safe to do, and say each thing done.")] = False,
    as_json: Json = False,
) -> int:
    """Look for everything that would stop a release; each line is ok, a warning or a problem with its remedy.

    Ends with 0, also with warnings, and with 3 where a release would be refused or production is in danger.
    """
    from gitrelease.doctor.examine import examine

    done: list[str] = []
    if fix:
        done = _mend(list(examine(_case(context.obj))))
    found: list[Diagnosis] = []
    with under_way("doctor", "looks for what would stop a release"):
        for one in examine(_case(context.obj)):
            found.append(one)
            if not as_json:
                say(_lines(one))
    problems = sum(one.status == "problem" for one in found)
    if as_json:
        checks = [_as_dict(one) for one in found]
        print_json({"ok": not problems, "checks": checks, **({"done": done} if fix else {})})
    else:
        say([Told(_sum(found), "problem" if problems else "ok")])
    return int(Exit.REFUSED if problems else Exit.DONE)


def _case(directory: Path) -> Case:
    """Return the checkout that `directory` is in, whatever is left of it: git may not know it."""
    from gitrelease.doctor.case import Case

    start = directory.resolve()
    if not start.is_dir():
        raise RepositoryError(
            f"{directory} is no directory", hint="Name an existing checkout: gitrelease -C DIR doctor"
        )
    root = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)
    return Case(root, Client(root, Home(root / ".git")).start_agent)


def _mend(found: list[Diagnosis]) -> list[str]:
    """Mend what can be mended without a word of a person; return what was done."""
    done: list[str] = []
    for one in found:
        if one.mend is None:
            continue
        try:
            done.append(one.mend())
        except (ReleaseError, OSError) as error:
            print(f"not mended: {one.name}: {error}", file=sys.stderr)
        else:
            print(f"mended: {done[-1]}", file=sys.stderr)
    if not done:
        print("nothing here can be mended by itself", file=sys.stderr)
    return done


def _lines(one: Diagnosis) -> list[str]:
    told = Told(f"{one.status:<8} {one.name:<15} {one.detail}", one.status)
    return [told, *([f"{'':<8} fix: {one.fix}"] if one.fix else [])]


def _as_dict(one: Diagnosis) -> dict[str, Any]:
    commands = [*Remedy(one.fix).commands]
    return {"name": one.name, "status": one.status, "detail": one.detail, "fix": one.fix, "commands": commands}


def _sum(found: list[Diagnosis]) -> str:
    problems, warnings = (sum(one.status == status for one in found) for status in ("problem", "warning"))
    told = f"problems: {problems}, warnings: {warnings}"
    return told if problems else f"{told}; nothing stands in the way of a release"
