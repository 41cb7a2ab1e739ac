"""How is the app started from a slot, and how is it known again? One backend is one running process group."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import msgspec

import gitrelease
from gitrelease.core.errors import ReleaseError
from gitrelease.core.redaction import redacted
from gitrelease.core.settings import App, Instance, Settings
from gitrelease.core.streamlit_config import BROWSER_ADDRESS, StreamlitConfig, remarks
from gitrelease.edges import process_table, processes, streamlit_config, variables
from gitrelease.edges.cookie_secret import cookie_secret
from gitrelease.edges.home import Home
from gitrelease.edges.housekeeping import OLDER
from gitrelease.edges.probes import Endpoint
from gitrelease.edges.process_table import Identity
from gitrelease.edges.slots import Slot
from gitrelease.edges.variables import Recorded


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """A running copy of the app; it is written to disk, so that a new agent can adopt it."""

    id: str  # names it in the front and in the log's file name
    commit: str
    slot: str
    port: int
    identity: Identity
    log: str
    companion: str = ""  # the socket of our part in its process; empty where it has none
    base: str = ""  # the path before every path of the app, with a slash before it: server.baseUrlPath
    tls: bool = False  # does it speak TLS: server.sslCertFile?
    protocol: str = "tcp"  # "http": each request goes to the backend that its page belongs to
    variables: str = ""  # the mark of those that it was started with; empty where an earlier version has started it

    @property
    def endpoint(self) -> Endpoint:
        """Where it is asked."""
        return Endpoint(self.port, base=self.base, tls=self.tls)


# Set for everything that runs a release, so that a new agent knows its own processes from strangers.
MARK = "GITRELEASE_HOME"
# Set to its log, which no other has, for all that one backend starts: also what leaves its group and its session.
NAME = "GITRELEASE_BACKEND"
COMPANION = Path(gitrelease.__file__).parent / "inside" / "companion.py"
SET_FOR_EVERY_APP = frozenset({"STREAMLIT_LOGGER_ENABLE_RICH"})
_FIRST = Instance()
# What the host has run out of says nothing of the app's interpreter.
_OUT_OF = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


class NotStarted(ReleaseError):
    """The app's interpreter, or what else its command names, cannot be started: that says nothing of a release."""

    def __init__(self, program: object, why: str | None) -> None:
        super().__init__(
            f"{program} cannot be started ({why})",
            hint="Bring it back, or set app.python in .git/gitrelease/host.toml",
        )


def forget_marks() -> None:
    """Remove from this process what the app that started it, through a hook or a shell, was known by."""
    for name in (MARK, NAME):
        os.environ.pop(name, None)


def backend_name(commit: str) -> str:
    """Return a name for a backend and its log that no other one has."""
    return f"{commit[:10]}-{time.time_ns() // 1_000_000:x}"


def log_of(home: Home, name: str, instance: str) -> Path:
    """Return where a backend logs: the name of the file tells which instance it is, whatever that is called."""
    return home.logs / f"{name}@{quote(instance, safe='')}.log"


class LogName(NamedTuple):
    """What the name of a log tells."""

    path: Path
    commit: str  # the first ten digits
    begun: float  # seconds since 1970
    restarts: int
    instance: str | None  # None: it is of an earlier version


_LOG_NAME = re.compile(r"([0-9a-f]{10})-([0-9a-f]{1,12})[^@]*?(?:\.(\d{1,9}))?(?:@(.+))?\.log")


def logs_in(home: Home) -> list[LogName]:
    """Return the logs of backends that are there, the oldest first; an older generation is told with its log."""
    names = {path.name.removesuffix(OLDER) for path in home.logs.iterdir()} if home.logs.is_dir() else set()
    found = [(name, match) for name in names if (match := _LOG_NAME.fullmatch(name))]
    told = [
        LogName(
            home.logs / name, match[1], int(match[2], 16) / 1000, int(match[3] or 0),
            unquote(match[4]) if match[4] else None,
        )
        for name, match in found
    ]  # fmt: skip
    return sorted(told, key=lambda one: (one.begun, one.restarts, one.path.name))


class InProcess(NamedTuple):
    """What the companion needs: where its socket goes, and the folder that all slots stand for to a browser.

    `cookie_secret` is the file with the secret that all processes share, `cache` the folder for what the app caches on
    disk; each is None where there is none.
    """

    socket: Path
    canonical: Path
    cookie_secret: Path | None = None
    cache: Path | None = None


