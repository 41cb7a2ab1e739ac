"""What do service managers have to be told, so that production comes up with the host? Texts only, each in its quoting.

Paths may hold blanks, quotes, percent and dollar signs. Control characters stand in no line of any of these files:
`refusal` says so.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex

import msgspec

_PLAIN = re.compile(r"[\w@+=:,./-]+", re.ASCII)
_NO_PROGRAM = re.compile(r"""["'\\$]""")  # systemd takes no such name for the program, and an argument may have it
_PREFIX = "gitrelease-"
_MARK = re.compile(r'# gitrelease: (".*") ([0-9a-f]{12})')
# A fixed script: the program and its arguments are its own arguments.
_THROUGH_SHELL = ("/bin/sh", "-c", 'exec "$0" "$@"')
NAME = re.compile(r"[A-Za-z0-9][\w:.-]{0,200}", re.ASCII)


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What is to run, as whom; `stop_seconds` is how long production takes at most to go down."""

    name: str
    checkout: str
    python: str
    user: str
    folder: str  # the user's own
    path: str  # the PATH of the app
    stop_seconds: int

    @property
    def unit(self) -> str:
        return f"{self.name}.service"

    def command(self, *more: str) -> tuple[str, ...]:
        return (self.python, "-I", "-m", "gitrelease", "-C", self.checkout, "up", *more)


class Mark(msgspec.Struct, frozen=True):
    """What the first line of a unit of ours says: the checkout, and whether the rest is as it was written."""

    checkout: str
    as_written: bool


def name_for(folder: str) -> str:
    """Return the usual name of the service of a checkout, from the name of its folder."""
    plain = re.sub(r"[^\w.-]+", "-", folder, flags=re.ASCII).strip("-.")
    return f"{_PREFIX}{plain or 'production'}"


def refusal(service: Service) -> str:
    """Say which path can stand in no unit and no crontab; nothing where all can."""
    paths = (service.checkout, service.python, service.folder, service.path)
    bad = next((path for path in paths if not path.isprintable()), None)
    return f"{bad!r} has a character that no unit and no crontab can hold" if bad is not None else ""


# -- systemd ---------------------------------------------------------------------------------------------------------


def unit(service: Service, *, system: bool) -> str:
    """Return the unit of systemd, for the host (`system`) or for the user's own manager."""
    manager = "systemctl" if system else "systemctl --user"
    arguments = " ".join(map(_argument, _startable(service.command("--foreground"))))
    body = f"""\
# Written by "gitrelease service". Lines of your own belong in a drop-in: {manager} edit {service.unit}
[Unit]
Description=gitrelease: production in {_specifiers(service.checkout)} on this host
{"After=network.target" + chr(10) if system else ""}RequiresMountsFor={_word(service.checkout)}
# Ten attempts in ten minutes, then a person is needed. To try again: {manager} reset-failed {service.unit}
StartLimitIntervalSec=10min
StartLimitBurst=10

[Service]
Type=exec
{f"User={service.user}" + chr(10) if system else ""}ExecStart={arguments}
Environment={_word("PATH=" + service.path)}
Restart=on-failure
RestartSec=5s
# The agent ends front and app by itself. Where the agent is killed they go on, and the next one adopts them.
KillMode=process
TimeoutStopSec={service.stop_seconds}s
# A process of the app that the kernel ends for its memory is started again by the agent.
OOMPolicy=continue
LimitNOFILE=65536
NoNewPrivileges=true
LockPersonality=true
RestrictRealtime=true
{_FOR_THE_HOST if system else ""}
[Install]
WantedBy={"multi-user.target" if system else "default.target"}
"""
    return f"# gitrelease: {json.dumps(service.checkout)} {_digest(body)}\n{body}"


# They need rights that a user's own manager has not.
_FOR_THE_HOST = """\
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectKernelLogs=true
ProtectControlGroups=true
"""


def mark_of(text: str) -> Mark | None:
    """Return what a unit says of itself, None where it is none of ours."""
    first, _, body = text.partition("\n")
    found = _MARK.fullmatch(first)
    if found is None:
        return None
    try:
        checkout = json.loads(found[1])
    except ValueError:
        return None
    return Mark(checkout, found[2] == _digest(body)) if isinstance(checkout, str) else None


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def _startable(command: tuple[str, ...]) -> tuple[str, ...]:
    return (*_THROUGH_SHELL, *command) if _NO_PROGRAM.search(command[0]) else command


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """Return `text` as one word of a unit; see systemd.syntax(7)."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = _specifiers(text.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{escaped}"'


def _argument(text: str) -> str:
    """Return `text` as one word of a command line, where a dollar sign begins a variable; see systemd.service(5)."""
    return _word(text.replace("$", "$$"))


# -- cron ------------------------------------------------------------------------------------------------------------


def crontab_line(service: Service) -> str:
    """Return the line of a crontab that starts production when the host has started."""
    command = " ".join(map(shlex.quote, service.command()))
    return f"@reboot {_of_cron(f'PATH={shlex.quote(service.path)} {command}')}"


def in_crontab(text: str, checkout: str) -> bool:
    """Does a line of this crontab bring up the very checkout, as ours does or as a person would write it?"""
    any_of_it = Service(name="any", checkout=checkout, python="python", user="", folder="", path="", stop_seconds=0)
    ours = crontab_line(any_of_it).partition(" -C ")[2]
    lines = (line.strip() for line in text.splitlines())
    return any(line.startswith("@reboot") and (ours in line or f"{checkout} up" in line) for line in lines)


def _of_cron(line: str) -> str:
    """Return a shell line as a crontab has it: a bare percent sign would be the end of the line, see crontab(5).

    A backslash takes the meaning off whatever follows it; so that none does by accident, the quotes (a backslash
    stands in quotes here) end and begin again between the two.
    """
    return line.replace("\\%", "\\''%").replace("%", "\\%")


# -- supervisor ------------------------------------------------------------------------------------------------------


def supervisor_stanza(service: Service) -> str:
    """Return the section of a supervisord.conf that runs production."""
    command = " ".join(map(_of_supervisor, service.command("--foreground")))
    known = {"HOME": service.folder, "USER": service.user}
    environment = ",".join(f'{name}="{_specifiers(value)}"' for name, value in known.items() if '"' not in value)
    return f"""\
[program:{service.name}]
command={command}
user={service.user}
environment={environment}
autostart=true
autorestart=unexpected
exitcodes=0
startretries=10
stopsignal=TERM
stopwaitsecs={service.stop_seconds}
stopasgroup=false
killasgroup=false
redirect_stderr=true
"""


def _of_supervisor(text: str) -> str:
    """Return one word of a command as its configuration has it: percent signs are doubled.

    A semicolon, or a hash, behind a blank begins a comment there, also in quotes: they end and begin again in between.
    """
    quoted = shlex.quote(text)
    return re.sub(r"\s(?=[;#])", lambda blank: f"{blank[0]}''", quoted).replace("%", "%%")
