"""How does the page get its server? Streamlit's own, with settings that no file of a checkout can change.

Everything that the page needs is imported before it listens: the first view waits for no module.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import threading
from pathlib import Path

from gitrelease.core.errors import ReleaseError
from gitrelease.dashboard.started import Started, started
from gitrelease.edges.environment import forget_local_variables
from gitrelease.world import open_world

BEFOREHAND = (
    "pandas",
    "pyarrow",
    "streamlit.elements.vega_charts",
    "gitrelease.commands.show",
    "gitrelease.agent.status",
)


def main() -> None:
    """Serve the page until a signal ends it."""
    forget_local_variables()
    os.chdir("/")  # Streamlit reads settings from where it stands; a checkout's are whoever pushed them
    for name in [name for name in os.environ if name.startswith("STREAMLIT_")]:
        del os.environ[name]
    _get_ready(Path(started().root))
    _end_with_reader()
    from streamlit.web import cli

    page = Path(__file__).with_name("page.py")
    cli.main(args=["run", str(page), *options(started())], prog_name="gitrelease dashboard")


def _get_ready(root: Path) -> None:
    """Import what the first view uses; the page's own modules come with it, since what they remember needs a server."""
    for module in BEFOREHAND:
        importlib.import_module(module)
    with contextlib.suppress(ReleaseError):  # the page says it, in every view, as long as it is so
        open_world(root).records()


def _end_with_reader() -> None:
    """End when nobody can read what is said here any more: ssh without a terminal sends no signal at its end."""

    def wait() -> None:
        watched = select.poll()
        watched.register(2, 0)  # an error and a hang-up are told all the same; a file has neither
        if any(told & select.POLLNVAL for _, told in watched.poll()):
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for output in (1, 2):  # Streamlit says that it stops, and must not fail at that
            os.dup2(nowhere, output)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="reader", daemon=True).start()


def options(wanted: Started) -> list[str]:
    """Return the options of `streamlit run`; they win over the user's own settings file."""
    given = {
        "server.address": wanted.address,
        "server.port": str(wanted.port),
        "server.headless": "true",
        "server.baseUrlPath": "",
        "server.sslCertFile": "",
        "server.sslKeyFile": "",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.enableStaticServing": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none",
        "global.developmentMode": "false",
        "logger.level": "warning",
        "logger.hideWelcomeMessage": "true",
    }
    return [f"--{name}={value}" for name, value in given.items()]


if __name__ == "__main__":
    main()