def command_line(
    app: App,
    instance: Instance,
    *,
    python: Path,
    slot: Path,
    port: int,
    config: StreamlitConfig | None = None,
    companion: InProcess | None = None,
) -> list[str]:
    """Return the argument list that starts the app from `slot` on a private port, as it runs for `instance`.

    `config` is what the app itself sets. With `companion` a Streamlit app is started with our part in its process
    (`inside/companion.py`).
    """
    script = instance.script or app.script
    if app.kind == "command":
        filled = {
            "port": str(port), "address": "127.0.0.1", "python": str(python), "script": script,
            "instance": instance.name,
        }  # fmt: skip
        return [_fill(argument, filled) for argument in app.command]
    # bin/streamlit, not `python -m`: that would put the working directory on sys.path before the script's.
    program = python.with_name("streamlit")
    start = [str(program)] if program.exists() else [str(python), "-m", "streamlit"]
    # Without it a headless start looks up the host's external address: up to 10 s on a closed network. Where the app
    # sets it, Streamlit looks nothing up, and lets pages in from there: behind a proxy that changes Host they need it.
    named = config is not None and BROWSER_ADDRESS in config.options
    line = [
        *start, "run", str(slot / script),
        "--server.port", str(port),
        "--server.address", "127.0.0.1",
        "--server.headless", "true",
        "--server.fileWatcherType", "none",
        "--server.runOnSave", "false",
        "--server.scriptHealthCheckEnabled", "true",
        *([] if named else [f"--{BROWSER_ADDRESS}", "localhost"]),
        "--browser.gatherUsageStats", "false",
    ]  # fmt: skip
    return line if companion is None else with_companion(line, companion, python=python, slot=slot)


def with_companion(line: Sequence[str], companion: InProcess, *, python: Path, slot: Path) -> list[str]:
    """Return the argument list that starts what `line` starts, with our part in its process."""
    command = list(line)
    if command[0] == str(python):  # `python -m streamlit`: the interpreter is named already
        interpreter, command = [command[0]], command[1:]
    else:
        interpreter = _interpreter_of(Path(command[0])) or [str(python)]
    optional = {"--cookie-secret": companion.cookie_secret, "--cache": companion.cache}
    given = [part for name, path in optional.items() if path is not None for part in (name, str(path))]
    return [
        *interpreter, str(COMPANION), "--socket", str(companion.socket), "--root", str(slot),
        "--canonical", str(companion.canonical), *given, "--", *command,
    ]  # fmt: skip


def _interpreter_of(program: Path) -> list[str]:
    """Return what the first line of a script has it run by, with its options; nothing where that is no Python."""
    with contextlib.suppress(OSError), program.open("rb") as file:
        first = file.readline(4096)
        # As the kernel reads it: one word, and all the rest as one option.
        words = first[2:].decode(errors="replace").split(None, 1) if first.startswith(b"#!") else []
        if words and Path(words[0]).name.startswith("python"):
            return [words[0], *(word.rstrip() for word in words[1:])]
    return []


