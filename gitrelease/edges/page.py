"""Does the server of the web page answer, and how does a browser get there without telling everybody the token?"""

from __future__ import annotations

import html
import os
import sys
import time
import webbrowser
from collections.abc import Callable

import requests

from gitrelease.edges.home import Home, write_atomically

_PATIENCE = 60.0  # seconds; it comes up in two
_LOOK = 0.05


def answers(address: str, port: int, *, still: Callable[[], bool]) -> bool:
    """Wait until the server answers; False where it is not `still` there, or does not come up."""
    host = f"[{address}]" if ":" in address else address
    deadline = time.monotonic() + _PATIENCE
    with requests.Session() as session:
        session.trust_env = False  # no proxy on the way to ourselves
        while still() and time.monotonic() < deadline:
            try:
                if session.get(f"http://{host}:{port}/_stcore/health", timeout=5).ok:
                    return True
            except requests.ConnectionError:
                time.sleep(_LOOK)
    return False


def open_browser(url: str, home: Home) -> bool:
    """Open a browser where there is a screen for one.

    It is given a file that leads on: command lines can be read by every user of the host.
    """
    if sys.platform != "darwin" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    page = home.run / "dashboard.html"
    leads_on = f'<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={html.escape(url)}">\n'
    write_atomically(page, leads_on.encode())
    return webbrowser.open(page.as_uri())
