"""The agent, or the command that does the work itself, is killed at every step; production stays whole.

Each story runs its work once for every point that the work passes, and is killed there as a power cut would. Then the
next command carries on. Users ask all the while. A test holds the lists of points against what the work really passes.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitrelease.edges.faults import FAULT, SIGNAL, TRACE
from tests.checkout import PATIENCE, Clone, Production, until
from tests.formats import OTHER_FORMATS
from tests.whole import Everybody, Users, assert_whole, expected, expected_everywhere

STAGE = ("stage: slot taken", "stage: started", "stage: judged")
RELEASE = (
    "promote: tag written", "intent: before", "intent: done", "refs: before", "refs: done", "traffic: before",
    "traffic: written down, not switched", "traffic: done", "files: before", "files: written, not noted", "files: done",
    "record: before", "record: done", "promote: live, not told",
)  # fmt: skip
BACK = (
    "intent: before", "intent: done", "refs: before", "refs: done", "traffic: before",
    "traffic: written down, not switched", "traffic: done", "files: before", "files: written, not noted", "files: done",
    "record: before", "record: done",
)  # fmt: skip
SOAK = ("soak: before good", "soak: good, not recorded", "soak: recorded")
POINTS = {
    "deploy": (*STAGE, *RELEASE, *SOAK),
    "push": (*STAGE, "push: staged, its ref has not moved", *RELEASE),
    "documents": ("push: staged, its ref has not moved", "settle: before the refs", "settle: before the files",
                  "files: written, not noted", "settle: before the record"),
    "refused": ("stage: slot taken", "stage: started", "turn away: before the refs", "turn away: before the files",
                "files: written, not noted"),
    "rollback": BACK,
    "cold rollback": (*STAGE, *BACK),
    "selective": ("part: committed", *STAGE, *RELEASE),
    "failed soak": BACK,
    "snapshot": ("snapshot: before its tag", "snapshot: before its ref"),
    "restore": ("snapshot: before its tag", "snapshot: before its ref", "restore: before the files",
                "restore: files written"),
    "prune": ("prune: before the refs", "prune: refs dropped", "prune: recorded"),
}  # fmt: skip


class Work:
    """What is done to a production while its agent may be killed: prepare, then the work itself."""

    def __init__(self, production: Production) -> None:
        self.production = production
        self.developer: Clone = production.clone()
        self.count = 0

    def term(self) -> str:
        """Commit a new term on top of production's branch, on the developer's machine; return the commit."""
        self.count += 1
        self.developer.git("fetch", "--quiet", "origin")
        self.developer.git("reset", "--quiet", "--hard", "origin/deploy")
        for script in sorted({place.script for place in self.production.places.values()}):
            self.developer.replace(script, '"revenue",\n', f'"revenue",\n    "term{self.count}",\n')
        return self.developer.commit(f"Know term{self.count}")

    def brought(self, commit: str) -> str:
        """Bring a commit to the production repository, not to its branch."""
        self.developer.push("--force", "origin", f"{commit}:refs/heads/side")
        return commit

    def released(self) -> None:
        """Release one more term, and let it prove good."""
        ended = self.production.gitrelease("deploy", self.brought(self.term()))
        assert ended.code == 0, ended.said
        self.production.await_idle()

    # Each returns the work; what it needs is done before the agent is one that will be killed.

    def deploy(self) -> Callable[[], object]:
        commit = self.brought(self.term())
        return lambda: self.production.gitrelease("deploy", commit)

    def push(self) -> Callable[[], object]:
        self.term()
        return self.developer.push

    def documents(self) -> Callable[[], object]:
        self.count += 1
        self.developer.git("fetch", "--quiet", "origin")
        self.developer.git("reset", "--quiet", "--hard", "origin/deploy")
        self.developer.write("README.md", f"Words {self.count}\n")
        self.developer.commit("Words")
        return self.developer.push

    def refused(self) -> Callable[[], object]:
        """A commit on the host that does not start."""
        self.count += 1

        def commit() -> None:
            self.production.replace("server.py", "import sys", f"import sys{self.count}")
            self.production.git("commit", "--quiet", "-m", "Break it", "server.py")

        return commit

    def rollback(self) -> Callable[[], object]:
        self.released()
        return lambda: self.production.gitrelease("rollback")

    def cold_rollback(self) -> Callable[[], object]:
        self.released()
        self.production.kill(int(self.production.backend("standby")["identity"]["pid"]))
        return lambda: self.production.gitrelease("rollback")

    def selective(self) -> Callable[[], object]:
        self.released()
        return lambda: self.production.gitrelease("rollback", "release/1", "--only", "terms")

    def failed_soak(self) -> Callable[[], object]:
        """A term whose app ends as soon as it is told to, by a file that comes after it was promoted."""
        self.term()
        end = self.production.root.parent / f"end{self.count}"
        self.developer.replace("gitrelease.toml", 'soak = "300ms"', 'soak = "60s"') if self.count == 1 else None
        text = self.developer.read("server.py")
        wait = (
            "    import os, threading, time\n"
            "    def end():\n"
            f"        while not os.path.exists('{end}'):\n"
            "            time.sleep(0.05)\n"
            "        os._exit(3)\n"
            "    threading.Thread(target=end, daemon=True).start()\n"
        )
        start = 'if __name__ == "__main__":\n'
        self.developer.write("server.py", text.partition(start)[0] + start + wait + SERVE)
        commit = self.brought(self.developer.commit("Ends when told to"))
        ended = self.production.gitrelease("deploy", commit, "--approve")
        assert ended.code == 0, ended.said
        return end.touch

    def snapshot(self) -> Callable[[], object]:
        return lambda: self.production.gitrelease("snapshot")

    def restore(self) -> Callable[[], object]:
        self.count += 1
        kept = self.production.gitrelease("snapshot", "--json").json["backup"]
        self.production.write("notes.txt", f"a note that is new {self.count}\n")
        return lambda: self.production.gitrelease("restore", kept or self.newest())

    def newest(self) -> str:
        return self.production.git("tag", "--list", "--sort=-creatordate", "backup/*").split()[0]

    def prune(self) -> Callable[[], object]:
        self.released()
        self.released()
        return lambda: self.production.gitrelease("prune", "--keep", "1")


CUTS_OFF = {"failed soak", "group failed soak", "backend ends"}

SERVE = '    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()\n'


@pytest.fixture
def work(production: Production) -> Work:
    return work_on(production)


def work_on(production: Production) -> Work:
    """Return what can be done to a production with two good releases and a note that is in no commit."""
    production.git("config", "receive.denyCurrentBranch", "updateInstead")
    made = Work(production)
    made.released()
    production.write("notes.txt", "a note that is in no commit\n")
    return made


def with_agent(production: Production, env: dict[str, str]) -> int:
    """Let an agent with this environment serve; return its pid."""
    production.kill(production.agent_pid())
    ended = production.gitrelease("up", env=env)
    assert ended.code == 0, ended.said + production.agent_log()
    return production.agent_pid()


def ends(pid: int) -> bool:
    """Wait until the process has ended; False where it does not."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], PATIENCE)[0])
    finally:
        os.close(handle)


