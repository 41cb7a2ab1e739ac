"""A pusher who is cut off, gives up or is suspended: the release completes or never starts, and nothing stays behind.

Over a local path a signal meets the hooks as well; over ssh it meets the client alone, and nobody tells the hooks.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gitrelease.edges import backends, process_table
from tests.checkout import Clone, Production, on_one_line, until
from tests.sshd import running_sshd, sshd_program

MAIN = 'if __name__ == "__main__":\n'
CUTS = [pytest.param(signal.SIGKILL, id="killed"), pytest.param(signal.SIGINT, id="ctrl-c")]
POINTS = ["waiting", "staging", "staged", "moved"]


class Gate:
    """Where somebody waits until the test lets him go on: a named pipe that is read to its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = -1
        os.mkfifo(path)

    def await_arrival(self) -> None:
        until(self._hold, f"somebody is at the gate {self.path.name}")

    def _hold(self) -> bool:
        try:
            self._held = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody reads yet
                raise
            return False
        return True

    def open(self) -> None:
        """Let him go, and whoever comes later."""
        self.path.unlink(missing_ok=True)
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


class Pushing:
    """A push that is under way, in a process group of its own."""

    def __init__(self, developer: Clone, log: Path, *arguments: str) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["git", "push", "-o", "approve", *arguments], cwd=developer.root, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def said(self) -> str:
        return self._log.read_text()

    def send(self, number: signal.Signals) -> None:
        os.killpg(self._process.pid, number)

    def cut_off(self, number: signal.Signals) -> None:
        self.send(number)
        self._process.wait()

    def ends(self) -> int:
        until(lambda: self._process.poll() is not None, "the push ends")
        return self._process.wait()

    def clear_away(self) -> None:
        if self._process.poll() is None:
            self.send(signal.SIGKILL)
            self._process.wait()


class Scene:
    """A production checkout, the road that pushes take to it, and what is under way there."""

    def __init__(self, production: Production, url: str) -> None:
        self.production = production
        self.url = url
        self.local = not url.startswith("ssh:")
        self._folder = production.root.parent
        self._gates: list[Gate] = []
        self._pushes: list[Pushing] = []

    def gate(self, name: str) -> Gate:
        gate = Gate(self._folder / f"{name}.gate")
        self._gates.append(gate)
        return gate

    def developer(self, name: str) -> Clone:
        developer = self.production.clone(name)
        developer.git("remote", "set-url", "origin", self.url)
        return developer

    def push(self, developer: Clone, *arguments: str) -> Pushing:
        pushing = Pushing(developer, self._folder / f"push-{len(self._pushes)}.log", *arguments)
        self._pushes.append(pushing)
        return pushing

    def hook(self, name: str, when: str, gate: Gate) -> None:
        """Install a hook of the host's own that stops at `gate` when the shell says yes to `when`."""
        hook = self.production.root / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\nif {when} && [ -p {gate.path} ]; then cat {gate.path}; fi\n")
        hook.chmod(0o755)

    def open_gates(self) -> None:
        for gate in self._gates:
            gate.open()

    def clear_away(self) -> None:
        self.open_gates()
        for pushing in self._pushes:
            pushing.clear_away()

    # -- what must be true afterwards -------------------------------------------------------------------------------

    def assert_settled(self) -> None:
        """Nothing is held, nothing is left over, and production serves one release, whole."""
        production = self.production
        until(lambda: production.state()["lock"] is None, "the turn is free")
        until(lambda: not self.left_over(), f"the end of what is left over: {self.left_over()}")
        production.await_idle()
        live = production.live()
        source = re.search(
            "^Source: ([0-9a-f]{40,64})$", production.git("cat-file", "-p", "refs/gitrelease/live"), re.M
        )
        assert source is not None
        assert production.git("rev-parse", "refs/gitrelease/live") == production.git("rev-parse", f"refs/tags/{live}")
        assert production.git("rev-parse", "deploy") == source[1]
        assert production.git("status", "--porcelain") == ""
        assert production.answer() == served_by(production.git("show", f"{live}:server.py"))
        assert self.locks() == []

    def locks(self) -> list[str]:
        """Return the locks of git that lie in the repository."""
        folder = self.production.root / ".git"
        return [str(path) for path in folder.rglob("*.lock") if folder / "gitrelease" not in path.parents]

    def left_over(self) -> list[str]:
        """Return what runs for this production and is neither its agent nor its front nor a backend of its own."""
        production = self.production
        ours = (one["identity"]["pid"] for one in production.backends())
        known = {production.agent_pid(), production.front_pid(), os.getpid(), *ours}
        marked = {one.pid for one in process_table.marked(backends.MARK, str(production.home))}
        found = []
        for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
            command = " ".join(process.info["cmdline"] or [])
            inside = str(process.info["cwd"] or "").startswith(str(production.root))
            if (inside or str(production.root) in command or process.pid in marked) and process.pid not in known:
                found.append(f"{process.pid}: {command}")
        return found


