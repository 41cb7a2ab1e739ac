"""A production checkout to try things on: real git, the real command line, a small server as the app."""

from __future__ import annotations

import http.client
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from gitrelease.commands.client import Client, end_or_raise
from gitrelease.core.errors import ReleaseError
from gitrelease.core.remedy import Remedy
from gitrelease.edges import backends, process_table, wire
from gitrelease.edges.home import Home
from gitrelease.installation import init
from tests import forked

# A server that starts in a tenth of a second: what is tested here is the release, not Streamlit.
SERVER = """\
import http.server
import sys

TERMS = [
    "revenue",
    "profit",
]
VERSION = "one"


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{VERSION} {' '.join(TERMS)}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""

SETTINGS = """\
[app]
kind = "command"
script = "server.py"
schema = "schema.json"
command = ["{python}", "server.py", "{port}"]

[policy.dictionary]
soak = "300ms"

[policy.schema]
soak = "300ms"

[policy.major]
soak = "300ms"

[limits]
start = "5s"
stop = "1s"
settle = "150ms"

[[region]]
name = "terms"
kind = "dictionary"
assign = "TERMS"
"""

PATIENCE = 20.0  # seconds until something that should happen by itself counts as not happening


_held: dict[int, socket.socket] = {}


def reserved_port() -> int:
    """Return a port that nobody else is given until it is given back; whoever listens with SO_REUSEADDR may."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port = int(held.getsockname()[1])
    _held[port] = held
    return port


def give_back_port(port: int) -> None:
    if (held := _held.pop(port, None)) is not None:
        held.close()


def until(condition: Callable[[], Any], what: str = "it") -> Any:
    """Wait until `condition` is true and return what it gave; fail after `PATIENCE` seconds.

    Looks cost time that what is waited for may need itself: between them is three times as long as they take.
    """
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while (begun := time.monotonic()) < deadline:
        found = condition()
        if found:
            return found
        pause.wait(min(max(0.03, 3 * (time.monotonic() - begun)), 0.3))
    raise AssertionError(f"{what} did not happen within {PATIENCE:g} s")


# What a command says, and an agent, of what nobody has thought of; no test of ours is to see it.
UNEXPECTED = ("This is a bug in gitrelease", "failed unexpectedly")


def on_one_line(said: str) -> str:
    """Return what was said without its line breaks, nor the word that git puts before what a host says."""
    return " ".join(said.replace("remote:", "").split())


class Ended:
    """How a command ended: exit code, standard output and both outputs together."""

    def __init__(self, ran: subprocess.CompletedProcess[str]) -> None:
        self.code = ran.returncode
        self.out = ran.stdout
        self.err = ran.stderr
        self.said = ran.stdout + ran.stderr
        assert not any(words in self.said for words in UNEXPECTED), self.said

    @property
    def words(self) -> str:
        """Both outputs on one line: where lines wrap depends on the host."""
        return on_one_line(self.said)

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


