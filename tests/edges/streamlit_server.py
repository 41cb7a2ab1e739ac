"""How does a test get a real Streamlit? Started here on a port that the system hands out, and ended by its pid."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OPTIONS = {
    "server.address": "127.0.0.1",
    "server.headless": "true",
    "server.fileWatcherType": "none",
    # Without it a headless start looks up the host's external address: up to 10 s on a closed network.
    "browser.serverAddress": "localhost",
    "browser.gatherUsageStats": "false",
}


@contextlib.contextmanager
def streamlit(script: Path, *, log: Path) -> Iterator[int]:
    """Run `script` from its own folder, its output to `log`; yield the port, which need not answer yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    argv = [str(Path(sys.executable).with_name("streamlit")), "run", str(script), f"--server.port={port}", *options]
    with log.open("wb") as output:
        server = subprocess.Popen(argv, cwd=script.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield port
    finally:
        server.kill()
        server.wait()
