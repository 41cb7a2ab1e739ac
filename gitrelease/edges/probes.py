"""Does a running backend answer? Asked over HTTP, as a user would; a real session is `inside/session.py`."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import urllib.error
import urllib.request

from gitrelease.core.settings import App
from gitrelease.edges.cancel import Cancel

HEALTH = "/_stcore/health"
SCRIPT = "/_stcore/script-health-check"
RETRY = 0.01  # seconds: nothing on the loopback interface says that a port has begun to listen


def ask(port: int, path: str, *, timeout: float, host: str = "127.0.0.1") -> tuple[int, str]:
    """GET `path` of a backend; return status and body, or 0 and why there was no answer."""
    # By the standard library: requests takes longer to import than all the rest of a look at production.
    # No proxy: the backend is on the loopback interface.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}:{port}{path}", timeout=timeout) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return _refused(error)
    except (OSError, http.client.HTTPException) as error:
        return 0, type(getattr(error, "reason", error)).__name__


def _refused(error: urllib.error.HTTPError) -> tuple[int, str]:
    """Return what an answer outside 2xx says; no answer where it breaks off, as with any."""
    try:
        return error.code, error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as broken:
        return 0, type(broken).__name__


def accepts(port: int) -> bool:
    """Does anybody listen there? Much cheaper than a question, for whoever waits until a port is open."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def healthy(app: App, port: int, *, timeout: float = 2.0) -> tuple[bool, str]:
    """Is the backend well? With what it said."""
    if app.kind == "streamlit":
        status, body = ask(port, HEALTH, timeout=timeout)
        return status == 200 and body.strip() == "ok", f"{HEALTH}: {status or body}"
    status, body = ask(port, app.health, timeout=timeout)
    return 200 <= status < 300, f"{app.health}: {status or body}"


class ScriptCheck(threading.Thread):
    """Does the script run without an exception? Asked beside the first session; right only in a fresh process.

    Started before the port is open: two first runs share their imports, one after the other costs a run more.
    """

    def __init__(self, port: int, *, deadline: float) -> None:
        """`deadline` is monotonic."""
        super().__init__(name="script check", daemon=True)
        self._port, self._deadline = port, deadline
        self._over = threading.Event()
        self._answer = (0, "no answer")
        self.start()

    def run(self) -> None:
        while not self._over.is_set() and (left := self._deadline - time.monotonic()) > 0:
            if accepts(self._port):
                self._answer = ask(self._port, SCRIPT, timeout=left)
            if self._answer[0]:
                return
            self._over.wait(RETRY)

    def result(self) -> tuple[bool, str]:
        """Wait for the answer; return whether the script runs, and what was said."""
        self.join(max(self._deadline - time.monotonic(), 0))
        status, body = self._answer
        # Switched off, Streamlit answers 200 with its index page: the body has to be `ok`.
        return status == 200 and body.strip() == "ok", f"{SCRIPT}: {status} {body.strip()[:120]}"

    def close(self) -> None:
        """Nobody wants the answer any more."""
        self._over.set()


def until_healthy(app: App, port: int, *, deadline: float, process: int, cancel: Cancel) -> tuple[bool, str]:
    """Ask until the backend is well, its process (a pidfd) has ended, or `deadline` (monotonic) has passed.

    Says nothing where the process has ended: how it did is for others to know.
    """
    while True:
        well, said = False, "nobody listens on its port"
        if accepts(port):
            well, said = healthy(app, port, timeout=max(min(2.0, deadline - time.monotonic()), 0.05))
        if well:
            return True, said
        if time.monotonic() >= deadline:
            return False, f"not healthy in time; {said}"
        if cancel.wait([process], RETRY):
            return False, ""
