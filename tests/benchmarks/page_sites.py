"""Three ways in which the sample app of open pages is released: gitrelease, the guide's restart, HAProxy blue-green."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from gitrelease.core.settings import App, Instance
from gitrelease.edges import probes
from gitrelease.edges.backends import command_line, free_port
from gitrelease.edges.home import Home
from tests.checkout import make_checkout, until
from tests.pages.app import SCRIPT_NAME, app_files, commit_release, script_of

APP = App(script=SCRIPT_NAME)
GRACE = 5.0  # seconds between TERM and KILL, as gitrelease has it by default


class Killed(NamedTuple):
    """From before the signal until the process was gone, in monotonic seconds."""

    begun: float
    ended: float


class Site(Protocol):
    """The app as its users have it, and what its operators do. Each call returns when the procedure is over."""

    name: str
    port: int

    def release(self, name: str) -> None: ...

    def rollback(self) -> None: ...

    def restart(self) -> None: ...

    def kill_front(self) -> Killed | None:
        """Kill what the users' connections go through; return when, None where there is no such thing."""

    def kill_agent(self) -> float | None: ...

    def live_pid(self) -> int: ...

    def keep_evidence(self, folder: Path) -> None:
        """Copy what the site has noted of itself to a folder, as far as it notes anything."""

    def close(self) -> None: ...


class Gitrelease:
    """A production checkout; releases are pushed."""

    name = "gitrelease"

    def __init__(self, folder: Path) -> None:
        self.production = make_checkout(folder, app_files())
        self.port = self.production.port
        try:
            self._do("init", "--port", str(self.port), "--python", sys.executable)
            self.production.up()
            self.production.await_idle()
        except BaseException:
            self.close()
            raise
        self.developer = self.production.clone()

    def release(self, name: str) -> None:
        commit_release(self.developer, name)
        pushed = self.developer.push()
        assert pushed.code == 0, pushed.said
        self.production.await_idle()

    def rollback(self) -> None:
        self._do("rollback")

    def restart(self) -> None:
        self._do("restart")

    def kill_front(self) -> Killed | None:
        pid = self.production.front_pid()
        begun = time.monotonic()
        self.production.kill(pid)
        killed = Killed(begun, time.monotonic())
        until(lambda: self.production.front_pid() != pid, "the front is back")
        return killed

    def kill_agent(self) -> float | None:
        at = time.monotonic()
        self.production.kill(self.production.agent_pid())
        self.production.up()
        return at

    def live_pid(self) -> int:
        return self.production.backend_pid()

    def keep_evidence(self, folder: Path) -> None:
        home = Home(self.production.root / ".git")
        shutil.copytree(home.logs, folder / "logs", dirs_exist_ok=True)
        for noted in (home.journal, home.sessions):
            if noted.exists():
                shutil.copy(noted, folder)

    def close(self) -> None:
        self.production.clear_away()

    def _do(self, *arguments: str) -> None:
        ended = self.production.gitrelease(*arguments)
        assert ended.code == 0, ended.said


class Server:
    """One process of the app from a folder of its own, on a port that stays."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, release: str) -> None:
        """Write the app as it is in `release`, start it and wait for its health."""
        (self.folder / SCRIPT_NAME).write_text(script_of(release))
        argv = command_line(APP, Instance(), python=Path(sys.executable), slot=self.folder, port=self.port)
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(argv, cwd=self.folder, stdin=quiet, stdout=quiet, stderr=quiet)
        until(lambda: probes.healthy(APP, probes.Endpoint(self.port))[0], f"{self.folder.name} answers")

    def stop(self) -> None:
        """TERM, and KILL after the grace period."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


class Guide:
    """One process: the file is replaced, the process is stopped and started on the same port (the sleeps left out)."""

    name = "the guide's restart"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._server = Server(folder / "guide", self.port)
        self._releases = ["one"]
        self._server.start("one")

    def release(self, name: str) -> None:
        self._releases.append(name)
        self.restart()

    def rollback(self) -> None:
        self._releases.pop()
        self.restart()

    def restart(self) -> None:
        self._server.stop()
        self._server.start(self._releases[-1])

    def kill_front(self) -> Killed | None:
        return None

    def kill_agent(self) -> float | None:
        return None

    def live_pid(self) -> int:
        return self._server.pid

    def keep_evidence(self, folder: Path) -> None:
        """It notes nothing."""

    def close(self) -> None:
        self._server.stop()