class Clone:
    """A checkout of a person: files, commits, pushes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str, ok: bool = True) -> str:
        ran = subprocess.run(
            ["git", *arguments], cwd=self.root, capture_output=True, text=True, errors="surrogateescape", check=False
        )
        assert ran.returncode == 0 or not ok, f"git {arguments}: {ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def push(self, *arguments: str) -> Ended:
        command = ["git", "push", *(arguments or ("origin", "deploy"))]
        return Ended(subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False))

    def type(
        self, said: str, command: str, *, rest: str = "", env: dict[str, str] | None = None, **filled: str
    ) -> Ended:
        """Type a command, to the letter, that stands in the remedies of what was said, in a shell in this checkout.

        `filled` has what its words in capitals stand for, `rest` what `…` does. `git commit` gets a message.
        """
        lines = [line.removeprefix("remote: ").strip() for line in said.splitlines()]
        pairs = [" ".join(pair) for pair in pairwise(lines)]  # one that is long is broken for who pushes
        commands = {str(one) for line in (*lines, *pairs) for one in Remedy(line.removeprefix("fix: ")).commands}
        assert command in commands, f"{command!r} is none of {sorted(commands)}"
        for word, value in filled.items():
            assert word in command.split(), f"{word} is no word of {command!r}"
            command = " ".join(shlex.quote(value) if one == word else one for one in command.split(" "))
        command = command.replace("…", rest) if rest else command
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        surroundings = {**os.environ, "PATH": path, "GIT_EDITOR": "echo As the remedy says >", **(env or {})}
        ran = subprocess.run(
            ["bash", "-c", command], cwd=self.root, env=surroundings, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=6 * PATIENCE,
        )  # fmt: skip
        return Ended(ran)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def replace(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new))

    def commit(self, message: str = "change", **files: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def commit_term(self, term: str) -> str:
        """Commit one more dictionary term."""
        self.replace("server.py", '"revenue",\n', f'"revenue",\n    "{term}",\n')
        return self.commit(f"Know {term}")

    def commit_version(self, version: str) -> str:
        """Commit a change outside the regions."""
        before = self.read("server.py").split('VERSION = "')[1].split('"')[0]
        self.replace("server.py", f'VERSION = "{before}"', f'VERSION = "{version}"')
        return self.commit(f"Version {version}")


@dataclass(frozen=True)
class Place:
    """Where users find an instance, and what it runs."""

    port: int
    script: str = "server.py"
    group: str = "production"


class Production(Clone):
    """The production checkout: the command line, what serves, what runs."""

    forks: ClassVar[bool] = False  # are commands forked from one interpreter? Tests let them; benchmarks time the start

    def __init__(self, root: Path, port: int) -> None:
        super().__init__(root)
        self.port = port
        self.home = root / ".git" / "gitrelease"
        self.others: dict[str, Place] = {}  # instances beside `primary`

    @property
    def places(self) -> dict[str, Place]:
        """Return every instance by its name."""
        return {"primary": Place(self.port), **self.others}

    def home_of(self, group: str) -> Path:
        """Return where a group of instances has its journal, slots and processes."""
        return self.home if group == "production" else self.home / "groups" / group

    def set_instances(self) -> None:
        """Write the instances into the settings of this host."""
        app = (self.home / "host.toml").read_text().split("[[instance]]")[0]
        tables = [
            f'[[instance]]\nname = "{name}"\nport = {one.port}\nscript = "{one.script}"\ngroup = "{one.group}"\n'
            for name, one in self.places.items()
        ]
        (self.home / "host.toml").write_text(app + "\n".join(tables))

    def gitrelease(self, *arguments: str, env: dict[str, str] | None = None) -> Ended:
        """Run the command line beside the checkout; with an `env` of its own it always gets its own interpreter."""
        words = ["-C", str(self.root), *arguments]
        if self.forks and not env and forked.can_run():
            return Ended(forked.run(words, cwd=self.root.parent, timeout=6 * PATIENCE))
        ran = subprocess.run(
            [sys.executable, "-m", "gitrelease", *words], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, cwd=self.root.parent, env={**os.environ, **(env or {})}, timeout=6 * PATIENCE,
        )  # fmt: skip
        return Ended(ran)

    def init(self) -> Production:
        """Do what the command does, in this process: nearly every test begins with it."""
        init(self.root, branch=None, script=None, schema=None, port=self.port, python=sys.executable)
        return self

    def up(self) -> Production:
        ended = self.gitrelease("up")
        assert ended.code == 0, ended.said + self.agent_log()
        return self

    def status(self) -> dict[str, Any]:
        return self.gitrelease("status", "--json").json

    def state(self) -> dict[str, Any]:
        """Return the status as the agent tells it: cheaper than `status`, for those who wait for something."""
        try:
            return wire.ask(self.home / "run" / "agent.sock", "status", {}, lambda _: None, timeout=PATIENCE)
        except (wire.NoAgent, wire.AgentGone):
            return self.status()

    def live(self) -> str | None:
        """Return the name of the live release, read with plain git."""
        tag = self.git("cat-file", "-p", "refs/gitrelease/live", ok=False)
        return tag.split("tag ")[1].split("\n")[0] if tag else None

    def busy(self) -> bool:
        """Is something under way, or soaking? Asked without a look at refs or files: it is asked many times."""
        try:
            said = wire.ask(self.home / "run" / "agent.sock", "ping", {}, lambda _: None, timeout=PATIENCE)
        except (wire.NoAgent, wire.AgentGone):
            return bool((state := self.status())["lock"] or state["soaking"])
        return bool(said["doing"] or said["soaking"])

    def await_live(self, release: str) -> None:
        until(lambda: self.live() == release, f"{release} goes live")
        # The refs move first, then the traffic and the files.
        until(lambda: not (self.busy() and self.state()["lock"]), "the promotion is over")

    def await_idle(self) -> None:
        """Wait until nothing is under way and nothing soaks."""
        until(lambda: not self.busy(), "an idle production")

    def answer(self, timeout: float = 10.0, *, port: int | None = None) -> str:
        """Ask a public port, the first instance's where none is given, as a user would."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def agent_pid(self) -> int:
        return int((self.home / "run" / "agent.pid").read_text().split()[0])

    def processes(self, group: str = "production") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home_of(group) / "run" / "processes.json").read_text())
        return found

    def backend(self, role: str = "live", instance: str = "primary") -> dict[str, Any]:
        """Return what was written down of the backend that serves an instance, or stands by for it."""
        group = self.places.get(instance, Place(0)).group
        found: dict[str, Any] = self.processes(group)[role]["workers"][instance]["backend"]
        return found

    def backends(self, group: str = "production") -> list[dict[str, Any]]:
        """Return every backend of a group that was written down."""
        written = self.processes(group)
        workers = [one for role in ("live", "standby") if written[role] for one in written[role]["workers"].values()]
        return [one["backend"] for one in (*workers, *written["leaving"])]

    def backend_pid(self) -> int:
        return int(self.backend("live")["identity"]["pid"])

    def front_pid(self) -> int:
        return int(self.processes()["front"]["pid"])

    def marked(self) -> list[int]:
        """Return the pids of all fronts and backends that run for this checkout, of whatever group."""
        homes = [self.home, *(self.home / "groups").glob("*")]
        return [one.pid for home in homes for one in process_table.marked(backends.MARK, str(home))]

    def agent_log(self) -> str:
        log = self.home / "logs" / "agent.log"
        return log.read_text() if log.exists() else ""

    def clone(self, name: str = "developer") -> Clone:
        target = self.root.parent / name
        subprocess.run(["git", "clone", "--quiet", str(self.root), str(target)], check=True)
        return Clone(target)

    def kill(self, pid: int) -> None:
        """Kill one of this production's own processes, and wait until it is gone."""
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        select.select([handle], [], [], PATIENCE)
        os.close(handle)

    def clear_away(self) -> None:
        """End everything that was started here, also where a test has broken the agent; see what the agent has logged.

        Its log has a traceback for what nobody has thought of only.
        """
        client = Client(self.root, Home(self.root / ".git"))
        try:  # as `gitrelease down` does, without the start of one more interpreter
            if client.answers():
                end_or_raise(client.ask("down", {"by": "the tests"}, lambda _: None))
                client.await_agent_end()
            elif client.home.wanted.exists() or any(home.processes.exists() for home in client.home.every()):
                self.gitrelease("down")
        except (wire.NoAgent, wire.AgentGone, ReleaseError, OSError):
            self.gitrelease("down")
        log = self.agent_log()
        shutil.rmtree(self.root, ignore_errors=True)
        for place in self.places.values():
            give_back_port(place.port)
        assert "Traceback" not in log, log


