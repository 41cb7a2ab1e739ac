"""What does the procedure that gitrelease replaces cost? The guide's dictionary deployment, run to the letter.

Copy the file, stop Streamlit, sleep 2, start it, sleep 10, ask once. Processes are ended by their pid.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitrelease.core.settings import App, Instance
from gitrelease.demo.load import Load, Seen
from gitrelease.edges import probes
from gitrelease.edges.backends import command_line, free_port
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.probes import Endpoint


@dataclass(frozen=True)
class Procedure:
    """What one run of the procedure took, and what users saw of it."""

    seconds: float
    seen: Seen
    said_responding: bool


@contextlib.contextmanager
def _serving(folder: Path, python: Path, port: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run the app from `folder` as the guide does; the list holds the process, and may be given another."""
    running = [_start(folder, python, port)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def _start(folder: Path, python: Path, port: int) -> subprocess.Popen[bytes]:
    argv = command_line(App(), Instance(), python=python, slot=folder, port=port)
    return subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def deploy_dictionary(folder: Path, *, python: Path, term_file: Path) -> Procedure:
    """Deploy `term_file` over the app in `folder` as the guide's procedure 1 says, under 50 requests a second."""
    port = free_port()
    with _serving(folder, python, port) as running:
        cancel = Cancel()
        deadline = time.monotonic() + 30
        while not probes.healthy(App(), Endpoint(port))[0] and time.monotonic() < deadline:
            cancel.wait([], 0.05)
        cancel.close()
        load = Load(port).start()
        begun = time.monotonic()
        shutil.copy2(folder / "FinDocPipeline.py", folder / "FinDocPipeline_backup.py")
        shutil.copy2(term_file, folder / "FinDocPipeline.py")
        old = running.pop()
        old.terminate()
        time.sleep(2)  # the guide's own words, as is the next
        old.wait()
        running.append(_start(folder, python, port))
        time.sleep(10)
        responding = _curl(port)
        spent = time.monotonic() - begun
        seen = load.since(begun)
        load.stop()
        return Procedure(seconds=spent, seen=seen, said_responding=responding)


def _curl(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