def served_by(source: str) -> str:
    """Return what a user reads of the server whose source this is."""
    version = re.search('VERSION = "(.*)"', source)
    assert version is not None
    return " ".join([version[1], *re.findall('^    "(.*)",$', source, re.M)])


@pytest.fixture(params=["local", "ssh"])
def road(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where pushes go to: the path of the checkout, or the same by way of an sshd."""
    if request.param == "local":
        yield str(tmp_path / "production")
        return
    program = sshd_program()
    if program is None:
        pytest.skip("needs sshd")
    with running_sshd(tmp_path / "sshd", program) as sshd:
        monkeypatch.setenv("GIT_SSH_COMMAND", sshd.command)
        yield sshd.url(tmp_path / "production")


@pytest.fixture
def scene(production: Production, road: str) -> Iterator[Scene]:
    scene = Scene(production, road)
    yield scene
    scene.clear_away()


def commit_behind(developer: Clone, gate: Gate) -> str:
    """Commit a version that does not listen before `gate` opens."""
    wait = f'    import os\n    if os.path.exists("{gate.path}"):\n        open("{gate.path}").read()\n'
    developer.replace("server.py", MAIN, MAIN + wait)
    return developer.commit_version("two")


def push_as_far_as(scene: Scene, point: str) -> tuple[Pushing, Gate]:
    """Push, until the push is at `point`; it goes on when the gate opens."""
    gate = scene.gate(point)
    ann, ben = scene.developer("ann"), scene.developer("ben")
    if point == "waiting":
        commit_behind(ann, gate)
        scene.push(ann, "origin", "deploy")
        gate.await_arrival()
        ben.commit_term("too late")
        pushing = scene.push(ben, "origin", "deploy")
        until(lambda: "another release is under way" in pushing.said(), "the push waits")
        return pushing, gate
    if point == "staging":
        commit_behind(ann, gate)
        pushing = scene.push(ann, "origin", "deploy")
    elif point == "staged":
        # All hooks of an atomic push run before any of its refs moves.
        scene.hook("update.chained", '[ "$1" = refs/heads/second ]', gate)
        ann.commit_version("two")
        pushing = scene.push(ann, "--atomic", "origin", "deploy", "HEAD:second")
    else:
        scene.hook("post-receive.chained", "true", gate)
        ann.commit_version("two")
        pushing = scene.push(ann, "origin", "deploy")
    gate.await_arrival()
    return pushing, gate


def assert_next_push_is_live(scene: Scene, term: str = "afterwards") -> None:
    developer = scene.developer(term)
    developer.commit_term(term)
    pushed = developer.push()
    assert pushed.code == 0, pushed.said
    assert term in scene.production.answer()


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("cut", CUTS)
def test_a_push_that_is_cut_off_completes_or_never_starts(scene: Scene, cut: signal.Signals, point: str) -> None:
    pushing, gate = push_as_far_as(scene, point)

    pushing.cut_off(cut)

    if scene.local and point in ("staging", "staged"):
        until(lambda: scene.production.status()["lock"] is None, "the turn is free at once")
    gate.open()
    scene.assert_settled()
    if point in ("waiting", "moved"):
        assert scene.production.live() == "release/2"
        assert "too late" not in scene.production.answer()
    elif scene.local:
        assert scene.production.live() == "release/1"
    assert_next_push_is_live(scene)
    scene.assert_settled()


@pytest.fixture
def impatient(checkout: Production, road: str) -> Iterator[Scene]:
    """A production that waits a second for a push to go on."""
    checkout.replace("gitrelease.toml", "[limits]\n", '[limits]\nwait = "1s"\n')
    checkout.commit("Wait a second")
    checkout.init().up()
    checkout.await_idle()
    scene = Scene(checkout, road)
    yield scene
    scene.clear_away()


@pytest.mark.parametrize("point", POINTS)
def test_a_pusher_who_is_suspended_keeps_nobody_waiting(impatient: Scene, point: str) -> None:
    scene = impatient
    pushing, gate = push_as_far_as(scene, point)

    pushing.send(signal.SIGSTOP)

    if scene.local or point != "staged":
        gate.open()
    until(lambda: scene.production.status()["lock"] is None, "the turn is free")
    assert_next_push_is_live(scene, "meanwhile")
    gate.open()
    pushing.send(signal.SIGCONT)
    pushing.ends()
    scene.assert_settled()
    assert "meanwhile" in scene.production.answer()
    assert_next_push_is_live(scene)


def test_a_suspended_client_whose_output_is_full_stops_no_hook_for_good(impatient: Scene) -> None:
    """The hook gives up telling him, the agent waiting for him. A local pusher stops the hooks with himself."""
    scene = impatient
    gate = scene.gate("full")
    flood = scene.production.root.parent / "flood.py"
    flood.write_text(FLOOD)
    hook = scene.production.root / ".git" / "hooks" / "update.chained"
    hook.write_text(f"#!/bin/sh\nif [ -p {gate.path} ]; then cat {gate.path}; {sys.executable} {flood}; fi\n")
    hook.chmod(0o755)
    developer = scene.developer("ann")
    developer.commit_version("two")
    pushing = scene.push(developer, "origin", "deploy")
    gate.await_arrival()

    pushing.send(signal.SIGSTOP)

    gate.open()
    if not scene.local:
        until(lambda: scene.production.status()["lock"], "the hook has the push staged")
        until(lambda: not any("hook update" in line for line in scene.left_over()), "the hook of ours ends")
    until(lambda: scene.production.status()["lock"] is None, "the turn is free")
    assert_next_push_is_live(scene)
    pushing.cut_off(signal.SIGKILL)
    scene.assert_settled()


def test_an_approval_is_heard_on_every_road(scene: Scene) -> None:
    developer = scene.developer("ann")
    developer.commit_version("two")

    without = developer.push()
    approved = scene.push(developer, "origin", "deploy")

    assert "needs approval" in without.words
    assert approved.ends() == 0
    assert "release/2 is live" in on_one_line(approved.said())
    assert scene.production.answer().startswith("two")


def test_an_agent_that_a_push_has_started_holds_no_session_open_and_outlives_it(scene: Scene) -> None:
    scene.production.kill(scene.production.agent_pid())
    developer = scene.developer("ann")
    developer.commit_term("revived")
    pushing = scene.push(developer, "origin", "deploy")

    assert pushing.ends() == 0

    scene.assert_settled()
    assert "revived" in scene.production.answer()
    assert scene.production.status()["agent"]["running"]


def test_a_local_push_that_is_killed_while_git_moves_the_branch_leaves_no_lock_of_gits(production: Production) -> None:
    """git removes its locks when it is told to end, and cannot when it is killed: every later push would be refused."""
    scene = Scene(production, str(production.root))
    gate = scene.gate("moving")
    # What git has prepared it holds the locks for: those of the branch, and of HEAD, which is on it.
    scene.hook("reference-transaction", '[ "$1" = prepared ]', gate)
    developer = scene.developer("ann")
    developer.commit_version("two")
    pushing = scene.push(developer, "origin", "deploy")
    gate.await_arrival()
    assert len(scene.locks()) == 2

    pushing.cut_off(signal.SIGKILL)

    gate.open()
    scene.assert_settled()
    assert production.live() == "release/1"
    assert_next_push_is_live(scene)


def test_the_push_of_one_who_goes_on_too_late_is_looked_at_once_more_with_its_approval(impatient: Scene) -> None:
    scene = impatient
    pushing, gate = push_as_far_as(scene, "staged")
    pushing.send(signal.SIGSTOP)
    until(lambda: scene.production.status()["lock"] is None, "the turn is free")

    gate.open()
    pushing.send(signal.SIGCONT)

    assert pushing.ends() == 0
    assert "it was cut off in the middle" in " ".join(pushing.said().replace("remote:", "").split())
    assert scene.production.live() == "release/2"
    assert scene.production.answer().startswith("two")
    scene.assert_settled()


# Writes until nobody has read for half a second; a pipe that takes a page can be written to without waiting.
FLOOD = """\
import os, select

poll = select.poll()
poll.register(1, select.POLLOUT)
while poll.poll(500):
    os.write(1, b"x" * 1000 + b"\\n")
"""
