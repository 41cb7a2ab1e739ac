"""Does a running backend answer? Asked over HTTP, as a user would; a real session is `inside/session.py`."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import NamedTuple

from gitrelease.core.settings import App
from gitrelease.edges.cancel import Cancel

HEALTH = "/_stcore/health"
SCRIPT = "/_stcore/script-health-check"
RETRY = 0.01  # seconds: nothing on the loopback interface says that a port has begun to listen


class Endpoint(NamedTuple):
    """Where a backend is asked: its port, the path before every path of the app, whether it speaks TLS."""

    port: int
    base: str = ""
    tls: bool = False

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"


def ask(endpoint: Endpoint, path: str, *, timeout: float, host: str = "127.0.0.1") -> tuple[int, str]:
    """GET `path` of a backend; return status and body, or 0 and why there was no answer."""
    # By the standard library: requests takes longer to import than all the rest of a look at production.
    # No proxy: the backend is on the loopback interface.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if endpoint.tls:
        handlers.append(urllib.request.HTTPSHandler(context=_unverified()))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(f"{endpoint.scheme}://{host}:{endpoint.port}{endpoint.base}{path}", timeout=timeout) as answer:
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


def _unverified() -> ssl.SSLContext:
    """Return a context that takes any certificate: what listens on a port of this host is known by its process."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def accepts(port: int) -> bool:
    """Does anybody listen there? Much cheaper than a question, for whoever waits until a port is open."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def healthy(app: App, endpoint: Endpoint, *, timeout: float = 2.0) -> tuple[bool, str]:
    """Is the backend well? With what it said."""
    if app.kind == "streamlit":
        status, body = ask(endpoint, HEALTH, timeout=timeout)
        return status == 200 and body.strip() == "ok", f"{endpoint.base}{HEALTH}: {status or body}"
    status, body = ask(endpoint, app.health, timeout=timeout)
    return 200 <= status < 300, f"{app.health}: {status or body}"


class ScriptCheck(threading.Thread):
    """Does the script run without an exception? Asked beside the first session; right only in a fresh process.

    Started before the port is open: two first runs share their imports, one after the other costs a run more.
    """

    def __init__(self, endpoint: Endpoint, *, deadline: float) -> None:
        """`deadline` is monotonic."""
        super().__init__(name="script check", daemon=True)
        self._endpoint, self._deadline = endpoint, deadline
        self._over = threading.Event()
        self._answer = (0, "no answer")
        self.start()

    def run(self) -> None:
        while not self._over.is_set() and (left := self._deadline - time.monotonic()) > 0:
            if accepts(self._endpoint.port):
                self._answer = ask(self._endpoint, SCRIPT, timeout=left)
            if self._answer[0]:
                return
            self._over.wait(RETRY)

    def result(self) -> tuple[bool, str]:
        """Wait for the answer; return whether the script runs, and what was said."""
        self.join(max(self._deadline - time.monotonic(), 0))
        status, body = self._answer
        # Switched off, Streamlit answers 200 with its index page: the body has to be `ok`.
        return status == 200 and body.strip() == "ok", f"{self._endpoint.base}{SCRIPT}: {status} {body.strip()[:120]}"

    def close(self) -> None:
        """Nobody wants the answer any more."""
        self._over.set()


def until_healthy(app: App, endpoint: Endpoint, *, deadline: float, process: int, cancel: Cancel) -> tuple[bool, str]:
    """Ask until the backend is well, its process (a pidfd) has ended, or `deadline` (monotonic) has passed.

    Says nothing where the process has ended: how it did is for others to know.
    """
    while True:
        well, said = False, "nobody listens on its port"
        if accepts(endpoint.port):
            well, said = healthy(app, endpoint, timeout=max(min(2.0, deadline - time.monotonic()), 0.05))
        if well:
            return True, said
        if time.monotonic() >= deadline:
            return False, f"not healthy in time; {said}"
        if cancel.wait([process], RETRY):
            return False, ""
