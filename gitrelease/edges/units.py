"""Which units of systemd are there for a checkout, and is one started with the host?

Read from files; systemd is not asked.

What is enabled is a link in a folder of its target; a user who lingers has a file of his name. So this answers also
where no systemd runs, and never waits for one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.core.service import mark_of
from gitrelease.core.text import one_line, quoted
from gitrelease.edges.home import write_atomically

SYSTEM = Path("/etc/systemd/system")
_LINGERING = Path("/var/lib/systemd/linger")
_RUNS = Path("/run/systemd/system")  # is there where systemd started this host
_VERIFY_LIMIT = 30.0  # seconds


@dataclass(frozen=True)
class Found:
    """A unit of ours."""

    path: Path
    system: bool
    enabled: bool  # with its target
    lingers: bool  # a user's target is started with the host, not with the first login

    @property
    def manager(self) -> str:
        """Who is told to start and stop it."""
        return "sudo systemctl" if self.system else "systemctl --user"


def folder_of(user: str, *, system: bool) -> Path:
    """Return where units are kept that a person writes."""
    if system:
        return SYSTEM
    own = user == pwd.getpwuid(os.getuid()).pw_name
    settings = os.environ.get("XDG_CONFIG_HOME") if own else None
    home = os.environ.get("HOME") if own else None
    return Path(settings or Path(home or pwd.getpwnam(user).pw_dir) / ".config") / "systemd" / "user"


def of_checkout(checkout: Path, user: str) -> Iterator[Found]:
    """Yield the units that run production in `checkout`."""
    lingers = (_LINGERING / user).exists()
    for system in (False, True):
        folder = folder_of(user, system=system)
        for path in sorted(folder.glob("*.service")):
            mark = mark_of(_read(path))
            if mark is not None and mark.checkout == str(checkout):
                enabled = any(folder.glob(f"*.wants/{path.name}"))
                yield Found(path, system, enabled, lingers or system)


def systemd_runs() -> bool:
    return _RUNS.is_dir()


def write(path: Path, text: str, *, checkout: Path) -> bool:
    """Write a unit of ours; was anything changed? `ReleaseError` over one that is somebody else's."""
    if path.is_symlink() or path.exists():
        there = _read(path)
        if there == text and not path.is_symlink():
            return False
        _require_ours(path, there, checkout)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
        path.chmod(0o644)
    except PermissionError as error:
        folder = Path(str(error.filename)).parent
        raise ReleaseError(
            f"{path} cannot be written: {error.strerror}",
            hint=f"See whose the folder is: ls -ld {quoted(folder)}; or print it and write it yourself: "
            "gitrelease service --print",
        ) from error
    return True


def _require_ours(path: Path, there: str, checkout: Path) -> None:
    mark = None if path.is_symlink() else mark_of(there)
    other = "gitrelease service --system --name NAME" if path.parent == SYSTEM else "gitrelease service --name NAME"
    if mark is None:
        raise ReleaseError(
            f"{path} is there already, and is none of ours",
            hint=f"Look at it: cat {quoted(path)}; then move it away, or take another name: {other}",
            code=Exit.REFUSED,
        )
    if mark.checkout != str(checkout):
        raise ReleaseError(
            f"{path} runs production in {one_line(mark.checkout, 200)}",
            hint=f"Take another name for this one: {other}",
            code=Exit.REFUSED,
        )
    if not mark.as_written:
        edit = "sudo systemctl edit" if path.parent == SYSTEM else "systemctl --user edit"
        raise ReleaseError(
            f"{path} was changed by hand, and that would be lost",
            hint=f"Put yours into a drop-in ({edit} {path.name}); then: rm {quoted(path)}; and type it again",
            code=Exit.REFUSED,
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def verify(text: str, name: str, *, system: bool) -> list[str] | None:
    """Let systemd judge a unit before it is written; return its remarks, None where it is not installed.

    `ReleaseError` where it would not be started. Remarks on other units of this host are none of ours.
    """
    program = shutil.which("systemd-analyze")
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="gitrelease-") as scratch:
        file = Path(scratch) / name
        file.write_text(text)
        # A user's manager wants a folder for its sockets, which a login by cron or sudo does not have.
        env = {**os.environ, "LC_ALL": "C", "SYSTEMD_LOG_LEVEL": "warning", "XDG_RUNTIME_DIR": scratch}
        command = [program, "--man=no", *([] if system else ["--user"]), "verify", str(file)]
        try:
            ran = subprocess.run(
                command, env=env, capture_output=True, text=True, errors="replace", check=False, timeout=_VERIFY_LIMIT
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        lines = (ran.stdout + ran.stderr).splitlines()
        remarks = [one_line(line.replace(f"{scratch}/", ""), 300) for line in lines if name in line]
    if ran.returncode != 0 and remarks:
        raise ReleaseError(
            f"systemd would not run the unit: {'; '.join(remarks)}",
            hint="Mend that, or write a unit of your own from: gitrelease service --print",
        )
    return remarks
