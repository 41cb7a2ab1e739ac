"""`gitrelease demo`: the whole story on a sample app in a temporary folder, measured."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitrelease.commands.options import ending
from gitrelease.core.text import quoted
from gitrelease.edges.home import Home

if TYPE_CHECKING:
    from gitrelease.demo.guide import Procedure
    from gitrelease.demo.story import Story


def register(app: typer.Typer) -> None:
    app.command("demo", short_help="The whole story on a sample app, measured.")(ending(run))


def run(keep: Annotated[bool, typer.Option("--keep", help="Leave it running and say where.")] = False) -> int:
    """Tell the whole story on a sample Streamlit app in a temporary folder, measured (under 40 s)."""
    from gitrelease.demo.story import Story
    from gitrelease.edges.underway import under_way

    _require_streamlit()
    folder = Path(tempfile.mkdtemp(prefix="gitrelease-demo-"))
    story = Story(folder, _tell)
    finished = False
    try:
        with under_way("demo", "goes on, since the last line"):
            guide = story.tell()
        typer.echo("\n" + "\n".join(table(story, guide)))
        finished = True
    finally:
        if keep:
            typer.echo(_left(story))
        else:
            story.down()
            if finished:
                shutil.rmtree(folder, ignore_errors=True)
    return 0


def _left(story: Story) -> str:
    """Say what goes on, and how it is ended; where production was not up yet, only where the files are."""
    checkout, where = f"  production checkout: {story.production}", quoted(story.production)
    if not Home(story.production / ".git").wanted.exists():
        return f"\nnothing runs\n{checkout}"
    goes_on = f"\nit goes on: http://127.0.0.1:{story.port}\n{checkout}\n"
    return f"{goes_on}  try: gitrelease -C {where} status\n  end: gitrelease -C {where} down"


def _tell(line: str) -> None:
    from gitrelease.edges.terminal import breaks
    from gitrelease.edges.underway import news

    # What commands print fills a terminal: there it is not moved in.
    typer.echo(line.removeprefix("   ") if breaks() else line)
    news()


def table(story: Story, guide: Procedure) -> list[str]:
    """Return what each step took and how many requests failed, beside the guide's own procedure."""
    lines = [f"{'step':<32} {'outcome':<26} {'seconds':>7} {'failed':>12}"]
    for told in story.told:
        failed = f"{told.seen.failed} of {told.seen.asked}" if told.seen.asked else "-"
        lines.append(f"{told.step:<32} {told.outcome:<26} {told.seconds:>7.1f} {failed:>12}")
    lines.append("-" * 80)
    lost = f"{guide.seen.failed} of {guide.seen.asked}"
    lines.append(f"{'the guide: two dictionary terms':<32} {'live, unverified':<26} {guide.seconds:>7.1f} {lost:>12}")
    total = sum(told.seen.failed for told in story.told)
    asked = sum(told.seen.asked for told in story.told)
    lines.append(
        f"gitrelease: {total} of {asked} requests failed; the guide: {lost}, a hole of {guide.seen.longest_gap:.1f} s"
    )
    return lines


def _require_streamlit() -> None:
    import importlib.util
    import sys

    from gitrelease.core.errors import ReleaseError

    if importlib.util.find_spec("streamlit") is None:
        raise ReleaseError(
            "the demo runs a real Streamlit app, and Streamlit is not installed here",
            hint=f"Install it: {sys.executable} -m pip install 'gitrelease[demo]' (in a source checkout: '.[demo]')",
        )