def kill_at(work: Work, name: str, point: str) -> int:
    """Kill the agent at a point of a work; fail unless production is whole. Returns how many requests there were."""
    production = work.production
    doing = getattr(work, name.replace(" ", "_"))()
    before = expected_everywhere(production)
    agent = with_agent(production, {FAULT: point})
    with Everybody(production) as users:
        doing()
        assert ends(agent), f"{point}: the agent did not come by\n{production.agent_log()}"
        carried_on = production.gitrelease("up")
        assert carried_on.code == 0, f"{point}: {carried_on.said}{production.agent_log()}"
        production.await_idle()
        until(lambda: production.git("diff", "--name-only", "HEAD") == "", f"{point}: the files follow")
        after = expected_everywhere(production)
        for instance, asking in users.of.items():
            asking.came(after[instance])
    # An app that ends itself, or is ended, may have one user inside; nobody else is turned away.
    assert len(users.failed) <= (name in CUTS_OFF), f"{point}: {users.failed}"
    cut = ("ConnectionReset", "RemoteDisconnected")
    assert all(failed.split(": ", 1)[1].startswith(cut) for failed in users.failed), f"{point}: {users.failed}"
    for instance, asking in users.of.items():
        assert set(asking.answers) <= {before[instance], after[instance]}, f"{point}: {instance}"
    assert_whole(production, point)
    assert "note that is" in production.read("notes.txt"), point
    return users.requests


