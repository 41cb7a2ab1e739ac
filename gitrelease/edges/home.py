"""Where does gitrelease keep what belongs to this host? Under `.git/gitrelease/`, readable by its owner only."""

from __future__ import annotations

import contextlib
import os
import pwd
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gitrelease.core.errors import ReleaseError, RepositoryError
from gitrelease.core.text import quoted

MODE = 0o700
# In the environment of an agent, with the home that it serves; what the agent starts does not have it.
AGENT_MARK = "GITRELEASE_AGENT"


class Home:
    """The paths under `.git/gitrelease/`."""

    def __init__(self, git_directory: Path, *, group: str | None = None) -> None:
        """With `group`, what that group of instances has of its own; settings are those of the checkout."""
        top = git_directory / "gitrelease"
        self.root = top if group is None else top / "groups" / group
        self.settings = top / "host.toml"
        self.installed = self.root / "installed.json"  # what `init` changed, for `uninstall`
        self.installing = self.root / "installing.json"  # likewise, as long as an `init` has not come to its end
        self.journal = self.root / "journal.jsonl"
        self.told = self.root / "told"  # how far the journal was told to receivers, and to commands
        self.slots = self.root / "slots"
        self.run = self.root / "run"
        self.logs = self.root / "logs"
        self.agent_log = self.logs / "agent.log"
        self.front_log = self.logs / "front.log"
        self.pushes = self.root / "push"  # push options, by the pid of git receive-pack
        self.baselines = self.root / "baselines"  # check results of what was released, by commit
        self.page_trials = top / "page-trials.json"  # do pages move in a Streamlit that was never tried before?
        self.caches = self.root / "caches"  # what apps keep on disk, by code and packages
        self.data = self.root / "data"  # folders of the app that outlive its releases
        self.leftovers = self.root / "leftovers"  # what apps wrote beside their script, from slots that were used again
        self.ballast = self.root / "ballast"  # room that is given up for a way back on a full disk
        self.samples = self.root / "samples.db"  # what each instance used over time
        self.poke = self.root / "poke"  # hooks touch it, the agent watches it
        self.wanted = self.run / "up"  # exists from `up` until `down`
        self.down = self.run / "down"  # exists from `down` until the next `up`: who asked for it
        self.recovering = self.run / "recovering"  # files on disk are a mixture, until `recover` has come to its end
        self.agent_lock = self.run / "agent.lock"
        self.agent_pid = self.run / "agent.pid"  # pid and start, for hooks: they must know cheaply whether it lives
        self.agent_socket = self.run / "agent.sock"
        self.front_socket = self.run / "front.sock"
        self.processes = self.run / "processes.json"
        self.sessions = self.run / "sessions.jsonl"  # which backend has which open page, as the front knows it
        self.companions = self.run / "companions"  # the sockets of our part in the app's processes

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of instances, beside production, that have had something here."""
        folder = self.root / "groups"
        return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir())) if folder.is_dir() else ()

    def every(self) -> tuple[Home, ...]:
        """Return the home of production, and what each group beside it has of its own."""
        return self, *(Home(self.root.parent, group=name) for name in self.groups)

    @property
    def initialised(self) -> bool:
        """Was `init` run here? `ReleaseError` where that cannot be seen, because it was run by another user."""
        self.require_folder()
        try:
            return self.installed.exists()
        except PermissionError as error:
            raise self.not_ours() from error

    def require_folder(self) -> None:
        """Raise `ReleaseError` where a file lies in the place of our folder."""
        if self.root.is_file():
            raise ReleaseError(
                f"{self.root} is a file, where the state of gitrelease belongs, a folder",
                hint=f"Move it away: mv {quoted(self.root)} {quoted(f'{self.root}.old')}; then: gitrelease recover, "
                "the first time: gitrelease init",
            )

    def not_ours(self) -> ReleaseError:
        """Return the refusal for everybody but the user whose production this is."""
        uid = self.root.stat().st_uid
        owner = for_sudo(uid)
        why = f"production belongs to {user_name(uid)}"
        return ReleaseError(why, hint=f"Run it as that user: sudo -u {owner} gitrelease …")

    def create(self) -> None:
        """Make the directories, each for its owner only."""
        for folder in (
            self.root, self.slots, self.run, self.companions, self.logs, self.pushes, self.baselines, self.told
        ):  # fmt: skip
            folder.mkdir(mode=MODE, parents=True, exist_ok=True)
            folder.chmod(MODE)


def not_set_up(root: Path) -> RepositoryError:
    """Return the refusal of what needs a production checkout, where `init` was never run."""
    return RepositoryError(
        f"{root} is not set up for releases yet", hint=f"Run once: gitrelease -C {quoted(root)} init"
    )


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def for_sudo(uid: int) -> str:
    """Return how a user is named behind `sudo -u`, also one who has no name."""
    try:
        return quoted(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"'#{uid}'"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path`, so that a reader sees the old content or the new, whoever writes it as well; mode 0600."""
    scratch = path.with_name(f".{path.name}.{threading.get_native_id()}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`; a disk that is nearly full takes a part of it, and only then says that it is full."""
    while content:
        content = content[os.write(descriptor, content) :]


def open_log(path: Path) -> BinaryIO:
    """Open a log or a lock to be written at its end, for its owner only, whatever the umask says."""
    path.parent.mkdir(mode=MODE, parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab")


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """Give a short name for a unix socket while the context is open: their paths end at 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def find(directory: Path) -> tuple[Path, Home] | None:
    """Find checkout and home without starting git, for clients that must be fast; None where git has to look."""
    start = directory.resolve()
    for folder in (start, *start.parents):
        if (folder / ".git").is_dir():
            return folder, Home(folder / ".git")
        if (folder / ".git").exists():
            return None
    return None
