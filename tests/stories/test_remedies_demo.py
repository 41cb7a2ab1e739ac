"""What the demo leaves running is looked at and ended as it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import PATIENCE, Clone
from tests.remedies import typed

COMMAND = [sys.executable, "-m", "gitrelease", "demo", "--keep"]


def left(tmp_path: Path, line: str) -> str:
    """Start the demo with --keep in a folder with a blank in its name, interrupt it at a line, return what it said."""
    folder = tmp_path / "two words"
    folder.mkdir()
    with subprocess.Popen(
        COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "TMPDIR": str(folder)}, cwd=tmp_path,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        for said in demo.stdout:
            if line in said:
                break
        demo.send_signal(signal.SIGINT)
        return demo.communicate(timeout=3 * PATIENCE)[0]


@typed("commands.demo._left: gitrelease -C {where} status", "commands.demo._left: gitrelease -C {where} down")
def test_what_goes_on_is_looked_at_and_ended_as_it_says(tmp_path: Path) -> None:
    pytest.importorskip("streamlit")
    said = left(tmp_path, "-- push: two dictionary terms")
    where = said.partition("production checkout: ")[2].partition("\n")[0]
    shell = Clone(tmp_path)

    try:
        assert "it goes on: http" in said
        status = shell.type(said, f"gitrelease -C '{where}' status")
        assert "live      release/" in status.out
        assert " healthy" in status.out
    finally:
        ended = shell.type(said, f"gitrelease -C '{where}' down")
    assert ended.code == 0, ended.said
    assert "nobody is served" in shell.type(said, f"gitrelease -C '{where}' status").out


def test_what_never_came_up_is_not_said_to_go_on(tmp_path: Path) -> None:
    pytest.importorskip("streamlit")
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\nexit 1\n")
    git.chmod(0o755)

    demo = subprocess.run(
        COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=3 * PATIENCE,
        env={**os.environ, "TMPDIR": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}, cwd=tmp_path,
    )  # fmt: skip

    assert demo.returncode != 0
    assert "nothing runs" in demo.stdout
    assert "it goes on" not in demo.stdout
