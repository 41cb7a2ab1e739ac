"""How fast is a release, a rollback, an edit, a look? `python -m tests.benchmarks.releases [--json] [--app DIR]`.

Every figure stands beside the app's own cold start to its first finished script run and beside the guide's
own procedure, measured in the same run. Prints a table, or JSON. Takes about five minutes; run it on an idle
machine. `--app` names a checkout whose FinDocPipeline.py (as committed there) is released instead of the
sample app; its interpreter comes from `--python`. `--quick` leaves out what needs minutes: to compare two states.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from gitrelease.demo.guide import deploy_dictionary
from gitrelease.edges import backends, inside, processes
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.slots import Slots
from gitrelease.world import open_world
from tests.benchmarks.users import Users
from tests.checkout import Clone, make_checkout, until
from tests.hermetic import be_hermetic

SAMPLE = Path(__file__).parents[2] / "gitrelease" / "demo" / "app"
Row = dict[str, Any]


class Bench:
    """A production checkout of the app, and what is measured on it."""

    def __init__(self, folder: Path, app: Path | None, python: str) -> None:
        self.python = python
        files = _committed(app) if app else _sample()
        self.production = make_checkout(folder, files)
        ended = self.production.gitrelease("init", "--port", str(self.production.port), "--python", python)
        assert ended.code == 0, ended.said
        self.production.up()
        self.developer: Clone = self.production.clone()
        self.rows: list[Row] = []
        self.cold = 0.0
        self._terms = 0
        self._rolled_back: list[str] = []

    def row(self, name: str, value: float, unit: str, target: str = "", note: str = "") -> None:
        shown: Row = {"name": name, "value": round(value, 4), "unit": unit, "target": target, "note": note}
        if unit == "s" and self.cold:
            shown["of_cold_start"] = round(value / self.cold, 2)
        self.rows.append(shown)
        print(f"{name:<46} {value:>9.3f} {unit:<4} {target:<18} {note}", file=sys.stderr, flush=True)

    # -- what is measured --------------------------------------------------------------------------------------

    def measure_cold_start(self) -> None:
        """From spawn to the end of the first script run that a real session asked for."""
        self.cold = statistics.median(self._cold_start() for _ in range(5))
        self.row("cold start to the first finished script run", self.cold, "s")

    def _cold_start(self) -> float:
        world = open_world(self.production.root)
        slot = Slots(world.git, world.home.slots).take(world.git.resolve("HEAD") or "", shared=(), names=("e",))
        begun = time.monotonic()
        backend = backends.start(world.settings, slot, checkout=world.git.root, home=world.home, name="cold")
        slot.release()
        cancel = Cancel()
        with inside.session(
            world.python, home=world.home.root, endpoint=backend.endpoint, deadline=60, cwd=slot.path
        ) as session:
            session.wait(begun + 60, cancel)
            spent = time.monotonic() - begun
            assert inside.session_result(session).status == "passed"
        cancel.close()
        processes.stop(backend.identity, grace=5)
        return spent

    def push(self) -> float:
        """Push one more dictionary term, without what was rolled back; return the seconds of `git push`."""
        self._terms += 1
        script = self.developer.read("FinDocPipeline.py")
        for term in self._rolled_back:
            script = script.replace(f'"{term}", ', "")
        self._rolled_back.clear()
        marker = "financial_terms = ["
        self.developer.write("FinDocPipeline.py", script.replace(marker, f'{marker}"bench term {self._terms}", ', 1))
        self.developer.commit(f"Term {self._terms}")
        begun = time.monotonic()
        pushed = self.developer.push()
        spent = time.monotonic() - begun
        assert pushed.code == 0, pushed.said
        return spent

    def _rollback(self) -> None:
        self._gitrelease("rollback")
        self._rolled_back.append(f"bench term {self._terms}")

    def measure_push(self) -> None:
        times = [self._when_idle(self.push) for _ in range(7)]
        self.row("push to live, dictionary, idle", statistics.median(times), "s", "<= 1.4 x cold")

    def measure_rollback(self, times: int = 5) -> None:
        warm: list[float] = []
        for _ in range(times):
            self.push()
            warm.append(self._when_idle(lambda: self._timed(self._rollback)))
        self.row("rollback, warm standby, whole command", statistics.median(warm), "s", "<= 0.2 s")
        cold: list[float] = []
        for _ in range(5):
            self._when_idle(self.push)
            standby = self.production.backend("standby")["identity"]["pid"]
            self.production.kill(standby)
            cold.append(self._when_idle(lambda: self._timed(self._rollback)))
        self.row("rollback, no standby, whole command", statistics.median(cold), "s", "<= 1.2 x cold")

    def measure_edit(self, count: int = 3) -> None:
        times: list[float] = []
        for number in range(count):
            before = self.production.live()
            script = self.production.read("FinDocPipeline.py")
            begun = time.monotonic()
            self.production.write(
                "FinDocPipeline.py", script.replace("financial_terms = [", f'financial_terms = ["edited {number}", ', 1)
            )
            until(lambda before=before: self.production.live() != before)
            times.append(time.monotonic() - begun)
            until(lambda: not self.production.git("status", "--porcelain", "-uno"))
        self.row("edit to live", statistics.median(times), "s", "<= 2 x cold")
        self._catch_up()

    def measure_load(self, deploys: int = 20, rollbacks: int = 10) -> None:
        """Deploys and rollbacks in a row under 200 new connections a second, a websocket session held open."""
        with Users(self.production.port, 200) as users:
            with websocket(self.production.port) as session:
                begun = time.monotonic()
                self.push()
                self.row("websocket session after a promotion", float(alive(session)), "1=yes", "1")
            loaded = [self.push() for _ in range(deploys - 1)]
            for _ in range(rollbacks):
                self._rollback()
                self.push()
            spent = time.monotonic() - begun
        note = f"{users.asked} asked in {spent:.0f} s, longest gap {users.longest_gap_ms:.0f} ms"
        self.row(f"failed of 200/s, {deploys + rollbacks} deploys, {rollbacks} rollbacks", users.failed, "", "0", note)
        self.row("push to live under 200/s", statistics.median(loaded), "s")

    def measure_idle(self, seconds: float = 20.0) -> None:
        until(lambda: not self.production.status()["soaking"])
        agent = psutil.Process(self.production.agent_pid())
        front = psutil.Process(self.production.front_pid())
        cancel = Cancel()
        before = sum(sum(one.cpu_times()[:2]) for one in (agent, front))
        cancel.wait([], seconds)
        after = sum(sum(one.cpu_times()[:2]) for one in (agent, front))
        cancel.close()
        self.row("idle CPU of agent and front", 100 * (after - before) / seconds, "%", "< 1 %")
        self.row("agent, resident", agent.memory_info().rss / 1e6, "MB", "<= 60 MB")
        self.row("front, resident", front.memory_info().rss / 1e6, "MB", "<= 25 MB")

    def measure_looks(self) -> None:
        self._thousand_releases()
        for arguments, target in ((("--help",), "<= 0.15 s"), (("status",), "<= 0.2 s"), (("history",), "")):
            times = [self._timed(lambda arguments=arguments: self._gitrelease(*arguments)) for _ in range(7)]
            note = "with 1,000 releases" if arguments != ("--help",) else ""
            self.row(f"gitrelease {' '.join(arguments)}", statistics.median(times), "s", target, note)

    def measure_hooks(self) -> None:
        """A commit of a document, and a push of another branch, with hooks and without."""
        clone = self.production.clone("hooks")
        for name, act in (
            ("commit", self._commit_document),
            ("push of another branch", lambda: self._push_other(clone)),
        ):
            pairs = [(self._timed(act), self._without_hooks(act)) for _ in range(15)]
            added = statistics.median(1000 * (with_hooks - without) for with_hooks, without in pairs)
            self.row(f"{name}, added by the hooks", added, "ms", "<= 10 ms")

    def measure_guide(self, folder: Path) -> None:
        copy = folder / "guide"
        subprocess.run(["git", "clone", "--quiet", str(self.production.root), str(copy)], check=True)
        changed = folder / "changed.py"
        changed.write_text(self.production.read("FinDocPipeline.py") + "\n# changed\n")
        guide = deploy_dictionary(copy, python=Path(self.python), term_file=changed)
        note = f"{guide.seen.failed} of {guide.seen.asked} failed at 50/s, a hole of {guide.seen.longest_gap:.1f} s"
        self.row("the guide's own dictionary procedure", guide.seconds, "s", "", note)

    def _when_idle(self, act: Callable[[], float]) -> float:
        """Act once nothing else is at work: the backend before last has ended, the agent has looked around."""
        slots = str(self.production.root / ".git" / "gitrelease" / "slots")

        def backends() -> int:
            return sum(slots in " ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))

        until(lambda: backends() <= 2)  # live and standby
        agent = psutil.Process(self.production.agent_pid())

        def rests() -> bool:
            before = sum(agent.cpu_times()[:2])
            agent_rests.wait([], 0.15)
            return sum(agent.cpu_times()[:2]) == before

        agent_rests = Cancel()
        until(rests)
        agent_rests.close()
        return act()

    # -- parts -------------------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Bring the developer's clone to where production is after rollbacks and edits."""
        self.developer.git("fetch", "--quiet")
        self.developer.git("reset", "--quiet", "--hard", "origin/deploy")

    def _gitrelease(self, *arguments: str) -> None:
        ended = self.production.gitrelease(*arguments)
        assert ended.code == 0, ended.said

    def _timed(self, act: Callable[[], Any]) -> float:
        begun = time.monotonic()
        act()
        return time.monotonic() - begun

    def _commit_document(self) -> None:
        self.production.write("README.md", f"{time.monotonic_ns()}\n")
        self.production.git("add", "README.md")
        self.production.git("commit", "--quiet", "-m", "Document")

    def _push_other(self, clone: Clone) -> None:
        clone.git("commit", "--quiet", "--allow-empty", "-m", "elsewhere")
        clone.git("push", "--quiet", "origin", "HEAD:elsewhere")

    def _without_hooks(self, act: Callable[[], Any]) -> float:
        hooks = self.production.root / ".git" / "hooks"
        aside = hooks.with_name("hooks-aside")
        hooks.rename(aside)
        try:
            return self._timed(act)
        finally:
            aside.rename(hooks)

    def _thousand_releases(self) -> None:
        git = open_world(self.production.root).git
        tag = git.run("cat-file", "tag", "refs/gitrelease/live").decode()
        number = int(tag.split("tag release/")[1].split("\n")[0])
        lines = []
        for older in range(10_000, 11_000):
            text = tag.replace(f"tag release/{number}\n", f"tag release/{older}\n")
            name = git.text("hash-object", "-t", "tag", "-w", "--stdin", stdin=text.encode())
            lines.append(f"create refs/tags/release/{older} {name}")
        git.run("update-ref", "--stdin", stdin="\n".join(lines).encode() + b"\n")


