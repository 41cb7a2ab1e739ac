"""A real sshd on loopback, for pushes as they come in from elsewhere. Everything it started ends with it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from gitrelease.edges.backends import free_port
from tests.checkout import until

_PRIVILEGE_SEPARATION = Path("/run/sshd")  # started by root, sshd wants this directory

_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
"""

_CLIENT = """\
Host *
  Port {port}
  User {user}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile {folder}/known_hosts
  BatchMode yes
  LogLevel ERROR
"""


@dataclass(frozen=True)
class Sshd:
    """A running sshd that lets the user of these tests in."""

    pid: int
    folder: Path

    @property
    def command(self) -> str:
        """What `GIT_SSH_COMMAND` has to be."""
        return f"ssh -F {self.folder}/client"

    def url(self, path: Path) -> str:
        return f"ssh://127.0.0.1{path}"


def sshd_program() -> str | None:
    """Return where sshd is; it must be started by its full path, and often lies in no user's PATH."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def running_sshd(folder: Path, program: str) -> Iterator[Sshd]:
    """Start an sshd of our own while the context is open; its sessions end with it."""
    folder.mkdir()
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    port = free_port()
    (folder / "server").write_text(_SERVER.format(port=port, folder=folder))
    (folder / "client").write_text(_CLIENT.format(port=port, folder=folder, user=getpass.getuser()))
    if os.getuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, "-D", "-e", "-f", str(folder / "server")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        until(lambda: _listens(port) or server.poll() is not None, "sshd listens")
        assert server.poll() is None, (folder / "log").read_text()
        yield Sshd(server.pid, folder)
    finally:
        sessions = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
        for session in sessions:
            if session.is_running():
                session.kill()
        server.terminate()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0
