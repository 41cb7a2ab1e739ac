"""`gitrelease completion SHELL`: how does a shell learn to complete our lines? By evaluating what this prints."""

from __future__ import annotations

import enum
import sys
from typing import Annotated

import typer

from gitrelease.commands.options import ending
from gitrelease.edges.terminal import hand_over


class Shell(enum.StrEnum):
    """The shells that can complete our command lines."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    app.command("completion", short_help="Print what lets a shell complete with Tab.")(ending(run))


def run(shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", show_default=False)]) -> int:
    """Print the completion script of a shell: eval "$(gitrelease completion bash)" in ~/.bashrc, zsh likewise in
    ~/.zshrc after compinit; gitrelease completion fish | source in fish's config.fish. Nothing else is changed.
    """
    hand_over(script(shell))
    return 0


def script(shell: Shell) -> str:
    """Return the script; what it calls is this very installation, whatever PATH or a folder may hold later."""
    import shlex
    from pathlib import Path

    text = (Path(__file__).parent / "shells" / f"gitrelease.{shell}").read_text()
    return text.replace("@PYTHON@", shlex.quote(sys.executable))