def _fill(argument: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        argument = argument.replace("{" + name + "}", value)
    return argument


def free_port(reserved: Collection[int] = ()) -> int:
    """Return a port of the loopback interface that nobody uses just now, none of those that are `reserved`."""
    with contextlib.ExitStack() as stack:
        while True:
            probe = stack.enter_context(socket.socket())  # held until another one is found
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if port not in reserved:
                return port


def is_free(port: int) -> bool:
    """Could an app that starts now have this port of the loopback interface?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: what was closed is no obstacle
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True


def environment(python: Path, home: Path) -> dict[str, str]:
    """Return the environment of the app and of what runs in its interpreter, whoever has started this process."""
    return _environment(python, home, variables.current(home))


def _environment(python: Path, home: Path, given: Recorded) -> dict[str, str]:
    kept = given.all
    kept[MARK] = str(home)
    # In SET_FOR_EVERY_APP as well. With rich installed, Streamlit draws tracebacks instead of logging the
    # marker that a soak looks for. Set here, not as an option: versions that do not know it ignore it.
    kept["STREAMLIT_LOGGER_ENABLE_RICH"] = "false"
    kept["PATH"] = f"{python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept


def others_than_now(backend: Backend, home: Path) -> list[str] | None:
    """Name the app's variables of which a new process would get others than `backend` has; None where it has the same.

    No name, where its process does not tell what it was started with. The mark alone says that they are the same, also
    of a command that sets more by itself; where it is another one, what was recorded may have been lost in between.
    """
    now = variables.current(home)
    if backend.variables == now.mark:
        return None
    try:
        there = variables.started_with(backend.identity.pid)
    except OSError:  # it has just ended, or has written something else there
        return []
    nexts = {"PATH": os.defpath, **now.all}
    names = {name for name in there.keys() | nexts.keys() if there.get(name) != nexts.get(name)}
    return sorted(names - SET_FOR_EVERY_APP) or None


def config_of(
    settings: Settings, folder: Path, *, checkout: Path, home: Home, instance: Instance = _FIRST
) -> StreamlitConfig:
    """Return the Streamlit options that count when the app is started from `folder` for `instance`."""
    python = settings.app.interpreter(checkout)
    env = environment(python, home.root)
    return streamlit_config.read(settings.app, instance, python=python, folder=folder, environment=env)


def configs_in(
    settings: Settings, folder: Path, *, checkout: Path, home: Home, instances: Sequence[Instance]
) -> dict[str, StreamlitConfig]:
    """Return the Streamlit options that count in `folder` for each script that `instances` run."""
    scripts: dict[str, Instance] = {}
    for instance in instances:
        scripts.setdefault(instance.script or settings.app.script, instance)
    return {
        script: config_of(settings, folder, checkout=checkout, home=home, instance=instance)
        for script, instance in scripts.items()
    }


def remarks_on(settings: Settings, checkout: Path, home: Home) -> list[str]:
    """Return what somebody has to know of the app's Streamlit configuration in the checkout, the remedy below it."""
    configs = configs_in(settings, checkout, checkout=checkout, home=home, instances=settings.instances)
    found = (
        f"{what}\n  {remedy}" for config in configs.values() for what, remedy in remarks(config, settings.instances)
    )
    return list(dict.fromkeys(found))


def start(
    settings: Settings,
    slot: Slot,
    *,
    checkout: Path,
    home: Home,
    name: str,
    instance: Instance = _FIRST,
    cache: Path | None = None,
) -> Backend:
    """Start the app from `slot` for `instance`; the slot stays taken until its last process has ended.

    `cache` is the folder for what the app caches on disk: Streamlit's own, for all apps of the user, where it is None.

    `NotStarted` where its program cannot be; `OSError` for what the host has run out of.
    """
    app = settings.app
    python = app.interpreter(checkout)
    # An instance whose group serves nothing yet does not have its port yet.
    port = free_port({one.port for one in settings.instances})
    log = log_of(home, name, instance.name)
    given = variables.brought_up_to_date(home.root)
    config = config_of(settings, slot.path, checkout=checkout, home=home, instance=instance)
    joins = app.kind == "streamlit" and app.companion
    socket_path = home.companions / f"{name}.sock"
    companion = InProcess(socket_path, checkout, cookie_secret(home), cache) if joins else None
    command = command_line(app, instance, python=python, slot=slot.path, port=port, config=config, companion=companion)
    try:
        child = processes.spawn(
            command,
            cwd=slot.path,
            log=log,
            env={**_environment(python, home.root, given), NAME: str(log)},
            pass_fds=(slot.lock,),
        )
    except OSError as error:
        if error.errno in _OUT_OF:
            raise
        # A script whose first line names an interpreter that is gone is there, and cannot be started either.
        scripted = app.kind == "streamlit" and not python.exists()
        raise NotStarted(python if scripted else error.filename or python, error.strerror) from error
    return Backend(
        id=name,
        commit=slot.commit,
        slot=slot.name,
        port=port,
        identity=process_table.identify(child.pid),
        log=str(log),
        companion="" if companion is None else str(companion.socket),
        base=config.base,
        tls=config.tls,
        # What the front cannot read, or does not know, it passes on as it comes.
        protocol="http" if app.kind == "streamlit" and not config.tls else "tcp",
        variables=given.mark,
    )


def end(backend: Backend, home: Home, *, grace: float) -> None:
    """End a backend with all that came from it: TERM, `grace` seconds, KILL.

    What left its group would go on, and hold its slot for ever. Whoever shed the mark as well is known by the slot's
    lock, as long as the backend lives: after that the slot may be another's. Where other instances share the slot, such
    a one may be theirs, and ends with the last of them.
    """
    lock = home.slots / f"{backend.slot}.lock"
    held_by = process_table.with_open(lock) if backend.identity.alive and lock.exists() else []
    marks = {one: process_table.started_with(one, NAME) for one in held_by if one != backend.identity}
    shared = any(mark not in (None, backend.log) for mark in marks.values())
    holders = {one for one, mark in marks.items() if mark == backend.log or (mark is None and not shared)}
    processes.stop(backend.identity, grace=grace)
    if holders:
        # Once more: between fork and exec a git command of ours has all that we have open.
        processes.kill(one for one in process_table.with_open(lock) if one in holders)
    processes.kill_marked(NAME, backend.log)
    if backend.companion:
        Path(backend.companion).unlink(missing_ok=True)


def last_lines(log: str, count: int = 3) -> str:
    """Return the last lines of a backend's output that say something, joined."""
    try:
        with Path(log).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 8192, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    lines = redacted("\n".join(lines)).splitlines()
    return " | ".join([line.strip() for line in lines if line.strip()][-count:])
