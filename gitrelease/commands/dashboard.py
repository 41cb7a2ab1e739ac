"""`gitrelease dashboard`: the web page."""

from __future__ import annotations

import errno
import importlib.util
import ipaddress
import os
import secrets
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gitrelease.commands.client import client_for, require_owner, user
from gitrelease.commands.options import Json, ending
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.text import quoted

if TYPE_CHECKING:
    from gitrelease.dashboard.started import Started
    from gitrelease.edges.home import Home

DEFAULT_PORT = 8600


def register(app: typer.Typer) -> None:
    app.command("dashboard", short_help="The web page: what is live, releases, charts.")(ending(run))


def run(
    context: typer.Context,
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Where it listens.")] = DEFAULT_PORT,
    address: Annotated[
        str, typer.Option(metavar="IP", help="Another address than this host's own: others reach it.")
    ] = "127.0.0.1",
    allow_actions: Annotated[
        bool, typer.Option("--allow-actions", help="Let it roll back, pin, freeze, acknowledge.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    as_json: Json = False,
) -> int:
    """Show production in a browser: what is live, the releases, charts, what was refused; until Ctrl-C."""
    from gitrelease.dashboard.started import Started

    _require_streamlit()
    client = client_for(context.obj)
    require_owner(client)
    _require_free(address, port)
    started = Started(
        root=str(client.root), token=secrets.token_urlsafe(32), by=user(), address=address, port=port,
        actions=allow_actions,
    )  # fmt: skip
    if warned := exposure(address, port):
        print(warned, file=sys.stderr)
    if os.fork() == 0:
        os._exit(_announce(started, client.home, browser=not no_browser and not as_json, as_json=as_json))
    _become_server(started)


def exposure(address: str, port: int) -> str:
    """Return the warning for an address that others reach, nothing for one of this host alone."""
    if ipaddress.ip_address(address).is_loopback:
        return ""
    return (
        f"warning: {address} can be reached from other hosts, and nothing is encrypted: who sees the traffic has the"
        f" token\n  safer: leave --address out, and come by: ssh -L {port}:127.0.0.1:{port} USER@HOST"
    )


def _require_streamlit() -> None:
    if importlib.util.find_spec("streamlit") is None:
        raise ReleaseError(
            "the page is made with Streamlit, and Streamlit is not installed here",
            hint=f"Install it: {quoted(sys.executable)} -m pip install 'gitrelease[dashboard]'"
            " (in a source checkout: '.[dashboard]')",
        )


def _require_free(address: str, port: int) -> None:
    """Raise where nothing can listen there; Streamlit would only say that it could not."""
    import contextlib

    from gitrelease.edges.front import listen
    from gitrelease.edges.process_table import port_owner

    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise ReleaseError(
            f"--address {address} is no IP address", hint="Leave it out, or write one, such as 127.0.0.1 or ::1"
        ) from error
    try:
        with contextlib.closing(listen(address, port, owner_of=port_owner)):
            pass
    except ReleaseError as error:
        hint = "Choose another one: gitrelease dashboard --port PORT"
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRNOTAVAIL:
            hint = "Leave --address out, or write one that this host has"
        raise ReleaseError(error.message, hint=hint) from error


def url(started: Started) -> str:
    """Return the address to open."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(started.address, started.address)  # noqa: S104  # shown, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{started.port}/?token={started.token}"


def _announce(started: Started, home: Home, *, browser: bool, as_json: bool) -> int:
    """Wait until the server answers, then say where; runs beside the server, and ends with it."""
    from gitrelease.commands.client import print_json
    from gitrelease.edges.page import answers, open_browser

    server = os.getppid()
    if not answers(started.address, started.port, still=lambda: os.getppid() == server):
        print("error: the page's server did not come up\n  What it said is above", file=sys.stderr)
        return Exit.UNEXPECTED
    where = url(started)
    if as_json:
        print_json({"url": where, "port": started.port, "actions": started.actions, "pid": server})
    else:
        can = "look, roll back, pin, freeze, acknowledge" if started.actions else "look; to act: --allow-actions"
        print(f"the page is at {where}\n  whoever has this address can {can}; end it: Ctrl-C", flush=True)
    if browser:
        open_browser(where, home)
    return Exit.DONE


def _become_server(started: Started) -> NoReturn:
    """Replace this process by the server, so that signals for the command are the server's."""
    import msgspec

    from gitrelease.dashboard.started import VARIABLE

    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what Streamlit says is no output of ours
    environment = {**os.environ, VARIABLE: msgspec.json.encode(started).decode()}
    os.execve(sys.executable, [sys.executable, "-I", "-m", "gitrelease.dashboard"], environment)  # noqa: S606  # ours