# What goes live takes the same steps whatever brought it: here a push and its like are killed where they differ, and
# around the moving of the refs; before a step all is as it was after the last one. `python -m tests.benchmarks.kills`
# takes every point of every work.
_AGAIN = ("intent: before", "refs: before", "traffic: before", "files: before", "record: before")
ELSEWHERE = {
    "deploy": tuple(point for point in POINTS["deploy"] if point not in _AGAIN),
    "rollback": tuple(point for point in BACK if point not in _AGAIN),
    "push": ("push: staged, its ref has not moved", "refs: done"),
    "cold rollback": ("stage: started", "refs: done"),
    "selective": ("part: committed", "refs: done"),
}


@pytest.mark.parametrize("name", POINTS)
def test_an_agent_that_is_killed_at_any_point_leaves_production_whole(work: Work, name: str) -> None:
    for point in ELSEWHERE.get(name, POINTS[name]):
        kill_at(work, name, point)


@pytest.mark.parametrize(("variable", "value", "shown"), OTHER_FORMATS)
def test_where_refs_move_an_agent_can_be_killed_in_a_repository_of_another_format(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
) -> None:
    monkeypatch.setenv(variable, value)
    work = work_on(request.getfixturevalue("production"))
    assert work.production.git("rev-parse", shown) == value

    for name, point in (
        ("push", "push: staged, its ref has not moved"),
        ("push", "refs: before"),
        ("push", "refs: done"),
        ("rollback", "refs: done"),
        ("snapshot", "snapshot: before its ref"),
        ("prune", "prune: refs dropped"),
    ):
        kill_at(work, name, point)


@pytest.mark.parametrize("name", POINTS)
def test_these_are_the_points_that_the_work_passes(work: Work, name: str, tmp_path: Path) -> None:
    assert passed(work, name, POINTS[name], tmp_path / "trace") == list(POINTS[name])


BY_ITSELF = ("soak:", "retire:", "up:", "inbox:")  # these are passed sooner or later, whatever is done


def passed(work: Work, name: str, points: tuple[str, ...], trace: Path) -> list[str]:
    """Return the points that a work passes, in order; those of what comes by itself only where they are listed."""
    doing = getattr(work, name.replace(" ", "_"))()
    with_agent(work.production, {TRACE: str(trace)})
    doing()
    until(lambda: trace.exists() and points[-1] in trace.read_text().splitlines(), f"{name} ends")
    work.production.await_idle()
    found = dict.fromkeys(trace.read_text().splitlines())
    return [point for point in found if point in points or not point.startswith(BY_ITSELF)]


# -- others are killed while the agent stands at a point -----------------------------------------------------------

HELD = ("stage: started", "traffic: written down, not switched")


@pytest.mark.parametrize("point", HELD)
@pytest.mark.parametrize("victim", ["client", "front", "live", "standby"])
def test_whoever_else_is_killed_in_a_release_leaves_production_whole(work: Work, victim: str, point: str) -> None:
    production = work.production
    commit = work.brought(work.term())
    before = expected(production, "refs/gitrelease/live")
    agent = with_agent(production, {FAULT: point, SIGNAL: "STOP"})
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "deploy", commit]
    with Users(production) as users:
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        until(lambda: stands(agent), f"the agent stands at {point}")
        pids = production.processes()
        killed_pid = {
            "client": lambda: client.pid,
            "front": lambda: pids["front"]["pid"],
            "live": lambda: pids["live"]["workers"]["primary"]["backend"]["identity"]["pid"],
            "standby": lambda: pids["standby"]["workers"]["primary"]["backend"]["identity"]["pid"],
        }[victim]()
        os.kill(killed_pid, signal.SIGKILL)
        os.kill(agent, signal.SIGCONT)
        said, _ = client.communicate(timeout=PATIENCE)
        assert victim == "client" or client.returncode == 0, said
        production.await_idle()
        users.came(expected(production, "refs/gitrelease/live"))
    # Who was inside what was killed is cut off; nobody else is turned away, and nobody is refused.
    assert len(users.failed) <= (victim in ("front", "live")), users.failed
    assert not [failed for failed in users.failed if "Refused" in failed]
    assert set(users.answers) <= {before, expected(production, commit)}
    assert_whole(production, f"{victim} at {point}")


