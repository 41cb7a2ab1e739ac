"""`gitrelease service`: what starts production with the host, and keeps it running."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gitrelease.commands.client import Client, client_for, print_json, require_owner
from gitrelease.commands.options import Json, ending
from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.text import quoted
from gitrelease.edges.terminal import hand_over

if TYPE_CHECKING:
    from gitrelease.core.service import Service

_BACKENDS = 4  # of each instance at once: live, standby, two that leave
_SPARE = 30  # seconds: the front, the agent's own end
_LEAST = 90


def register(app: typer.Typer) -> None:
    app.command("service", short_help="Start production with the host: systemd, cron, supervisor.")(ending(run))


def run(
    context: typer.Context,
    system: Annotated[bool, typer.Option("--system", help="A unit of the host instead of the user's own.")] = False,
    cron: Annotated[bool, typer.Option("--cron", help="Print the line of a crontab instead.")] = False,
    supervisor: Annotated[bool, typer.Option("--supervisor", help="Print the stanza of supervisord instead.")] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Print the unit, write nothing.")] = False,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its name; default: gitrelease- and the checkout's folder.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Write a unit of systemd that keeps production up and starts it with the host, and say what to type next."""
    from gitrelease.core import service as services

    if cron + supervisor + system > 1:
        raise ReleaseError("--system, --cron and --supervisor exclude each other", hint="Take one of them")
    client = client_for(context.obj)
    if not (system and os.getuid() == 0):
        require_owner(client)
    described = describe(client, name)
    if cron:
        return _show(services.crontab_line(described), [f"add it as {described.user} with: crontab -e"], as_json)
    if supervisor:
        put = f"put it into /etc/supervisor/conf.d/{described.name}.conf"
        return _show(services.supervisor_stanza(described), [put, "supervisorctl update"], as_json)
    return _unit(client, described, system=system, only_print=only_print, as_json=as_json)


def describe(client: Client, name: str | None = None) -> Service:
    """Return what is to run for a checkout; `ReleaseError` where no service manager could be told."""
    import pwd

    from gitrelease.core import service as services
    from gitrelease.edges.home import user_name

    owner = client.home.root.stat().st_uid
    own = os.environ.get("HOME") if owner == os.getuid() else None
    try:
        folder = own or pwd.getpwuid(owner).pw_dir
    except KeyError as error:
        raise ReleaseError(
            f"production belongs to {user_name(owner)}, and this host knows no such user",
            hint=f"Give it to one: sudo chown -R USER {quoted(client.root)}",
        ) from error
    chosen = name or services.name_for(client.root.name)
    if not services.NAME.fullmatch(chosen):
        raise ReleaseError(f"{chosen!r} is no name of a service", hint="Letters, digits and -_.: only: --name findoc")
    found = services.Service(
        name=chosen.removesuffix(".service"),
        checkout=str(client.root),
        python=sys.executable,
        user=user_name(owner),
        folder=folder,
        path=_search_path(),
        stop_seconds=_stop_seconds(client),
    )
    wrong = services.refusal(found)
    if wrong:
        raise ReleaseError(wrong, hint="Move the checkout, or gitrelease, to a plain path; then: gitrelease service")
    return found


def _search_path() -> str:
    """Return the folders of PATH that hold for every working directory: the app finds what it finds from here."""
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder).is_absolute()]
    return os.pathsep.join(dict.fromkeys(folders)) or "/usr/local/bin:/usr/bin:/bin"


def _stop_seconds(client: Client) -> int:
    """Return in how many seconds production goes down at most: its backends are ended one after the other."""
    from gitrelease.core import settings_text
    from gitrelease.core.settings import SETTINGS_FILE, seconds
    from gitrelease.edges import settings as files

    # Of the work tree: root, who writes the unit, need not be let in by git.
    repository = settings_text.read(files.of_host(client.root / SETTINGS_FILE), SETTINGS_FILE)
    host = settings_text.read(files.of_host(client.home.settings), str(client.home.settings))
    settings = files.combine(repository, host)
    grace = seconds(settings.limits.stop) * len(settings.instances) * _BACKENDS
    return max(_LEAST, int(grace) + _SPARE)


def _show(text: str, then: Sequence[str], as_json: bool) -> int:
    if as_json:
        print_json({"content": text, "next": list(then)})
        return 0
    hand_over(text.rstrip("\n") + "\n")
    for line in then:
        typer.echo(line, err=True)
    return 0


def _unit(client: Client, described: Service, *, system: bool, only_print: bool, as_json: bool) -> int:
    from gitrelease.core import service as services
    from gitrelease.edges import units

    text = services.unit(described, system=system)
    path = units.folder_of(described.user, system=system) / described.unit
    if only_print:
        return _show(text, [f"it belongs into {path}"], as_json)
    if system and os.getuid() != 0:
        line = shlex.join([sys.executable, "-I", "-m", "gitrelease", "-C", str(client.root), "service", "--system"])
        raise ReleaseError("only root writes a unit of the host", hint=f"sudo {line}", code=Exit.REFUSED)
    remarks = units.verify(text, described.unit, system=system)
    written = units.write(path, text, checkout=client.root)
    then = _next(described, system=system)
    if as_json:
        told = {"unit": described.unit, "path": str(path), "written": written, "verified": remarks is not None}
        print_json({**told, "remarks": remarks or [], "content": text, "next": then})
        return 0
    typer.echo(f"{'written' if written else 'it is there already'}: {path}")
    for remark in remarks or ():
        typer.echo(f"systemd says: {remark}", err=True)
    if not units.systemd_runs():
        typer.echo(
            "systemd does not run here now; other ways: gitrelease service --cron, gitrelease service --supervisor",
            err=True,
        )
    typer.echo("\n  ".join(["next:", *then]))
    return 0


def _next(described: Service, *, system: bool) -> list[str]:
    """Return the lines that let the unit be started, now and with the host; what runs now is taken over."""
    manager = "sudo systemctl" if system else "systemctl --user"
    linger = [] if system else [f"loginctl enable-linger {described.user}"]
    return [
        *linger,
        f"{manager} daemon-reload",
        f"{manager} enable {described.unit}",
        f"{manager} start {described.unit}",
    ]