def make_checkout(folder: Path, files: dict[str, str] | None = None) -> Production:
    """Make a repository with the small server in it, on the branch `deploy`; not initialised yet."""
    root = folder / "production"
    root.mkdir()
    production = Production(root, reserved_port())
    production.git("init", "--quiet", "--initial-branch", "deploy")
    for name, text in (files or {"server.py": SERVER, "gitrelease.toml": SETTINGS, "README.md": "The app\n"}).items():
        production.write(name, text)
    production.commit("The app")
    return production


SCRIPTS = (
    SETTINGS.replace('"server.py", "{port}"', '"{script}", "{port}"')
    + """
[[region]]
name = "other_terms"
kind = "dictionary"
file = "other.py"
assign = "TERMS"
"""
)


def make_several(folder: Path) -> Production:
    """Make a production checkout with three instances of two scripts, and two in the group `test`; not up yet."""
    files = {"server.py": SERVER, "gitrelease.toml": SCRIPTS, "README.md": "The app\n"}
    files["other.py"] = SERVER.replace('VERSION = "one"', 'VERSION = "one of the other"')
    production = make_checkout(folder, files)
    production.port = reserved_port()
    production.init()
    production.others = {
        "second": Place(reserved_port()),
        "other": Place(reserved_port(), "other.py"),
        "test-1": Place(reserved_port(), group="test"),
        "test-2": Place(reserved_port(), "other.py", "test"),
    }
    production.set_instances()
    return production