@contextmanager
def websocket(port: int) -> Iterator[socket.socket]:
    """Open a session as a browser does, and keep it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: streamlit\r\n\r\n".encode()
        )
        assert b" 101 " in connection.recv(4096)
        yield connection


def alive(session: socket.socket) -> bool:
    """Does the other end of a websocket answer a ping?"""
    mask = os.urandom(4)
    session.sendall(b"\x89\x80" + mask)
    session.settimeout(5)
    try:
        received = session.recv(65536)
        while received and b"\x8a\x00" not in received:
            received += session.recv(65536)
    except TimeoutError:
        return False
    return bool(received)


def _sample() -> dict[str, str]:
    paths = [path for path in SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    names = {path: path.relative_to(SAMPLE).as_posix().replace("gitignore", ".gitignore") for path in paths}
    return {name: path.read_text() for path, name in names.items()}


def _committed(app: Path) -> dict[str, str]:
    listed = (
        subprocess.run(["git", "ls-files", "-z"], cwd=app, capture_output=True, check=True).stdout.decode().split("\0")
    )
    return {name: (app / name).read_text(errors="replace") for name in listed if name}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--app", type=Path)
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--quick", action="store_true", help="no hooks, no guide, no long history; a shorter load")
    given = options.parse_args()
    be_hermetic()
    with tempfile.TemporaryDirectory(prefix="gitrelease-bench-") as name:
        bench = Bench(Path(name), given.app, given.python)
        try:
            bench.measure_cold_start()
            bench.measure_push()
            bench.measure_rollback(9 if given.quick else 5)
            bench.measure_edit(9 if given.quick else 3)
            if given.quick:
                bench.measure_load(deploys=6, rollbacks=3)
            else:
                bench.measure_load()
                bench.measure_idle()
                bench.measure_hooks()
                bench.measure_guide(Path(name))
                bench.measure_looks()
        finally:
            bench.production.clear_away()
    if given.json:
        print(json.dumps({"schema": 1, "figures": bench.rows}))


if __name__ == "__main__":
    main()