HAPROXY = """\
global
    stats socket {admin} mode 600 level admin
    nbthread 1

defaults
    mode http
    option redispatch
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h

frontend users
    bind 127.0.0.1:{port}
    default_backend app

backend app
    cookie SERVED insert indirect nocache
    server blue 127.0.0.1:{blue} cookie blue {blue_is}
    server green 127.0.0.1:{green} cookie green {green_is}
"""
# How a state is written in the configuration, for a proxy that is started again.
WRITTEN = {"ready": "weight 1", "drain": "weight 0", "maint": "weight 1 disabled"}


class BlueGreen:
    """Two processes behind HAProxy in http mode with a cookie.

    The new release is started in the place of the older one, gets `ready`, the other one `drain`: who has its cookie
    stays with it, until its place is needed. A rollback takes the bad one out (`maint`) and ends its sessions.
    """

    name = "HAProxy, blue-green with a cookie"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._servers = {colour: Server(folder / colour, free_port({self.port})) for colour in ("blue", "green")}
        self._live, self._other = "blue", "green"
        self._releases = ["one"]
        self._admin = folder / "admin.sock"
        self._config = folder / "haproxy.cfg"
        self._states = {"blue": "ready", "green": "maint"}
        self._proxy: subprocess.Popen[bytes] | None = None
        try:
            self._servers["blue"].start("one")
            self._start_proxy()
        except BaseException:
            self.close()
            raise

    def release(self, name: str) -> None:
        self._releases.append(name)
        self._replace(name)

    def restart(self) -> None:
        self._replace(self._releases[-1])

    def _replace(self, release: str) -> None:
        self._set(self._other, "maint")
        self._servers[self._other].stop()
        self._servers[self._other].start(release)
        self._set(self._other, "ready")
        self._set(self._live, "drain")
        self._live, self._other = self._other, self._live

    def rollback(self) -> None:
        self._releases.pop()
        self._set(self._other, "ready")
        self._set(self._live, "maint")
        self._ask(f"shutdown sessions server app/{self._live}")
        self._live, self._other = self._other, self._live

    def kill_front(self) -> Killed | None:
        assert self._proxy is not None
        begun = time.monotonic()
        os.kill(self._proxy.pid, signal.SIGKILL)
        self._proxy.wait()
        killed = Killed(begun, time.monotonic())
        self._start_proxy()
        return killed

    def kill_agent(self) -> float | None:
        return None

    def live_pid(self) -> int:
        return self._servers[self._live].pid

    def keep_evidence(self, folder: Path) -> None:
        """It notes nothing."""

    def close(self) -> None:
        if self._proxy is not None:
            self._proxy.kill()
            self._proxy.wait()
        for server in self._servers.values():
            server.stop()

    def _start_proxy(self) -> None:
        self._admin.unlink(missing_ok=True)
        words: dict[str, object] = {colour: server.port for colour, server in self._servers.items()}
        words |= {f"{colour}_is": WRITTEN[state] for colour, state in self._states.items()}
        self._config.write_text(HAPROXY.format(admin=self._admin, port=self.port, **words))
        self._proxy = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(self._config)], stdin=subprocess.DEVNULL)
        until(self._admin.exists, "HAProxy is up")

    def _set(self, colour: str, state: str) -> None:
        self._states[colour] = state
        if state == "ready":
            self._ask(f"set server app/{colour} weight 1")  # it may have been started with none
        self._ask(f"set server app/{colour} state {state}")

    def _ask(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(5)
            admin.connect(str(self._admin))
            admin.sendall(command.encode() + b"\n")
            said = b""
            with contextlib.suppress(TimeoutError):
                while part := admin.recv(4096):
                    said += part
        assert not said.strip(), f"{command}: {said!r}"


SITES: dict[str, Callable[[Path], Site]] = {"gitrelease": Gitrelease, "guide": Guide, "haproxy": BlueGreen}