def test_a_commit_that_somebody_makes_just_then_does_not_stop_a_rollback(work: Work) -> None:
    production = work.production
    deployed = production.gitrelease("deploy", work.brought(work.term()))
    assert deployed.code == 0, deployed.said
    agent = with_agent(production, {FAULT: "refs: before", SIGNAL: "STOP"})
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "rollback"]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: stands(agent), "the agent stands before the refs")
    production.git("commit", "--quiet", "--allow-empty", "-m", "Just then")
    commit = production.git("rev-parse", "HEAD")
    os.kill(agent, signal.SIGCONT)
    said, _ = client.communicate(timeout=PATIENCE)

    assert client.returncode == 0, said
    production.await_idle()
    assert production.git("rev-parse", f"refs/gitrelease/kept/{commit}") == commit
    assert_whole(production, "a commit during a rollback")


def stands(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


# -- commands that do the work themselves ----------------------------------------------------------------------------

INIT = ("init: what was is written down", "init: on the branch", "init: settings written", "init: before the hooks",
        "init: hooks installed", "init: written down")  # fmt: skip
RECOVER = ("recover: locks", "recover: settings back", "recover: branch", "recover: settings", "recover: pointers",
           "recover: files", "recover: slots")  # fmt: skip


def killed(production: Production, point: str, *arguments: str) -> None:
    """Run a command that is killed at `point`."""
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), *arguments]
    ended = subprocess.run(command, env={**os.environ, FAULT: point}, capture_output=True, check=False)
    assert ended.returncode == -9, f"{point}: {ended.stdout!r}{ended.stderr!r}"


@pytest.mark.parametrize("point", INIT)
def test_an_init_that_is_killed_can_be_repeated_and_taken_back(checkout: Production, point: str) -> None:
    checkout.git("checkout", "--quiet", "-b", "main")
    checkout.git("branch", "--quiet", "-D", "deploy")
    (checkout.root / ".git" / "hooks" / "update").write_text("#!/bin/sh\nexit 0\n")
    (checkout.root / ".git" / "hooks" / "update").chmod(0o755)
    before = (
        checkout.git("config", "--local", "--list"),
        checkout.git("for-each-ref"),
        checkout.git("symbolic-ref", "HEAD"),
    )

    killed(checkout, point, "init", "--port", str(checkout.port), "--python", sys.executable)
    checkout.init().up()
    assert checkout.answer() == "one revenue profit"
    assert checkout.gitrelease("down").code == 0
    assert checkout.gitrelease("uninstall").code == 0

    after = (
        checkout.git("config", "--local", "--list"),
        checkout.git("for-each-ref"),
        checkout.git("symbolic-ref", "HEAD"),
    )
    assert after[0] == before[0]
    assert [line for line in after[1].splitlines() if "release/1" not in line] == before[1].splitlines()
    assert after[2] == before[2]
    assert (checkout.root / ".git" / "hooks" / "update").read_text() == "#!/bin/sh\nexit 0\n"


def test_a_recover_that_is_killed_at_any_point_can_be_repeated(work: Work) -> None:
    production = work.production
    for point in RECOVER:
        (production.root / ".git" / "index.lock").touch()
        production.write("server.py", "half of it")
        production.git("update-ref", "-d", "refs/gitrelease/live")

        killed(production, point, "recover")
        ended = production.gitrelease("recover")

        assert ended.code == 0, f"{point}: {ended.said}"
        production.await_idle()
        assert_whole(production, point)
        assert production.git("show", f"{work.newest()}:server.py") == "half of it"
